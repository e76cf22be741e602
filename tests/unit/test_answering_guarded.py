"""Answering under guard: what the model is asked, what the customer reads, and what the audit gets to know of it."""

from __future__ import annotations

import json
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.conversation.outcomes import Result
from frontdesk.conversation.session import chat_id
from frontdesk.conversation.speaking import MAX_SEGMENTS
from frontdesk.errors import ConflictError, ErasedError, MisconfiguredError, TransientError, UnopenableError
from frontdesk.messages import Action, Choice, Field, Kind, Pause, Received
from tests.factories import CONVERSATION, NOW_MS, SENTENCES, model_answer, received
from tests.fakes.channel import CUT
from tests.fakes.desk import Desk
from tests.fakes.guard import HANDOFF_SENTENCE, SENTENCE, VERSION, rule_of
from tests.fakes.model import ScriptedModel

if TYPE_CHECKING:
    from frontdesk.records import Happening

PHONE = "13912345678"
MODEL = ScriptedModel.identity
FORM = Pause("请留下联系方式", fields=(Field("name", "姓名"), Field("phone", "电话")))


def said(message_id: str, text: str = "你好", **more: Any) -> Received:
    return received(**{"message_id": message_id, "text": text, "received_at_ms": NOW_MS, **more})


def guarded(*script: Any, private: tuple[str, ...] = (), questions: Any = None, answers: Any = None) -> Desk:
    desk = Desk(*script)
    desk.masking.private = private
    desk.rules.questions = questions or {}
    desk.rules.answers = answers or {}
    return desk


def results(desk: Desk, *batch: Received, **more: Any) -> list[Result]:
    return [outcome.result for outcome in desk.answer(*batch, **more)]


def audited(desk: Desk) -> list[Happening]:
    assert {conversation for conversation, _ in desk.ledger.trail} <= {CONVERSATION}
    return [happening for _, happening in desk.ledger.trail]


def kinds(desk: Desk) -> list[str]:
    return [happening.kind for happening in audited(desk)]


# -- personal data ---------------------------------------------------------------------------------------------------


def test_the_model_is_asked_with_placeholders_and_the_customer_reads_their_own_data():
    desk = guarded(model_answer(text="好的，稍后拨打[数据1]。"), private=(PHONE,))

    assert results(desk, said("1", f"请打{PHONE}")) == [Result.ANSWERED]

    assert [each.text for each in desk.model.questions] == ["请打[数据1]"]
    assert desk.read == [f"好的，稍后拨打{PHONE}。"]


def test_a_placeholder_stays_the_same_through_the_conversation():
    desk = guarded(private=(PHONE, "李雷"))

    desk.answer(said("1", f"请打{PHONE}"))
    desk.answer(said("2", f"李雷的也是{PHONE}"))

    assert [each.text for each in desk.model.questions] == ["请打[数据1]", "[数据2]的也是[数据1]"]
    assert desk.session.placeholders == (("[数据1]", PHONE), ("[数据2]", "李雷"))


def test_a_fresh_start_forgets_the_placeholders():
    desk = guarded(private=(PHONE,))

    desk.answer(said("1", f"请打{PHONE}"))
    desk.clock.advance(1)
    desk.answer(said("2", "重置"))
    assert desk.session.placeholders == ()


def test_what_was_masked_is_remembered_in_the_customers_own_words():
    desk = guarded(private=(PHONE,))

    desk.answer(said("1", f"请打{PHONE}"))

    (turn,) = desk.session.turns
    assert (turn.question, turn.answer) == (f"请打{PHONE}", f"答：请打{PHONE}")


def test_a_form_is_filled_with_placeholders():
    desk = guarded(model_answer(text="", pause=FORM), private=(PHONE,))

    desk.answer(said("1", "我要预约"))
    desk.answer(said("2", "李雷"))
    desk.answer(said("3", PHONE))

    assert json.loads(desk.model.questions[-1].text) == {"name": "李雷", "phone": "[数据1]"}


def test_a_choice_that_is_offered_again_shows_the_customers_own_data():
    pause = Pause("打给[数据1]吗？", choices=(Choice("是", "yes"), Choice("否", "no")))
    desk = guarded(model_answer(text="", pause=pause), private=(PHONE,))

    desk.answer(said("1", f"我的电话是{PHONE}"))
    desk.answer(said("2", "什么？"))

    assert all(f"打给{PHONE}吗？" in text for text in desk.read)
    assert len(desk.read) == 2


# -- rules -----------------------------------------------------------------------------------------------------------


def test_a_blocked_question_gets_the_rules_sentence_and_never_reaches_the_model():
    desk = guarded(questions={"底价": Action.BLOCK})

    assert results(desk, said("1", "底价是多少")) == [Result.BLOCKED]

    assert desk.read == [SENTENCE]
    assert desk.model.questions == []
    assert desk.session.turns[0].kind == "blocked"


