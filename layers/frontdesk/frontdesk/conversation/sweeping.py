"""Each minute, what nobody calls for: accounts whose notification got lost, moments that were waited for, and tickets.

It also stops the trial of a new version of the model's app when that does badly. Otherwise a sweep only puts into
queues; those who read them do the work. It needs no key and sees no words. What it puts in twice is there once, or is
found done by whoever takes it.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from frontdesk.messages import Inbound, Kind, Pull

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from frontdesk.conversation.ports import Queue
    from frontdesk.records import Account

ATTENDANCE = "attendance"
NOBODY = "-"
_STOP_BEFORE_END_S = 5.0  # putting one chunk, with its repetitions, ends within this
_CHUNK = 50

log = logging.getLogger("frontdesk.sweeping")


class KnownAccounts(Protocol):
    """The customer-service accounts. Raises `TransientError` when out of reach."""

    def all(self) -> Iterator[Account]:
        """Yield every account that is not withdrawn."""


class Pulls(Protocol):
    """The queue of pulls."""

    def put(self, pull: Pull) -> None:
        """Return when the queue has it; one a minute and account is enough. Raises `TransientError`."""


class DueAttendances(Protocol):
    """Where something is due, found without reading the others. Raises `TransientError` when out of reach."""

    shards: int

    def due(self, shard: int, *, by: int) -> Iterator[tuple[str, str, int]]:
        """Yield conversation, channel and ``due_at`` of what is due by ``by`` (epoch seconds), the oldest first."""


class TicketsToOffer(Protocol):
    """The tickets that somebody is to be offered. Raises `TransientError` when out of reach."""

    def to_offer(self, *, by: int) -> Iterator[str]:
        """Yield the numbers of those to be offered by ``by`` (epoch seconds)."""


class Offers(Protocol):
    """The queue in front of the tickets."""

    def put_offer(self, number: str) -> None:
        """Ask that an open ticket be offered; asking again within minutes is asking once. Raises `TransientError`."""


class BusinessHours(Protocol):
    """When people are there, and so when customers are expected."""

    @property
    def always(self) -> bool:
        """Whether it is always open, or nobody has said when."""

    def is_open(self, now: float) -> bool:
        """Return whether it is open at ``now`` (epoch seconds)."""


class Canary(Protocol):
    """The trial of a new version of the model's app. Raises `TransientError` when out of reach."""

    def stop_if_alarmed(self) -> bool:
        """Stop it when its alarm is up; return whether it was stopped just now."""


@dataclass(slots=True)
class Swept:
    """What one sweep put in: ``accounts``, ``attendances`` and ``tickets``, counted.

    ``failed`` counts what could not be read or put; ``unfinished`` tells that time ran out. ``open`` tells whether
    customers are expected now, ``None`` where no business hours are set.
    """

    put: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    unfinished: bool = False
    open: bool | None = None


class Sweeping:
    """Looks at what is there to be done now. What is left over is found again by the next sweep."""

    def __init__(
        self,
        *,
        accounts: KnownAccounts,
        pulls: Pulls,
        attendances: DueAttendances,
        inbox: Queue,
        tickets: TicketsToOffer,
        offers: Offers,
        hours: BusinessHours,
        canary: Canary | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``canary`` is none where no new version is tried; ``clock`` returns epoch seconds."""
        self._accounts = accounts
        self._pulls = pulls
        self._attendances = attendances
        self._inbox = inbox
        self._tickets = tickets
        self._offers = offers
        self._hours = hours
        self._canary = canary
        self._clock = clock

    def sweep(self, *, time_left: Callable[[], float]) -> Swept:
        """Put in all that is to be done now, as far as ``time_left`` (seconds) goes; no part suffers from another."""
        now = self._clock()
        # Customers who wait for a person go before the accounts: those are there in case a notification got lost.
        parts: list[tuple[str, Callable[[float], Iterator[int]]]] = [
            *([("canary", partial(self._watch, self._canary))] if self._canary else []),
            *(("attendances", partial(self._wake, shard)) for shard in range(self._attendances.shards)),
            ("accounts", self._pull),
            ("tickets", self._offer),
        ]
        swept = Swept(open=None if self._hours.always else self._hours.is_open(now))
        for name, part in parts:
            try:
                for count in part(now):
                    swept.put[name] += count
                    if time_left() < _STOP_BEFORE_END_S:
                        swept.unfinished = True
                        return swept
            except Exception:
                # The other parts are not to suffer; the caller sees the count and fails the run.
                log.exception("part not swept", extra={"part": name})
                swept.failed += 1
        return swept

    def _watch(self, canary: Canary, _now: float) -> Iterator[int]:
        if canary.stop_if_alarmed():
            log.error("canary stopped", extra={"code": "canary_stopped"})
        yield 0

    def _wake(self, shard: int, now: float) -> Iterator[int]:
        """Put in a chunk of what is due at a time, yielding how much it was."""
        due = self._attendances.due(shard, by=int(now))
        while chunk := list(islice(due, _CHUNK)):
            self._inbox.put_all([_due(*each, now=now) for each in chunk])
            yield len(chunk)

    def _pull(self, now: float) -> Iterator[int]:
        for account in self._accounts.all():
            self._pulls.put(Pull(account=account.account, noticed_at_ms=int(now * 1000)))
            yield 1

    def _offer(self, now: float) -> Iterator[int]:
        for number in self._tickets.to_offer(by=int(now)):
            self._offers.put_offer(number)
            yield 1


def _due(conversation: str, channel: str, due_at: int, *, now: float) -> Inbound:
    """Return the message that the moment has come; the same one until it was seen to."""
    return Inbound(
        channel=channel,
        conversation=conversation,
        message_id=f"due-{conversation}-{due_at}",
        sender=NOBODY,
        kind=Kind.DUE,
        sent_at=due_at,
        received_at_ms=int(now * 1000),
        details={"what": ATTENDANCE, "at": str(due_at)},
    )
