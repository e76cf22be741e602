"""A session's questions are put to an app as the model would get them, and its answers compared with those given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontdesk.conversation.guarding import Guard
from frontdesk.errors import TransientError
from frontdesk.messages import Action, Choice, ModelAnswer, Pause
from ops.cli.replaying import CUSTOMER, Replaying, similarity
from tests.factories import turn
from tests.fakes.clock import FakeClock
from tests.fakes.guard import WordMasking, WordRules
from tests.fakes.model import ScriptedModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from frontdesk.records import Turn
    from ops.cli.replaying import Compared

PHONE = "13800138000"


def replayed(
    model: ScriptedModel,
    *turns: Turn,
    rules: dict[str, Action] | None = None,
    known: Sequence[tuple[str, str]] = (),
) -> list[Compared]:
    guard = Guard(rules=WordRules(questions=rules), masking=WordMasking(PHONE))
    return list(Replaying(model, guard=guard, monotonic=FakeClock().monotonic).replay(turns, tuple(known)))


def test_questions_are_asked_in_order_in_one_chat_that_is_no_customers():
    model = ScriptedModel(ModelAnswer("九点。", confidence=0.5, total_ms=80), ModelAnswer("两年。"))

    first, second = replayed(
        model,
        turn(question="几点营业？", answer="九点。", asked_at_ms=1000, answered_at_ms=2500, confidence=0.9),
        turn(question="保修多久？", answer="一年。"),
    )

    assert [each.text for each in model.questions] == ["几点营业？", "保修多久？"]
    (chat,) = {each.chat_id for each in model.questions}
    assert chat.startswith("replay-")
    assert {each.customer for each in model.questions} == {CUSTOMER}
    assert len({each.attempt_id for each in model.questions}) == 2
    assert (first.similarity, first.confidence_before, first.confidence_after) == (1.0, 0.9, 0.5)
    assert (first.before_ms, first.after_ms) == (1500, 80)
    assert second.similarity == pytest.approx(0.5)


def test_two_replays_are_two_chats():
    model = ScriptedModel()

    replayed(model, turn())
    replayed(model, turn())

    assert len({each.chat_id for each in model.questions}) == 2


def test_after_a_reset_the_chat_is_a_fresh_one():
    model = ScriptedModel()

    replayed(model, turn(), turn(kind="reset", question="重置", answer="好的"), turn())

    first, second = (each.chat_id for each in model.questions)
    assert first != second


def test_neither_the_app_nor_the_reader_is_given_personal_data():
    model = ScriptedModel(lambda question: ModelAnswer(f"我记下了：{question.text}"))

    (compared,) = replayed(model, turn(question=f"打给 {PHONE}", answer=f"我记下了：打给 {PHONE}"))

    assert PHONE not in model.questions[0].text
    assert PHONE not in repr(compared)
    assert compared.similarity == 1.0, "the same value has the same placeholder in both"


@pytest.mark.parametrize(
    "kept",
    [
        turn(kind="welcome", question="", answer="您好"),
        turn(kind="unsupported", question="[image]", answer="…"),
        turn(kind="to_person", question="在吗", answer=""),
        turn(kind="person", question="", answer="在的"),
        turn(kind="answer", question="[已撤回]", answer="…"),
        turn(kind="blocked", question="内幕", answer="…"),
        turn(kind="more", question="继续查看", answer="…"),
    ],
)
def test_what_the_model_was_not_asked_is_not_asked(kept: Turn):
    model = ScriptedModel()

    assert replayed(model, kept) == []
    assert model.questions == []


def test_a_question_that_got_no_answer_then_is_asked_again():
    (compared,) = replayed(ScriptedModel(ModelAnswer("两年。")), turn(kind="fallback", answer="抱歉"))

    assert (compared.kind, compared.after) == ("fallback", "两年。")


def test_an_answer_that_fails_is_told_and_the_next_question_is_asked():
    model = ScriptedModel(TransientError("no", code="fastgpt_timeout"), ModelAnswer("好"))

    first, second = replayed(model, turn(), turn())

    assert (first.code, first.failed, first.similarity, first.after) == ("fastgpt_timeout", True, None, "")
    assert (second.code, second.failed) == ("", False)


def test_what_a_rule_of_today_stops_is_not_sent_and_no_failure():
    model = ScriptedModel()

    (compared,) = replayed(model, turn(question="说说内幕"), rules={"内幕": Action.BLOCK})

    assert (compared.code, compared.failed, model.questions) == ("not_asked", False, [])


def choice_of(*labels: str) -> ModelAnswer:
    return ModelAnswer("", pause=Pause("哪个部门？", choices=tuple(Choice(each, f"v-{each}") for each in labels)))


def test_a_choice_that_the_app_offers_is_taken_as_the_customer_took_it():
    model = ScriptedModel(choice_of("售前", "售后"), ModelAnswer("售后为您服务。"))

    first, _ = replayed(
        model,
        turn(kind="choices", question="找部门", answer="哪个部门？\n1. 售前\n2. 售后\n（回复数字即可）"),
        turn(question="2", answer="售后为您服务。"),
    )

    assert model.questions[1].text == "v-售后"
    assert first.after == "哪个部门？\n售前\n售后"


def test_what_answers_no_choice_is_not_sent_once_and_then_begins_a_fresh_chat():
    model = ScriptedModel(choice_of("售前", "售后"))

    _, second, third = replayed(model, turn(question="找部门"), turn(question="几点？"), turn(question="几点？"))

    assert (second.code, third.code) == ("not_asked", "")
    first_chat, second_chat = (each.chat_id for each in model.questions)
    assert first_chat != second_chat


@given(st.text(), st.text())
def test_likeness_is_a_share_and_of_a_text_with_itself_whole(one: str, other: str):
    assert 0.0 <= similarity(one, other) <= 1.0
    assert similarity(one, one) == 1.0


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("营业时间：９点到１８点。", "营业时间: 9点到18点", 1.0),
        ("**GOOD**", "good", 1.0),
        ("退货", "开票", 0.0),
        ("七天无理由", "十天无理由", 0.8),
    ],
)
def test_likeness_counts_words_and_not_layout(one: str, other: str, alike: float):
    assert similarity(one, other) == pytest.approx(alike)


def test_times_that_run_backwards_are_no_negative_wait():
    backwards: dict[str, Any] = {"asked_at_ms": 2000, "answered_at_ms": 1000}

    (compared,) = replayed(ScriptedModel(), turn(**backwards))

    assert compared.before_ms == 0
