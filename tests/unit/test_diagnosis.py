"""Checks run side by side: in their order, each within its time, and none hides another."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from frontdesk.diagnosis import Checkup, NeedsError, side_by_side
from frontdesk.errors import TransientError
from frontdesk.records import Checked

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG_S = 30.0


def told(*checkups: Checkup) -> list[tuple[str, str, str]]:
    return [(each.name, each.result, each.code) for each in side_by_side(checkups)]


def all_well(*names: str) -> Checkup:
    return Checkup(names, lambda: [Checked(name, "ok") for name in names], LONG_S)


def test_they_are_told_in_their_order_however_long_each_takes():
    second_is_done = threading.Event()

    def slow() -> Iterator[Checked]:
        assert second_is_done.wait(LONG_S)  # would never come if they ran one after the other
        yield Checked("first", "ok")

    def quick() -> Iterator[Checked]:
        yield Checked("second", "ok")
        second_is_done.set()

    found = told(Checkup(("first",), slow, LONG_S), Checkup(("second",), quick, LONG_S))

    assert found == [("first", "ok", ""), ("second", "ok", "")]


def test_one_that_raises_hides_no_other_and_what_stood_on_it_is_not_run():
    def breaks() -> Iterator[Checked]:
        yield Checked("a", "ok")
        raise TransientError("away", code="sqs_failed")

    found = list(side_by_side([Checkup(("a", "b", "c"), breaks, LONG_S), all_well("d")]))

    assert [(each.name, each.result, each.code) for each in found] == [
        ("a", "ok", ""),
        ("b", "failed", "sqs_failed"),
        ("c", "not_run", "needs"),
        ("d", "ok", ""),
    ]
    assert found[2].seen == {"needs": "b"}


def test_what_nobody_foresaw_is_a_failure_without_its_words():
    def breaks() -> list[Checked]:
        raise KeyError("a secret")

    assert told(Checkup(("a",), breaks, LONG_S)) == [("a", "failed", "unexpected")]


def test_what_takes_too_long_has_failed_and_what_it_had_told_stays():
    ever = threading.Event()

    def hangs() -> Iterator[Checked]:
        yield Checked("a", "ok")
        ever.wait(LONG_S)

    began = time.monotonic()
    found = told(Checkup(("a", "b", "c"), hangs, 0.3), all_well("d"))
    ever.set()

    assert time.monotonic() - began < LONG_S / 2
    assert found == [("a", "ok", ""), ("b", "failed", "timed_out"), ("c", "not_run", "needs"), ("d", "ok", "")]


def test_what_ends_at_a_failure_leaves_the_rest_not_run_for_its_sake():
    found = list(side_by_side([Checkup(("a", "b"), lambda: [Checked("a", "failed", code="x")], LONG_S, about="who")]))

    assert found[1] == Checked("b", "not_run", code="needs", about="who", seen={"needs": "a"})


def test_what_needs_another_check_is_not_run_and_says_which_one():
    def needs() -> list[Checked]:
        raise NeedsError("secrets")

    found = list(side_by_side([Checkup(("a", "b"), needs, LONG_S)]))

    assert [(each.result, each.seen["needs"]) for each in found] == [("not_run", "secrets")] * 2
