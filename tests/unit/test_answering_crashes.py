"""Wherever a process dies while people come and go, the next one makes the same of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.conversation.speaking import segment_id
from frontdesk.messages import Charge, Choice, Kind, ModelAnswer, Pause
from tests.factories import CONVERSATION, NOW, NOW_MS, model_answer, received
from tests.fakes.channel import CUT, TWIN_MARK
from tests.fakes.crash import Crash, Crashing
from tests.fakes.desk import Desk
from tests.fakes.desks import ScriptedDesk

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontdesk.messages import Question, Received

MANY = 60
NOBODY = segment_id(CONVERSATION, "nobody#1", 0)
FORM = Pause("要办什么？", choices=(Choice("退货", "return"), Choice("换货", "exchange")))

Story = tuple[Desk, "Received"]


def said(message_id: str, text: str = "", **more: Any) -> Received:
    return received(**{"message_id": message_id, "text": text, "received_at_ms": NOW_MS, **more})


def desk_of(*people: str, left: int | None = 5, **more: Any) -> Desk:
    return Desk(people=ScriptedDesk(*people, **more), left=left)


def answers(desk: Desk, answer: ModelAnswer | Callable[[Question], ModelAnswer]) -> None:
    desk.model.script.extend([answer] * MANY)


def handed_over(**more: Any) -> Desk:
    desk = desk_of("zhou.min", **more)
    desk.answer(said("0", "我要人工"))
    return desk


def an_answer() -> Story:
    desk = desk_of("zhou.min")
    answers(desk, model_answer(text=f"一{CUT}二"))
    return desk, said("1", "你好")


def a_wish_for_a_person() -> Story:
    return desk_of("zhou.min"), said("1", "我要人工")


def a_wish_while_others_wait_too() -> Story:
    return desk_of("zhou.min", queue=True), said("1", "我要人工")


def a_wish_in_the_applications_chat() -> Story:
    return desk_of("zhou.min", queue=True, left=None), said("1", "我要人工")


def a_wish_when_nobody_is_there() -> Story:
    return desk_of(), said("1", "我要人工")


def a_wish_that_nobody_takes_after_all() -> Story:
    desk = desk_of()
    desk.people.available = lambda *_args, **_kwargs: True  # type: ignore[union-attr, method-assign]
    return desk, said("1", "我要人工")


def an_unsure_answer() -> Story:
    desk = desk_of("zhou.min")
    answers(desk, model_answer(confidence=0.1))
    return desk, said("1", "它怎么用？")


def a_second_unsure_answer() -> Story:
    desk, first = an_unsure_answer()
    desk.answer(first)
    return desk, said("2", "那个红色的怎么用？")


def a_person_who_takes_over_meanwhile() -> Story:
    desk = desk_of("zhou.min")
    answers(desk, model_answer(text="迟到的回答", pause=FORM))
    record = desk.ledger.record

    def record_late(*given: Any) -> None:
        record(*given)
        assert desk.people
        desk.people.charges[CONVERSATION] = Charge.PERSON

    desk.ledger.record = record_late  # type: ignore[method-assign]
    return desk, said("1", "你好")


def an_answer_that_is_refused_half_way() -> Story:
    desk = desk_of("zhou.min")

    def spent(question: Question) -> ModelAnswer:
        desk.channel.left = 5
        return model_answer(text=f"一{CUT}二{CUT}三")

    answers(desk, spent)
    deliver = desk.channel.deliver

    def deliver_one(outbound: Any, *, deadline: float) -> None:
        desk.channel.left = min(desk.channel.left or 0, 2)
        deliver(outbound, deadline=deadline)

    desk.channel.deliver = deliver_one  # type: ignore[method-assign]
    return desk, said("1", "你好")


def the_last_message() -> Story:
    return desk_of("zhou.min", left=1), said("1", "你好")


def no_message_left() -> Story:
    return desk_of("zhou.min", left=0), said("1", "你好")


def a_long_answer() -> Story:
    desk = desk_of("zhou.min")
    answers(desk, model_answer(text=CUT.join(f"第{n}段" for n in range(8))))
    return desk, said("1", "你好")


def the_rest_of_a_long_answer() -> Story:
    desk, first = a_long_answer()
    desk.answer(first)
    desk.channel.left = 5
    return desk, said("2", "继续查看", details={"menu_id": "more:1"})


def a_line_for_the_person() -> Story:
    return handed_over(), said("1", "还在吗")


def a_line_of_the_person() -> Story:
    return handed_over(), said("1", "我是小周", kind=Kind.PERSON, details={"servicer": "zhou.min"})


def a_line_of_the_person_through_the_application() -> Story:
    desk = handed_over(left=None)
    return desk, said("1", f"我是{CUT}小周", kind=Kind.PERSON, details={"servicer": "zhou.min"})


def a_person_took_over() -> Story:
    desk = desk_of("zhou.min")
    desk.answer(said("0", "你好"))
    assert desk.people
    desk.people.charges[CONVERSATION] = Charge.PERSON
    return desk, said("1", kind=Kind.STATE, details={"change": "taken", "servicer": "zhou.min"})


def a_person_ended() -> Story:
    desk = handed_over()
    desk.answer(said("p", "好了", kind=Kind.PERSON, details={"servicer": "zhou.min"}))
    assert desk.people
    desk.people.charges[CONVERSATION] = Charge.CLOSED
    return desk, said("1", kind=Kind.STATE, details={"change": "ended", "code": "a-code"})


def due(desk: Desk) -> Received:
    moment = desk.attendance.due_at
    desk.clock.now = max(desk.clock.now, moment or 0)
    details = {"what": "attendance", "at": str(moment)}
    return said(f"due-{moment}", sender="-", sent_at=moment, kind=Kind.DUE, details=details)


def a_person_to_be_reminded() -> Story:
    desk = handed_over()
    return desk, due(desk)


def a_customer_to_be_taken_back() -> Story:
    desk = handed_over(code="a-code")
    desk.answer(due(desk))
    desk.answer(due(desk))
    return desk, due(desk)


def a_call_that_came_to_nothing() -> Story:
    desk = desk_of("zhou.min")
    with pytest.raises(Crash):
        desk.answer(said("0", "我要人工"), crashing=Crashing(at="call", before=True))
    return desk, due(desk)


def ticket(text: str, **more: Any) -> Received:
    details = {"number": "T20261128-0007", "state": "closed"}
    return said("t", text, kind=Kind.TICKET, details=details, **more)


def a_ticket_that_was_closed() -> Story:
    return desk_of("zhou.min"), ticket("已退款")


def a_ticket_that_was_closed_while_a_person_is_there() -> Story:
    return handed_over(), ticket("已退款")


def a_reply_after_kept_news() -> Story:
    desk = handed_over()
    desk.answer(ticket("已退款"))
    assert desk.people
    desk.people.charges[CONVERSATION] = Charge.BOT
    answers(desk, model_answer(text=f"一{CUT}二"))
    return desk, said("1", "你好")


def a_customer_enters() -> Story:
    return desk_of("zhou.min"), said("1", kind=Kind.ENTERED, details={"code": "a-code"})


def a_session_gone_quiet() -> Story:
    desk = desk_of("zhou.min")
    desk.answer(said("0", "你好"))
    desk.clock.advance(700)
    details = {"what": "rating", "session_id": desk.session.session_id}
    return desk, said("1", sender="-", sent_at=NOW + 700, kind=Kind.DUE, details=details)


def a_rating() -> Story:
    desk, quiet = a_session_gone_quiet()
    desk.answer(quiet)
    return desk, said("2", "不满意", details={"menu_id": "rating:bad"})


def a_message_taken_back() -> Story:
    desk = desk_of("zhou.min")
    desk.answer(said("a", "我的"), said("b", "密码"))
    return desk, said("1", kind=Kind.RECALLED, details={"recalled_id": "b", "by": "customer"})


def a_message_that_did_not_arrive() -> Story:
    desk = desk_of("zhou.min")
    desk.answer(said("0", "你好"))
    failed_id = desk.channel.shown[0].message_id
    return desk, said("1", kind=Kind.UNDELIVERED, details={"failed_id": failed_id, "fail_type": "13"})


STORIES = [
    an_answer,
    a_wish_for_a_person,
    a_wish_while_others_wait_too,
    a_wish_in_the_applications_chat,
    a_wish_when_nobody_is_there,
    a_wish_that_nobody_takes_after_all,
    an_unsure_answer,
    a_second_unsure_answer,
    a_person_who_takes_over_meanwhile,
    an_answer_that_is_refused_half_way,
    the_last_message,
    no_message_left,
    a_long_answer,
    the_rest_of_a_long_answer,
    a_line_for_the_person,
    a_line_of_the_person,
    a_line_of_the_person_through_the_application,
    a_person_took_over,
    a_person_ended,
    a_person_to_be_reminded,
    a_customer_to_be_taken_back,
    a_call_that_came_to_nothing,
    a_ticket_that_was_closed,
    a_ticket_that_was_closed_while_a_person_is_there,
    a_reply_after_kept_news,
    a_customer_enters,
    a_session_gone_quiet,
    a_rating,
    a_message_taken_back,
    a_message_that_did_not_arrive,
]


def made_of(desk: Desk) -> dict[str, Any]:
    """Return what there is to see of a story's end: by the customer, by people, and by whoever looks later.

    That nobody is there after all is said at most once, and a ticket opened in any case.
    """
    people = desk.people
    assert people
    attendance = desk.attendances.get(CONVERSATION)
    sessions = sorted(desk.sessions.kept.values(), key=lambda each: each.session_id)
    return {
        "read": [(each.text.rstrip(TWIN_MARK), each.menu) for each in desk.channel.shown if each.message_id != NOBODY],
        "turns": [
            [(turn.question_id, turn.kind, turn.question, turn.answer) for turn in each.turns] for each in sessions
        ],
        "sessions": [(each.chat_no, each.pending, each.clarified, each.rating) for each in sessions],
        "charge": people.charges.get(CONVERSATION, Charge.BOT),
        "called": {(each.question_id, each.reason) for each in people.called},
        "read by people": {each.brief for each in people.briefed},
        "reminded": {(each.question_id, everybody) for each, everybody in people.reminded},
        "tickets": [(each.reason, each.question) for each in desk.opened],
        "attendance": attendance
        and replace(attendance, version=0, session_id="", rated=("", "", ""), due_at=None, called_at=0),
        "answered in time": attendance and attendance.due_at is None,
        "rated": attendance and bool(attendance.rated[0]),
        "audit": sorted((each.kind, each.about) for _, each in desk.ledger.trail),
    }


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("story", STORIES, ids=[story.__name__ for story in STORIES])
def test_wherever_a_process_dies_the_next_one_makes_the_same_of_it(story: Callable[[], Story], *, before: bool):
    desk, message = story()
    desk.answer(message)
    as_it_should_be = made_of(desk)
    assert as_it_should_be != made_of(story()[0]), "the message makes no difference"

    for nth in range(1, MANY):
        desk, message = story()
        try:
            desk.answer(message, crashing=Crashing(nth, before=before))
        except Crash:
            desk.answer(replace(message, attempt=2))
            assert made_of(desk) == as_it_should_be, f"call {nth}"
        else:
            assert nth > 3
            break
    desk.answer(replace(message, attempt=3))
    assert made_of(desk) == as_it_should_be
