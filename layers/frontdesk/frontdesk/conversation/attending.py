"""A customer in the hands of a person of the company: taken over, written to, given back.

Who attends is decided by the customer's attendance, saved against the version that was read: of two people who press
at once, one gets the customer. What the person is doing is noted before that and counts only while the attendance
agrees, so that nobody is in charge of a customer without knowing it, and could take another.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from frontdesk.conversation.duties import ATTEND, attends, begun, plain
from frontdesk.errors import ConflictError, TransientError
from frontdesk.messages import Charge, Inbound, Kind
from frontdesk.records import Ticket

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontdesk.conversation.ports import Attendances, Duties, Queue, Sessions, TicketRequests
    from frontdesk.conversation.staff_chat import StaffChat
    from frontdesk.records import Attendance, Duty

BY_AGENT = "agent"
"""The reason of a ticket that a person of the company asked for."""

_GIVE_BACK = frozenset({"交还", "结束"})
_TICKET = "工单"
_TRIES = 4

_TAKEN = "已接入。您在这里输入的文字会转给客户；输入“交还”结束接待，输入“工单”登记客户的问题。"
_TAKEN_BY = "已由 {agent} 接入"
_GONE = "这位客户已不在等待人工。"
_OWN = "不能接入自己的会话。"
_BUSY = "您正在接待另一位客户，请先输入“交还”再接入。"
_RETURNED = "已交还，客户由智能客服继续接待。"
_RETURNED_ON_CARD = "已交还"
_NOT_YOURS = "您现在没有接待这位客户。"
_NOT_PASSED_ON = "客户已不由您接待，这条消息没有转给客户。"
_REGISTERED = "已登记工单，工单号会告知客户。"
_NOTHING_ASKED = "客户还没有提出可以登记的问题。"


class Attending:
    """Does what one person wants with one customer; one instance serves many threads. Deadlines are monotonic."""

    def __init__(
        self,
        *,
        attendances: Attendances,
        duties: Duties,
        queue: Queue,
        sessions: Sessions,
        ticket_requests: TicketRequests,
        chat: StaffChat,
        handoff_timeout_s: int,
        clock: Callable[[], float],
    ) -> None:
        """``handoff_timeout_s`` is how soon whoever takes over has to answer; ``clock`` returns epoch seconds."""
        self._attendances = attendances
        self._duties = duties
        self._queue = queue
        self._sessions = sessions
        self._ticket_requests = ticket_requests
        self._chat = chat
        self._handoff_timeout_s = handoff_timeout_s
        self._clock = clock

    def holds(self, duty: Duty, userid: str) -> bool:
        """Return whether the customer is this person's still."""
        attendance = self._attendances.get(duty.about)
        return attendance is not None and attends(attendance, userid)

    def accept(self, press: Inbound, conversation: str, held: Duty | None, *, deadline: float) -> None:
        """Put the person in charge of the customer who waits, unless somebody was faster.

        ``held`` is what the person is doing, as far as it still counts.
        """
        if conversation == press.conversation:
            self._chat.tell(press, _OWN, deadline=deadline)
            return
        if held and held.kind == ATTEND and held.about != conversation:
            self._chat.tell(press, _BUSY, deadline=deadline)
            return
        attendance, duty = self._take_over(press, conversation, held)
        if attendance and attends(attendance, press.sender):
            # Pressed again it is told again, under the name of the press that did it.
            change = {"change": "taken", "servicer": attendance.agent}
            self._queue.put(_state(attendance, press, duty.begun_by, change))
            self._chat.close_everybodys_card(press, _TAKEN_BY.format(agent=attendance.agent), deadline=deadline)
            self._chat.tell(press, _TAKEN, deadline=deadline)
            return
        if held:
            self._duties.set(held)
        else:
            self._duties.clear(press.conversation)
        taken = attendance if attendance and attendance.state == Charge.PERSON else None
        self._chat.tell(press, _TAKEN_BY.format(agent=taken.agent) if taken else _GONE, deadline=deadline)

    def give_back(self, inbound: Inbound, conversation: str, *, deadline: float) -> None:
        """Let the machine go on with the customer, unless the customer is not this person's any more."""
        duty = self._duties.get(inbound.conversation)
        if duty is None or (duty.kind, duty.about) != (ATTEND, conversation):
            duty = begun(ATTEND, conversation, inbound)
        done = duty.ended_by == inbound.message_id
        attendance = self._attendances.get(conversation)
        if attendance and attends(attendance, inbound.sender):
            # Noted first: once the attendance has changed, nothing else tells that it is this message that did it.
            self._duties.set(replace(duty, ended_by=inbound.message_id))
            attendance, done = self._change(conversation, lambda each: _given_back(each, inbound.sender))
        if attendance is None or not done:
            self._chat.tell(inbound, _NOT_YOURS, deadline=deadline)
            return
        change = {"change": "ended", "reason": "returned", "servicer": inbound.sender}
        self._queue.put(_state(attendance, inbound, inbound.message_id, change))
        self._chat.close_own_card(inbound, _RETURNED_ON_CARD, deadline=deadline)
        self._chat.tell(inbound, _RETURNED, deadline=deadline)

    def typed(self, inbound: Inbound, duty: Duty, *, deadline: float) -> None:
        """Do what a text of the person says: give back, ask for a ticket, or else let the customer read it."""
        word = plain(inbound.text)
        if word in _GIVE_BACK or duty.ended_by == inbound.message_id:
            self.give_back(inbound, duty.about, deadline=deadline)
            return
        attendance = self._attendances.get(duty.about)
        if attendance is None or not attends(attendance, inbound.sender):
            self._chat.tell(inbound, _NOT_PASSED_ON, deadline=deadline)
        elif word == _TICKET:
            self._register(inbound, attendance, deadline)
        else:
            self._queue.put(_line(attendance, inbound))
            self._duties.set(duty)  # it is remembered for two days, from the last line on

    def _take_over(self, press: Inbound, conversation: str, held: Duty | None) -> tuple[Attendance | None, Duty]:
        """Return the attendance, whoever has the customer now, and the duty of the person if it is this one."""
        duty = begun(ATTEND, conversation, press)
        found = self._attendances.get(conversation)
        if found and attends(found, press.sender):
            if held and held.kind == ATTEND:
                return found, held
            self._duties.set(duty)
            return found, duty
        if found is None or found.state != Charge.WAITING:
            return found, duty
        self._duties.set(duty)
        due_at = int(self._clock()) + self._handoff_timeout_s

        def taken(each: Attendance) -> Attendance:
            if each.state != Charge.WAITING:
                return each
            return replace(each, state=Charge.PERSON, agent=press.sender, due_at=due_at, reminders=0)

        return self._change(conversation, taken)[0], duty

    def _register(self, inbound: Inbound, attendance: Attendance, deadline: float) -> None:
        """Ask for a ticket for what the customer asked last."""
        session = self._sessions.latest(attendance.conversation)
        asked = next((turn for turn in reversed(session.turns) if turn.question), None) if session else None
        if asked is None:
            self._chat.tell(inbound, _NOTHING_ASKED, deadline=deadline)
            return
        self._ticket_requests.put(
            Ticket(
                number="",
                request_id=f"{attendance.conversation}-{asked.question_id}",
                conversation=attendance.conversation,
                channel=attendance.channel,
                customer=attendance.customer,
                reason=BY_AGENT,
                question=asked.question,
                brief=attendance.brief,
                opened_at=inbound.sent_at,
            )
        )
        self._chat.tell(inbound, _REGISTERED, deadline=deadline)

    def _change(self, conversation: str, change: Callable[[Attendance], Attendance]) -> tuple[Attendance | None, bool]:
        """Return the attendance after ``change``, made again on what somebody else saved first, and whether it changed.

        There is nothing to be changed, and nothing is returned, when the customer was erased meanwhile.
        """
        for _ in range(_TRIES):
            attendance = self._attendances.get(conversation)
            changed = change(attendance) if attendance else None
            if changed is None or changed == attendance:
                return attendance, False
            try:
                return self._attendances.save(changed), True
            except ConflictError:
                continue
        raise TransientError("the attendance kept changing", code="attendance_contended")


def _given_back(attendance: Attendance, userid: str) -> Attendance:
    if not attends(attendance, userid):
        return attendance
    return replace(attendance, state=Charge.BOT, agent="", due_at=None, reminders=0)


def _state(attendance: Attendance, inbound: Inbound, named_by: str, details: dict[str, str]) -> Inbound:
    """Return what lets the customer's conversation know that the customer changed hands."""
    return Inbound(
        channel=attendance.channel,
        conversation=attendance.conversation,
        message_id=f"s-{named_by}",
        sender=attendance.customer,
        kind=Kind.STATE,
        sent_at=inbound.sent_at,
        received_at_ms=inbound.received_at_ms,
        details=details,
    )


def _line(attendance: Attendance, inbound: Inbound) -> Inbound:
    """Return what the person typed, as it comes in the customer's conversation: there it is judged and recorded."""
    return Inbound(
        channel=attendance.channel,
        conversation=attendance.conversation,
        message_id=f"p-{inbound.message_id}",
        sender=attendance.customer,
        kind=Kind.PERSON,
        sent_at=inbound.sent_at,
        received_at_ms=inbound.received_at_ms,
        text=inbound.text,
        details={"servicer": inbound.sender},
    )
