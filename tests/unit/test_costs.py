"""Bills are amounts times prices: they add up, they grow with use, and they never pass over what has no price."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ops.costs import (
    HOURS_A_MONTH,
    PRICES,
    SHAPES,
    Bill,
    Measured,
    Prices,
    PricesError,
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
    from collections.abc import Mapping
    from pathlib import Path

TABLE = Prices.read("us-east-1")
amounts = st.floats(0, 1e9, allow_nan=False)
usages = st.dictionaries(st.sampled_from(sorted(TABLE.units)), amounts, max_size=12)
MEASURED = Measured({"lambda_requests": 2, "http_api_requests": 1}, {"s3_puts": 1}, processor_s=0.05)


@given(usages, usages)
def test_the_bill_of_two_loads_is_the_sum_of_their_bills(one: Mapping[str, float], other: Mapping[str, float]):
    together = Bill.of(added(one, other), TABLE).total

    assert together == pytest.approx(Bill.of(one, TABLE).total + Bill.of(other, TABLE).total)


@given(usages, st.sampled_from(sorted(TABLE.units)), amounts)
def test_more_use_never_costs_less(usage: Mapping[str, float], unit: str, more: float):
    assert Bill.of(added(usage, {unit: more}), TABLE).total >= Bill.of(usage, TABLE).total * (1 - 1e-12)


@given(usages, st.floats(0, 1000))
def test_so_many_times_the_use_is_so_many_times_the_bill(usage: Mapping[str, float], factor: float):
    assert Bill.of(times(usage, factor), TABLE).total == pytest.approx(Bill.of(usage, TABLE).total * factor)


@given(usages)
def test_every_use_is_in_the_sum_or_named_as_without_a_price(usage: Mapping[str, float]):
    china = Prices.read("cn-north-1")

    bill = Bill.of(usage, china)

    used = {unit for unit, amount in usage.items() if amount}
    assert {line.unit for line in bill.lines} == used
    assert set(bill.missing) == used - set(china.prices)


def test_what_a_thing_costs_is_its_price_times_its_amount():
    bill = Bill.of({"lambda_requests": 1e6, "alarms": 68, "secrets": 0}, TABLE)

    assert {line.unit: line.cost for line in bill.lines} == pytest.approx({"alarms": 6.8, "lambda_requests": 0.2})
    assert bill.total == pytest.approx(7.0)


# -- shapes ----------------------------------------------------------------------------------------------------------


@given(st.floats(1, 1e6), st.floats(1, 50))
def test_a_month_grows_as_its_load_does(conversations: float, questions: float):
    once = Bill.of(MEASURED.month(Shape("x", conversations, questions, busiest=1)), TABLE).total
    twice = Bill.of(MEASURED.month(Shape("x", 2 * conversations, questions, busiest=9)), TABLE).total

    assert twice == pytest.approx(2 * once)


@given(st.floats(0, 1e6), st.floats(0, 10), st.floats(0.001, 1))
def test_a_container_has_two_tasks_at_least_and_enough_for_the_busiest_minute(
    conversations: float, questions: float, processor_s: float
):
    shape = Shape("x", conversations, questions, busiest=5)

    usage = container_month(shape, processor_s)

    cores = usage["fargate_arm64_vcpu_hours"] / HOURS_A_MONTH
    assert cores >= 1.0
    assert cores * 0.6 >= shape.busiest_questions_a_second * processor_s * (1 - 1e-9)


def test_the_fixed_part_is_counted_from_the_template():
    template = load_template(ROOT / "template.yaml")

    fixed = fixed_month(template, sweep_s=0.5)

    # What has a condition is not there by default.
    kinds = [each["Type"] for each in template["Resources"].values() if "Condition" not in each]
    assert fixed["alarms"] == kinds.count("AWS::CloudWatch::Alarm") > 0
    assert fixed["secrets"] == kinds.count("AWS::SecretsManager::Secret") > 0
    # The sweep and the archiver come by the minute; collector, responder and tickets wait at queues.
    assert fixed["scheduler_invocations"] == pytest.approx(2 * HOURS_A_MONTH * 60)
    assert fixed["lambda_arm64_gb_s"] == pytest.approx(2 * HOURS_A_MONTH * 60 * 0.5 * 0.5)
    assert fixed["sqs_fifo_requests"] == pytest.approx(3 * 5 * 3 * 60 * HOURS_A_MONTH)


def test_a_container_takes_the_place_of_functions_queues_and_api_and_of_nothing_else():
    used = {
        "lambda_requests": 1,
        "sqs_fifo_requests": 1,
        "http_api_requests": 1,
        "scheduler_invocations": 1,
        "logs_gb": 2,
    }

    assert beside_functions(used) == {"logs_gb": 2}


def test_the_three_shapes_go_from_quiet_to_busy():
    assert [shape.conversations_a_day for shape in SHAPES] == [300, 5_000, 100_000]


# -- the price table -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("region", ["us-east-1", "ap-southeast-1"])
def test_the_regions_whose_prices_are_known_have_all_of_them(region: str):
    prices = Prices.read(region)

    assert set(prices.prices) == set(prices.units)
    assert prices.currency == "USD"


def test_china_is_in_yuan_and_lacks_what_is_not_known():
    china = Prices.read("cn-northwest-1")

    assert china.currency == "CNY"
    assert 0 < len(china.prices) < len(china.units)


def test_a_region_without_prices_is_said():
    with pytest.raises(PricesError, match="no prices of eu-west-9, only of us-east-1"):
        Prices.read("eu-west-9")


@pytest.mark.parametrize(
    "changed",
    [
        {"regions": None},
        {"regions": {"r": {"currency": "USD", "as_of": "1", "prices": {"alarms": "much"}}}},
        {"regions": {"r": {"currency": "USD", "as_of": "1", "prices": {"alarms": -1}}}},
        {"regions": {"r": {"currency": "USD", "as_of": "1", "prices": {"wishes": 1}}}},
        {"regions": {"r": {"prices": {}}}},
    ],
)
def test_a_table_that_is_none_is_said(changed: dict[str, object], tmp_path: Path):
    whole = yaml.safe_load(PRICES.read_text(encoding="utf-8"))
    file = tmp_path / "prices.yaml"
    file.write_text(yaml.safe_dump({**whole, **changed}), encoding="utf-8")

    with pytest.raises(PricesError):
        Prices.read("r", file)


def test_a_table_that_is_not_there_is_said(tmp_path: Path):
    with pytest.raises(PricesError):
        Prices.read("us-east-1", tmp_path / "none.yaml")
