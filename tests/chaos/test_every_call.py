"""One short story, and a collector or responder that dies at each of its port calls in turn: the customer reads the same.

A question, an answer in three messages, the wish for a person, what the person says, their end, and a question again.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.messages import ModelAnswer
from tests.chaos.house import Collector, House, Responder, Stores, deliver
from tests.chaos.model import answer_to
from tests.chaos.plan import Plan
from tests.chaos.process import Doom
from tests.chaos.timekeeper import Timekeeper
from tests.chaos.wecom import SETTINGS, Wecom
from tests.factories import NOW

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontdesk.messages import Question
    from tests.chaos.wecom import Address

ACCOUNT, CUSTOMER, ZHOU = "wkFrontdesk0000000001", "wmCustomer0001", "zhou.min"
MANY = 400
LIMIT_S = 60


class StoryModel:
    """Answers in one message, and the second question in three."""

    identity = "fastgpt:6650a1b2c3d4e5f6a7b8c9d0@fastgpt.example.com"
    failures = 0

    def ask(self, question: Question, *, deadline: float, on_first_words: Callable[[], None]) -> ModelAnswer:
        on_first_words()
        text = question.text.rpartition("\n")[2]
        return ModelAnswer(answer_to(text, 3 if "#00002" in text else 1), confidence=0.95)


class Story:
    """The story as it goes when the ``kind`` of process dies at its ``nth`` port call, before or after it."""

    def __init__(self, address: Address, kind: str, nth: int, *, before: bool) -> None:
        self.clock = Timekeeper(NOW)
        plan = Plan(2)  # an even seed: the customer is given to a servicer
        self.wecom = Wecom(self.clock, plan.rng("wecom"), pages=(3,))
        address.use(self.wecom)
        self.wecom.employ(ACCOUNT, ZHOU)
        self.stores = Stores(self.clock, woken=lambda: None)
        model: Any = StoryModel()
        self.house = House(plan, self.clock, self.stores, model, url=address.url, rating=False, latency=False)
        self.crashes: Counter[str] = Counter()
        self.functions = (
            Collector(self.house, self.stores.pulls, 1, self.crashes),
            Responder(self.house, self.stores.inbox, 1, self.crashes),
        )
        for function in self.functions:
            function.calm = True
        self._kind = kind
        self._left = nth
        self._before = before

    def tell(self) -> Story:
        """Let it happen."""
        self.clock.spawn(self._happen)
        try:
            self.clock.run(LIMIT_S)
        finally:
            self.functions[1].close()
        return self

    def _happen(self) -> None:
        kf = self.wecom.kf
        for act in (
            lambda: kf.write(CUSTOMER, content="保温杯多少钱#00001", msgid="m1"),
            lambda: kf.write(CUSTOMER, content="怎么清洗#00002", msgid="m2"),
            lambda: kf.write(CUSTOMER, content="转人工", msgid="m3"),
            lambda: kf.say(CUSTOMER, "您好，我来处理。"),
            lambda: kf.write(CUSTOMER, content="好的#00003", msgid="m4"),
            lambda: kf.end(CUSTOMER),
            lambda: kf.write(CUSTOMER, content="还有别的颜色吗#00004", msgid="m5"),
        ):
            act()
            notice = self.wecom.notice_of(ACCOUNT)
            assert deliver(self.house, self.wecom, notice.document(SETTINGS), crashes=self.crashes, doom=None)
            self._work()
            self.clock.sleep(5)

    def _work(self) -> None:
        """Let both functions work until nothing is left, also what comes again only later."""
        while moments := [
            each for queue in (self.stores.pulls, self.stores.inbox) if (each := queue.next_at()) is not None
        ]:
            self.clock.sleep(min(moments) - self.clock() + 0.001)
            for function in self.functions:
                mine = function.kind == self._kind and self._left > 0
                died = self.crashes.total()
                calls = function.invoke_once(Doom(self._left, self._before) if mine else None)
                if mine:
                    self._left = 0 if self.crashes.total() > died else self._left - calls

    @property
    def died(self) -> bool:
        return self.crashes.total() > 0

    def made(self) -> dict[str, Any]:
        """Return what there is to see at the end, by the customer, by people, and by whoever looks later."""
        conversation = self.house.conversation_of(f"{ACCOUNT}:{CUSTOMER}")
        turns = [turn for session in self.stores.sessions.kept.values() for turn in session.turns]
        attendance = self.stores.attendances.get(conversation)
        assert attendance
        return {
            "read": [(entry.by, entry.msgtype, entry.content) for entry in self.wecom.entries(ACCOUNT, CUSTOMER)],
            "states": [change.state for change in self.wecom.history[ACCOUNT, CUSTOMER]],
            "turns": [(turn.kind, turn.question, turn.answer) for turn in turns],
            "replies": [(reply.kind, reply.question, reply.segments) for reply in self.stores.ledger.replies],
            "attendance": (attendance.state, attendance.agent, attendance.question_id, attendance.due_at),
            "read by people": [entry.content for entry in self.wecom.state.timeline.entries(ZHOU) if entry.visible]
            != [],
            "tickets": len(self.stores.ticket_requests.requests),
        }


def as_it_should_be(made: dict[str, Any]) -> None:
    """See that the story is the one that is meant."""
    said = [(str(by), content) for by, _, content in made["read"]]
    assert [by for by, _ in said].count("machine") == 6
    assert ("servicer", "您好，我来处理。") in said
    assert [kind for kind, _, _ in made["turns"]] == ["answer", "answer", "handoff", "person", "to_person", "answer"]
    assert made["tickets"] == 0


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize(("kind", "least"), [("collector", 40), ("responder", 120)])
def test_wherever_it_dies_the_customer_reads_the_same(address: Address, kind: str, least: int, *, before: bool):
    threads = threading.active_count()
    expected = Story(address, kind, 0, before=before).tell().made()
    as_it_should_be(expected)

    for nth in range(1, MANY):
        story = Story(address, kind, nth, before=before).tell()
        if not story.died:
            break
        assert story.made() == expected, f"{kind}, port call {nth}"
    assert least < nth < MANY - 1
    assert threading.active_count() < threads + 20
