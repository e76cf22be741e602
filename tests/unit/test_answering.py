"""One question, one answer: from a batch of waiting messages to what the customer reads."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.conversation.composing import FINISH_RESERVE_S
from frontdesk.conversation.outcomes import Result
from frontdesk.conversation.session import MAX_CONTEXT_BYTES, chat_id
from frontdesk.conversation.speaking import MAX_SEGMENTS
from frontdesk.errors import ConflictError, MisconfiguredError, PermanentError, TransientError
from frontdesk.messages import Choice, Field, Kind, ModelAnswer, Pause, Received
from frontdesk.telemetry import SafeFormatter
from tests.factories import CONVERSATION, CUSTOMER, NOW, NOW_MS, SENTENCES, model_answer, received
from tests.fakes.channel import CUT
from tests.fakes.crash import Crash, Crashing
from tests.fakes.desk import TTL_S, Desk

if TYPE_CHECKING:
    from collections.abc import Iterable

    from frontdesk.conversation.outcomes import Outcome
    from frontdesk.messages import Inbound, Question

LIMIT_S = 10
BUSY = TransientError("the chat is busy", code="chat_busy", retry_after_s=3.0)
SELECT = Pause("您想办理哪项业务？", choices=(Choice("退货", "option-return"), Choice("换货", "option-exchange")))
ENTERED = {"kind": Kind.ENTERED, "text": ""}
IMAGE = {"kind": Kind.IMAGE, "text": ""}


def said(message_id: str, text: str = "你好", *, attempt: int = 1, last_attempt: bool = False, **more: Any) -> Received:
    values = {"message_id": message_id, "text": text, "received_at_ms": NOW_MS, **more}
    return received(attempt=attempt, last_attempt=last_attempt, **values)


def results(outcomes: Iterable[Outcome]) -> list[Result]:
    return [outcome.result for outcome in outcomes]


def asked(desk: Desk) -> list[str]:
    return [question.text for question in desk.model.questions]


def chats(desk: Desk) -> list[str]:
    return [question.chat_id for question in desk.model.questions]


def turn_ids(desk: Desk) -> list[str]:
    return [turn.question_id for turn in desk.session.turns]


# -- the way of a question -------------------------------------------------------------------------------------------


def test_a_question_is_asked_answered_and_remembered():
    desk = Desk(model_answer(text="您的订单已发货。", confidence=0.93))

    outcomes = desk.answer(said("1", "订单到哪里了？"))

    assert results(outcomes) == [Result.ANSWERED]
    assert all(outcome.handled for outcome in outcomes)
    assert desk.read == ["您的订单已发货。"]
    (question,) = desk.model.questions
    assert question.text == "订单到哪里了？"
    assert question.chat_id == chat_id(desk.session)
    assert question.customer == CONVERSATION
    assert CUSTOMER not in question.chat_id
    (turn,) = desk.session.turns
    assert (turn.kind, turn.question, turn.answer) == ("answer", "订单到哪里了？", "您的订单已发货。")
    assert turn.confidence == 0.93
    assert desk.session.expires_at == NOW + TTL_S


def test_the_next_question_goes_to_the_same_chat():
    desk = Desk()

    desk.answer(said("1"))
    desk.clock.advance(TTL_S - 1)
    desk.answer(said("2"))

    assert len(set(chats(desk))) == 1
    assert turn_ids(desk) == ["1", "2"]
    assert desk.session.expires_at == NOW + TTL_S - 1 + TTL_S


def test_a_session_that_has_expired_is_not_gone_on_with_whatever_the_store_still_has():
    desk = Desk()

    desk.answer(said("1"))
    desk.clock.advance(TTL_S)
    desk.answer(said("2"))

    assert len(set(chats(desk))) == 2
    assert len(desk.sessions.kept) == 2
    assert turn_ids(desk) == ["2"]


def test_every_attempt_has_an_id_of_its_own_at_the_model():
    desk = Desk(BUSY)

    desk.answer(said("1"))
    desk.answer(said("1", attempt=2))

    ids = [question.attempt_id for question in desk.model.questions]
    assert len(set(ids)) == 2
    assert all(each.startswith("1-") for each in ids)


def test_waiting_messages_of_a_conversation_are_one_question():
    desk = Desk()

    outcomes = desk.answer(said("1", "你好"), said("2", "请问"), said("3", "怎么退货？"))

    assert asked(desk) == ["你好\n请问\n怎么退货？"]
    assert results(outcomes) == [Result.ANSWERED] * 3
    assert desk.read == ["答：你好\n请问\n怎么退货？"]
    assert turn_ids(desk) == ["1"]


def test_mixed_messages_are_handled_in_their_order():
    desk = Desk()

    outcomes = desk.answer(
        said("1", **ENTERED),
        said("2", "一"),
        said("3", **IMAGE),
        said("4", **IMAGE),
        said("5", "/reset"),
        said("6", "二"),
    )

    assert results(outcomes) == [Result.ANSWERED] * 6
    assert desk.read == [SENTENCES.welcome, "答：一", SENTENCES.unsupported, SENTENCES.reset, "答：二"]
    assert [outcome.received.inbound.message_id for outcome in outcomes] == list("123456")


def test_two_questions_with_the_same_answer_are_both_answered_visibly():
    desk = Desk(model_answer(text="是的。"), model_answer(text="是的。"), model_answer(text="是的。"))

    for message_id in "123":
        desk.answer(said(message_id))

    assert desk.read == ["是的。"] * 3
    assert len({request.text for request in desk.channel.requests}) == 3
    assert [turn.answer for turn in desk.session.turns] == ["是的。"] * 3


def test_two_equal_segments_of_one_answer_are_both_visible():
    desk = Desk(model_answer(text=CUT.join(["甲", "乙", "甲"])))

    desk.answer(said("1"))

    assert desk.read == ["甲", "乙", "甲"]
    assert desk.session.turns[0].answer == "甲\n乙\n甲"


def test_an_answer_of_too_many_segments_is_cut_and_says_so():
    desk = Desk(model_answer(text=CUT.join(f"第{n}段" for n in range(MAX_SEGMENTS + 1))))

    desk.answer(said("1"))

    assert len(desk.read) == MAX_SEGMENTS
    assert desk.read[:2] == ["第0段", "第1段"]
    assert "内容较长" in desk.read[-1]


def test_an_answer_of_just_enough_segments_is_shown_whole():
    desk = Desk(model_answer(text=CUT.join(f"第{n}段" for n in range(MAX_SEGMENTS))))

    desk.answer(said("1"))

    assert desk.read == [f"第{n}段" for n in range(MAX_SEGMENTS)]


def test_an_answer_without_anything_to_see_is_asked_for_again_and_apologised_for_in_the_end():
    desk = Desk(model_answer(text=" "), model_answer(text=" "))

    first = desk.answer(said("1"))
    last = desk.answer(said("1", attempt=5, last_attempt=True))

    assert (results(first), first[0].code) == ([Result.RETRY], "answer_invisible")
    assert results(last) == [Result.DEAD]
    assert desk.read == [SENTENCES.fallback]


def test_the_context_is_bounded_and_what_went_is_counted():
    desk = Desk(*[model_answer(text=str(n) + "长" * (MAX_CONTEXT_BYTES // 3 // 4)) for n in range(6)])

    for n in range(6):
        desk.answer(said(str(n), "短"))

    size = sum(len(turn.question.encode()) + len(turn.answer.encode()) for turn in desk.session.turns)
    assert size <= MAX_CONTEXT_BYTES
    assert turn_ids(desk) == ["3", "4", "5"]
    assert desk.session.turns_dropped == 3


# -- what the machine says by itself ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Kind.IMAGE, Kind.VOICE, Kind.VIDEO, Kind.LOCATION, Kind.LINK])
def test_what_cannot_be_read_gets_one_polite_sentence(kind: Kind):
    desk = Desk()

    desk.answer(said("1", kind=kind, text=""), said("2", kind=kind, text=""))

    assert desk.read == [SENTENCES.unsupported]
    assert desk.model.questions == []
    assert [(turn.kind, turn.question) for turn in desk.session.turns] == [("unsupported", f"[{kind}]")]


def test_pictures_one_after_another_each_get_the_sentence():
    desk = Desk()

    desk.answer(said("1", **IMAGE))
    desk.answer(said("2", **IMAGE))

    assert desk.read == [SENTENCES.unsupported] * 2


def test_a_welcome_is_said_once_a_session():
    desk = Desk()

    first = desk.answer(said("1", **ENTERED), said("2", **ENTERED))
    again = desk.answer(said("3", **ENTERED))
    desk.clock.advance(TTL_S)
    later = desk.answer(said("4", **ENTERED))

    assert results(first) == [Result.ANSWERED] * 2
    assert results(again) == [Result.SILENT]
    assert again[0].handled
    assert results(later) == [Result.ANSWERED]
    assert desk.read == [SENTENCES.welcome] * 2
    assert desk.session.turns[0].question == "[entered]"


def test_an_empty_welcome_is_none():
    desk = Desk(sentences=replace(SENTENCES, welcome=""))

    assert results(desk.answer(said("1", **ENTERED))) == [Result.SILENT]
    assert desk.read == []
    assert desk.sessions.kept == {}


@pytest.mark.parametrize("words", ["/reset", "重置", "／ＲＥＳＥＴ", " ／重置　"])
def test_a_new_start_opens_a_new_session_with_a_new_chat(words: str):
    desk = Desk()

    desk.answer(said("1", "一"))
    desk.clock.advance(1)
    outcomes = desk.answer(said("2", words))
    desk.answer(said("3", "二"))

    assert results(outcomes) == [Result.ANSWERED]
    assert asked(desk) == ["一", "二"]
    assert len(set(chats(desk))) == 2
    assert desk.read == ["答：一", SENTENCES.reset, "答：二"]
    assert turn_ids(desk) == ["2", "3"]


# -- the company's own people ----------------------------------------------------------------------------------------


class OwnPeople:
    """Wants every message with ``word`` in it; what it took is in ``taken``."""

    def __init__(self, word: str, error: Exception | None = None) -> None:
        self._word = word
        self._error = error
        self.taken: list[str] = []

    def concerns(self, inbound: Inbound) -> bool:
        return self._word in inbound.text

    def take(self, received: Received, *, deadline: float) -> None:
        if self._error is not None:
            raise self._error
        self.taken.append(received.inbound.message_id)


def test_what_people_of_the_company_do_is_no_question():
    desk = Desk()
    desk.agents = people = OwnPeople("请寄回")  # type: ignore[assignment]

    outcomes = desk.answer(said("1", "请寄回"), said("2", "好的"), said("3", **IMAGE), said("4", "你好"))

    assert results(outcomes) == [Result.RECORDED] * 2 + [Result.ANSWERED] * 2
    assert people.taken == ["1", "2"]
    assert asked(desk) == ["你好"]


def test_what_people_of_the_company_do_comes_again_when_it_cannot_be_done():
    desk = Desk()
    desk.agents = OwnPeople("请寄回", BUSY)  # type: ignore[assignment]

    outcomes = desk.answer(said("1", "请寄回"), said("2", **IMAGE))

    assert (results(outcomes), outcomes[0].code) == ([Result.RETRY] * 2, "chat_busy")
    assert (desk.read, desk.model.questions) == ([], [])


def test_a_question_that_was_answered_stays_one():
    desk = Desk()
    desk.answer(said("1", "请寄回"))
    desk.agents = people = OwnPeople("请寄回")  # type: ignore[assignment]

    assert results(desk.answer(said("1", "请寄回", attempt=2))) == [Result.DUPLICATE]
    assert people.taken == []


# -- pauses ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ["2", "２", "换货", "我想换货，谢谢"])
def test_a_pause_is_offered_as_numbered_choices_and_mapped_back(words: str):
    desk = Desk(model_answer(text="请选择业务。", pause=SELECT))

    desk.answer(said("1"))
    desk.answer(said("2", words))

    assert desk.read[0] == "请选择业务。\n\n您想办理哪项业务？\n1. 退货\n2. 换货\n（回复数字即可）"
    assert asked(desk)[1] == "option-exchange"
    assert len(set(chats(desk))) == 1
    assert [turn.kind for turn in desk.session.turns] == ["choices", "answer"]
    assert desk.session.turns[1].question == words
    assert desk.session.pending is None


def test_what_fits_no_choice_is_asked_again_once_and_then_the_talk_starts_afresh():
    desk = Desk(model_answer(text="", pause=SELECT))

    desk.answer(said("1"))
    desk.answer(said("2", "你们几点下班？"))
    desk.answer(said("3", "我问你们几点下班"))

    assert desk.read[1].startswith("没有这个选项。\n您想办理哪项业务？")
    assert desk.read[2] == "答：我问你们几点下班"
    assert asked(desk) == ["你好", "我问你们几点下班"]
    assert chats(desk)[1] == chats(desk)[0].removesuffix("0") + "1"
    assert (desk.session.chat_no, desk.session.pending) == (1, None)
    assert len(desk.sessions.kept) == 1


def test_a_form_is_filled_over_several_messages():
    pause = Pause(
        "请登记。",
        fields=(
            Field("name", "姓名"),
            Field("size", "尺码", choices=(Choice("大", "L"),)),
            Field("note", "备注", required=False),
        ),
    )
    desk = Desk(model_answer(text="", pause=pause))

    desk.answer(said("1"))
    for number, words in enumerate(["林梅", "大", "跳过"], start=2):
        desk.answer(said(str(number), words))

    assert [json.loads(text) for text in asked(desk)[1:]] == [{"name": "林梅", "size": "L", "note": ""}]
    assert desk.session.pending is None


@pytest.mark.parametrize(("between", "sentence"), [(IMAGE, SENTENCES.unsupported), (ENTERED, SENTENCES.welcome)])
def test_a_pause_outlives_what_is_no_answer_to_it(between: dict[str, Any], sentence: str):
    desk = Desk(model_answer(text="", pause=SELECT))

    desk.answer(said("1"))
    desk.answer(said("2", **between))
    desk.answer(said("3", "2"))

    assert desk.read[1] == sentence
    assert asked(desk)[1] == "option-exchange"


def test_a_new_start_ends_a_pause():
    desk = Desk(model_answer(text="", pause=SELECT))

    desk.answer(said("1"))
    desk.clock.advance(1)
    desk.answer(said("2", "重置"))
    desk.answer(said("3", "2"))

    assert asked(desk)[1] == "2"


def test_an_expired_session_takes_its_pause_with_it():
    desk = Desk(model_answer(text="", pause=SELECT))

    desk.answer(said("1"))
    desk.clock.advance(TTL_S)
    desk.answer(said("2", "2"))

    assert asked(desk)[1] == "2"


def test_the_answer_to_a_pause_is_mapped_the_same_way_at_every_attempt():
    desk = Desk(model_answer(text="", pause=SELECT), BUSY)

    desk.answer(said("1"))
    desk.answer(said("2", "2"))
    desk.answer(said("2", "2", attempt=2))

    assert asked(desk)[1:] == ["option-exchange"] * 2


# -- crashes ---------------------------------------------------------------------------------------------------------

CRASHES = {
    "before find": (1, "find", True),
    "before ask": (1, "ask", True),
    "after ask": (1, "ask", False),
    "before record": (1, "record", True),
    "after record": (1, "record", False),
    "before the first segment": (1, "deliver", True),
    "after the first segment": (1, "deliver", False),
    "after the first mark": (1, "mark_sent", False),
    "after the second segment": (2, "deliver", False),
    "after the second mark": (2, "mark_sent", False),
    "after the third segment": (3, "deliver", False),
    "after the third mark": (3, "mark_sent", False),
    "before save": (1, "save", True),
    "after save": (1, "save", False),
}
THREE = CUT.join(["一", "二", "三"])
"""A question whose echo is an answer of three segments."""


@pytest.mark.parametrize(("nth", "at", "before"), CRASHES.values(), ids=CRASHES.keys())
@pytest.mark.parametrize("opened_before", [False, True], ids=["in a new session", "in an open session"])
def test_wherever_the_process_dies_there_is_one_answer_no_more_no_less(
    *, nth: int, at: str, before: bool, opened_before: bool
):
    desk = Desk()
    if opened_before:
        desk.answer(said("0", "零"))

    with pytest.raises(Crash):
        desk.answer(said("1", THREE), crashing=Crashing(nth, at=at, before=before))
    desk.clock.advance(720)
    outcomes = desk.answer(said("1", THREE, attempt=2))
    desk.answer(said("2", "再见"))

    assert all(outcome.handled for outcome in outcomes)
    earlier, ids = (["答：零"], ["0"]) if opened_before else ([], [])
    assert desk.read == [*earlier, "答：一", "二", "三", "答：再见"]
    assert turn_ids(desk) == [*ids, "1", "2"]
    assert len(desk.sessions.kept) == 1
    # What was answered, and whatever follows, is one talk at the model.
    assert chats(desk)[-1] == chats(desk)[-2] == chat_id(desk.session)


def test_a_crash_and_a_new_message_do_not_merge_what_is_on_record_already():
    desk = Desk()

    with pytest.raises(Crash):
        desk.answer(said("1", "一"), said("2", "二"), crashing=Crashing(at="record"))
    outcomes = desk.answer(said("1", "一", attempt=2), said("2", "二", attempt=2), said("3", "三"))

    assert results(outcomes) == [Result.ANSWERED] * 3
    assert desk.read == ["答：一\n二", "答：三"]
    assert turn_ids(desk) == ["1", "3"]


@pytest.mark.parametrize("split", [1, 2])
def test_merged_messages_that_come_again_apart_are_answered_together(split: int):
    desk = Desk()
    batch = [said(each, each, attempt=2) for each in "123"]

    with pytest.raises(Crash):
        desk.answer(*batch, crashing=Crashing(at="record"))
    outcomes = desk.answer(*batch[:split]) + desk.answer(*batch[split:])

    assert results(outcomes) == [Result.ANSWERED] * split + [Result.DUPLICATE] * (3 - split)
    assert desk.read == ["答：1\n2\n3"]
    assert turn_ids(desk) == ["1"]


@pytest.mark.parametrize("kind", ["welcome", "unsupported", "reset"])
@pytest.mark.parametrize("at", ["record", "deliver", "mark_sent", "save"])
def test_the_machines_own_sentences_survive_a_crash_too(kind: str, at: str):
    desk = Desk()
    message = {"welcome": said("1", **ENTERED), "unsupported": said("1", **IMAGE), "reset": said("1", "/reset")}[kind]

    with pytest.raises(Crash):
        desk.answer(message, crashing=Crashing(at=at))
    desk.answer(replace(message, attempt=2))

    assert desk.read == [getattr(SENTENCES, kind)]
    assert [turn.kind for turn in desk.session.turns] == [kind]
    assert len(desk.sessions.kept) == 1


def test_a_delivered_message_that_comes_again_changes_nothing():
    desk = Desk()
    desk.answer(said("1"))
    before = desk.session
    requests = len(desk.channel.requests)
    desk.clock.advance(600)

    outcomes = desk.answer(said("1"))

    assert results(outcomes) == [Result.DUPLICATE]
    assert outcomes[0].handled
    assert desk.session == before
    assert len(desk.channel.requests) == requests
    assert len(desk.model.questions) == 1


def test_the_late_turn_of_a_removed_session_does_not_take_the_place_of_the_talk_going_on():
    desk = Desk()
    with pytest.raises(Crash):
        desk.answer(said("1", "一"), said("0", "零"), crashing=Crashing(at="save", before=True))
    desk.clock.advance(TTL_S + 60)
    desk.answer(said("2", "二"))
    going_on = desk.session

    redriven = desk.answer(said("1", "一"))
    again = desk.answer(said("1", "一"))

    assert results(redriven + again) == [Result.DUPLICATE] * 2
    assert desk.session == going_on
    late = [session for session in desk.sessions.kept.values() if session != going_on]
    assert [[turn.question_id for turn in session.turns] for session in late] == [["1"]]
    assert late[0].version == 1
    desk.answer(said("3", "三"))
    assert turn_ids(desk) == ["2", "3"]


def test_two_late_turns_of_one_removed_session_are_kept_together():
    desk = Desk()
    desk.answer(said("0", "零"))
    for message_id in "12":
        with pytest.raises(Crash):
            desk.answer(said(message_id), crashing=Crashing(at="save", before=True))
    desk.clock.advance(TTL_S + 60)
    desk.sessions.remove_expired(desk.clock())

    desk.answer(said("1"))
    desk.answer(said("2"))

    assert desk.session.session_id.endswith("-late")
    assert turn_ids(desk) == ["1", "2"]


# -- failures --------------------------------------------------------------------------------------------------------


def test_what_may_pass_is_tried_again_later_and_holds_back_what_came_after():
    desk = Desk(BUSY)

    outcomes = desk.answer(said("1", "一"), said("2", **IMAGE), said("3", "三"))

    assert results(outcomes) == [Result.RETRY] * 3
    assert [outcome.code for outcome in outcomes] == ["chat_busy", "held_back", "held_back"]
    assert [outcome.retry_after_s for outcome in outcomes] == [3.0] * 3
    assert [outcome.received.inbound.message_id for outcome in outcomes] == ["1", "2", "3"]
    assert not any(outcome.handled for outcome in outcomes)
    assert desk.read == []
    assert desk.sessions.kept == {}

    desk.answer(said("1", "一", attempt=2), said("2", attempt=2, **IMAGE), said("3", "三", attempt=2))
    assert desk.read == ["答：一", SENTENCES.unsupported, "答：三"]


def test_what_came_before_a_failure_stays_answered():
    desk = Desk()
    desk.model.script.extend([model_answer(text="甲"), BUSY])

    outcomes = desk.answer(said("1"), said("2", **IMAGE), said("3"))

    assert results(outcomes) == [Result.ANSWERED, Result.ANSWERED, Result.RETRY]


def test_after_the_last_attempt_the_customer_hears_of_it_once():
    desk = Desk(BUSY, BUSY)

    dead = desk.answer(said("1", attempt=5, last_attempt=True))
    redriven = desk.answer(said("1", attempt=5, last_attempt=True))

    assert results(dead) == results(redriven) == [Result.DEAD]
    assert [dead[0].served, redriven[0].served] == [True, True]
    assert not dead[0].handled
    assert dead[0].code == "chat_busy"
    assert desk.read == [SENTENCES.fallback]
    assert desk.ledger.replies == []

    assert results(desk.answer(said("1"))) == [Result.ANSWERED]
    assert desk.read == [SENTENCES.fallback, "答：你好"]


def test_whoever_could_not_even_be_apologised_to_was_not_served():
    desk = Desk(BUSY)
    desk.channel.failures.append(TransientError("out of reach"))

    (dead,) = desk.answer(said("1", attempt=5, last_attempt=True))

    assert (dead.result, dead.served) == (Result.DEAD, False)
    assert desk.read == []


def test_an_answer_on_record_that_never_went_out_served_nobody():
    desk = Desk()
    desk.channel.failures.append(TransientError("out of reach"))

    (dead,) = desk.answer(said("1", attempt=5, last_attempt=True))

    assert (dead.result, dead.served) == (Result.DEAD, False)


def test_what_comes_again_is_neither_served_nor_not_yet():
    assert [each.served for each in Desk(BUSY).answer(said("1"))] == [None]


def test_whoever_only_opened_the_chat_waits_for_nothing():
    assert [each.served for each in Desk().answer(said("1", kind=Kind.ENTERED, text=""))] == [None]


def test_what_follows_a_dead_message_is_answered():
    desk = Desk(BUSY)

    outcomes = desk.answer(said("1", attempt=5, last_attempt=True), said("2", **IMAGE))

    assert results(outcomes) == [Result.DEAD, Result.ANSWERED]
    assert desk.read == [SENTENCES.fallback, SENTENCES.unsupported]


def test_of_messages_taken_together_only_those_without_an_attempt_left_are_dead():
    desk = Desk(BUSY)

    outcomes = desk.answer(said("1", attempt=5, last_attempt=True), said("2", attempt=2), said("3", **IMAGE))

    assert results(outcomes) == [Result.DEAD, Result.RETRY, Result.RETRY]
    assert outcomes[2].code == "held_back"
    assert desk.read == [SENTENCES.fallback]


def test_two_dead_questions_get_two_apologies():
    desk = Desk(BUSY, BUSY)

    desk.answer(said("1", last_attempt=True))
    desk.answer(said("2", last_attempt=True))

    assert desk.read == [SENTENCES.fallback] * 2


def test_a_question_that_no_attempt_can_answer_gets_the_apology_as_its_answer():
    desk = Desk(PermanentError("refused", code="refused"))

    outcomes = desk.answer(said("1"))

    assert results(outcomes) == [Result.FALLBACK]
    assert (outcomes[0].handled, outcomes[0].misconfigured) == (True, False)
    assert desk.read == [SENTENCES.fallback]
    assert [turn.kind for turn in desk.session.turns] == ["fallback"]
    assert results(desk.answer(said("1"))) == [Result.DUPLICATE]
    assert len(desk.model.questions) == 1


@pytest.mark.parametrize(
    ("error", "paused", "fresh"),
    [
        (PermanentError("the run paused in an unknown way"), False, True),
        (MisconfiguredError("wrong key"), False, False),
        (MisconfiguredError("wrong key"), True, True),
    ],
)
def test_after_a_refusal_the_next_question_is_not_taken_for_the_answer_to_a_pause(
    *, error: PermanentError, paused: bool, fresh: bool
):
    desk = Desk(model_answer(text="好", pause=SELECT if paused else None), error)

    desk.answer(said("1"))
    outcomes = desk.answer(said("2", "1"))
    desk.answer(said("3", "三"))

    assert outcomes[0].misconfigured is isinstance(error, MisconfiguredError)
    assert (chats(desk)[2] != chats(desk)[1]) is fresh
    assert asked(desk)[2] == "三"


def test_a_channel_that_nobody_can_use_is_not_taken_for_a_customer_who_cannot_be_reached():
    desk = Desk()
    desk.channel.failures.extend([MisconfiguredError("wrong agent", code="agent_wrong")] * 2)

    first = desk.answer(said("1"))
    last = desk.answer(said("1", attempt=5, last_attempt=True))

    assert (results(first), results(last)) == ([Result.RETRY], [Result.DEAD])
    assert first[0].misconfigured
    assert last[0].misconfigured
    assert desk.read == []
    assert len(desk.model.questions) == 1

    assert results(desk.answer(said("1"))) == [Result.ANSWERED]
    assert desk.read == ["答：你好"]


def test_a_customer_who_cannot_be_reached_is_given_up_at_once():
    desk = Desk()
    desk.channel.failures.append(PermanentError("left the company", code="recipient_unknown"))

    outcomes = desk.answer(said("1"))

    assert results(outcomes) == [Result.UNDELIVERABLE]
    assert (outcomes[0].handled, outcomes[0].code) == (True, "recipient_unknown")
    assert outcomes[0].served is False


def test_a_delivery_that_breaks_off_is_taken_up_where_it_broke():
    desk = Desk()
    desk.channel.failures.extend([None, TransientError("busy")])

    assert results(desk.answer(said("1", THREE))) == [Result.RETRY]
    assert results(desk.answer(said("1", THREE, attempt=2))) == [Result.ANSWERED]

    assert desk.read == ["答：一", "二", "三"]
    assert [request.text for request in desk.channel.requests] == ["答：一", "二", "二", "三"]


class Failing:
    """Stands in front of a store: the named methods fail, ``times`` times in all."""

    def __init__(self, store: Any, error: Exception, *methods: str, times: int = 10**6) -> None:
        self._store = store
        self._error = error
        self._methods = methods
        self._times = times

    def __getattr__(self, name: str) -> Any:
        if name in self._methods and self._times:
            self._times -= 1
            return self._fail
        return getattr(self._store, name)

    def _fail(self, *args: Any, **kwargs: Any) -> None:
        raise self._error


DOWN = TransientError("the ledger failed", code="ledger_failed")


def test_while_the_ledger_is_down_nothing_is_asked_or_said():
    desk = Desk()
    desk.ledger = Failing(desk.ledger, DOWN, "find", times=1)

    outcomes = desk.answer(said("1", "一"), said("2", **IMAGE))

    assert results(outcomes) == [Result.RETRY] * 2
    assert {outcome.code for outcome in outcomes} == {"ledger_failed"}
    assert (desk.read, desk.model.questions) == ([], [])


def test_with_the_ledger_down_at_the_last_attempt_the_customer_still_hears_something():
    desk = Desk()
    desk.ledger = Failing(desk.ledger, DOWN, "find", "first_time", "repetitions", "record")

    outcomes = desk.answer(said("1", attempt=5, last_attempt=True), said("2"))

    assert results(outcomes) == [Result.DEAD, Result.RETRY]
    assert desk.read == [SENTENCES.fallback]


def test_who_only_opened_the_chat_is_not_apologised_to():
    desk = Desk()
    desk.ledger = Failing(desk.ledger, DOWN, "find")

    assert results(desk.answer(said("1", last_attempt=True, **ENTERED))) == [Result.DEAD]
    assert desk.read == []


def test_a_picture_that_could_not_be_explained_gets_the_apology_in_the_end():
    desk = Desk()
    desk.ledger = Failing(desk.ledger, DOWN, "record")

    assert results(desk.answer(said("1", last_attempt=True, **IMAGE))) == [Result.DEAD]
    assert desk.read == [SENTENCES.fallback]


def test_an_apology_that_cannot_be_counted_is_said_all_the_same():
    desk = Desk(BUSY)
    desk.ledger = Failing(desk.ledger, DOWN, "repetitions")

    assert results(desk.answer(said("1", last_attempt=True))) == [Result.DEAD]
    assert desk.read == [SENTENCES.fallback]


@pytest.mark.parametrize("error", [TransientError("down"), MisconfiguredError("wrong"), ValueError("unforeseen")])
def test_an_apology_that_cannot_be_sent_is_no_further_failure(error: Exception):
    desk = Desk(BUSY)
    desk.channel.failures.append(error)

    assert results(desk.answer(said("1", last_attempt=True))) == [Result.DEAD]
    assert desk.read == []


def test_an_answer_that_was_not_recorded_is_not_sent():
    desk = Desk()
    desk.ledger = Failing(desk.ledger, DOWN, "record", times=1)

    assert results(desk.answer(said("1"))) == [Result.RETRY]
    assert desk.channel.requests == []
    assert results(desk.answer(said("1", attempt=2))) == [Result.ANSWERED]
    assert desk.read == ["答：你好"]


def test_a_reply_that_another_process_recorded_first_is_taken_up_and_not_said_twice():
    desk = Desk()

    def meanwhile(question: Question) -> ModelAnswer:
        desk.answer(said("1", "一"))
        return model_answer(text="另一个答案")

    desk.model.script.append(meanwhile)

    outcomes = desk.answer(said("1", "一"), said("2", "二"))
    last = desk.answer(said("1", "一", attempt=2), said("2", "二", attempt=2))

    assert (results(outcomes), outcomes[0].code) == ([Result.RETRY] * 2, "ledger_conflict")
    assert results(last) == [Result.DUPLICATE, Result.ANSWERED]
    assert desk.read == ["答：一", "答：二"]


def test_no_apology_is_said_for_what_another_process_answers():
    desk = Desk()
    desk.ledger = Failing(desk.ledger, ConflictError("first"), "record")

    assert results(desk.answer(said("1", last_attempt=True))) == [Result.DEAD]
    assert desk.read == []


def test_a_session_that_cannot_be_saved_is_saved_at_the_next_attempt():
    desk = Desk()
    sessions = desk.sessions
    desk.sessions = Failing(sessions, TransientError("down", code="sessions_failed"), "save", times=1)

    first = desk.answer(said("1"))
    second = desk.answer(said("1", attempt=2))

    assert (results(first), first[0].code) == ([Result.RETRY], "sessions_failed")
    assert results(second) == [Result.DUPLICATE]
    assert desk.read == ["答：你好"]
    assert turn_ids(desk) == ["1"]


def test_a_session_that_changed_meanwhile_gets_the_turn_on_top_of_the_change():
    desk = Desk()
    desk.answer(said("0", "零"))

    def meanwhile(question: Question) -> ModelAnswer:
        desk.answer(said("9", "九"))
        return model_answer(text="一")

    desk.model.script.append(meanwhile)

    assert results(desk.answer(said("1"))) == [Result.ANSWERED]
    assert turn_ids(desk) == ["0", "9", "1"]


def test_a_session_that_was_removed_while_its_turn_was_answered_loses_nothing():
    desk = Desk()
    desk.answer(said("0", "零"))

    def meanwhile(question: Question) -> ModelAnswer:
        desk.clock.advance(TTL_S + 1)
        assert len(desk.sessions.remove_expired(desk.clock())) == 1
        return model_answer(text="一")

    desk.model.script.append(meanwhile)

    assert results(desk.answer(said("1"), time_left_s=2 * TTL_S)) == [Result.ANSWERED]
    assert turn_ids(desk) == ["1"]
    assert desk.session.session_id.endswith("-late")


def test_a_session_that_never_stops_changing_is_tried_again_later():
    desk = Desk()
    desk.sessions = Failing(desk.sessions, ConflictError("changed"), "save")

    outcomes = desk.answer(said("1"))

    assert (results(outcomes), outcomes[0].code) == ([Result.RETRY], "session_contended")


def test_what_nobody_foresaw_is_tried_again_and_told_without_content(caplog: pytest.LogCaptureFixture):
    desk = Desk(ValueError("订单 8812 的秘密"), ValueError("订单 8812 的秘密"))

    with caplog.at_level(logging.INFO):
        first = desk.answer(said("1", "我的密码是 1234"))
        last = desk.answer(said("1", "我的密码是 1234", attempt=5, last_attempt=True))

    assert (results(first), first[0].code) == ([Result.RETRY], "unexpected")
    assert results(last) == [Result.DEAD]
    assert desk.read == [SENTENCES.fallback]
    lines = [SafeFormatter(serialize_stacktrace=False).format(record) for record in caplog.records]
    assert any("ValueError" in line and CONVERSATION in line for line in lines)
    for line in lines:
        assert not any(secret in line for secret in ("8812", "1234", "密码", CUSTOMER))


# -- time ------------------------------------------------------------------------------------------------------------


def test_the_model_gets_the_time_that_sending_and_saving_leave():
    desk = Desk()

    desk.answer(said("1"), time_left_s=100)

    assert desk.model.deadlines == [pytest.approx(desk.clock.monotonic() + 100 - FINISH_RESERVE_S)]


def test_without_enough_time_left_nothing_is_asked():
    desk = Desk()

    outcomes = desk.answer(said("1"), time_left_s=FINISH_RESERVE_S + 4.9)

    assert (results(outcomes), outcomes[0].code) == ([Result.RETRY], "no_time_left")
    assert desk.model.questions == []
    assert results(desk.answer(said("1"), time_left_s=FINISH_RESERVE_S + 5)) == [Result.ANSWERED]


def test_an_outcome_tells_how_long_the_customer_waited():
    desk = Desk()

    def slowly(question: Question) -> ModelAnswer:
        desk.clock.advance(2)
        return model_answer(text=THREE, total_ms=1900)

    desk.model.script.append(slowly)
    deliver = desk.channel.deliver

    def each_taking_a_second(outbound: Any, *, deadline: float) -> None:
        desk.clock.advance(1)
        deliver(outbound, deadline=deadline)

    desk.channel.deliver = each_taking_a_second  # type: ignore[method-assign]
    (outcome,) = desk.answer(said("1", received_at_ms=NOW_MS - 500))

    assert (outcome.first_response_ms, outcome.response_ms, outcome.model_ms) == (3500, 5500, 1900)


def test_an_outcome_without_anything_visible_tells_no_times():
    (outcome,) = Desk(BUSY).answer(said("1"))

    assert (outcome.first_response_ms, outcome.response_ms, outcome.model_ms) == (None, None, None)


def test_a_clock_behind_the_callbacks_makes_no_negative_times():
    (outcome,) = Desk().answer(said("1", received_at_ms=NOW_MS + 5000))

    assert (outcome.first_response_ms, outcome.response_ms) == (0, 0)


def test_the_way_of_a_message_is_told_in_order(caplog: pytest.LogCaptureFixture):
    desk = Desk()

    with caplog.at_level(logging.INFO):
        desk.answer(said("1", "我的密码是 1234"))

    told = [record for record in caplog.records if hasattr(record, "stage")]
    assert [record.stage for record in told] == ["asked", "first_words", "answered", "sent"]
    assert all(record.at_ms == NOW_MS for record in told)
    assert {record.conversation for record in told} == {CONVERSATION}
    assert {record.message_id for record in told} == {"1"}
    assert not any("1234" in str(record.__dict__) for record in caplog.records)


# -- the interim notice ----------------------------------------------------------------------------------------------


class Patient:
    """A model that answers when the customer has read something, or after a limit."""

    def __init__(self, desk: Desk, *, then: ModelAnswer | Exception | None = None) -> None:
        self.said = threading.Event()
        self._then = then or model_answer(text="答案")
        deliver = desk.channel.deliver

        def watched(outbound: Any, *, deadline: float) -> None:
            deliver(outbound, deadline=deadline)
            self.said.set()

        desk.channel.deliver = watched  # type: ignore[method-assign]

    def __call__(self, question: Question) -> ModelAnswer:
        assert self.said.wait(LIMIT_S)
        if isinstance(self._then, Exception):
            raise self._then
        return self._then


def test_who_waits_long_is_told_so_before_the_answer():
    desk = Desk()
    desk.model.script.append(Patient(desk))

    outcomes = desk.answer(said("1"), interim_after_s=0.001)

    assert results(outcomes) == [Result.ANSWERED]
    assert desk.read == [SENTENCES.interim, "答案"]
    assert [turn.answer for turn in desk.session.turns] == ["答案"]


def test_the_time_that_a_message_waited_in_the_queue_counts():
    desk = Desk()
    desk.model.script.append(Patient(desk))

    desk.answer(said("1", received_at_ms=NOW_MS - 60_000), interim_after_s=60)

    assert desk.read == [SENTENCES.interim, "答案"]


def test_the_notice_is_sent_once_a_question_however_many_attempts_it_takes():
    desk = Desk()
    desk.model.script.append(Patient(desk, then=BUSY))

    desk.answer(said("1"), interim_after_s=0.001)
    claimed = threading.Event()
    first_time = desk.ledger.first_time

    def watched(*claim: Any) -> bool:
        try:
            return first_time(*claim)
        finally:
            claimed.set()

    desk.ledger.first_time = watched  # type: ignore[method-assign]

    def when_claimed(question: Question) -> ModelAnswer:
        assert claimed.wait(LIMIT_S)
        return model_answer(text="答案")

    desk.model.script.append(when_claimed)
    desk.answer(said("1", attempt=2), interim_after_s=0.001)

    assert desk.read == [SENTENCES.interim, "答案"]


def test_each_question_that_takes_long_has_its_notice():
    desk = Desk()
    desk.model.script.append(Patient(desk))
    desk.answer(said("1"), interim_after_s=0.001)
    desk.model.script.append(Patient(desk))
    desk.answer(said("2"), interim_after_s=0.001)

    assert desk.read == [SENTENCES.interim, "答案"] * 2


def test_who_is_answered_in_time_gets_no_notice():
    desk = Desk()

    desk.answer(said("1"), interim_after_s=3600)

    assert desk.read == ["答：你好"]
    assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]


def test_the_notice_can_be_turned_off():
    desk = Desk()

    desk.answer(said("1", received_at_ms=NOW_MS - 3_600_000), interim_after_s=0)

    assert desk.read == ["答：你好"]
    assert desk.ledger.expires.keys() == {f"reply#{CONVERSATION}#1", f"said#{CONVERSATION}#答：你好"}


def test_a_notice_on_its_way_is_waited_for_so_that_it_never_follows_the_answer():
    desk = Desk()
    on_its_way, answered = threading.Event(), threading.Event()
    deliver = desk.channel.deliver

    def slow_for_notices(outbound: Any, *, deadline: float) -> None:
        if outbound.text == SENTENCES.interim:
            on_its_way.set()
            assert answered.wait(LIMIT_S)
        deliver(outbound, deadline=deadline)

    desk.channel.deliver = slow_for_notices  # type: ignore[method-assign]

    def as_the_notice_leaves(question: Question) -> ModelAnswer:
        assert on_its_way.wait(LIMIT_S)
        answered.set()
        return model_answer(text="答案")

    desk.model.script.append(as_the_notice_leaves)
    desk.answer(said("1"), interim_after_s=0.001)

    assert desk.read == [SENTENCES.interim, "答案"]


@pytest.mark.parametrize("error", [TransientError("busy"), ValueError("unforeseen")])
def test_a_notice_that_cannot_be_sent_does_not_hurt_the_answer(error: Exception):
    desk = Desk()
    tried = threading.Event()
    deliver = desk.channel.deliver

    def failing_for_notices(outbound: Any, *, deadline: float) -> None:
        if outbound.text == SENTENCES.interim:
            tried.set()
            raise error
        deliver(outbound, deadline=deadline)

    desk.channel.deliver = failing_for_notices  # type: ignore[method-assign]

    def when_tried(question: Question) -> ModelAnswer:
        assert tried.wait(LIMIT_S)
        return model_answer(text="答案")

    desk.model.script.append(when_tried)

    assert results(desk.answer(said("1"), interim_after_s=0.001)) == [Result.ANSWERED]
    assert desk.read == ["答案"]


def test_the_notice_is_the_first_thing_the_customer_sees():
    desk = Desk()
    desk.clock.now = NOW + 7
    desk.model.script.append(Patient(desk))
    patient = desk.model.script[0]

    def then_slowly(question: Question) -> ModelAnswer:
        answer = patient(question)  # type: ignore[operator]
        desk.clock.advance(5)
        return answer

    desk.model.script[0] = then_slowly
    (outcome,) = desk.answer(said("1"), interim_after_s=0.001)

    assert (outcome.first_response_ms, outcome.response_ms) == (7000, 12000)
