"""The capacity page holds what the arithmetic gives, and the arithmetic holds by Little's law and the template."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from ops.capacity import RATES, Deployed, Measured, Quotas, Row, rows, table
from ops.template import load_template

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "capacity.md").read_text(encoding="utf-8")
TEMPLATE = load_template(ROOT / "template.yaml")
FOUND = rows(Measured(), Deployed.of(TEMPLATE), Quotas())


def row(name: str, found: tuple[Row, ...] = FOUND) -> Row:
    """Return the row that begins with ``name``."""
    (only,) = [each for each in found if each.name.startswith(name)]
    return only


def test_the_page_has_the_table_as_it_comes_out_today() -> None:
    printed = re.search(r"<!-- python -m ops\.capacity -->\n(.*?)\n<!-- end -->", PAGE, re.DOTALL)
    assert printed
    assert printed[1] == table(FOUND), "print it anew: python -m ops.capacity"


def test_the_page_names_every_input_with_its_value() -> None:
    inputs = PAGE.split("## The inputs")[1].split("## The arithmetic")[0]
    for field in fields(Measured):
        (line,) = [each for each in inputs.splitlines() if each.startswith("|") and f"`{field.name}`" in each]
        value = getattr(Measured(), field.name)
        assert f" {value:,g}" in line, field.name


def test_the_units_written_add_up_to_the_input() -> None:
    listed = PAGE.split("| call | units |")[1].split("| **written** |")[0]
    assert sum(int(units) for units in re.findall(r"\| (\d+) \|$", listed, re.MULTILINE)) == Measured().writes


def test_what_is_deployed_is_read_from_the_template() -> None:
    deployed = Deployed.of(TEMPLATE)
    assert deployed.responders == TEMPLATE["Parameters"]["ResponderConcurrency"]["Default"]
    assert deployed.callback_rate == TEMPLATE["Parameters"]["CallbackRateLimit"]["Default"]
    sources = (ROOT / "layers/frontdesk/frontdesk/storage/sessions.py").read_text(encoding="utf-8")
    assert f"\nSHARDS = {deployed.index_shards}\n" in sources
    (mapping,) = TEMPLATE["Resources"]["ResponderFunction"]["Properties"]["Events"].values()
    assert mapping["Properties"]["BatchSize"] == 10


def test_conversations_at_once_are_rate_times_duration() -> None:
    assert row("streams").needed(600) == 600 / 60 * Measured().answer_s
    slower = rows(replace(Measured(), answer_s=12), Deployed.of(TEMPLATE), Quotas())
    assert row("streams", slower).needed(600) == 2 * row("streams").needed(600)


def test_full_batches_need_a_tenth_of_the_responders() -> None:
    single, full = row("responders at once, a message"), row("responders at once, batches")
    assert single.needed(1000) == 10 * full.needed(1000)


def test_the_defaults_hold_at_a_thousand_a_minute_but_for_batches_of_one() -> None:
    over = [each.name for each in FOUND if each.limit is not None and each.needed(1000) > each.limit]
    assert over == ["responders at once, a message a batch"]
    assert not any(each.limit is not None and each.needed(10) > each.limit for each in FOUND)


def test_wecom_bounds_customer_service_below_a_hundred_thousand_a_minute() -> None:
    hourly = row("kf/send_msg an hour")
    assert hourly.limit is not None
    sustained = hourly.limit / Measured().segments / 60
    assert 1_900 < sustained < 2_000  # what the page's summary says
    assert hourly.needed(100_000) > hourly.limit


@pytest.mark.parametrize("rate", RATES)
def test_more_is_needed_of_everything_when_more_is_written(rate: int) -> None:
    assert all(each.needed(rate) < each.needed(2 * rate) for each in FOUND)


def test_what_is_over_the_limit_is_marked_and_nothing_else() -> None:
    lines = table(FOUND).splitlines()[2:]
    for each, line in zip(FOUND, lines, strict=True):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        marks = ["**over**" in cell for cell in cells[1:4]]
        assert marks == [each.limit is not None and each.needed(rate) > each.limit for rate in RATES], each.name
