"""`cost`: tells what 1,000 conversations cost, by use and list prices, beside a container that is always there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ops.cli.frame import FOUND, Outcome, operates
from ops.cli.metering import NO_METRIC, custom_metrics, metered, stored
from ops.costs import (
    DAYS_A_MONTH,
    PRICES,
    Bill,
    Prices,
    Shape,
    added,
    beside_functions,
    container_month,
    fixed_month,
    times,
)
from ops.deployment import ROOT
from ops.template import load_template

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ops.desk import Desk

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
# Of a question, as `python -m bench cost` measured it; only the number of a container's tasks hangs on it.
PROCESSOR_S = 0.03
_OF_TIME = ("alarms", "dashboards", "secrets", "kms_keys", "nat_hours", "ipv4_hours")


@click.command()
@operates
@click.option("--days", default=7, show_default=True, type=click.IntRange(1, 90), help="Of so many days until now.")
@click.option("--region", default="", metavar="NAME", help="Use this region's prices; by default where the stack is.")
@click.option("--prices", "file", default=PRICES, type=_FILE, help="Use this price table, not the packaged one.")
def cost(desk: Desk, *, days: int, region: str, file: Path) -> Outcome:
    """Tell what 1,000 conversations cost, what the deployment costs when nobody writes, and what a container would.

    Amounts are what CloudWatch counted, prices are list prices. What has no metric or no price is told.
    """
    prices = Prices.read(region or desk.client("sqs").meta.region_name, file)
    template = load_template(ROOT / "template.yaml")
    found = metered(desk, days=days)
    conversations, messages = found.counts["Archived"], found.counts["Accepted"] + found.counts["Collected"]
    fixed = {
        unit: amount for unit, amount in fixed_month(template, there=desk.resources("")).items() if unit in _OF_TIME
    }
    fixed["custom_metrics"] = custom_metrics(desk)
    used = Bill.of(added(found.usage, stored(desk, days)), prices)
    monthly = Bill.of(fixed, prices)
    shape = Shape("as it was", conversations / days, messages / conversations if conversations else 0, busiest=10)
    architecture = "x86_64" if any("x86_64" in unit for unit in found.usage) else "arm64"
    container = Bill.of(
        added(
            container_month(shape, PROCESSOR_S, architecture=architecture),
            beside_functions(times(found.usage, DAYS_A_MONTH / days)),
            fixed,
        ),
        prices,
    )
    ours_month = used.total / days * DAYS_A_MONTH + monthly.total
    months = conversations / days * DAYS_A_MONTH / 1000
    facts: dict[str, Any] = {
        "region": prices.region,
        "currency": prices.currency,
        "prices_as_of": prices.as_of,
        "days": days,
        "counts": found.counts,
        "used": _lines_of(used, prices),
        "used_total": used.total,
        "per_1000_conversations": used.total / conversations * 1000 if conversations else None,
        "fixed_month": _lines_of(monthly, prices),
        "fixed_month_total": monthly.total,
        "whole_per_1000_conversations": ours_month / months if months else None,
        "month": ours_month,
        "container_month": container.total,
        "container_per_1000_conversations": container.total / months if months else None,
        "no_price": sorted({*used.missing, *monthly.missing, *container.missing}),
        "no_number": sorted(found.unread),
        "no_metric": list(NO_METRIC),
    }
    return Outcome(facts, list(_told(facts)), 0 if conversations and found.usage else FOUND)


def _lines_of(bill: Bill, prices: Prices) -> list[dict[str, Any]]:
    return [
        {"unit": line.unit, "what": prices.units[line.unit], "amount": line.amount, "cost": line.cost}
        for line in bill.lines
    ]


def _told(facts: Mapping[str, Any]) -> Iterator[str]:
    money = facts["currency"]
    yield (
        f"List prices of {facts['region']} as of {facts['prices_as_of']}, before free tiers, discounts and tax: "
        "check before relying."
    )
    yield f"Used in {facts['days']} days:"
    yield from _table(facts["used"])
    yield "A month whatever comes:"
    yield from _table(facts["fixed_month"])
    counts = facts["counts"]
    yield f"Conversations: {counts['Archived']:,.0f}, answered messages: {counts['Answered']:,.0f}."
    if facts["per_1000_conversations"] is None:
        yield "Nothing was archived in this time: there is nothing to divide by."
    else:
        yield f"1,000 conversations: {facts['per_1000_conversations']:.4f} {money} by use alone,"
        yield f"  {facts['whole_per_1000_conversations']:.2f} {money} with their share of the month's fixed costs;"
        yield f"  {facts['container_per_1000_conversations']:.2f} {money} with a container that is there for 24 hours."
    yield f"A month: {facts['month']:.2f} {money}; with the container: {facts['container_month']:.2f} {money}."
    yield from (f"No price, so not in the sums: {unit}" for unit in facts["no_price"])
    yield from (f"No number from CloudWatch, so not in the sums: {unit}" for unit in facts["no_number"])
    yield from (f"Not counted: {what}." for what in facts["no_metric"])


def _table(lines: list[dict[str, Any]]) -> Iterator[str]:
    for line in lines:
        cost = "no price" if line["cost"] is None else f"{line['cost']:.4f}"
        yield f"  {cost:>12}  {line['amount']:>16,.2f}  {line['what']}"