def test_a_blocked_question_leaves_a_pause_as_it_was():
    pause = Pause("要哪个？", choices=(Choice("红", "red"), Choice("蓝", "blue")))
    desk = guarded(model_answer(text="", pause=pause), questions={"底价": Action.BLOCK})

    desk.answer(said("1"))
    desk.answer(said("2", "底价"))
    desk.answer(said("3", "1"))

    assert desk.model.questions[-1].text == "red"


def test_a_question_for_a_person_is_told_so_and_counted_apart():
    desk = guarded(questions={"找经理": Action.HANDOFF})

    assert results(desk, said("1", "我要找经理")) == [Result.HANDOFF]
    assert desk.read == [HANDOFF_SENTENCE]


def test_a_blocked_answer_is_never_shown():
    desk = guarded(model_answer(text="底价是八折"), answers={"底价": Action.BLOCK})

    assert results(desk, said("1")) == [Result.BLOCKED]
    assert desk.read == [SENTENCE]


def test_a_forbidden_phrase_is_found_where_the_answer_is_cut_into_messages():
    desk = guarded(model_answer(text=f"这个商品的底{CUT}价"), answers={f"底{CUT}价": Action.BLOCK})

    desk.answer(said("1"))

    assert desk.read == [SENTENCE]


def test_a_pause_whose_offer_was_blocked_does_not_take_the_next_question():
    pause = Pause("要底价吗？", choices=(Choice("是", "yes"), Choice("否", "no")))
    desk = guarded(model_answer(text="", pause=pause), answers={"底价": Action.BLOCK})

    desk.answer(said("1"))
    desk.answer(said("2", "是"))

    first, second = desk.model.questions
    assert second.text == "是"
    assert first.chat_id != second.chat_id == chat_id(desk.session)


def test_masked_spans_are_masked_both_ways():
    desk = guarded(model_answer(text="代号乙"), questions={"代号甲": Action.MASK}, answers={"代号乙": Action.MASK})

    assert results(desk, said("1", "代号甲？")) == [Result.ANSWERED]
    assert desk.model.questions[0].text == "＊＊＊？"
    assert desk.read == ["＊＊＊"]


def test_what_was_blocked_is_sent_on_after_a_crash_and_still_counts_as_blocked():
    desk = guarded(questions={"底价": Action.BLOCK})
    desk.channel.failures.append(TransientError("busy"))

    assert results(desk, said("1", "底价")) == [Result.RETRY]
    assert results(desk, said("1", "底价", attempt=2)) == [Result.BLOCKED]
    assert desk.read == [SENTENCE]


def test_the_rules_judge_what_the_customer_reads_not_the_marks_around_it():
    desk = guarded(model_answer(text="这个商品的底**价**是八折"), answers={"底价": Action.BLOCK})

    desk.answer(said("1"))

    assert desk.read == [SENTENCE]


def test_the_model_cannot_be_asked_again_for_what_was_blocked():
    desk = guarded(model_answer(text="底价是八折"), answers={"底价": Action.BLOCK})

    desk.answer(said("1"))
    desk.answer(said("2", "用拼音再说一遍"))

    first, second = desk.model.questions
    assert first.chat_id != second.chat_id


# -- the audit -------------------------------------------------------------------------------------------------------


def test_an_answer_that_nothing_changed_is_one_record_with_its_model():
    desk = guarded(model_answer(text="已发货。"))

    desk.answer(said("1"))

    (happening,) = audited(desk)
    assert (happening.kind, happening.actor, happening.after) == ("generated", MODEL, "已发货。")
    assert (happening.about, happening.before) == ("1", "")


def test_what_the_model_wrote_is_kept_beside_what_it_looks_like():
    desk = guarded(model_answer(text="已**发货**。"))

    desk.answer(said("1"))

    (happening,) = audited(desk)
    assert (happening.before, happening.after) == ("已**发货**。", "已发货。")


def test_every_change_to_an_answer_is_a_record_of_its_own_in_order():
    desk = guarded(model_answer(text="代号乙，稍后打[数据1]"), private=(PHONE,), answers={"代号乙": Action.MASK})

    desk.answer(said("1", PHONE))

    assert [(each.kind, each.actor, each.before, each.after) for each in audited(desk)] == [
        ("generated", MODEL, "", "代号乙，稍后打[数据1]"),
        ("filtered", f"rule:{rule_of('代号乙')}@{VERSION}", "代号乙，稍后打[数据1]", "＊＊＊，稍后打[数据1]"),
        ("unmasked", "frontdesk", "＊＊＊，稍后打[数据1]", f"＊＊＊，稍后打{PHONE}"),
    ]


def test_a_cut_answer_is_recorded_whole_and_as_it_was_sent():
    text = CUT.join(str(number) for number in range(MAX_SEGMENTS + 5))
    desk = guarded(model_answer(text=text))

    desk.answer(said("1"))

    generated, truncated = audited(desk)
    assert (truncated.kind, truncated.before, truncated.after) == ("truncated", generated.after, "\n".join(desk.read))


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ({"kind": Kind.ENTERED, "text": ""}, "welcome"),
        ({"kind": Kind.IMAGE, "text": ""}, "unsupported"),
        ({"text": "重置"}, "reset"),
    ],
)
def test_the_machines_own_sentences_are_recorded_too(message: dict[str, Any], sentence: str):
    desk = guarded()

    desk.answer(said("1", **message))

    (happening,) = audited(desk)
    assert (happening.kind, happening.actor, happening.after) == ("said", "frontdesk", getattr(SENTENCES, sentence))
    assert happening.details == {"sentence": sentence}


