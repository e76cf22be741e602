"""An instance's breaker: what it costs while all is well, what all learn from few failures, and what a dead store is."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from frontdesk.errors import FrontdeskError, MisconfiguredError, TransientError
from frontdesk.fastgpt.breaker import FRESH_S, Breaker
from frontdesk.fastgpt.circuit import FIRST_PAUSE_S, THRESHOLD, State
from frontdesk.fastgpt.failing import Circuiting
from tests.factories import NOW
from tests.fakes.circuits import InMemoryCircuits

if TYPE_CHECKING:
    from collections.abc import Callable

DOWN = TransientError("down", code="fastgpt_unreachable")
NO_STORE = TransientError("ledger could not be reached", code="ledger_unreachable")


class House:
    """The shared circuits, and what they are used by; what is to be done in the background waits for `work`."""

    def __init__(self) -> None:
        self.now = NOW + 0.5
        self.circuits = InMemoryCircuits()
        self.waiting: list[Callable[[], None]] = []
        self.opened = 0
        self.probes: list[float] = []
        self.probed: FrontdeskError | None = None

    def breaker(self) -> Breaker:
        """Return the breaker of an instance that has just started."""
        breaker = Breaker(
            "primary",
            circuits=self.circuits,
            probe=self.probe,
            on_opened=self.hear,
            submit=self.waiting.append,
            clock=lambda: self.now,
        )
        breaker.refresh()
        self.circuits.calls.clear()
        return breaker

    def hear(self) -> None:
        self.opened += 1

    def probe(self, within_s: float) -> None:
        self.probes.append(within_s)
        if self.probed:
            raise self.probed

    def work(self) -> None:
        """Do what waits in the background."""
        while self.waiting:
            self.waiting.pop(0)()


@pytest.fixture
def house() -> House:
    return House()


def fail(breaker: Breaker, error: FrontdeskError = DOWN, circuiting: Circuiting = Circuiting.COUNTED) -> None:
    leave = breaker.admit()
    assert leave
    breaker.failed(leave, error, circuiting)


def succeed(breaker: Breaker) -> None:
    leave = breaker.admit()
    assert leave
    breaker.succeeded(leave)


def open_circuit(house: House) -> Breaker:
    breaker = house.breaker()
    for _ in range(THRESHOLD):
        fail(breaker)
    assert breaker.state() is State.OPEN
    house.circuits.calls.clear()
    return breaker


def test_while_it_is_closed_a_question_makes_no_call(house: House):
    breaker = house.breaker()

    for _ in range(1000):
        succeed(breaker)

    assert house.circuits.calls == []
    assert house.waiting == []


def test_it_is_read_again_beside_a_question_that_does_not_wait_and_once_for_all_of_them(house: House):
    breaker = house.breaker()
    house.now += FRESH_S

    assert breaker.admit()
    assert breaker.admit()
    assert house.circuits.calls == []
    house.work()
    assert house.circuits.calls == ["read"]
    assert breaker.admit()
    assert house.waiting == []


def test_a_failure_costs_one_call(house: House):
    breaker = house.breaker()

    fail(breaker)

    assert house.circuits.calls == ["count"]


def test_failures_of_several_instances_together_open_it_once(house: House):
    breakers = [house.breaker() for _ in range(THRESHOLD)]

    for each in breakers:
        fail(each)

    assert house.opened == 1
    assert breakers[-1].state() is State.OPEN


def test_whoever_meets_one_failure_learns_at_once_that_it_is_open(house: House):
    late = house.breaker()
    open_circuit(house)
    assert late.state() is State.CLOSED

    fail(late)

    assert late.state() is State.OPEN
    assert house.opened == 1


def test_a_success_takes_back_the_failures_before_it_in_the_background(house: House):
    breaker = house.breaker()
    for _ in range(5 * THRESHOLD):
        fail(breaker)
        succeed(breaker)
        house.work()

    assert breaker.state() is State.CLOSED
    assert house.circuits.read("primary", now=house.now).failures == 0


def test_failures_of_long_ago_do_not_count(house: House):
    breaker = house.breaker()
    for _ in range(THRESHOLD):
        fail(breaker)
        house.now += 120
        breaker.refresh()

    assert breaker.state() is State.CLOSED


def test_what_only_a_person_can_put_right_opens_it_at_once(house: House):
    breaker = house.breaker()

    fail(breaker, MisconfiguredError("no points", code="fastgpt_out_of_points"), Circuiting.OPENS)

    assert breaker.known.code == "fastgpt_out_of_points"
    assert house.opened == 1


def test_what_is_about_one_request_is_not_counted(house: House):
    breaker = house.breaker()

    for _ in range(5 * THRESHOLD):
        fail(breaker, TransientError("busy", code="fastgpt_chat_busy"), Circuiting.IGNORED)

    assert house.circuits.calls == []


def test_while_it_is_open_nobody_is_let_through_and_nobody_waits(house: House):
    breaker = open_circuit(house)

    assert breaker.admit() is None
    assert house.circuits.calls == []
    assert house.waiting == []


def test_when_it_is_due_one_instance_probes_in_the_background(house: House):
    breakers = [open_circuit(house), house.breaker(), house.breaker()]
    house.now += FIRST_PAUSE_S

    assert [each.admit() for each in breakers] == [None] * 3
    house.work()

    assert len(house.probes) == 1
    assert breakers[0].state() is State.HALF_OPEN


def test_a_good_probe_lets_one_question_through_and_its_success_closes_it(house: House):
    breaker, another = open_circuit(house), house.breaker()
    house.now += FIRST_PAUSE_S
    breaker.admit()
    house.work()

    leave = breaker.admit()
    another.refresh()
    assert leave
    assert leave.trial
    assert another.admit() is None
    breaker.succeeded(leave)

    another.refresh()
    assert another.state() is State.CLOSED


def test_a_failed_trial_opens_it_for_longer_without_a_second_alarm(house: House):
    breaker = open_circuit(house)
    house.now += FIRST_PAUSE_S
    breaker.admit()
    house.work()
    leave = breaker.admit()
    assert leave

    breaker.failed(leave, DOWN, Circuiting.COUNTED)

    assert breaker.known.retry_at == house.now + 2 * FIRST_PAUSE_S
    assert house.opened == 1


def test_a_trial_that_told_nothing_is_anybodys_again(house: House):
    breaker = open_circuit(house)
    house.now += FIRST_PAUSE_S
    breaker.admit()
    house.work()
    leave = breaker.admit()
    assert leave

    breaker.failed(leave, DOWN, Circuiting.IGNORED)

    assert breaker.state() is State.HALF_OPEN


def test_a_question_without_another_way_probes_itself_and_tries_at_once(house: House):
    breaker = open_circuit(house)

    leave = breaker.insist()

    assert leave
    assert leave.trial
    assert house.probes == [3.0]


def test_only_one_question_at_a_time_insists(house: House):
    breaker, another = open_circuit(house), house.breaker()
    house.probed = DOWN

    assert breaker.insist() is None
    assert another.insist() is None

    assert len(house.probes) == 1
    assert 1 <= another.wait_s() <= FIRST_PAUSE_S


def test_insisting_in_vain_does_not_keep_it_open_for_longer(house: House):
    breaker = open_circuit(house)
    house.probed = DOWN
    retry_at = breaker.known.retry_at

    breaker.insist()

    assert breaker.known.retry_at == retry_at


@pytest.mark.parametrize("circuiting", [Circuiting.COUNTED, Circuiting.OPENS])
def test_without_the_store_an_instance_goes_on_with_what_it_knows(
    house: House, circuiting: Circuiting, caplog: pytest.LogCaptureFixture
):
    breaker = house.breaker()
    house.circuits.fault = NO_STORE
    caplog.set_level(logging.WARNING)

    for _ in range(THRESHOLD if circuiting is Circuiting.COUNTED else 1):
        fail(breaker, circuiting=circuiting)

    assert breaker.state() is State.OPEN
    assert house.opened == 1
    assert {record.message for record in caplog.records} == {"circuit not shared", "endpoint opened"}


def test_without_the_store_a_success_fails_nobody(house: House):
    breaker = house.breaker()
    fail(breaker)
    house.circuits.fault = NO_STORE

    succeed(breaker)
    house.work()

    assert breaker.state() is State.CLOSED
    assert breaker.admit()


def test_a_fault_of_the_background_is_heard_of_and_ends_nothing(house: House, caplog: pytest.LogCaptureFixture):
    breaker = house.breaker()
    house.now += FRESH_S
    house.circuits.fault = ZeroDivisionError()  # type: ignore[assignment]

    assert breaker.admit()
    house.work()
    house.circuits.fault = None
    house.now += FRESH_S
    assert breaker.admit()
    house.work()

    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert house.circuits.calls == ["read", "read"]
