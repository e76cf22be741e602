"""What the company's own people do in the application's chat: they press a card's buttons, and they type.

Whoever has taken a customer over types to that customer; whoever was asked for the reply to a ticket types the reply;
everybody else, and everybody at any other time, is a customer like all others.

A person's own messages come one after the other, and every step can be repeated: the process may die between any two,
and the queue hands the message out again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from frontdesk.conversation.attending import Attending
from frontdesk.conversation.claiming import Claiming
from frontdesk.conversation.duties import ATTEND, plain
from frontdesk.conversation.journey import log, name_of
from frontdesk.conversation.staff_chat import StaffChat
from frontdesk.messages import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from frontdesk.conversation.ports import (
        Attendances,
        Duties,
        Queue,
        Sessions,
        Staff,
        TicketCards,
        TicketRequests,
        Tickets,
    )
    from frontdesk.messages import Inbound, Received
    from frontdesk.records import Duty

_CARDS = ("handoff:", "ticket:")
_TYPED = frozenset({Kind.TEXT, Kind.IMAGE, Kind.VOICE, Kind.VIDEO, Kind.FILE, Kind.LOCATION, Kind.LINK, Kind.OTHER})

_NOT_AN_AGENT = "您不在人工接待名单中，操作没有生效。"
_NOT_PASSED_ON = "这条消息没有转给客户：您现在没有接待客户，也没有要回复的工单。"
_TEXT_ONLY = "只能转达文字，这条消息没有转给客户。"


class Agents:
    """Does what people of the company want; one instance serves many threads."""

    def __init__(
        self,
        *,
        attendances: Attendances,
        duties: Duties,
        tickets: Tickets,
        ticket_requests: TicketRequests,
        cards: TicketCards,
        sessions: Sessions,
        queue: Queue,
        staff: Staff,
        agents: Iterable[str],
        handoff_timeout_s: int,
        clock: Callable[[], float],
    ) -> None:
        """``agents`` are the user ids of those who may; ``handoff_timeout_s`` is how soon they have to answer.

        ``clock`` returns epoch seconds.
        """
        userids = tuple(agents)
        chat = StaffChat(staff=staff, cards=cards, agents=userids)
        self._agents = frozenset(map(plain, userids))
        self._duties = duties
        self._chat = chat
        self._attending = Attending(
            attendances=attendances,
            duties=duties,
            queue=queue,
            sessions=sessions,
            ticket_requests=ticket_requests,
            chat=chat,
            handoff_timeout_s=handoff_timeout_s,
            clock=clock,
        )
        self._claiming = Claiming(
            tickets=tickets, ticket_requests=ticket_requests, duties=duties, queue=queue, chat=chat, clock=clock
        )

    def concerns(self, inbound: Inbound) -> bool:
        """Return whether `take` is to have ``inbound``; then it is not a customer's question.

        To be asked only when everything before it in the same conversation is done. Raises `TransientError`.
        """
        if inbound.kind is Kind.PRESSED:
            return inbound.details.get("key", "").startswith(_CARDS)
        if inbound.kind not in _TYPED or plain(inbound.sender) not in self._agents:
            return False
        duty = self._duties.get(inbound.conversation)
        if duty is None:
            return False
        # What was typed before the button was pressed, and comes late, was not meant for this customer.
        return duty.ended_by == inbound.message_id or (
            inbound.received_at_ms >= duty.begun_at_ms and self._holds(duty, inbound.sender)
        )

    def take(self, received: Received, *, deadline: float) -> None:
        """Do what the message is for; ``deadline`` is monotonic. Doing it again changes nothing more.

        Raises `TransientError` or `MisconfiguredError` when it is not done, or not all of it.
        """
        inbound = received.inbound
        if inbound.kind is not Kind.PRESSED:
            self._typed(inbound, deadline)
        elif plain(inbound.sender) in self._agents:
            self._pressed(inbound, deadline)
        else:
            self._chat.tell(inbound, _NOT_AN_AGENT, deadline=deadline)

    def _pressed(self, press: Inbound, deadline: float) -> None:
        subject, _, rest = press.details["key"].partition(":")
        about, _, verb = rest.rpartition(":")
        duty = self._duties.get(press.conversation)
        held = duty if duty and self._holds(duty, press.sender) else None
        match subject, verb:
            case "handoff", "accept":
                self._attending.accept(press, about, held, deadline=deadline)
            case "handoff", "return":
                self._attending.give_back(press, about, deadline=deadline)
            case "ticket", "claim":
                self._claiming.claim(press, about, deadline=deadline)
            case "ticket", "reply":
                self._claiming.ask_reply(press, about, held, deadline=deadline)
            case "ticket", "close":
                self._claiming.close(press, about, held, deadline=deadline)
            case _:
                log.warning("button unknown", extra={"code": "button_unknown", **name_of(press)})

    def _typed(self, inbound: Inbound, deadline: float) -> None:
        duty = self._duties.get(inbound.conversation)
        again = duty is not None and duty.ended_by == inbound.message_id
        if duty is None or not (again or self._holds(duty, inbound.sender)):
            self._chat.tell(inbound, _NOT_PASSED_ON, deadline=deadline)
        elif inbound.kind is not Kind.TEXT or not inbound.text.strip():
            self._chat.tell(inbound, _TEXT_ONLY, deadline=deadline)
        elif duty.kind == ATTEND:
            self._attending.typed(inbound, duty, deadline=deadline)
        else:
            self._claiming.typed(inbound, duty, deadline=deadline)

    def _holds(self, duty: Duty, userid: str) -> bool:
        """Return whether the person is doing this still.

        The record of whom or what it is about decides: a message that was to end it may have been given up before.
        """
        return (self._attending if duty.kind == ATTEND else self._claiming).holds(duty, userid)
