"""A ticket in the hands of a person of the company: claimed, replied to, closed.

Each change is saved against the version that was read, so of two people who claim at once one gets the ticket. The
customer and the company's own ticket system are told of it afterwards, under names that do not change.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from frontdesk.conversation.duties import ATTEND, REPLY, begun, plain, same_person
from frontdesk.conversation.ticketing import CLOSED, ticket_notice
from frontdesk.errors import ConflictError, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontdesk.conversation.ports import Duties, Queue, TicketRequests, Tickets
    from frontdesk.conversation.staff_chat import StaffChat
    from frontdesk.messages import Inbound
    from frontdesk.records import Duty, Ticket

REPLY_WITHIN_S = 30 * 60
"""How long after its button was pressed a text is the reply: a forgotten press must not swallow a later question."""

_CANCEL = "取消"
_TRIES = 4

_UNKNOWN = "没有找到工单 {number}。"
_CLAIMED_BY = "工单 {number} 已由 {agent} 领取。"
_CLAIMED_ON_CARD = "已由 {agent} 领取"
_DONE = "工单 {number} 已办结。"
_ASK = "请在 30 分钟内直接输入给客户的回复（工单 {number}）；输入“取消”则不回复。"
_ATTEND_FIRST = "您正在接待客户，请先输入“交还”再回复工单。"
_REPLIED = "工单 {number} 已回复，内容会发给客户。"
_REPLIED_ON_CARD = "已回复客户"
_CANCELLED = "好的，没有回复工单 {number}。"
_CLOSED = "工单 {number} 已办结，客户会收到通知。"
_CLOSED_ON_CARD = "已由 {agent} 办结"


class Claiming:
    """Does what one person wants with one ticket; one instance serves many threads. Deadlines are monotonic."""

    def __init__(
        self,
        *,
        tickets: Tickets,
        ticket_requests: TicketRequests,
        duties: Duties,
        queue: Queue,
        chat: StaffChat,
        clock: Callable[[], float],
    ) -> None:
        """``clock`` returns epoch seconds."""
        self._tickets = tickets
        self._ticket_requests = ticket_requests
        self._duties = duties
        self._queue = queue
        self._chat = chat
        self._clock = clock

    def holds(self, duty: Duty, userid: str) -> bool:
        """Return whether the ticket still waits for this person's reply."""
        if self._clock() - duty.begun_at_ms / 1000 > REPLY_WITHIN_S:
            return False
        ticket = self._tickets.get(duty.about)
        return ticket is not None and ticket.state == "assigned" and same_person(ticket.assignee, userid)

    def claim(self, press: Inbound, number: str, *, deadline: float) -> None:
        """Make the ticket the person's, who gets a card of their own to go on with."""
        ticket = self._claimed(press, number, deadline)
        if ticket is None:
            return
        self._ticket_requests.put_changed(ticket)
        self._chat.close_everybodys_card(press, _CLAIMED_ON_CARD.format(agent=ticket.assignee), deadline=deadline)
        self._chat.show(ticket, occasion="assigned", deadline=deadline)

    def ask_reply(self, press: Inbound, number: str, held: Duty | None, *, deadline: float) -> None:
        """Let the person's next text be the reply. The card keeps its buttons until there is one.

        ``held`` is what the person is doing, as far as it still counts.
        """
        if held and held.kind == ATTEND:
            self._chat.tell(press, _ATTEND_FIRST, deadline=deadline)
            return
        ticket = self._claimed(press, number, deadline)
        if ticket is None:
            return
        self._duties.set(begun(REPLY, number, press))
        self._ticket_requests.put_changed(ticket)
        self._chat.tell(press, _ASK.format(number=number), deadline=deadline)

    def typed(self, inbound: Inbound, duty: Duty, *, deadline: float) -> None:
        """Take a text of the person for the reply, unless it says that there is to be none."""
        number = duty.about
        if plain(inbound.text) == _CANCEL:
            self._duties.clear(inbound.conversation)
            self._chat.tell(inbound, _CANCELLED.format(number=number), deadline=deadline)
            return
        # Noted first: once the ticket has changed, nothing else tells that this message is the reply.
        self._duties.set(replace(duty, ended_by=inbound.message_id))
        answer, closed_at = inbound.text.strip(), int(self._clock())

        def answered(each: Ticket) -> Ticket:
            if each.state != "assigned" or not same_person(each.assignee, inbound.sender):
                return each
            return replace(each, state="answered", answer=answer, closed_at=closed_at)

        ticket = self._change(number, answered)
        if ticket is None or ticket.state != "answered" or ticket.answer != answer:
            self._refuse(inbound, number, ticket, deadline)
            return
        self._finish(ticket, inbound)
        self._chat.close_own_card(inbound, _REPLIED_ON_CARD, code=duty.response_code, deadline=deadline)
        self._chat.tell(inbound, _REPLIED.format(number=number), deadline=deadline)

    def close(self, press: Inbound, number: str, held: Duty | None, *, deadline: float) -> None:
        """End the ticket without a reply; the customer is told that it is done."""
        closed_at = int(self._clock())

        def closed(each: Ticket) -> Ticket:
            mine = each.state == "assigned" and same_person(each.assignee, press.sender)
            if each.state != "open" and not mine:
                return each
            return replace(each, state="closed", assignee=press.sender, closed_at=closed_at, offer_at=None)

        ticket = self._change(number, closed)
        if ticket is None or ticket.state != "closed" or not same_person(ticket.assignee, press.sender):
            self._refuse(press, number, ticket, deadline)
            return
        if held and (held.kind, held.about) == (REPLY, number):
            self._duties.clear(press.conversation)
        self._finish(ticket, press)
        self._chat.close_everybodys_card(press, _CLOSED_ON_CARD.format(agent=ticket.assignee), deadline=deadline)
        text = _CLOSED if ticket.has_customer else _DONE
        self._chat.tell(press, text.format(number=number), deadline=deadline)

    def _claimed(self, press: Inbound, number: str, deadline: float) -> Ticket | None:
        """Return the ticket as this person's; nothing, and the person is told, when it cannot be."""

        def claimed(each: Ticket) -> Ticket:
            return (
                replace(each, state="assigned", assignee=press.sender, offer_at=None) if each.state == "open" else each
            )

        ticket = self._change(number, claimed)
        if ticket and ticket.state == "assigned" and same_person(ticket.assignee, press.sender):
            return ticket
        self._refuse(press, number, ticket, deadline)
        return None

    def _refuse(self, inbound: Inbound, number: str, ticket: Ticket | None, deadline: float) -> None:
        """Tell the person why the ticket was left as it is."""
        if ticket is None:
            text = _UNKNOWN.format(number=number)
        elif ticket.state == "assigned":
            text = _CLAIMED_BY.format(number=number, agent=ticket.assignee)
        else:
            text = _DONE.format(number=number)
        self._chat.tell(inbound, text, deadline=deadline)

    def _finish(self, ticket: Ticket, inbound: Inbound) -> None:
        """Let the customer and the company's ticket system know that the ticket is done."""
        if ticket.has_customer:
            self._queue.put(ticket_notice(ticket, CLOSED, received_at_ms=inbound.received_at_ms))
        self._ticket_requests.put_changed(ticket)

    def _change(self, number: str, change: Callable[[Ticket], Ticket]) -> Ticket | None:
        """Return the ticket after ``change``, made again on what somebody else saved first; nothing for none."""
        for _ in range(_TRIES):
            ticket = self._tickets.get(number)
            if ticket is None:
                return None
            changed = change(ticket)
            if changed == ticket:
                return ticket
            try:
                return self._tickets.save(changed)
            except ConflictError:
                continue
        raise TransientError("the ticket kept changing", code="ticket_contended")
