"""When a person is to go on, who that is, and what happens while the customer is theirs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.conversation.outcomes import Result
from frontdesk.errors import ConflictError, MisconfiguredError, NobodyError, PermanentError, TransientError
from frontdesk.messages import Action, Charge, Choice, Kind, Pause
from tests.factories import CONVERSATION, CUSTOMER, NOW, NOW_MS, SENTENCES, model_answer, received
from tests.fakes.crash import Crash, Crashing
from tests.fakes.desk import POLICY, Desk, raising
from tests.fakes.desks import ScriptedDesk
from tests.fakes.guard import HANDOFF_SENTENCE
from tests.fakes.model import NOT_RECORDED, ScriptedModel, calls_a_person, is_unsure

if TYPE_CHECKING:
    from collections.abc import Iterable

    from frontdesk.conversation.outcomes import Outcome
    from frontdesk.messages import Received
    from frontdesk.records import Attendance

ZHOU, WU = "zhou.min", "wu.tao"
TIMEOUT_S = POLICY.timeout_s
BUSY = TransientError("busy", code="busy")
REFUSED = PermanentError("refused", code="refused")
NIGHT = "Mon-Fri 09:00-18:00"  # the clock of the tests starts on a Monday, 22:13 in China
SELECT = Pause("要办什么？", choices=(Choice("退货", "return"), Choice("换货", "exchange")))


class KeptDesk(ScriptedDesk):
    """People whom only the attendance puts in charge, as those behind the application are: a card is all they get."""

    desk: Desk

    def charge(self, conversation: str, customer: str, *, deadline: float) -> Charge:
        attendance = self.desk.attendances.get(conversation)
        return Charge(attendance.state) if attendance else Charge.BOT

    def call(self, attendance: Attendance, *, deadline: float) -> Attendance:
        if not self.people:
            raise NobodyError("there are no agents")
        self.called.append(attendance)
        return replace(attendance, state=Charge.WAITING.value, agent="")

    def give_back(self, attendance: Attendance, *, deadline: float) -> str:
        self.given_back.append(attendance)
        return ""


def said(message_id: str, text: str = "你好", *, attempt: int = 1, last_attempt: bool = False, **more: Any) -> Received:
    values = {"message_id": message_id, "text": text, "received_at_ms": NOW_MS, **more}
    return received(attempt=attempt, last_attempt=last_attempt, **values)


def wrote(message_id: str, text: str = "您好", servicer: str = ZHOU) -> Received:
    return said(message_id, text, kind=Kind.PERSON, details={"servicer": servicer})


def changed(message_id: str, change: str, **details: str) -> Received:
    return said(message_id, "", kind=Kind.STATE, details={"change": change, **details})


def due(desk: Desk, moment: int | None = None) -> Received:
    """Let the moment come that is waited for."""
    at = moment if moment is not None else desk.attendance.due_at
    assert at is not None
    desk.clock.now = max(desk.clock.now, at)
    return said(f"due-{at}", "", kind=Kind.DUE, sender="-", sent_at=at, details={"what": "attendance", "at": str(at)})


def kf(*script: Any, people: tuple[str, ...] = (ZHOU,), left: int = 5, business_hours: str = "", **more: Any) -> Desk:
    return Desk(*script, people=ScriptedDesk(*people, **more), left=left, business_hours=business_hours)


def app(*script: Any, people: tuple[str, ...] = (ZHOU,)) -> Desk:
    kept = KeptDesk(*people)
    kept.desk = Desk(*script, people=kept)
    return kept.desk


def people_of(desk: Desk) -> ScriptedDesk:
    assert desk.people
    return desk.people


def without(desk: Desk, trigger: str) -> Desk:
    desk.policy = replace(POLICY, triggers=POLICY.triggers - {trigger})
    return desk


def results(outcomes: Iterable[Outcome]) -> list[Result]:
    return [outcome.result for outcome in outcomes]


def reasons(desk: Desk) -> list[str]:
    return [each.reason for each in people_of(desk).called]


def tickets(desk: Desk) -> list[str]:
    return [ticket.reason for ticket in desk.opened]


def kinds(desk: Desk) -> list[str]:
    return [turn.kind for turn in desk.session.turns]


# -- triggers --------------------------------------------------------------------------------------------------------


def test_who_asks_for_a_person_gets_one_and_the_model_is_not_asked():
    desk = kf()

    assert results(desk.answer(said("1", "帮我转人工"))) == [Result.HANDOFF]

    assert desk.read == [SENTENCES.handoff]
    assert desk.model.questions == []
    assert reasons(desk) == ["asked"]
    assert (desk.attendance.state, desk.attendance.agent) == ("person", ZHOU)
    assert (desk.attendance.reason, desk.attendance.question_id) == ("asked", "1")
    assert desk.attendance.due_at == NOW + TIMEOUT_S
    assert kinds(desk) == ["handoff"]
    assert ("said", "frontdesk", {"sentence": "handoff"}) in [
        (each.kind, each.actor, each.details) for _, each in desk.ledger.trail
    ]


def test_an_unsure_answer_is_not_shown_but_the_customer_asked_to_say_more():
    desk = kf(is_unsure)

    assert results(desk.answer(said("1", "那个怎么弄"))) == [Result.ANSWERED]

    assert desk.read == [SENTENCES.clarify]
    assert reasons(desk) == []
    assert (kinds(desk), desk.session.clarified, desk.session.turns[0].confidence) == (["clarify"], True, 0.35)


def test_a_second_unsure_answer_hands_over():
    desk = kf(is_unsure, is_unsure)

    desk.answer(said("1", "那个怎么弄"))
    assert results(desk.answer(said("2", "红色的那个"))) == [Result.HANDOFF]

    assert desk.read == [SENTENCES.clarify, SENTENCES.handoff]
    assert reasons(desk) == ["confidence"]
    assert desk.session.clarified is False


@pytest.mark.parametrize(
    ("between", "handed_over"),
    [
        (said("2", "手机壳"), False),
        (said("2", "", kind=Kind.IMAGE), True),
        (said("2", "", kind=Kind.ENTERED, details={"code": "a-code"}), True),
        (said("2", "已退款", kind=Kind.TICKET, details={"number": "T1", "state": "closed"}), True),
    ],
    ids=["a confident answer", "a picture", "a welcome", "a ticket's news"],
)
def test_only_a_confident_answer_clears_up_an_unsure_one(*, between: Received, handed_over: bool):
    desk = kf(is_unsure)
    desk.answer(said("1", "那个怎么弄"))
    desk.model.script.append(model_answer(text="好的", confidence=0.8))
    desk.answer(between)
    desk.model.script.clear()
    desk.model.script.append(is_unsure)

    desk.answer(said("3", "红色的那个"))

    assert bool(reasons(desk)) is handed_over


@pytest.mark.parametrize(("confidence", "sure"), [(None, True), (0.8, True), (0.79, False), (0.0, False)])
def test_what_nothing_is_known_of_is_not_little_confidence(*, confidence: float | None, sure: bool):
    desk = kf(model_answer(text="答案", confidence=confidence))

    desk.answer(said("1"))

    assert desk.read == ["答案" if sure else SENTENCES.clarify]


def test_an_unsure_choice_is_offered_all_the_same():
    desk = kf(model_answer(text="", pause=SELECT, confidence=0.1))

    desk.answer(said("1"))

    assert kinds(desk) == ["choices"]


def test_the_model_may_want_a_person_to_go_on_and_what_it_says_is_said_first():
    desk = kf(replace(model_answer(text="这要由同事来办。"), wants_person=True))

    assert results(desk.answer(said("1"))) == [Result.HANDOFF]

    assert desk.read == [f"这要由同事来办。\n\n{SENTENCES.handoff}"]
    assert reasons(desk) == ["intent"]


def test_a_model_that_only_wants_a_person_says_nothing_itself():
    desk = kf(model_answer(text="", wants_person=True))

    desk.answer(said("1"))

    assert desk.read == [SENTENCES.handoff]
    assert reasons(desk) == ["intent"]


def test_a_model_that_wants_a_person_where_none_is_called_for_it_is_apologised_for():
    desk = without(kf(model_answer(text="", wants_person=True)), "intent")

    assert results(desk.answer(said("1"))) == [Result.FALLBACK]
    assert desk.read == [SENTENCES.fallback]
    assert reasons(desk) == []


def test_who_asks_the_same_again_gets_a_person():
    desk = kf()

    desk.answer(said("1", "订单为什么还没有发货"))
    assert results(desk.answer(said("2", "订单为什么还没有发货？"))) == [Result.HANDOFF]

    assert reasons(desk) == ["repeated"]
    assert len(desk.model.questions) == 1


def test_whose_question_is_tried_again_did_not_repeat_it():
    desk = kf(BUSY)

    assert results(desk.answer(said("1", "订单为什么还没有发货"))) == [Result.RETRY]
    assert results(desk.answer(said("1", "订单为什么还没有发货", attempt=2))) == [Result.ANSWERED]
    assert reasons(desk) == []


@pytest.mark.parametrize(("answered_before", "handed_over"), [(True, True), (False, False)])
def test_who_gets_angry_over_an_answer_gets_a_person(*, answered_before: bool, handed_over: bool):
    desk = kf()
    if answered_before:
        desk.answer(said("1", "订单到哪里了"))

    desk.answer(said("2", "垃圾客服，气死我了，什么玩意"))

    assert reasons(desk) == (["anger"] if handed_over else [])


def test_a_rule_hands_over_in_its_own_words():
    desk = kf()
    desk.rules.questions = {"起诉": Action.HANDOFF}

    assert results(desk.answer(said("1", "我要起诉你们"))) == [Result.HANDOFF]

    assert desk.read == [HANDOFF_SENTENCE]
    assert reasons(desk) == ["rule"]


def test_a_rule_over_the_answer_hands_over_as_well():
    desk = kf(model_answer(text="赔偿方案是……"))
    desk.rules.answers = {"赔偿": Action.HANDOFF}

    desk.answer(said("1"))

    assert desk.read == [HANDOFF_SENTENCE]
    assert reasons(desk) == ["rule"]


def test_a_rule_that_promises_a_person_whom_there_is_not_is_set_right():
    desk = kf(people=())
    desk.rules.questions = {"起诉": Action.HANDOFF}

    desk.answer(said("1", "我要起诉你们"))

    assert desk.read == [f"{HANDOFF_SENTENCE}\n现在没有同事在线，您的问题已经登记，我们会尽快与您联系。"]
    assert tickets(desk) == ["rule"]


def test_a_model_that_cannot_answer_leaves_it_to_a_person():
    desk = kf(REFUSED)

    outcomes = desk.answer(said("1"))

    assert results(outcomes) == [Result.HANDOFF]
    assert outcomes[0].counted == ("Fallback",)  # whoever looks after the model has to hear of it still
    assert desk.read == [f"{SENTENCES.fallback}\n{SENTENCES.handoff}"]
    assert reasons(desk) == ["failed"]
    assert kinds(desk) == ["fallback"]


def test_after_the_last_attempt_a_person_is_called_to_whom_the_machine_has_failed():
    desk = kf()
    desk.answer(said("0", "前一个问题"))
    desk.model.script.append(BUSY)

    outcomes = desk.answer(said("1", "后一个问题", attempt=5, last_attempt=True))

    assert results(outcomes) == [Result.DEAD]
    assert desk.read[-1] == SENTENCES.fallback
    assert reasons(desk) == ["failed"]
    assert "当前问题：后一个问题" in desk.attendance.brief


def test_a_person_who_cannot_be_called_after_the_last_attempt_is_no_further_failure():
    desk = kf(BUSY)
    people_of(desk).failures.extend([None, None, BUSY])

    assert results(desk.answer(said("1", attempt=5, last_attempt=True))) == [Result.DEAD]
    assert desk.read == [SENTENCES.fallback]
    assert reasons(desk) == []


@pytest.mark.parametrize(
    ("trigger", "script", "messages"),
    [
        ("asked", [], ["转人工"]),
        ("confidence", [is_unsure, is_unsure], ["那个怎么弄", "红色的那个"]),
        ("intent", [calls_a_person], ["你好"]),
        ("repeated", [], ["订单为什么还没有发货", "订单为什么还没有发货"]),
        ("anger", [], ["订单到哪里了", "垃圾客服，气死我了，什么玩意"]),
        ("rule", [], ["我要起诉你们"]),
        ("failed", [REFUSED], ["你好"]),
    ],
)
def test_every_trigger_can_be_switched_off(trigger: str, script: list[Any], messages: list[str]):
    for desk, called in ((kf(*script), [trigger]), (without(kf(*script), trigger), [])):
        desk.rules.questions = {"起诉": Action.HANDOFF}
        for number, words in enumerate(messages):
            desk.answer(said(str(number), words))
        assert reasons(desk) == called


def test_without_people_nobody_is_promised():
    desk = Desk(is_unsure, is_unsure, REFUSED, left=5)

    for number, words in enumerate(["那个怎么弄", "那个怎么弄", "你好", "转人工"]):
        desk.answer(said(str(number), words))
        desk.channel.left = 5

    assert desk.read == ["答：那个怎么弄", "答：那个怎么弄", SENTENCES.fallback, "答：转人工"]
    assert desk.tickets.requests == []


def test_who_is_apologised_to_a_second_time_gets_a_ticket_where_nobody_is_called_for_it():
    desk = without(kf(REFUSED, REFUSED), "failed")

    desk.answer(said("1", "订单到哪里了"))
    outcomes = desk.answer(said("2", "快递单号是多少"))

    assert desk.read == [SENTENCES.fallback, f"{SENTENCES.fallback}\n{SENTENCES.nobody_needed}"]
    assert results(outcomes) == [Result.HANDOFF]
    assert tickets(desk) == ["errors"]


def test_a_ticket_can_be_wished_for():
    desk = kf()

    desk.answer(said("1", "提交工单"))

    assert desk.read == [SENTENCES.nobody_needed]
    assert tickets(desk) == ["wish"]
    assert reasons(desk) == []


@pytest.mark.parametrize("words", ["转人工", "留言"])
def test_a_pause_of_the_models_ends_when_the_customer_is_handed_over(words: str):
    desk = kf(model_answer(text="", pause=SELECT))
    desk.answer(said("1"))
    desk.answer(said("2", words))
    people_of(desk).charges.clear()
    desk.answer(said("3", "1"))

    first, second = desk.model.questions
    assert second.text.endswith("1")
    assert first.chat_id != second.chat_id


# -- nobody there ----------------------------------------------------------------------------------------------------


def test_where_nobody_is_there_the_customer_is_told_and_a_ticket_opened():
    desk = kf(people=())

    assert results(desk.answer(said("1", "转人工"))) == [Result.HANDOFF]

    assert desk.read == ["现在没有同事在线，您的问题已经登记，我们会尽快与您联系。"]
    (ticket,) = desk.opened
    assert (ticket.reason, ticket.question, ticket.customer) == ("asked", "转人工", CUSTOMER)
    assert ticket.request_id == f"{CONVERSATION}-1"
    assert "客户要求人工" in ticket.brief
    assert reasons(desk) == []


def test_outside_business_hours_the_customer_is_told_when_people_are_there_again():
    desk = kf(business_hours=NIGHT)

    desk.answer(said("1", "转人工"))

    assert desk.read == ["现在没有同事在线，您的问题已经登记，我们会在明天 09:00与您联系。"]
    assert tickets(desk) == ["asked"]
    assert reasons(desk) == []


@pytest.mark.parametrize("left", [1, 0])
def test_nobody_is_called_at_night_because_the_messages_are_used_up(left: int):
    desk = kf(business_hours=NIGHT, left=left)

    desk.answer(said("1", "怎么退货"))

    assert reasons(desk) == []
    assert tickets(desk) == ["allowance"]
    assert (desk.attendance.state, desk.attendance.due_at) == ("bot", None)


def test_after_the_last_attempt_nobody_is_called_at_night_either():
    desk = kf(BUSY, business_hours=NIGHT)

    desk.answer(said("1", attempt=5, last_attempt=True))

    assert desk.read == [SENTENCES.fallback, "现在没有同事在线，您的问题已经登记，我们会在明天 09:00与您联系。"]
    assert (reasons(desk), tickets(desk)) == ([], ["failed"])


@pytest.mark.parametrize("desk", [kf, app], ids=["kf", "app"])
def test_a_person_who_is_gone_when_called_is_excused(desk: Any):
    desk = desk(people=())
    people_of(desk).available = lambda *_given, **_more: True  # type: ignore[method-assign]

    desk.answer(said("1", "转人工"))

    assert desk.read == [SENTENCES.handoff, "现在没有同事在线，您的问题已经登记，我们会尽快与您联系。"]
    assert tickets(desk) == ["asked"]
    assert (desk.attendance.state, desk.attendance.due_at) == ("bot", None)
    assert results(desk.answer(said("2", "那我问你"))) == [Result.ANSWERED]


def test_an_excuse_that_cannot_be_said_leaves_the_ticket_to_tell():
    desk = kf(people=(), left=2)
    people_of(desk).available = lambda *_given, **_more: True  # type: ignore[method-assign]

    assert results(desk.answer(said("1", "转人工"))) == [Result.HANDOFF]
    assert desk.read == [SENTENCES.handoff]
    assert tickets(desk) == ["asked"]


# -- the call --------------------------------------------------------------------------------------------------------


def test_the_person_reads_why_and_what_was_said():
    desk = kf()
    desk.answer(said("0", "订单到哪里了"))
    desk.answer(said("1", "转人工"))

    (read,) = people_of(desk).briefed
    assert read.agent == ZHOU
    for words in ("客户要求人工", "当前问题：转人工", "客户：订单到哪里了", "机器人：答：订单到哪里了"):
        assert words in read.brief


def test_the_light_app_sums_up_what_was_said_and_sees_no_personal_data():
    desk = kf()
    desk.masking.private = ("13912345678",)
    desk.summariser = ScriptedModel(model_answer(text="客户要退货，电话[数据1]。"))
    desk.answer(said("0", "退货，电话13912345678"))
    desk.answer(said("1", "转人工"))

    (question,) = desk.summariser.questions
    assert question.chat_id == NOT_RECORDED
    assert "13912345678" not in question.text
    assert "摘要：客户要退货，电话13912345678。" in desk.attendance.brief


@pytest.mark.parametrize("error", [BUSY, REFUSED, MisconfiguredError("wrong key")])
def test_without_a_summary_the_person_reads_the_talk_itself(error: Exception):
    desk = kf()
    desk.summariser = ScriptedModel(error)

    assert results(desk.answer(said("1", "转人工"))) == [Result.HANDOFF]
    assert "客户：转人工" in desk.attendance.brief


def test_a_brief_that_cannot_be_read_is_no_failure():
    desk = kf()
    people_of(desk).failures.extend([None, None, None, None, BUSY])

    assert results(desk.answer(said("1", "转人工"))) == [Result.HANDOFF]
    assert (reasons(desk), people_of(desk).briefed) == (["asked"], [])


def test_who_waits_in_a_queue_has_nobody_yet():
    desk = kf(queue=True)

    desk.answer(said("1", "转人工"))

    assert (desk.attendance.state, desk.attendance.agent) == ("waiting", "")
    assert results(desk.answer(said("2", "在吗"))) == [Result.RECORDED]


def test_a_process_that_dies_before_it_calls_leaves_the_call_to_the_next_one():
    desk = kf()
    with pytest.raises(Crash):
        desk.answer(said("1", "转人工"), crashing=Crashing(at="call", before=True))
    assert (reasons(desk), desk.attendance.state) == ([], "waiting")

    desk.answer(said("1", "转人工", attempt=2))

    assert reasons(desk) == ["asked"]
    assert (desk.attendance.state, desk.attendance.due_at) == ("person", NOW + TIMEOUT_S)
    assert desk.read == [SENTENCES.handoff]


def test_a_call_that_is_made_again_says_the_same():
    desk = kf()
    desk.summariser = ScriptedModel(model_answer(text="第一个摘要"), model_answer(text="第二个摘要"))
    desk.answer(said("0"))
    with pytest.raises(Crash):
        desk.answer(said("1", "转人工"), crashing=Crashing(at="call"))
    desk.answer(said("1", "转人工", attempt=2))

    assert len({(each.question_id, each.brief) for each in people_of(desk).called}) == 1


def test_an_old_message_that_comes_again_calls_nobody_whoever_was_called_since():
    desk = kf()
    for message_id in "12":
        desk.answer(said(message_id, "转人工"))
        people_of(desk).charges.clear()
        desk.answer(changed(f"e{message_id}", "ended"))
    desk.clock.advance(86_400)

    assert results(desk.answer(said("1", "转人工"))) == [Result.DUPLICATE]
    assert [each.question_id for each in people_of(desk).called] == ["1", "2"]
    assert desk.attendance.state == "bot"


def test_a_button_pressed_while_the_card_is_on_its_way_is_not_undone():
    desk = app()
    call = people_of(desk).call

    def pressed_at_once(attendance: Attendance, *, deadline: float) -> Attendance:
        called = call(attendance, deadline=deadline)
        desk.attendances.save(replace(desk.attendance, state="person", agent=WU, due_at=NOW + 99))
        return called

    people_of(desk).call = pressed_at_once  # type: ignore[method-assign]
    desk.answer(said("1", "转人工"))

    assert (desk.attendance.state, desk.attendance.agent, desk.attendance.due_at) == ("person", WU, NOW + 99)
    assert desk.attendance.called_at == NOW


def test_who_is_with_a_person_of_the_application_is_not_offered_around_again():
    desk = app(BUSY)
    desk.attendances.save(replace(attended(desk), state="person", agent=WU))
    desk.ledger.record = raising(BUSY)  # type: ignore[method-assign]

    assert results(desk.answer(said("1", attempt=5, last_attempt=True))) == [Result.DEAD]

    assert reasons(desk) == []
    assert (desk.attendance.state, desk.attendance.agent) == ("person", WU)
    assert desk.read == []


def attended(desk: Desk) -> Attendance:
    """Return the attendance of a customer for whom a person was called."""
    desk.answer(said("0", "转人工"))
    desk.channel.shown.clear()
    people_of(desk).called.clear()
    return desk.attendance


def test_what_was_known_of_the_last_person_does_not_stick_to_the_next():
    desk = kf(people=(ZHOU,))
    desk.answer(said("1", "转人工"), wrote("2"))
    people_of(desk).charges.clear()  # the session ended by itself, and nobody told
    people_of(desk).people = [WU]

    desk.answer(said("3", "转人工"))

    assert (desk.attendance.state, desk.attendance.agent) == ("person", WU)


def test_an_attendance_that_never_stops_changing_is_tried_again_later():
    desk = kf()
    desk.attendances.save = raising(ConflictError("changed"))  # type: ignore[method-assign]

    outcomes = desk.answer(said("1", "转人工"))

    assert (results(outcomes), outcomes[0].code) == ([Result.RETRY], "attendance_contended")


# -- while the customer is a person's --------------------------------------------------------------------------------


def test_who_writes_to_a_person_is_to_be_answered_in_time():
    desk = kf()
    desk.answer(said("1", "转人工"), wrote("2"))
    assert desk.attendance.due_at is None
    desk.clock.advance(60)

    desk.answer(said("3", "还在吗"))
    desk.clock.advance(60)
    desk.answer(said("4", "在吗"))

    assert desk.attendance.due_at == NOW + 60 + TIMEOUT_S


def test_a_persons_answer_ends_the_waiting():
    desk = kf()
    desk.answer(said("1", "转人工"))
    desk.answer(due(desk))
    assert desk.attendance.reminders == 1

    desk.answer(wrote("2", servicer=WU))

    assert (desk.attendance.state, desk.attendance.agent) == ("person", WU)
    assert (desk.attendance.due_at, desk.attendance.reminders) == (None, 0)


@pytest.mark.parametrize("change", ["taken", "transferred"])
def test_a_person_who_takes_over_reads_the_brief_and_has_to_answer_in_time(change: str):
    desk = kf()
    desk.answer(said("0", "订单到哪里了"))
    people_of(desk).charges[CONVERSATION] = Charge.PERSON

    assert results(desk.answer(changed("1", change, servicer=WU))) == [Result.RECORDED]

    assert (desk.attendance.state, desk.attendance.agent) == ("person", WU)
    assert desk.attendance.due_at == NOW + TIMEOUT_S
    (read,) = people_of(desk).briefed
    assert read.agent == WU
    assert "客户：订单到哪里了" in read.brief
    assert ("state", f"person:{WU}") in [(each.kind, each.actor) for _, each in desk.ledger.trail]


def test_news_of_a_taking_over_that_is_over_changes_nothing():
    desk = kf()
    desk.answer(said("0"))

    desk.answer(changed("1", "taken", servicer=WU))

    assert people_of(desk).briefed == []
    assert desk.attendances.kept == {}


def test_a_session_that_a_person_ended_is_the_machines_again():
    desk = kf()
    desk.answer(said("1", "转人工"), wrote("2"), said("3", "谢谢"))
    people_of(desk).charges[CONVERSATION] = Charge.BOT

    desk.answer(changed("4", "ended"))

    gone = desk.attendance
    assert (gone.state, gone.agent, gone.due_at, gone.reminders, gone.brief, gone.reason) == (
        "bot",
        "",
        None,
        0,
        "",
        "",
    )
    assert results(desk.answer(said("5", "再问一下"))) == [Result.ANSWERED]


@pytest.mark.parametrize(
    ("state", "agent", "left_alone"),
    [("waiting", "", True), ("person", WU, True), ("person", ZHOU.upper(), False), ("bot", "", False)],
    ids=["called again", "somebody else's", "the person's own", "nobody's"],
)
def test_an_old_good_bye_takes_the_customer_from_nobody_who_came_since(*, state: str, agent: str, left_alone: bool):
    desk = app()
    desk.attendances.save(replace(attended(desk), state=state, agent=agent, due_at=NOW + 7))

    desk.answer(changed("1", "ended", servicer=ZHOU))

    expected = (state, agent, NOW + 7) if left_alone else ("bot", "", None)
    assert (desk.attendance.state, desk.attendance.agent, desk.attendance.due_at) == expected


def test_without_people_a_change_of_hands_is_only_noted():
    desk = Desk(left=5)

    assert results(desk.answer(changed("1", "taken", servicer=WU))) == [Result.RECORDED]
    assert desk.attendances.kept == {}
    assert [each.kind for _, each in desk.ledger.trail] == ["state"]


# -- moments that come -----------------------------------------------------------------------------------------------


def test_a_person_who_does_not_answer_is_reminded_then_everybody_then_the_customer_is_taken_back():
    desk = kf(code="a-code", after_giving_back=Charge.CLOSED)
    desk.answer(said("1", "转人工"))

    first = desk.answer(due(desk))
    second = desk.answer(due(desk))
    assert [everybody for _, everybody in people_of(desk).reminded] == [False, True]
    assert people_of(desk).given_back == []
    third = desk.answer(due(desk))

    assert [each.counted for each in (*first, *second, *third)] == [("HandoffUnanswered",)] * 2 + [()]
    assert desk.clock() == NOW + 3 * TIMEOUT_S
    assert len(people_of(desk).given_back) == 1
    assert desk.channel.shown[-1].text == SENTENCES.given_back
    assert desk.channel.shown[-1].code == "a-code"
    (ticket,) = desk.opened
    assert (ticket.reason, ticket.question, ticket.customer) == ("unanswered", "转人工", CUSTOMER)
    assert (desk.attendance.state, desk.attendance.due_at, desk.attendance.reminders) == ("bot", None, 0)


def test_a_moment_that_is_over_does_nothing():
    desk = kf()
    desk.answer(said("1", "转人工"))
    stale = due(desk)
    desk.answer(wrote("2"))

    assert results(desk.answer(stale)) == [Result.RECORDED]

    assert people_of(desk).reminded == []
    assert len(desk.channel.shown) == 1


def test_a_moment_that_comes_twice_does_something_once():
    desk = kf()
    desk.answer(said("1", "转人工"))
    moment = due(desk)

    desk.answer(moment)
    assert results(desk.answer(replace(moment, attempt=2))) == [Result.DUPLICATE]

    assert len(people_of(desk).reminded) == 1
    assert desk.attendance.reminders == 1


def test_a_moment_of_a_conversation_that_nobody_knows_is_noted():
    desk = kf()

    assert results(desk.answer(due(desk, NOW))) == [Result.RECORDED]
    assert (desk.attendances.kept, desk.sessions.kept) == ({}, {})


def test_whose_person_left_without_a_word_waits_for_nobody():
    desk = kf()
    desk.answer(said("1", "转人工"))
    people_of(desk).charges[CONVERSATION] = Charge.BOT

    desk.answer(due(desk))

    assert (desk.attendance.state, desk.attendance.due_at) == ("bot", None)
    assert (people_of(desk).reminded, desk.opened) == ([], [])
    assert desk.read == [SENTENCES.handoff]


@pytest.mark.parametrize(("charge", "told"), [(Charge.BOT, True), (Charge.CLOSED, False)])
def test_a_call_that_never_came_about_ends_in_a_ticket(*, charge: Charge, told: bool):
    desk = kf()
    with pytest.raises(Crash):
        desk.answer(said("1", "转人工"), crashing=Crashing(at="call", before=True))  # … and no attempt does better
    people_of(desk).charges[CONVERSATION] = charge

    desk.answer(due(desk))

    assert tickets(desk) == ["unanswered"]
    assert desk.read[1:] == ([SENTENCES.given_back] if told else [])
    assert (desk.attendance.state, desk.attendance.due_at) == ("bot", None)


def test_the_application_takes_a_customer_back_who_waited_in_vain():
    desk = app()
    desk.answer(said("1", "转人工"))
    for _ in range(3):
        desk.answer(due(desk))

    assert desk.read == [SENTENCES.handoff, SENTENCES.given_back]
    assert tickets(desk) == ["unanswered"]
    assert results(desk.answer(said("2", "那我问你"))) == [Result.ANSWERED]


def test_a_colleague_who_presses_at_the_last_moment_gets_the_customer():
    desk = app()
    desk.answer(said("1", "转人工"))
    for _ in range(2):
        desk.answer(due(desk))
    last = due(desk)
    save = desk.attendances.save

    def after_the_press(attendance: Attendance) -> Attendance:
        desk.attendances.save = save  # type: ignore[method-assign]
        save(replace(desk.attendance, state="person", agent=WU, due_at=NOW + 9_999))
        return save(attendance)

    desk.attendances.save = after_the_press  # type: ignore[method-assign]
    desk.answer(last)

    assert (desk.attendance.state, desk.attendance.agent, desk.attendance.due_at) == ("person", WU, NOW + 9_999)
    assert (people_of(desk).given_back, desk.opened) == ([], [])
    assert desk.read == [SENTENCES.handoff]


def test_a_person_who_cannot_be_reminded_does_not_keep_the_customer():
    desk = kf()
    desk.answer(said("1", "转人工"))
    people_of(desk).remind = raising(REFUSED)  # type: ignore[method-assign]
    for _ in range(3):
        desk.answer(due(desk))

    assert desk.read[-1] == SENTENCES.given_back


def test_a_customer_whom_the_vendor_does_not_let_go_of_stays_with_the_person_and_is_tried_again():
    desk = kf()
    desk.answer(said("1", "转人工"))
    for _ in range(2):
        desk.answer(due(desk))
    give_back = people_of(desk).give_back
    people_of(desk).give_back = raising(REFUSED)  # type: ignore[method-assign]
    for _ in range(3):
        desk.answer(due(desk))

    assert desk.read == [SENTENCES.handoff]
    assert (desk.attendance.state, desk.attendance.agent) == ("person", ZHOU)
    assert desk.attendance.due_at is not None
    assert tickets(desk) == ["unanswered"]

    people_of(desk).give_back = give_back  # type: ignore[method-assign]
    desk.answer(due(desk))

    assert desk.read == [SENTENCES.handoff, SENTENCES.given_back]
    assert tickets(desk) == ["unanswered"]


def test_a_customer_who_is_taken_back_after_all_has_one_ticket_though_the_process_dies_of_it():
    desk = kf()
    desk.answer(said("1", "转人工"))
    for _ in range(2):
        desk.answer(due(desk))
    give_back, people_of(desk).give_back = people_of(desk).give_back, raising(REFUSED)  # type: ignore[method-assign]
    desk.answer(due(desk))
    people_of(desk).give_back = give_back  # type: ignore[method-assign]
    moment = due(desk)
    with pytest.raises(Crash):
        desk.answer(moment, crashing=Crashing(at="give_back"))

    desk.answer(replace(moment, attempt=2))

    assert desk.read == [SENTENCES.handoff, SENTENCES.given_back]
    assert tickets(desk) == ["unanswered"]


def test_a_persons_line_from_before_the_taking_back_makes_nobody_wait_for_that_person():
    desk = kf(after_giving_back=Charge.CLOSED)
    desk.answer(said("1", "转人工"))
    for _ in range(3):
        desk.answer(due(desk))

    desk.answer(wrote("2"))

    assert (desk.attendance.state, desk.attendance.agent) == ("bot", "")
    assert kinds(desk)[-1] == "person"


def test_a_line_that_a_person_typed_just_before_the_customer_was_taken_back_is_said_and_takes_nobody_over():
    desk = app()
    desk.answer(said("1", "转人工"))
    for _ in range(3):
        desk.answer(due(desk))

    assert results(desk.answer(wrote("2", "我来了"))) == [Result.RECORDED]

    assert desk.read[-1] == "我来了"
    assert (desk.attendance.state, desk.attendance.agent) == ("bot", "")


def test_while_nobody_knows_who_is_in_charge_nothing_is_taken_back():
    desk = kf()
    desk.answer(said("1", "转人工"))
    moment = due(desk)
    people_of(desk).failures.append(BUSY)

    assert results(desk.answer(moment)) == [Result.RETRY]
    assert people_of(desk).reminded == []


def test_each_time_that_nobody_answers_there_is_a_ticket():
    desk = kf()
    for number in range(2):
        people_of(desk).charges[CONVERSATION] = Charge.PERSON
        desk.answer(said(f"q{number}", f"第{number}次"))
        for _ in range(3):
            desk.answer(due(desk))

    assert [ticket.question for ticket in desk.opened] == ["第0次", "第1次"]
