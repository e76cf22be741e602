"""One circuit and several instances that share it, in any order of questions, outages and time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from frontdesk.errors import TransientError
from frontdesk.fastgpt import circuit as machine
from frontdesk.fastgpt.breaker import FRESH_S, TRIAL_S, Breaker, Pass
from frontdesk.fastgpt.circuit import FIRST_PAUSE_S, LONGEST_PAUSE_S, THRESHOLD, State
from frontdesk.fastgpt.failing import Circuiting
from tests.factories import NOW
from tests.fakes.circuits import InMemoryCircuits

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontdesk.records import Circuit

INSTANCES = st.integers(0, 2)
DOWN = TransientError("down", code="fastgpt_unreachable")


class SharedCircuit(RuleBasedStateMachine):
    """The endpoint is well or not; questions are asked of it through three instances' breakers."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW + 0.0
        self.is_well = True
        self.circuits = InMemoryCircuits()
        self.opened = 0
        self.asked: list[tuple[int, Pass, float]] = []
        self.breakers = [self.breaker() for _ in range(3)]

    def breaker(self) -> Breaker:
        return Breaker(
            "primary",
            circuits=self.circuits,
            probe=self.probe,
            on_opened=self.hear,
            submit=lambda job: job(),
            clock=lambda: self.now,
        )

    def probe(self, _within_s: float) -> None:
        if not self.is_well:
            raise DOWN

    def hear(self) -> None:
        self.opened += 1

    @property
    def shared(self) -> Circuit:
        return self.circuits.read("primary", now=self.now)

    def admit(self, instance: int, how: Callable[[Breaker], Pass | None]) -> None:
        before = self.shared
        leave = how(self.breakers[instance])
        if leave is None:
            assert machine.state(before, self.now) is not State.CLOSED or self.breakers[instance].known.openings
        else:
            self.asked.append((instance, leave, self.now))

    @initialize()
    def begin(self) -> None:
        for each in self.breakers:
            each.refresh()

    @rule(instance=INSTANCES)
    def ask(self, instance: int) -> None:
        self.admit(instance, Breaker.admit)

    @rule(instance=INSTANCES)
    def insist(self, instance: int) -> None:
        self.admit(instance, Breaker.insist)

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), ignored=st.booleans())
    def end(self, data: st.DataObject, ignored: bool) -> None:  # noqa: FBT001  # Hypothesis names it
        instance, leave, _ = self.asked.pop(data.draw(st.integers(0, len(self.asked) - 1)))
        if self.is_well and not ignored:
            self.breakers[instance].succeeded(leave)
        else:
            self.breakers[instance].failed(leave, DOWN, Circuiting.IGNORED if ignored else Circuiting.COUNTED)

    @rule(is_well=st.booleans())
    def turn(self, is_well: bool) -> None:  # noqa: FBT001  # Hypothesis names it
        self.is_well = is_well

    @rule(seconds=st.sampled_from([0.5, 4.0, 9.0, 31.0, 130.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(instance=INSTANCES)
    def restart(self, instance: int) -> None:
        self.breakers[instance] = self.breaker()
        self.breakers[instance].refresh()
        self.asked = [each for each in self.asked if each[0] != instance]

    @invariant()
    def at_most_one_question_tries_an_endpoint_at_a_time(self) -> None:
        trials = [at for _, leave, at in self.asked if leave.trial and self.now < at + TRIAL_S]
        open_ones = [at for at in trials if machine.state(self.shared, self.now) is State.TAKEN]
        assert len(open_ones) <= 1

    @invariant()
    def it_opens_as_soon_as_enough_have_failed_and_never_for_longer_than_the_longest_pause(self) -> None:
        shared = self.shared
        assert shared.openings or shared.failures < THRESHOLD
        assert shared.retry_at <= self.now + LONGEST_PAUSE_S
        assert bool(shared.openings) <= bool(self.opened)

    def teardown(self) -> None:
        """However it has come, an endpoint that is well is asked as usual by everybody soon."""
        self.is_well = True
        self.now += max(LONGEST_PAUSE_S, TRIAL_S)
        for _ in range(4):
            self.now += FRESH_S
            for each in self.breakers:
                leave = each.admit()
                if leave:
                    each.succeeded(leave)
        assert machine.state(self.shared, self.now) is State.CLOSED
        assert all(each.admit() for each in self.breakers)


TestSharedCircuit = SharedCircuit.TestCase
TestSharedCircuit.settings = settings(stateful_step_count=30, deadline=None)


def test_each_opening_without_a_closing_between_lasts_twice_as_long_up_to_a_bound() -> None:
    circuit, now, pauses = InMemoryCircuits().read("primary", now=NOW), float(NOW), []
    for _ in range(8):
        circuit = machine.opened(circuit, "fastgpt_silent", now)
        pauses.append(circuit.retry_at - now)

    assert pauses == [min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**n) for n in range(8)]
    assert machine.opened(machine.closed(circuit), "fastgpt_silent", now).retry_at - now == FIRST_PAUSE_S
