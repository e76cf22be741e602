"""Tickets, and the queue in front of them, in memory. tests/contract holds them to what the real ones do."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from frontdesk.errors import ConflictError
from frontdesk.records import Ticket, TicketRequest

if TYPE_CHECKING:
    from collections.abc import Iterator


class InMemoryTickets:
    """Tickets by number. Those of ``erased`` conversations are gone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: dict[tuple[str, str], str] = {}
        self._counts: Counter[str] = Counter()
        self.kept: dict[str, Ticket] = {}
        self.erased: set[str] = set()

    def open(self, ticket: Ticket, *, day: str) -> Ticket:
        """Return the ticket with its number, new or as opened before by the same request."""
        with self._lock:
            request = (ticket.conversation, ticket.request_id)
            if request in self._requests:
                return self.kept[self._requests[request]]
            self._counts[day] += 1
            number = f"T{day.replace('-', '')}-{self._counts[day]:04d}"
            self._requests[request] = number
            self.kept[number] = replace(ticket, number=number, version=1)
            return self.kept[number]

    def get(self, number: str) -> Ticket | None:
        """Return one ticket."""
        with self._lock:
            ticket = self.kept.get(number)
            return None if ticket is None or ticket.conversation in self.erased else ticket

    def save(self, ticket: Ticket) -> Ticket:
        """Return it as saved, one version on; raises `ConflictError` when another version is stored."""
        with self._lock:
            stored = self.kept.get(ticket.number)
            if stored is None or stored.version != ticket.version:
                raise ConflictError("tickets: somebody else was first", code="tickets_conflict")
            self.kept[ticket.number] = replace(ticket, version=ticket.version + 1)
            return self.kept[ticket.number]

    def to_offer(self, *, by: int) -> Iterator[str]:
        """Yield the numbers of the open tickets that are to be offered by ``by``."""
        with self._lock:
            kept = list(self.kept.values())
        for ticket in kept:
            if ticket.state == "open" and ticket.offer_at is not None and ticket.offer_at <= by:
                yield ticket.number


class InMemoryTicketRequests:
    """A queue that drops what it has seen. ``requests`` holds what was taken, in order.

    ``failure`` is raised by every call while it is set.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: set[tuple[str, str]] = set()
        self.failure: Exception | None = None
        self.requests: list[TicketRequest] = []

    def put(self, ticket: Ticket) -> None:
        """Ask for ``ticket``."""
        self._take(TicketRequest("open", ticket=ticket), ticket.conversation, ticket.request_id)

    def put_offer(self, number: str) -> None:
        """Ask that an open ticket be offered."""
        self._take(TicketRequest("offer", number=number), number, "offer")

    def put_changed(self, ticket: Ticket) -> None:
        """Tell that the ticket is in its present state."""
        request = TicketRequest("changed", number=ticket.number, event=ticket.state)
        self._take(request, ticket.conversation, f"{ticket.number}-{ticket.state}")

    def _take(self, request: TicketRequest, group: str, named: str) -> None:
        if self.failure is not None:
            raise self.failure
        with self._lock:
            if (group, named) not in self._seen:
                self._seen.add((group, named))
                self.requests.append(request)
