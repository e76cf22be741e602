"""`canary`: what is told of both versions of the app, from the lines that the responder writes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ops.cli.canary import FEWEST, compared, read_lines, verdict


def line(variant: str, conversation: str, **samples: Any) -> str:
    return json.dumps({"_aws": {}, "channel": "wecom_app", "variant": variant, "conversation": conversation, **samples})


def asked(variant: str, customers: int, *, handed_over: int = 0, missed: int = 0, model_ms: int = 4000) -> list[str]:
    """Return the lines of ``customers`` with one question each."""
    lines = []
    for number in range(customers):
        counts = {"Handoff": [1.0]} if number < handed_over else {"Answered": [1.0]}
        samples = {
            "Asked": [1.0],
            "Missed": [float(number < missed)],
            "ModelTime": [float(model_ms + number % 20)],
            **counts,
        }
        lines.append(line(variant, f"{variant}-{number}", **samples))
    return lines


def told(lines: list[str]) -> tuple[dict[str, str], str]:
    """Return what each row says, and the verdict."""
    variants = read_lines(lines)
    rows = compared(variants["primary"], variants["canary"])
    customers = (len(variants["primary"]), len(variants["canary"]))
    return {row.what: row.says for row in rows}, verdict(rows, customers)


def test_a_customers_questions_are_taken_together():
    variants = read_lines(
        [
            line("canary", "c1", Asked=[1.0], Answered=[1.0], ModelTime=[2000.0]),
            line("canary", "c1", Asked=[1.0], Fallback=[1.0]),
            line("canary", "c1", SatisfactionBad=[1.0]),
            line("primary", "c2", Asked=[1.0]),
        ]
    )
    (customer,) = variants["canary"].values()
    assert (customer.counts["Asked"], customer.counts["Answered"], customer.counts["Fallback"]) == (2, 1, 1)
    assert customer.counts["SatisfactionBad"] == 1
    assert customer.model_s == [2.0]
    assert len(variants["primary"]) == 1


@pytest.mark.parametrize(
    "foreign", ["", "not json", "[]", '{"channel": "wecom_app"}', '{"variant": "third", "conversation": "c"}']
)
def test_what_somebody_else_wrote_is_passed_over(foreign: str):
    assert read_lines([foreign]) == {"primary": {}, "canary": {}}


def test_of_a_handful_nothing_is_concluded():
    _, says = told(asked("primary", 500) + asked("canary", FEWEST - 1, missed=FEWEST - 1))
    assert says.startswith("Not enough to tell")


def test_two_that_do_alike_show_no_difference():
    rows, says = told(asked("primary", 300, handed_over=30) + asked("canary", 60, handed_over=6))
    assert set(rows.values()) == {""}
    assert says == "No difference that this sample can show."


def test_a_canary_that_hands_over_more_does_worse():
    rows, says = told(asked("primary", 300, handed_over=15) + asked("canary", 100, handed_over=40))
    assert rows["handed over"] == "worse"
    assert says == "The canary does worse: handed over."


def test_what_is_answered_less_is_no_second_complaint():
    rows, _ = told(asked("primary", 300) + asked("canary", 100, handed_over=40))
    assert rows["answered"] == ""


def test_a_canary_that_is_faster_does_better():
    rows, says = told(asked("primary", 200, model_ms=9000) + asked("canary", 100, model_ms=3000))
    assert rows["model time p50"] == rows["model time p95"] == "better"
    assert says == "The canary does better: model time p50, model time p95."


def test_one_thing_worse_outweighs_all_that_is_better():
    _, says = told(asked("primary", 300, model_ms=9000) + asked("canary", 100, missed=50, model_ms=3000))
    assert says == "The canary does worse: missed."


def test_who_is_asked_how_it_was_is_compared_by_what_they_said():
    good = [line("primary", f"p{n}", Asked=[1.0], SatisfactionGood=[1.0]) for n in range(100)]
    bad = [line("canary", f"c{n}", Asked=[1.0], SatisfactionBad=[1.0]) for n in range(100)]
    rows, _ = told(good + bad)
    assert rows["satisfied"] == "worse"
