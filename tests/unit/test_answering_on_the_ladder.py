"""A whole desk over the ladder: what the customer reads, what goes along to another endpoint, and what nobody loses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from frontdesk.conversation.outcomes import Result
from frontdesk.errors import MisconfiguredError, TransientError
from frontdesk.fastgpt.ladder import Ladder
from frontdesk.messages import Action, ModelAnswer
from tests.factories import SENTENCES
from tests.fakes.circuits import InMemoryCircuits
from tests.fakes.desk import Desk
from tests.fakes.desks import ScriptedDesk
from tests.fakes.endpoints import FakeClient, clients_of, endpoints_of
from tests.fakes.guard import SENTENCE, WordMasking, WordRules
from tests.fakes.model import is_unsure
from tests.unit.test_answering import results, said

if TYPE_CHECKING:
    from frontdesk.conversation.outcomes import Outcome

DOWN = TransientError("down", code="fastgpt_unreachable")
NO_POINTS = MisconfiguredError("no points", code="fastgpt_out_of_points")
PHONE = "13800138000"


class Approved:
    """One approved answer."""

    def find(self, words: str) -> ModelAnswer | None:
        if words != "怎么退货":
            return None
        return ModelAnswer(text="七天内可退。", attempt_id="cached/returns", identity="answers:returns@1")


class House:
    """A desk whose model is a ladder of primary and standby."""

    def __init__(self, *, people: ScriptedDesk | None = None, approved: Approved | None = None) -> None:
        self.desk = Desk(people=people)
        self.primary, self.standby = self.clients = clients_of("primary", "standby", clock=self.desk.clock)
        endpoints = endpoints_of(self.clients, circuits=InMemoryCircuits(), clock=self.desk.clock)
        ladder = Ladder(endpoints, approved=approved, clock=self.desk.clock.monotonic)
        self.desk.model = ladder  # type: ignore[assignment]
        self.count = 0

    def say(self, words: str, *, attempt: int = 1, last: bool = False) -> Outcome:
        """Let the customer write; the same message again from the second attempt on."""
        self.count += attempt == 1
        (outcome,) = self.desk.answer(said(f"m{self.count}", words, attempt=attempt, last_attempt=last))
        return outcome

    def all_down(self) -> None:
        for client in self.clients:
            client.error = DOWN


@pytest.fixture
def house() -> House:
    return House()


def chat_numbers(client: FakeClient) -> list[str]:
    return [question.chat_id.rpartition(":")[2] for question in client.questions]


def test_the_customer_reads_the_standbys_answer_and_the_audit_names_it(house: House):
    house.primary.error = DOWN

    outcome = house.say("你好")

    assert (outcome.result, outcome.rung, outcome.code) == (Result.ANSWERED, "standby", "")
    assert house.desk.read == ["答：你好"]
    (generated,) = [each for _, each in house.desk.ledger.trail if each.kind == "generated"]
    assert generated.actor == "fastgpt:standby@fastgpt.example.com"
    assert house.desk.session.turns[-1].attempt_id.startswith("standby/m1-")


def test_what_was_said_goes_along_into_a_chat_of_its_own(house: House):
    for client in house.clients:
        client.answering = lambda _question: ModelAnswer(text="好的。")
    house.say("我叫小李")
    house.primary.error = DOWN
    house.say("我叫什么")
    house.say("谢谢")

    told = "（以下是之前的对话，供参考：\n客户：我叫小李\n客服：好的。\n"
    more = "客户：我叫什么\n客服：好的。\n"
    assert [question.text for question in house.standby.questions] == [
        f"{told}）\n我叫什么",
        f"{told}{more}）\n谢谢",
    ]
    assert chat_numbers(house.primary) == ["0", "0", "2"]
    assert chat_numbers(house.standby) == ["1", "2"]


def test_while_the_primarys_circuit_is_open_the_standby_keeps_the_talk_in_one_chat(house: House):
    house.primary.error = DOWN
    for _ in range(4):
        house.say("你好")
    house.standby.questions.clear()

    house.say("一")
    house.say("二")

    assert [question.text for question in house.standby.questions] == ["一", "二"]
    assert len(set(chat_numbers(house.standby))) == 1


def test_personal_data_stand_as_the_same_placeholders_at_whoever_is_asked(house: House):
    house.desk.masking = WordMasking(PHONE)
    house.say(f"我的电话是{PHONE}")
    house.primary.error = DOWN

    house.say("我的电话是多少")

    (question,) = house.standby.questions
    assert PHONE not in question.text
    assert question.text.count("[数据1]") == 2
    assert PHONE in house.desk.read[-1]
    assert house.desk.session.placeholders == (("[数据1]", PHONE),)


def test_what_a_rule_stopped_goes_along_to_nobody(house: House):
    house.desk.rules = WordRules(questions={"成本": Action.BLOCK}, answers={"机密": Action.BLOCK})
    house.say("你好")
    house.say("成本价是多少")
    house.primary.answering = lambda _question: ModelAnswer(text="这是机密")
    house.say("还有呢")
    house.primary.error = DOWN

    house.say("再问一个")

    (question,) = house.standby.questions
    assert not [word for word in ("成本", "机密", SENTENCE, "还有呢") if word in question.text]


def test_a_person_has_to_hear_of_it_although_the_standby_answered(house: House):
    house.primary.error = NO_POINTS

    outcome = house.say("你好")

    assert outcome.result is Result.ANSWERED
    assert outcome.misconfigured


def test_with_everything_down_the_message_comes_again_and_in_the_end_there_is_an_apology_and_a_person():
    house = House(people=ScriptedDesk("zhou.min"))
    house.all_down()

    outcomes = [house.say("你好", attempt=attempt, last=attempt == 5) for attempt in range(1, 6)]

    assert results(outcomes) == [Result.RETRY] * 4 + [Result.DEAD]
    assert house.desk.read == [SENTENCES.fallback]
    assert house.desk.people
    assert [each.reason for each in house.desk.people.called] == ["failed"]


def test_what_comes_back_meanwhile_answers_the_same_message(house: House):
    house.all_down()
    first = house.say("你好")
    house.standby.error = None

    second = house.say("你好", attempt=2)

    assert first.result is Result.RETRY
    assert (second.result, second.rung) == (Result.ANSWERED, "standby")
    assert house.desk.read == ["答：你好"]


def test_an_approved_answer_is_on_record_as_any_and_the_rules_have_their_say():
    house = House(approved=Approved())
    house.all_down()

    outcome = house.say("怎么退货")

    assert (outcome.result, outcome.rung) == (Result.ANSWERED, "cached")
    assert house.desk.read == ["七天内可退。"]
    (generated,) = [each for _, each in house.desk.ledger.trail if each.kind == "generated"]
    assert generated.actor == "answers:returns@1"

    house.desk.rules = WordRules(answers={"七天": Action.BLOCK})
    assert house.say("怎么退货").result is Result.BLOCKED
    assert house.desk.read[-1] == SENTENCE


def test_after_an_approved_answer_the_primary_is_told_of_it():
    house = House(approved=Approved())
    house.say("你好")
    house.all_down()
    house.say("怎么退货")
    for client in house.clients:
        client.error = None
    house.desk.clock.advance(130)

    house.say("那运费呢")

    assert "客户：怎么退货\n客服：七天内可退。\n）\n那运费呢" in house.primary.questions[-1].text


def test_whoever_doubts_still_knows_the_talk(house: House):
    house.desk.people = ScriptedDesk("zhou.min")
    house.primary.error = DOWN
    house.standby.answering = is_unsure
    house.say("这个多少钱")
    house.primary.error = None

    house.say("X100")

    assert house.desk.session.turns[0].kind == "clarify"
    assert "客户：这个多少钱" in house.primary.questions[-1].text


def test_each_outcome_of_a_question_tells_the_variant_also_where_it_failed():
    house = House()
    answering = house.desk.answering

    def trying(**more: object) -> object:
        made = answering(**more)  # type: ignore[arg-type]
        made._composer._variant_of = lambda _conversation: "canary"
        return made

    house.desk.answering = trying  # type: ignore[method-assign, assignment]
    assert house.say("你好").variant == "canary"
    house.all_down()
    assert house.say("在吗").variant == "canary"


def test_an_attempt_after_a_failed_one_never_uses_the_chat_of_that_one(house: House):
    house.primary.error = house.standby.error = DOWN
    house.say("你好")

    house.say("你好", attempt=2)
    house.standby.error = None
    house.say("你好", attempt=3)

    assert chat_numbers(house.standby) == ["1", "2", "3"]


def test_an_answer_of_its_own_is_the_one_that_a_rating_is_about(house: House):
    house.say("你好")
    session = house.desk.session
    doubted = replace(session.turns[-1], question_id="m9", kind="clarify", attempt_id="m9-1")
    rated = replace(session, turns=(*session.turns, doubted))
    inbound = said("r1").inbound
    desk = Desk(people=ScriptedDesk("zhou.min"))

    handover = desk.answering()._handover
    assert handover.may_rate(inbound, rated)
    assert handover.rated(inbound)[2] == session.turns[0].attempt_id