def test_an_apology_is_recorded_with_what_kept_the_model_from_answering():
    desk = guarded(MisconfiguredError("wrong key", code="fastgpt_key_refused"))

    assert results(desk, said("1")) == [Result.FALLBACK]

    (happening,) = audited(desk)
    assert (happening.kind, happening.after) == ("fallback", SENTENCES.fallback)
    assert happening.details == {"code": "fastgpt_key_refused"}


def test_the_last_attempts_apology_is_recorded_once():
    desk = guarded(TransientError("busy"), TransientError("busy"))

    desk.answer(said("1", attempt=5, last_attempt=True))
    desk.answer(said("1", attempt=5, last_attempt=True))

    assert kinds(desk) == ["fallback"]


def test_an_interim_notice_is_a_record_beside_the_answers():
    desk = guarded()
    deliver, seen, told = desk.channel.deliver, [], threading.Event()

    def noting(outbound: Any, *, deadline: float) -> None:
        deliver(outbound, deadline=deadline)
        seen.append(kinds(desk))
        told.set()

    desk.channel.deliver = noting  # type: ignore[method-assign]

    def patient(question: Any) -> Any:
        assert told.wait(10)
        return model_answer(text="答案")

    desk.model.script.append(patient)
    desk.answer(said("1"), interim_after_s=0.001)

    assert kinds(desk) == ["interim", "generated"]
    assert seen[0] == ["interim"]  # on record before it is sent


def test_an_answer_is_on_record_once_however_often_it_is_tried():
    desk = guarded(model_answer(text="已发货。"))
    desk.channel.failures.append(TransientError("busy"))

    desk.answer(said("1"))
    desk.answer(said("1", attempt=2))

    assert kinds(desk) == ["generated"]


# -- what does not open ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [UnopenableError, ErasedError])
def test_a_session_that_does_not_open_is_no_new_session(error: type[UnopenableError], caplog: Any):
    desk = guarded()

    def closed(conversation: str) -> Any:
        raise error("a value does not open", key_id="c0123456789ab")

    desk.sessions.latest = closed  # type: ignore[method-assign]
    with caplog.at_level(logging.ERROR):
        (outcome,) = desk.answer(said("1"))

    assert (outcome.result, outcome.code) == (Result.RETRY, error.code)
    assert desk.model.questions == []
    assert [getattr(line, "key_id", None) for line in caplog.records] == ["c0123456789ab"]


def test_what_never_opens_becomes_a_dead_letter_and_the_customer_hears_the_apology():
    desk = guarded()

    def closed(conversation: str, message_ids: Any) -> Any:
        raise UnopenableError("a value does not open", key_id="k1")

    desk.ledger.find = closed  # type: ignore[method-assign]
    assert results(desk, said("1", attempt=5, last_attempt=True)) == [Result.DEAD]
    assert desk.read == [SENTENCES.fallback]


# -- what others do meanwhile ----------------------------------------------------------------------------------------


def test_an_answer_whose_record_was_erased_while_it_was_sent_is_not_asked_for_again():
    desk = guarded(model_answer(text=f"一{CUT}二"))

    def gone(reply: Any, sent: int) -> None:
        raise ConflictError("ledger: somebody else was first", code="ledger_conflict")

    desk.ledger.mark_sent = gone  # type: ignore[method-assign]

    assert results(desk, said("1")) == [Result.ANSWERED]
    assert desk.read == ["一", "二"]
    assert len(desk.model.questions) == 1


def test_a_placeholder_the_model_has_seen_never_means_something_else_later():
    desk = guarded(private=("李雷", PHONE))
    desk.answer(said("1"))
    desk.model.script.append(TransientError("busy"))

    assert results(desk, said("2", PHONE, attempt=5, last_attempt=True)) == [Result.DEAD]
    desk.answer(said("3", "李雷"))

    assert desk.model.questions[-1].text == "[数据2]"
    assert desk.session.placeholders == (("[数据1]", PHONE), ("[数据2]", "李雷"))


def test_placeholders_that_cannot_be_kept_do_not_change_what_becomes_of_the_message(caplog: Any):
    desk = guarded(private=(PHONE,))
    desk.answer(said("1"))
    desk.model.script.append(TransientError("busy"))

    def closed(session: Any) -> Any:
        raise TransientError("sessions failed", code="sessions_failed")

    desk.sessions.save = closed  # type: ignore[method-assign]
    assert results(desk, said("2", PHONE, attempt=5, last_attempt=True)) == [Result.DEAD]
    assert "placeholders not kept" in caplog.messages
