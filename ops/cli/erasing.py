"""Erases one person: what can be deleted is deleted, and what the law has kept becomes unreadable with their key.

The order makes it safe to end anywhere and to be run again: the act is on record first, then nothing new is sealed
under the old key, then things are deleted, and the key goes last, when no process can still be sealing with it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from frontdesk.errors import TransientError
from frontdesk.protection.sealing import key_id_of
from frontdesk.records import Happening

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from frontdesk.protection.customer_keys import KeyKeeping, WrappedKeys
    from frontdesk.records import AuditRecord, CustomerKey
    from ops.cli.holdings import TicketItem

KIND = "erased"


class Holding(Protocol):
    """One place where things of a person are kept."""

    name: str

    def find(self, conversation: str) -> Sequence[Any]:
        """Return what is there of this person."""

    def delete(self, conversation: str, found: Sequence[Any]) -> None:
        """Delete ``found``; what is gone already is no error."""


class Tickets(Protocol):
    """The tickets of a person: their numbers are kept, their words are gone with the key."""

    def find(self, conversation: str) -> Sequence[TicketItem]:
        """Return them."""

    def close(self, found: Sequence[TicketItem]) -> int:
        """Close those that are open still, so that nobody is offered them; return how many."""


class Audit(Protocol):
    """The audit of the conversation."""

    def of(self, conversation: str) -> Iterator[AuditRecord]:
        """Yield its records, in their order."""

    def append(self, conversation: str, happenings: Sequence[Happening]) -> object:
        """Add to it."""


@dataclass(frozen=True, slots=True)
class Found:
    """What there is of a person: counts by place, audit records and tickets, and how many of those can be read today.

    ``begun`` tells that an erasure has begun and has not come to its end.
    """

    counts: Mapping[str, int]
    records: int
    readable: int
    begun: bool
    destroyed: tuple[tuple[str, int, str], ...] = ()
    tickets: int = 0
    tickets_readable: int = 0
    tickets_open: int = 0

    @property
    def anything(self) -> bool:
        """Whether there is something to erase."""
        kept = self.readable or self.tickets_readable or self.tickets_open
        return self.begun or kept > 0 or any(self.counts.values())


@dataclass(frozen=True, slots=True)
class Erased:
    """What was done: deleted things by place, closed tickets, the data keys that are gone, and what there is now."""

    deleted: dict[str, int]
    closed: int
    keys: tuple[str, ...]
    now: Found


@dataclass(slots=True)
class _Done:
    deleted: Counter[str] = field(default_factory=Counter)
    closed: int = 0


class Erasing:
    """Finds and erases."""

    def __init__(
        self,
        *,
        holdings: Sequence[Holding],
        tickets: Tickets,
        store: WrappedKeys,
        keeping: KeyKeeping,
        audit: Audit,
        actor: str,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        say: Callable[[str], None],
    ) -> None:
        """``actor`` is who erases, as the audit names them; ``clock`` returns epoch seconds."""
        self._holdings = holdings
        self._tickets = tickets
        self._store = store
        self._keeping = keeping
        self._audit = audit
        self._actor = actor
        self._clock = clock
        self._sleep = sleep
        self._say = say

    def look(self, conversation: str) -> Found:
        """Return what there is, and change nothing."""
        key = self._store.read(conversation)
        records = list(self._audit.of(conversation))
        opens = set(key.wrapped) if key else set()
        tickets = self._tickets.find(conversation)
        return Found(
            counts={holding.name: len(holding.find(conversation)) for holding in self._holdings},
            records=len(records),
            readable=sum(key_id_of(record.sealed) in opens for record in records),
            begun=key is not None and key.retired_at is not None,
            destroyed=key.destroyed if key else (),
            tickets=len(tickets),
            tickets_readable=sum(key_id_of(each.sealed) in opens for each in tickets),
            tickets_open=sum(each.open for each in tickets),
        )

    def erase(self, conversation: str) -> Erased:
        """Erase all there is up to the moment when the key is destroyed; return what was done."""
        doomed = _doomed(self._store.read(conversation))
        self._record(conversation, doomed)
        self._say("Taking the key out of use …")
        self._keeping.retire(conversation, int(self._clock()))
        self._say("Deleting …")
        done = _Done()
        self._delete(conversation, done)
        key = self._destroy(conversation, done)
        gone = {key_id for key_id, _, _ in key.destroyed} if key else set()
        keys = tuple(key_id for key_id in doomed if key_id in gone)
        return Erased(dict(done.deleted), done.closed, keys, self.look(conversation))

    def _record(self, conversation: str, doomed: tuple[str, ...]) -> None:
        """Record the act, once for the same keys however often it has to be resumed."""
        keys = ",".join(doomed)
        if doomed and any(
            record.kind == KIND and record.details.get("keys") == keys for record in self._audit.of(conversation)
        ):
            return
        self._audit.append(
            conversation, [Happening(KIND, self._actor, int(self._clock() * 1000), details={"keys": keys})]
        )

    def _delete(self, conversation: str, done: _Done) -> None:
        for holding in self._holdings:
            found = holding.find(conversation)
            holding.delete(conversation, found)
            done.deleted[holding.name] += len(found)
        done.closed += self._tickets.close(self._tickets.find(conversation))

    def _destroy(self, conversation: str, done: _Done) -> CustomerKey | None:
        """Destroy the key as soon as that is allowed, each wait being followed by deleting what came meanwhile."""
        while True:
            try:
                return self._keeping.destroy(conversation, int(self._clock()), self._actor)
            except TransientError as error:
                if error.code != "key_in_use":
                    raise
                self._say(f"Waiting {error.retry_after_s:.0f} s, until no process uses the key any more …")
                self._sleep(error.retry_after_s)
                self._delete(conversation, done)


def _doomed(key: CustomerKey | None) -> tuple[str, ...]:
    """Return the ids of the data keys that an erasure destroys, the same whether it has begun or not."""
    if key is None:
        return ()
    spared = {key.current} if key.retired_at is not None else set()
    return tuple(sorted(set(key.wrapped) - spared))
