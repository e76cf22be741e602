"""A ticket from its opening until a person of the company has it: numbered, told, offered, reported.

What is to be done for a new ticket are steps that do not need each other: the customer is told the number, the people
get a card, the company's own ticket system is told. Each is noted when it is done, and tried though another failed;
the request comes again for what is missing. Each step can be repeated: it shows the same thing under the same name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from frontdesk.conversation.hours import CHINA
from frontdesk.conversation.journey import log
from frontdesk.errors import ConflictError, ErasedError, FrontdeskError, TransientError
from frontdesk.messages import Inbound, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from frontdesk.conversation.ports import Queue, TicketCards, Tickets, TicketSystem
    from frontdesk.records import Ticket, TicketRequest

OPENED, CLOSED = "opened", "closed"

_TOLD, _CARDED, _HOOKED = "told", "carded", "hooked"
_AGAIN_AFTER_S = 12 * 3600  # so that what nobody claims is offered at the next day's opening, not after lunch
_TRIES = 4


class Hours(Protocol):
    """When people are there."""

    def is_open(self, now: float) -> bool:
        """Return whether they are there at ``now`` (epoch seconds)."""

    def next_opening(self, now: float) -> float | None:
        """Return the first moment from ``now`` on at which they are, ``None`` for never."""


@dataclass(frozen=True, slots=True)
class TicketOutcome:
    """The end of one attempt at one request. ``channel`` is the ticket's, empty while it is not known.

    ``opened`` tells that the customer has a ticket more, ``webhook_failed`` that the company's system was not told.
    ``code`` is why the request has to come again, empty when it is done.
    """

    channel: str = ""
    opened: bool = False
    webhook_failed: bool = False
    code: str = ""
    retry_after_s: float = 0.0

    @property
    def handled(self) -> bool:
        """Whether the queue may forget the request."""
        return not self.code


@dataclass(slots=True)
class _Attempt:
    """What one attempt has reached."""

    deadline: float
    channel: str = ""
    opened: bool = False
    webhook_failed: bool = False

    def outcome(self, error: Exception | None = None) -> TicketOutcome:
        code = error.code if isinstance(error, FrontdeskError) else "unexpected"
        return TicketOutcome(
            channel=self.channel,
            opened=self.opened,
            webhook_failed=self.webhook_failed,
            code=code if error else "",
            retry_after_s=error.retry_after_s if isinstance(error, TransientError) else 0.0,
        )


class Ticketing:
    """Does what is asked of the tickets, one request at a time; one instance serves many threads."""

    def __init__(
        self,
        *,
        tickets: Tickets,
        queue: Queue,
        cards: TicketCards,
        system: TicketSystem | None,
        hours: Hours,
        agents: Iterable[str],
        clock: Callable[[], float],
    ) -> None:
        """``system`` is the company's own, if it has one; ``agents`` are the user ids of those who get the cards.

        ``clock`` returns epoch seconds.
        """
        self._tickets = tickets
        self._queue = queue
        self._cards = cards
        self._system = system
        self._hours = hours
        self._agents = tuple(agents)
        self._clock = clock

    def take(self, request: TicketRequest, *, deadline: float) -> TicketOutcome:
        """Return how it went; ``deadline`` is monotonic.

        Never raises an `Exception`: whatever goes wrong becomes an outcome, and a log line.
        """
        attempt = _Attempt(deadline)
        try:
            if request.ticket is not None:
                self._open(request.ticket, attempt)
            elif request.what == "offer":
                self._offer(request.number, attempt)
            else:
                self._report(request.number, request.event, attempt)
        except ErasedError:
            # There is nobody left to be told, and nothing left to be shown.
            log.info("ticket of an erased customer", extra={"ticket": request.number})
        except Exception as error:  # noqa: BLE001  # the outermost line of this request's work
            outcome = attempt.outcome(error)
            log.error("ticket request failed", exc_info=error, extra={"code": outcome.code, "what": request.what})
            return outcome
        return attempt.outcome()

    # -- opening -----------------------------------------------------------------------------------------------

    def _open(self, asked: Ticket, attempt: _Attempt) -> None:
        ticket = self._tickets.open(asked, day=datetime.fromtimestamp(self._clock(), CHINA).date().isoformat())
        attempt.channel = ticket.channel
        errors: list[FrontdeskError] = []
        for step, take in ((_TOLD, self._tell_number), (_CARDED, self._show_first), (_HOOKED, self._report_opened)):
            if step in ticket.done:
                continue
            try:
                offer_at = take(ticket, attempt)
                ticket = self._done(ticket, step, offer_at)
            except FrontdeskError as error:
                log.warning("ticket step failed", extra={"code": error.code, "step": step, "ticket": ticket.number})
                errors.append(error)
            else:
                attempt.opened |= step == _TOLD
        if errors:
            raise errors[0]

    def _tell_number(self, ticket: Ticket, _attempt: _Attempt) -> int | None:
        if ticket.has_customer:
            self._queue.put(ticket_notice(ticket, OPENED, received_at_ms=int(self._clock() * 1000)))
        return ticket.offer_at

    def _show_first(self, ticket: Ticket, attempt: _Attempt) -> int | None:
        """Show the ticket to the people if they are there; return when it is to be offered (again)."""
        return self._shown(ticket, OPENED, attempt) if self._agents else None

    def _report_opened(self, ticket: Ticket, attempt: _Attempt) -> int | None:
        self._post(OPENED, ticket, attempt)
        return ticket.offer_at

    def _done(self, ticket: Ticket, step: str, offer_at: int | None) -> Ticket:
        """Return the ticket as saved with ``step`` behind it; what others did to it meanwhile stays."""

        def noted(each: Ticket) -> Ticket:
            if step in each.done:
                return each
            done = (*each.done, step)
            if step == _CARDED and each.state == "open":
                return replace(each, done=done, offer_at=offer_at)
            return replace(each, done=done)

        return self._change(ticket, noted)

    # -- afterwards --------------------------------------------------------------------------------------------

    def _offer(self, number: str, attempt: _Attempt) -> None:
        """Show an open ticket to the people (again) when the moment for it has come."""
        ticket = self._tickets.get(number)
        if ticket is None or ticket.offer_at is None or ticket.offer_at > self._clock():
            return
        attempt.channel = ticket.channel
        due_at = ticket.offer_at
        # The name of the occasion is the same for every repetition of this offer.
        offered = ticket.state == "open" and bool(self._agents)
        offer_at = self._shown(ticket, f"offer-{due_at}", attempt) if offered else None

        def again(each: Ticket) -> Ticket:
            return replace(each, offer_at=offer_at) if each.offer_at == due_at else each

        self._change(ticket, again)

    def _report(self, number: str, event: str, attempt: _Attempt) -> None:
        ticket = self._tickets.get(number)
        if ticket is not None:
            attempt.channel = ticket.channel
            self._post(event, ticket, attempt)

    # -- pieces ------------------------------------------------------------------------------------------------

    def _shown(self, ticket: Ticket, occasion: str, attempt: _Attempt) -> int | None:
        """Show the ticket if people are there, and return when to do so next."""
        now = self._clock()
        if self._hours.is_open(now):
            self._cards.show(ticket, self._agents, occasion=occasion, deadline=attempt.deadline)
            now += _AGAIN_AFTER_S
        opening = self._hours.next_opening(now)
        return None if opening is None else int(opening)

    def _post(self, event: str, ticket: Ticket, attempt: _Attempt) -> None:
        if self._system is None:
            return
        try:
            self._system.post(event, ticket, deadline=attempt.deadline)
        except FrontdeskError:
            attempt.webhook_failed = True
            raise

    def _change(self, ticket: Ticket, change: Callable[[Ticket], Ticket]) -> Ticket:
        """Return ``ticket`` as saved after ``change``, made again on what somebody else saved first."""
        for _ in range(_TRIES):
            changed = change(ticket)
            if changed == ticket:
                return ticket
            try:
                return self._tickets.save(changed)
            except ConflictError:
                ticket = self._tickets.get(ticket.number) or ticket
        raise TransientError("the ticket kept changing", code="ticket_contended")


def ticket_notice(ticket: Ticket, state: str, *, received_at_ms: int) -> Inbound:
    """Return what lets the customer know that the ticket is opened or closed; ``text`` is the answer, if it has one."""
    return Inbound(
        channel=ticket.channel,
        conversation=ticket.conversation,
        message_id=f"t-{ticket.number}-{state}",
        sender=ticket.customer,
        kind=Kind.TICKET,
        sent_at=received_at_ms // 1000,
        received_at_ms=received_at_ms,
        text=ticket.answer,
        details={"number": ticket.number, "state": state},
    )
