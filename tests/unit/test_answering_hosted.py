"""Answering where the vendor hosts the talk: it counts the messages, people write in its own client, menus are shown."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.conversation.outcomes import Result
from frontdesk.conversation.speaking import MAX_SEGMENTS
from frontdesk.errors import AllowanceError, ChargeUnknownError, PermanentError, TakenOverError, TransientError
from frontdesk.messages import Charge, Choice, Kind, ModelAnswer, Pause
from tests.factories import CONVERSATION, CUSTOMER, NOW_MS, SENTENCES, model_answer, received
from tests.fakes.channel import CUT
from tests.fakes.crash import Crash, Crashing
from tests.fakes.desk import Desk, raising
from tests.fakes.desks import ScriptedDesk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from frontdesk.conversation.outcomes import Outcome
    from frontdesk.messages import Outbound, Question, Received

LIMIT_S = 10
UNREADABLE = ChargeUnknownError("the service state cannot be read", code="charge_unknown")
MORE = {"menu_id": "more:1"}
SELECT = Pause("要办什么？", choices=(Choice("退货", "return"), Choice("换货", "exchange")))


def said(message_id: str, text: str = "你好", *, attempt: int = 1, last_attempt: bool = False, **more: Any) -> Received:
    values = {"message_id": message_id, "text": text, "received_at_ms": NOW_MS, **more}
    return received(attempt=attempt, last_attempt=last_attempt, **values)


def entered(message_id: str = "1", **more: Any) -> Received:
    return said(message_id, "", **{"kind": Kind.ENTERED, "details": {"code": f"code-{message_id}"}, **more})


def wrote(message_id: str, text: str, servicer: str = "zhou.min") -> Received:
    return said(message_id, text, kind=Kind.PERSON, details={"servicer": servicer})


def hosted(
    *script: ModelAnswer | BaseException | Callable[[Question], ModelAnswer], left: int = 5, **more: Any
) -> Desk:
    return Desk(*script, people=ScriptedDesk("zhou.min", **more), left=left)  # type: ignore[arg-type]


def short_messages(desk: Desk) -> Desk:
    """Let a message hold as much as one of `parts`, and no two."""

    def split(text: str) -> tuple[str, ...]:
        return tuple(line for piece in text.split(CUT) for line in piece.split("\n") if line.strip())

    desk.channel.split = split  # type: ignore[method-assign]
    return desk


def in_charge(desk: Desk, charge: Charge) -> None:
    assert desk.people
    desk.people.charges[CONVERSATION] = charge


def results(outcomes: Iterable[Outcome]) -> list[Result]:
    return [outcome.result for outcome in outcomes]


def parts(count: int) -> str:
    return CUT.join(f"第{n}段。" for n in range(1, count + 1))


def withheld(desk: Desk) -> list[tuple[str, str]]:
    """Return what was to be said and what of it was, of each reply that was not said whole."""
    return [(each.before, each.after) for _, each in desk.ledger.trail if each.kind == "withheld"]


def audited(desk: Desk, kind: str) -> list[str]:
    return [happening.after for _, happening in desk.ledger.trail if happening.kind == kind]


# -- who is in charge ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("charge", [Charge.PERSON, Charge.WAITING, Charge.CLOSED])
def test_while_the_machine_is_not_in_charge_it_asks_nothing_and_says_nothing(charge: Charge):
    desk = hosted()
    in_charge(desk, charge)

    outcomes = desk.answer(
        said("1", "在吗"), said("2", "", kind=Kind.IMAGE), said("3", "重置"), entered("4", details={})
    )

    assert results(outcomes) == [Result.RECORDED] * 3 + [Result.SILENT]
    assert (desk.channel.requests, desk.model.questions) == ([], [])
    assert [(turn.kind, turn.question, turn.answer) for turn in desk.session.turns] == [
        ("to_person", "在吗", ""),
        ("to_person", "[image]", ""),
        ("to_person", "重置", ""),
    ]


def test_words_for_a_person_stay_in_the_session_that_the_customer_is_in():
    desk = hosted()
    desk.answer(said("1"))
    desk.clock.advance(1)
    in_charge(desk, Charge.PERSON)

    desk.answer(said("2", "重置"))

    assert len(desk.sessions.kept) == 1
    assert [turn.kind for turn in desk.session.turns] == ["answer", "to_person"]


def test_who_is_in_charge_is_read_again_right_before_every_message():
    desk = hosted(model_answer(text=parts(3)))
    assert desk.people
    people, order = desk.people, []
    charge, deliver = people.charge, desk.channel.deliver
    people.charge = lambda *given, **more: (order.append("read"), charge(*given, **more))[1]  # type: ignore[method-assign]
    desk.channel.deliver = lambda *given, **more: (order.append("said"), deliver(*given, **more))[1]  # type: ignore[method-assign]

    desk.answer(said("1"))

    assert order == ["read", *["read", "said"] * 3]


def test_an_answer_in_the_making_when_a_person_takes_over_is_withheld_for_good():
    desk = hosted()

    def meanwhile(question: Question) -> ModelAnswer:
        in_charge(desk, Charge.PERSON)
        return model_answer(text="迟到的回答")

    desk.model.script.append(meanwhile)

    assert results(desk.answer(said("1", "怎么退货？"))) == [Result.WITHHELD]
    in_charge(desk, Charge.BOT)
    assert results(desk.answer(said("1", "怎么退货？", attempt=2))) == [Result.DUPLICATE]

    assert desk.channel.requests == []
    assert withheld(desk) == [("迟到的回答", "")]
    (turn,) = desk.session.turns
    assert (turn.kind, turn.question, turn.answer) == ("withheld", "怎么退货？", "迟到的回答")
    assert desk.people
    assert desk.people.called == []


def test_a_person_who_takes_over_between_two_messages_has_the_last_word():
    desk = hosted(model_answer(text=parts(3)))
    deliver = desk.channel.deliver

    def then_taken(outbound: Outbound, *, deadline: float) -> None:
        deliver(outbound, deadline=deadline)
        in_charge(desk, Charge.PERSON)

    desk.channel.deliver = then_taken  # type: ignore[method-assign]

    assert results(desk.answer(said("1"))) == [Result.WITHHELD]
    assert desk.read == ["第1段。"]
    assert withheld(desk) == [("第1段。\n第2段。\n第3段。", "第1段。")]
    (turn,) = desk.session.turns
    assert (turn.kind, turn.answer) == ("answer", "第1段。")


def test_the_vendor_may_be_the_first_to_know_that_a_person_took_over():
    desk = hosted()
    desk.channel.failures.append(TakenOverError("the session is a person's", code="wecom_95018"))

    assert results(desk.answer(said("1"))) == [Result.WITHHELD]
    assert desk.session.turns[0].kind == "withheld"


def test_what_was_withheld_is_not_said_after_a_crash_either_though_the_machine_is_in_charge_again():
    desk = hosted()
    desk.channel.failures.append(TakenOverError("a person's"))

    with pytest.raises(Crash):
        desk.answer(said("1"), crashing=Crashing(at="save"))
    outcomes = desk.answer(said("1", attempt=2))

    assert results(outcomes) == [Result.WITHHELD]
    assert len(audited(desk, "withheld")) == 1
    assert desk.read == []
    assert results(desk.answer(said("1", attempt=3))) == [Result.DUPLICATE]


def test_a_hand_over_that_was_withheld_calls_nobody_however_often_its_message_comes():
    desk = hosted()
    desk.channel.failures.append(TakenOverError("a person's"))

    desk.answer(said("1", "转人工"))
    desk.answer(said("1", "转人工", attempt=2))

    assert desk.people
    assert desk.people.called == []


def test_a_pause_that_was_withheld_does_not_take_the_next_question():
    desk = hosted(model_answer(text="", pause=SELECT))
    desk.channel.failures.append(TakenOverError("a person's"))

    desk.answer(said("1"))
    desk.answer(said("2", "1"))

    first, second = desk.model.questions
    assert second.text == "1"
    assert first.chat_id != second.chat_id


def test_while_nobody_knows_who_is_in_charge_nothing_is_said():
    desk = hosted()
    assert desk.people
    desk.people.failures.append(UNREADABLE)

    outcomes = desk.answer(said("1"))

    assert (results(outcomes), outcomes[0].code) == ([Result.RETRY], "charge_unknown")
    assert (desk.channel.requests, desk.model.questions) == ([], [])
    assert results(desk.answer(said("1", attempt=2))) == [Result.ANSWERED]


def test_an_answer_waits_when_who_is_in_charge_becomes_unreadable():
    desk = hosted(model_answer(text=parts(2)))
    assert desk.people
    desk.people.failures.extend([None, None, UNREADABLE])

    assert results(desk.answer(said("1"))) == [Result.RETRY]
    assert desk.read == ["第1段。"]
    assert results(desk.answer(said("1", attempt=2))) == [Result.ANSWERED]
    assert desk.read == ["第1段。", "第2段。"]


def test_the_last_attempts_apology_is_no_exception():
    desk = hosted()
    assert desk.people
    desk.people.failures.extend([UNREADABLE] * 9)

    assert results(desk.answer(said("1", attempt=5, last_attempt=True))) == [Result.DEAD]
    assert desk.channel.requests == []


@pytest.mark.parametrize("charge", [Charge.PERSON, Charge.WAITING])
def test_nobody_apologises_for_the_machine_while_a_person_is_in_charge(charge: Charge):
    desk = hosted()

    def meanwhile(question: Question) -> ModelAnswer:
        in_charge(desk, charge)
        raise TransientError("busy")

    desk.model.script.append(meanwhile)

    assert results(desk.answer(said("1", attempt=5, last_attempt=True))) == [Result.DEAD]
    assert desk.channel.requests == []


def test_who_waits_long_for_an_answer_is_told_nothing_once_a_person_took_over():
    desk = hosted()
    claimed, first_time = threading.Event(), desk.ledger.first_time

    def watched(*claim: Any) -> bool:
        in_charge(desk, Charge.PERSON)
        claimed.set()
        return first_time(*claim)

    desk.ledger.first_time = watched  # type: ignore[method-assign]

    def patient(question: Question) -> ModelAnswer:
        assert claimed.wait(LIMIT_S)
        return model_answer(text="答案")

    desk.model.script.append(patient)
    desk.answer(said("1"), interim_after_s=0.001)

    assert desk.channel.requests == []


# -- what people and customers say to each other ---------------------------------------------------------------------


def test_what_customer_and_person_said_is_told_to_the_model_with_the_next_question():
    desk = hosted()
    desk.answer(said("1", "怎么退货？"))
    in_charge(desk, Charge.PERSON)
    desk.answer(said("2", "还在吗"))
    desk.answer(wrote("3", "在的，请寄回"))
    in_charge(desk, Charge.BOT)
    desk.answer(said("4", "寄到哪里？"))
    desk.answer(said("5", "谢谢"))

    _, question, later = desk.model.questions
    assert (
        question.text == "（以下是人工客服与客户的对话，供参考：\n客户：还在吗\n人工客服：在的，请寄回\n）\n寄到哪里？"
    )
    assert later.text == "谢谢"
    assert desk.session.turns[-2].question == "寄到哪里？"


def test_personal_data_said_to_a_person_is_masked_for_the_model():
    desk = hosted()
    desk.masking.private = ("13912345678",)
    in_charge(desk, Charge.PERSON)
    desk.answer(said("1", "我的电话是13912345678"))
    in_charge(desk, Charge.BOT)
    desk.answer(said("2", "打13912345678"))

    (question,) = desk.model.questions
    assert "13912345678" not in question.text
    assert question.text.count("[数据1]") == 2
    assert desk.session.placeholders == (("[数据1]", "13912345678"),)


def test_a_line_of_a_person_is_recorded_and_not_sent_again():
    desk = hosted()
    in_charge(desk, Charge.PERSON)

    outcomes = desk.answer(wrote("1", "我是小周"), wrote("2", "您好"))

    assert results(outcomes) == [Result.RECORDED] * 2
    assert desk.channel.requests == []
    assert [(turn.kind, turn.question, turn.answer) for turn in desk.session.turns] == [
        ("person", "", "我是小周"),
        ("person", "", "您好"),
    ]
    assert [(each.kind, each.actor) for _, each in desk.ledger.trail] == [("person", "person:zhou.min")] * 2


@pytest.mark.parametrize(
    "spoke", [wrote("2", "我来办"), said("2", "你来办")], ids=["a person spoke", "the customer spoke"]
)
def test_a_pause_of_the_models_ends_when_a_person_goes_on(spoke: Received):
    desk = hosted(model_answer(text="", pause=SELECT))
    desk.answer(said("1"))
    in_charge(desk, Charge.PERSON)
    desk.answer(spoke)
    in_charge(desk, Charge.BOT)
    desk.answer(said("3", "1"))

    first, second = desk.model.questions
    assert second.text.endswith("\n1")
    assert first.chat_id != second.chat_id


# -- the budget ------------------------------------------------------------------------------------------------------


def test_with_one_message_left_the_customer_hears_that_a_colleague_goes_on_and_one_is_called():
    desk = hosted(left=1)

    outcomes = desk.answer(said("1", "怎么退货？"))

    assert results(outcomes) == [Result.HANDOFF]
    assert outcomes[0].counted == ("AllowanceSpent",)
    assert desk.read == [SENTENCES.colleague]
    assert (desk.channel.left, desk.model.questions) == (0, [])
    assert desk.people
    assert [each.reason for each in desk.people.called] == ["allowance"]
    assert desk.session.turns[0].kind == "handoff"


def test_with_no_message_left_the_colleague_just_goes_on():
    desk = hosted(left=0)

    assert results(desk.answer(said("1"))) == [Result.HANDOFF]
    assert desk.channel.requests == []
    assert desk.people
    assert [each.reason for each in desk.people.called] == ["allowance"]
    assert [(turn.kind, turn.answer) for turn in desk.session.turns] == [("handoff", "")]


def test_the_last_message_is_kept_back_from_every_answer():
    desk = hosted(model_answer(text=parts(4)))

    desk.answer(said("1"))

    assert desk.read == [f"第{n}段。" for n in range(1, 5)]
    assert desk.channel.left == 1
    assert not any(outbound.last for outbound in desk.channel.shown)


def test_a_long_answer_ends_in_a_menu_that_brings_the_rest():
    desk = short_messages(hosted(model_answer(text=parts(9))))

    desk.answer(said("1", "讲讲"))

    assert desk.read == ["第1段。", "第2段。", "第3段。", SENTENCES.more]
    assert desk.channel.shown[-1].menu == (Choice(SENTENCES.more_item, "more:1"),)
    assert [outbound.menu for outbound in desk.channel.shown[:-1]] == [()] * 3
    assert desk.channel.left == 1

    desk.channel.left = 5
    assert results(desk.answer(said("2", SENTENCES.more_item, details=MORE))) == [Result.ANSWERED]
    desk.channel.left = 5
    desk.answer(said("3", SENTENCES.more_item, details={"menu_id": "more:2"}))

    shown = "".join(text for text in desk.read if text != SENTENCES.more).replace("\n", "")
    assert shown == "".join(f"第{n}段。" for n in range(1, 10))
    assert [turn.kind for turn in desk.session.turns][:2] == ["answer", "more"]
    assert len(desk.model.questions) == 1


def test_the_rest_can_be_had_again_for_as_long_as_the_menu_is_there():
    desk = short_messages(hosted(model_answer(text=parts(6))))
    desk.answer(said("1"))
    for message_id in "23":
        desk.channel.left = 5
        desk.answer(said(message_id, SENTENCES.more_item, details=MORE))

    assert desk.read[4:] == ["第4段。", "第5段。", "第6段。"] * 2


def test_what_was_never_answered_has_no_rest_and_tapping_is_a_question():
    desk = hosted()

    desk.answer(said("1", SENTENCES.more_item, details={"menu_id": "more:unknown"}))

    assert [question.text for question in desk.model.questions] == [SENTENCES.more_item]


def test_where_even_the_menu_has_no_room_a_colleague_goes_on():
    desk = short_messages(hosted(model_answer(text=parts(3)), left=2))

    outcomes = desk.answer(said("1"))

    assert results(outcomes) == [Result.HANDOFF]
    assert desk.read == ["第1段。", SENTENCES.colleague]
    assert desk.channel.left == 0
    assert desk.people
    assert [each.reason for each in desk.people.called] == ["allowance"]


def test_without_people_the_machine_goes_on_as_far_as_it_may():
    desk = short_messages(Desk(model_answer(text=parts(3)), left=2))

    assert results(desk.answer(said("1"))) == [Result.ANSWERED]
    assert desk.read == ["第1段。"]
    assert results(desk.answer(said("2"))) == [Result.UNSENT]
    assert desk.read == ["第1段。"]


def test_a_hand_over_is_said_last_and_may_spend_the_last_message():
    desk = short_messages(hosted(replace(model_answer(text=parts(7)), wants_person=True), left=3))

    desk.answer(said("1"))

    assert desk.read == ["第1段。", "第2段。", SENTENCES.handoff]
    assert desk.channel.left == 0
    assert [outbound.last for outbound in desk.channel.shown] == [False, False, True]
    assert len(audited(desk, "truncated")) == 1


def test_where_nobody_counts_a_hand_over_is_not_cut_off_either():
    long_answer = replace(model_answer(text=parts(MAX_SEGMENTS + 3)), wants_person=True)
    desk = short_messages(Desk(long_answer, people=ScriptedDesk("zhou.min")))

    desk.answer(said("1"))

    assert len(desk.read) == MAX_SEGMENTS
    assert desk.read[-1] == SENTENCES.handoff


def test_messages_refused_in_mid_answer_are_left_to_a_person():
    desk = hosted(model_answer(text=parts(3)))
    desk.channel.failures.extend([None, AllowanceError("too many", code="wecom_95001")])

    outcomes = desk.answer(said("1", "怎么退货？"))
    again = desk.answer(said("1", "怎么退货？", attempt=2))

    assert (results(outcomes), outcomes[0].handled) == ([Result.UNSENT], True)
    assert outcomes[0].counted == ("AllowanceSpent",)
    assert results(again) == [Result.DUPLICATE]
    assert desk.read == ["第1段。"]
    assert withheld(desk) == [("第1段。\n第2段。\n第3段。", "第1段。")]
    (turn,) = desk.session.turns
    assert (turn.kind, turn.answer) == ("answer", "第1段。")
    assert desk.people
    assert [(each.reason, each.question_id) for each in desk.people.called] == [("allowance", "1")]


def test_an_announcement_that_the_vendor_refuses_is_carried_out_all_the_same():
    desk = hosted()
    desk.channel.failures.append(AllowanceError("too many"))

    assert results(desk.answer(said("1", "转人工"))) == [Result.UNSENT]
    assert desk.people
    assert [each.reason for each in desk.people.called] == ["asked"]


def test_an_answer_that_was_refused_is_not_said_when_its_message_comes_back_and_a_person_is_called_after_all():
    desk = hosted()
    desk.channel.failures.append(AllowanceError("too many"))
    with pytest.raises(Crash):
        desk.answer(said("1"), crashing=Crashing(at="call", before=True))

    outcomes = desk.answer(said("1", attempt=2))

    assert results(outcomes) == [Result.UNSENT]
    assert desk.read == []
    assert desk.people
    assert [each.reason for each in desk.people.called] == ["allowance"]


def test_an_interim_notice_does_not_take_what_the_answer_needs():
    desk = hosted(left=2)
    asked_for_the_notice, room = threading.Event(), desk.channel.room

    def watched(inbound: Any) -> int | None:
        if threading.current_thread() is not threading.main_thread():
            asked_for_the_notice.set()
        return room(inbound)

    desk.channel.room = watched  # type: ignore[method-assign]

    def patient(question: Question) -> ModelAnswer:
        assert asked_for_the_notice.wait(LIMIT_S)
        return model_answer(text="答案")

    desk.model.script.append(patient)
    desk.answer(said("1"), interim_after_s=0.001)

    assert desk.read == ["答案"]


def test_an_interim_notice_is_said_while_there_is_room_for_both():
    desk = hosted(left=3)
    told, deliver = threading.Event(), desk.channel.deliver

    def watched(outbound: Outbound, *, deadline: float) -> None:
        deliver(outbound, deadline=deadline)
        told.set()

    desk.channel.deliver = watched  # type: ignore[method-assign]

    def patient(question: Question) -> ModelAnswer:
        assert told.wait(LIMIT_S)
        return model_answer(text="答案")

    desk.model.script.append(patient)

    desk.answer(said("1"), interim_after_s=0.001)

    assert desk.read == [SENTENCES.interim, "答案"]


# -- welcomes --------------------------------------------------------------------------------------------------------


def test_a_welcome_is_said_by_its_code_and_counts_for_nothing():
    desk = hosted(left=0)

    assert results(desk.answer(entered("1"))) == [Result.ANSWERED]
    (welcome,) = desk.channel.shown
    assert (welcome.text, welcome.code) == (SENTENCES.welcome, "code-1")


@pytest.mark.parametrize(("late_s", "welcomed"), [(0, True), (18, True), (18.1, False)])
def test_a_code_is_used_as_long_as_it_is_good(*, late_s: float, welcomed: bool):
    desk = hosted()
    desk.clock.advance(late_s)

    outcomes = desk.answer(entered("1"))

    assert results(outcomes) == [Result.ANSWERED if welcomed else Result.SILENT]
    assert desk.read == ([SENTENCES.welcome] if welcomed else [])
    assert bool(desk.sessions.kept) is welcomed


def test_without_a_code_there_is_no_welcome():
    desk = hosted()

    assert results(desk.answer(entered("1", details={}))) == [Result.SILENT]
    assert (desk.channel.requests, desk.sessions.kept) == ([], {})


@pytest.mark.parametrize(("hours", "times"), [(47.9, 1), (48, 2)])
def test_who_was_welcomed_is_not_welcomed_again_for_two_days(*, hours: float, times: int):
    desk = hosted()
    desk.answer(entered("1"))
    desk.clock.advance(hours * 3600)
    desk.answer(entered("2", sent_at=int(desk.clock())))

    assert desk.read == [SENTENCES.welcome] * times


def test_a_code_that_came_too_late_does_no_harm():
    desk = hosted()
    desk.channel.failures.append(AllowanceError("the code has expired", code="wecom_95005"))

    outcomes = desk.answer(entered("1"))

    assert (results(outcomes), outcomes[0].counted) == ([Result.UNSENT], ())
    assert desk.sessions.kept == {}
    assert desk.people
    assert desk.people.called == []
    assert results(desk.answer(said("2"))) == [Result.ANSWERED]


def test_an_empty_welcome_is_none_here_either():
    desk = Desk(sentences=replace(SENTENCES, welcome=""), people=ScriptedDesk(), left=5)

    assert results(desk.answer(entered("1"))) == [Result.SILENT]
    assert desk.attendances.kept == {}


# -- menus -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tapped", [{"text": "换货", "details": {"menu_id": "choice:2"}}, {"text": "2"}])
def test_choices_are_a_menu_and_what_is_tapped_is_understood(tapped: dict[str, Any]):
    desk = hosted(model_answer(text="好的。", pause=SELECT))

    desk.answer(said("1"))
    (offer,) = desk.channel.shown
    desk.answer(said("2", **tapped))

    assert offer.text == "好的。\n\n要办什么？"
    assert offer.menu == (Choice("退货", "choice:1"), Choice("换货", "choice:2"))
    assert desk.model.questions[-1].text == "exchange"


@pytest.mark.parametrize(
    "choices",
    [
        tuple(Choice(f"选项{n}", str(n)) for n in range(11)),
        (Choice("长" * 43, "long"), Choice("短", "short")),
    ],
    ids=["too many", "too long"],
)
def test_choices_that_no_menu_holds_are_numbered(choices: tuple[Choice, ...]):
    desk = hosted(model_answer(text="", pause=Pause("哪个？", choices=choices)))

    desk.answer(said("1"))

    (offer,) = desk.channel.shown
    assert offer.menu == ()
    assert f"\n2. {choices[1].label}" in offer.text


def test_a_choice_without_any_words_still_says_what_to_do():
    desk = hosted(model_answer(text="", pause=replace(SELECT, prompt="")))

    desk.answer(said("1"))

    assert desk.read == [SENTENCES.choose]


def test_the_choices_of_a_long_answer_stand_below_its_rest():
    desk = short_messages(hosted(model_answer(text=parts(5), pause=SELECT)))

    desk.answer(said("1"))
    assert desk.channel.shown[-1].menu == (Choice(SENTENCES.more_item, "more:1"),)
    desk.channel.left = 5
    desk.answer(said("2", SENTENCES.more_item, details=MORE))
    assert desk.channel.shown[-1].menu == (Choice("退货", "choice:1"), Choice("换货", "choice:2"))
    desk.answer(said("3", "退货", details={"menu_id": "choice:1"}))

    assert desk.model.questions[-1].text == "return"


def test_a_menu_is_counted_as_a_message_of_its_own():
    desk = short_messages(hosted(model_answer(text=parts(4), pause=replace(SELECT, prompt=""))))

    desk.answer(said("1"))

    assert desk.read == ["第1段。", "第2段。", "第3段。", SENTENCES.more]


def test_the_wish_for_a_person_can_be_tapped_whatever_the_words():
    desk = hosted()

    outcomes = desk.answer(said("1", "好的", details={"menu_id": "person"}))

    assert results(outcomes) == [Result.HANDOFF]
    assert desk.people
    assert [each.reason for each in desk.people.called] == ["asked"]


def test_an_old_cards_button_asks_the_model_nothing():
    desk = Desk(people=ScriptedDesk("zhou.min"))

    outcomes = desk.answer(said("1", "", kind=Kind.PRESSED, details={"key": "choice:1"}))

    assert results(outcomes) == [Result.RECORDED]
    assert (desk.channel.requests, desk.model.questions, desk.sessions.kept) == ([], [], {})


# -- failures --------------------------------------------------------------------------------------------------------


def test_what_cannot_even_be_composed_is_not_taken_for_a_customer_who_cannot_be_reached():
    desk = hosted()
    desk.channel.room = raising(PermanentError("no account"))  # type: ignore[method-assign]

    assert results(desk.answer(said("1"))) == [Result.RETRY]
    assert results(desk.answer(said("1", attempt=5, last_attempt=True))) == [Result.DEAD]
    assert desk.read == [SENTENCES.fallback]


def test_a_customer_who_blocked_the_account_is_given_up():
    desk = hosted()
    desk.channel.failures.append(PermanentError("rejected", code="wecom_95003"))

    outcomes = desk.answer(said("1"))

    assert (results(outcomes), outcomes[0].code) == ([Result.UNDELIVERABLE], "wecom_95003")


def test_every_message_has_an_id_of_its_own_that_a_retry_repeats():
    desk = hosted(model_answer(text=parts(2)))
    desk.channel.failures.extend([None, TransientError("busy")])

    desk.answer(said("1"))
    desk.answer(said("1", attempt=2))
    desk.answer(said("2"))

    ids = [outbound.message_id for outbound in desk.channel.requests]
    assert ids[1] == ids[2]
    assert len(set(ids)) == 3
    assert all(len(each) == 32 and int(each, 16) >= 0 for each in ids)
    assert {(each.recipient, each.conversation) for each in desk.channel.requests} == {(CUSTOMER, CONVERSATION)}
