"""`canary`: how the new version of the app does beside the present one, and whether it is tried at all."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import click

from frontdesk.messages import CANARY, PRIMARY
from frontdesk.storage.aws import translated
from frontdesk.storage.canary import DynamoCanaryStops
from ops import intervals
from ops.cli.frame import Outcome, operates, plural
from ops.desk import DeskError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ops.desk import Desk
    from ops.intervals import Estimate

FEWEST = 30
"""With fewer customers on either side nothing is concluded."""
_PATTERN = "{ $.variant = * }"
# What is told of each side, by the metric that counts it; and whether more of it is better (1), worse (-1) or neither.
_SHARES = {
    "answered": ("Answered", 0),
    "handed over": ("Handoff", -1),
    "fallback": ("Fallback", -1),
    "failed": ("Failed", -1),
    "missed": ("Missed", -1),
}
_QUANTILES = {"model time p50": 0.5, "model time p95": 0.95}


@dataclass(slots=True)
class Customer:
    """What happened to one customer's questions: sums of what was counted, and the seconds that the model took."""

    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    model_s: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the comparison; ``says`` is better, worse, or nothing that this sample can show."""

    what: str
    primary: Estimate
    canary: Estimate
    difference: Estimate
    says: str


def read_lines(lines: Iterable[str]) -> dict[str, dict[str, Customer]]:
    """Return the customers of each variant, by conversation, from the responder's metric lines."""
    variants: dict[str, dict[str, Customer]] = {PRIMARY: {}, CANARY: {}}
    for text in lines:
        try:
            line = json.loads(text)
            customers = variants[line["variant"]]
            customer = customers.setdefault(line["conversation"], Customer())
        except (ValueError, KeyError, TypeError):
            continue  # a line of somebody else's
        for name in (
            "Asked",
            "Answered",
            "Handoff",
            "Fallback",
            "Failed",
            "Missed",
            "SatisfactionGood",
            "SatisfactionBad",
        ):
            customer.counts[name] += round(sum(line.get(name, [])))
        customer.model_s += [ms / 1000 for ms in line.get("ModelTime", [])]
    return variants


def compared(primary: Mapping[str, Customer], canary: Mapping[str, Customer]) -> list[Row]:
    """Return what can be said of both sides, line by line."""
    sides = (list(primary.values()), list(canary.values()))
    rows = []
    for what, (name, sign) in _SHARES.items():
        one, other = (
            intervals.share_of([(each.counts[name], each.counts["Asked"]) for each in side]) for side in sides
        )
        rows.append(_row(what, one, other, intervals.difference(one, other), sign))
    one, other = (
        intervals.share_of(
            [
                (each.counts["SatisfactionGood"], each.counts["SatisfactionGood"] + each.counts["SatisfactionBad"])
                for each in side
            ]
        )
        for side in sides
    )
    rows.append(_row("satisfied", one, other, intervals.difference(one, other), 1))
    times = [[each.model_s for each in side] for side in sides]
    for what, at in _QUANTILES.items():
        one, other = (intervals.quantile_of(side, at) for side in times)
        rows.append(_row(what, one, other, intervals.quantile_difference(times[0], times[1], at), -1))
    return rows


def verdict(rows: Iterable[Row], customers: tuple[int, int]) -> str:
    """Return one sentence: worse where anything is, better where something is and nothing worse."""
    if min(customers) < FEWEST:
        return f"Not enough to tell: each side needs {FEWEST} customers."
    said = {word: [row.what for row in rows if row.says == word] for word in ("worse", "better")}
    if said["worse"]:
        return f"The canary does worse: {', '.join(said['worse'])}."
    if said["better"]:
        return f"The canary does better: {', '.join(said['better'])}."
    return "No difference that this sample can show."


def _row(what: str, primary: Estimate, canary: Estimate, difference: Estimate, sign: int) -> Row:
    says = ""
    if sign and difference.low is not None and difference.high is not None:
        if difference.low > 0:
            says = "better" if sign > 0 else "worse"
        elif difference.high < 0:
            says = "worse" if sign > 0 else "better"
    return Row(what, primary, canary, difference, says)


def _told(estimate: Estimate, *, is_time: bool, is_difference: bool = False) -> str:
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "–"
    sign = "+" if is_difference else ""
    if is_time:
        return f"{estimate.value:{sign}.2f} s ({estimate.low:{sign}.2f} to {estimate.high:{sign}.2f})"
    values = (100 * each for each in (estimate.value, estimate.low, estimate.high))
    value, low, high = (f"{each:{sign}.1f}" for each in values)
    return f"{value} % ({low} to {high})"


