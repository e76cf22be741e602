"""Endpoints that pause, fail and come back in any order: no pause ever swallows what was not meant for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from frontdesk.errors import TransientError
from frontdesk.fastgpt.ladder import Ladder
from frontdesk.messages import Choice, ModelAnswer, Pause
from tests.fakes.circuits import InMemoryCircuits
from tests.fakes.desk import Desk
from tests.fakes.endpoints import clients_of, endpoints_of
from tests.unit.test_answering import said

if TYPE_CHECKING:
    from frontdesk.messages import Question

RUNGS = ("primary", "standby", "lite")
SELECT = Pause("办理哪项业务？", choices=(Choice("退货", "option-return"), Choice("换货", "option-exchange")))
DOWN = TransientError("down", code="fastgpt_unavailable")


class PausingApp:
    """One FastGPT as far as pauses go: a chat that waits for a choice takes the next message for it."""

    def __init__(self) -> None:
        self.waiting: set[str] = set()
        self.swallowed: list[str] = []

    def answer(self, question: Question) -> ModelAnswer:
        """Answer as the app does, with a pause where the customer asks for one."""
        if question.chat_id in self.waiting:
            self.waiting.discard(question.chat_id)
            if not question.text.startswith("option-"):
                self.swallowed.append(question.text)
        elif question.text.startswith("option-"):
            self.swallowed.append(question.text)  # a choice that nobody waits for means nothing
        if question.text.endswith("办理"):
            self.waiting.add(question.chat_id)
            return ModelAnswer(text="", pause=SELECT)
        return ModelAnswer(text=f"答：{len(question.text)}")


class Talk(RuleBasedStateMachine):
    """A customer who asks, is asked to choose, and chooses or does not, while endpoints come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk()
        self.apps = {rung: PausingApp() for rung in RUNGS}
        self.clients = clients_of(*RUNGS, clock=self.desk.clock)
        for client in self.clients:
            client.answering = self.apps[client.rung].answer
        circuits = InMemoryCircuits()
        endpoints = endpoints_of(self.clients, circuits=circuits, clock=self.desk.clock)
        self.desk.model = Ladder(endpoints, clock=self.desk.clock.monotonic)  # type: ignore[assignment]
        self.count = 0

    def say(self, words: str) -> None:
        self.count += 1
        message = said(f"m{self.count}", words)
        for attempt in range(1, 6):
            outcomes = self.desk.answer(replace(message, attempt=attempt, last_attempt=attempt == 5))
            if all(each.handled for each in outcomes):
                return
            self.desk.clock.advance(20)

    @rule(words=st.sampled_from(["你好", "办理", "退货", "换货", "1", "发票怎么开"]))
    def speak(self, words: str) -> None:
        self.say(words)

    @rule(rung=st.sampled_from(RUNGS), well=st.booleans())
    def turn(self, rung: str, well: bool) -> None:  # noqa: FBT001  # Hypothesis names it
        next(each for each in self.clients if each.rung == rung).error = None if well else DOWN

    @rule(seconds=st.sampled_from([1, 15, 150, 1000]))
    def wait(self, seconds: int) -> None:
        self.desk.clock.advance(seconds)

    @invariant()
    def nothing_was_swallowed(self) -> None:
        assert [app.swallowed for app in self.apps.values()] == [[], [], []]


TestTalk = Talk.TestCase
TestTalk.settings = settings(stateful_step_count=25, deadline=None)