@click.group()
def canary() -> None:
    """Compare the canary of the FastGPT app with the present one, stop it, let it go on."""


@canary.command()
@click.option("--hours", type=click.IntRange(1, 24 * 30), default=24, show_default=True, help="How far to look back.")
@operates
def compare(desk: Desk, *, hours: int) -> Outcome:
    """Tell how both versions of the app did, each figure with its interval of 95 percent, and what that says."""
    variants = read_lines(_lines(desk, hours))
    customers = (len(variants[PRIMARY]), len(variants[CANARY]))
    rows = compared(variants[PRIMARY], variants[CANARY])
    says = verdict(rows, customers)
    facts: dict[str, Any] = {
        "hours": hours,
        "customers": {PRIMARY: customers[0], CANARY: customers[1]},
        "questions": {name: sum(each.counts["Asked"] for each in found.values()) for name, found in variants.items()},
        "rows": [asdict(row) for row in rows],
        "verdict": says,
    }
    questions = facts["questions"]
    lines = [
        f"{'':16}{'primary':>28}{'canary':>28}{'difference':>32}",
        f"{'customers':16}{customers[0]:>28}{customers[1]:>28}",
        f"{'questions':16}{questions[PRIMARY]:>28}{questions[CANARY]:>28}",
    ]
    for row in rows:
        is_time = row.what.startswith("model time")
        one, other = (_told(each, is_time=is_time) for each in (row.primary, row.canary))
        apart = _told(row.difference, is_time=is_time, is_difference=True)
        lines.append(f"{row.what:16}{one:>28}{other:>28}{apart:>32}  {row.says}".rstrip())
    return Outcome(facts, [*lines, says])


@canary.command()
@operates
def status(desk: Desk) -> Outcome:
    """Tell whether a canary is tried, on how many customers, and whether it was stopped."""
    app_id = _app_id(desk)
    percent = float(desk.secret("FastgptSecret", "FASTGPT_CANARY_PERCENT"))
    by = _stops(desk).stopped_by(app_id)
    facts = {"app_id": app_id, "percent": percent, "stopped_by": by}
    if by:
        return Outcome(facts, [f"The canary {app_id} was stopped by {by}: no customer tries it."])
    return Outcome(facts, [f"The canary {app_id} is tried on {percent:g} % of the customers."])


@canary.command()
@operates
def stop(desk: Desk) -> Outcome:
    """Let no customer try the canary any more; it takes up to 20 seconds."""
    app_id = _app_id(desk)
    desk.note("canary", details={"app_id": app_id, "change": "stopped"})
    _stops(desk).stop(app_id, desk.actor, now=desk.clock())
    return Outcome({"app_id": app_id, "stopped_by": desk.actor}, [f"The canary {app_id} is stopped."])


@canary.command()
@operates
def resume(desk: Desk) -> Outcome:
    """Let the canary go on that was stopped; it takes up to 20 seconds."""
    app_id = _app_id(desk)
    desk.note("canary", details={"app_id": app_id, "change": "resumed"})
    _stops(desk).resume(app_id)
    return Outcome({"app_id": app_id, "stopped_by": ""}, [f"The canary {app_id} goes on."])


def _stops(desk: Desk) -> DynamoCanaryStops:
    return DynamoCanaryStops(desk.dynamodb, desk.resource("Ledger"))


def _app_id(desk: Desk) -> str:
    app_id = desk.secret("FastgptSecret", "FASTGPT_CANARY_APP_ID")
    if not app_id:
        raise DeskError(
            "no canary is deployed: set FASTGPT_CANARY_APP_ID, FASTGPT_CANARY_API_KEY, FASTGPT_CANARY_PERCENT"
        )
    return app_id


def _lines(desk: Desk, hours: int) -> list[str]:
    """Return the metric lines that the responder wrote for one variant or the other within the last ``hours``."""
    found: list[str] = []
    now_ms = int(desk.clock() * 1000)
    with translated("logs"):
        pages = (
            desk.client("logs")
            .get_paginator("filter_log_events")
            .paginate(
                logGroupName=desk.resource("ResponderLogs"),
                startTime=now_ms - hours * 3_600_000,
                endTime=now_ms,
                filterPattern=_PATTERN,
            )
        )
        for page in pages:
            found += [event["message"] for event in page["events"]]
            desk.say(f"{plural(len(found), 'line')} read …")
    return found
