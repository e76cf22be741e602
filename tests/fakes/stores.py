"""Sessions, ledger and archive in memory. tests/contract holds them to what the real ones do."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Any
from zlib import crc32

from frontdesk.errors import ConflictError
from tests.fakes.seals import sealed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from frontdesk.records import Happening, Reply, SealedSession, Session

KEEP_REPLIES_S = 15 * 86_400
KEEP_REPETITIONS_S = 2 * 3_600


def _alone(method: Any) -> Any:
    """Let one thread at a time into the store, as the real ones let one request at a time change an item."""

    @wraps(method)
    def locked(self: Any, *args: Any, **kwargs: Any) -> Any:
        with self._lock:
            return method(self, *args, **kwargs)

    return locked


class InMemorySessions:
    """Sessions by conversation and id, in clear for the responder and sealed for the archiver.

    ``unarchived`` is the index: what the archiver still has to do.
    """

    def __init__(self, *, shards: int = 16) -> None:
        self.shards = shards
        self._lock = threading.Lock()
        self.kept: dict[tuple[str, str], Session] = {}
        self.unarchived: set[tuple[str, str]] = set()

    @_alone
    def latest(self, conversation: str) -> Session | None:
        """Return the newest session."""
        ids = [session_id for owner, session_id in self.kept if owner == conversation]
        return self.kept[conversation, max(ids)] if ids else None

    @_alone
    def get(self, conversation: str, session_id: str) -> Session | None:
        """Return one session."""
        return self.kept.get((conversation, session_id))

    @_alone
    def save(self, session: Session) -> Session:
        """Return the session one version on."""
        key = (session.conversation, session.session_id)
        stored = self.kept.get(key)
        if session.version != (stored.version if stored else 0):
            raise ConflictError("sessions: somebody else was first", code="sessions_conflict")
        saved = replace(session, version=session.version + 1)
        self.kept[key] = saved
        self.unarchived.add(key)
        return saved

    def idle(self, shard: int, *, before: int) -> Iterator[SealedSession]:
        """Yield the unarchived sessions of ``shard`` without activity after ``before``, the oldest first."""
        with self._lock:
            mine = [self.kept[key] for key in self.unarchived if crc32(key[1].encode()) % self.shards == shard]
        found = sorted(
            (each for each in mine if each.last_activity_at <= before), key=lambda each: each.last_activity_at
        )
        yield from map(sealed, found)

    @_alone
    def mark_archived(self, session: SealedSession) -> None:
        """Note that this version is archived."""
        key = (session.conversation, session.session_id)
        stored = self.kept.get(key)
        if stored is None or stored.version != session.version:
            raise ConflictError("sessions: somebody else was first", code="sessions_conflict")
        self.kept[key] = replace(stored, archived_version=session.version)
        self.unarchived.discard(key)

    @_alone
    def remove_expired(self, now: float) -> list[SealedSession]:
        """Remove what has expired, as the table's TTL does, and return it, as the table's stream does."""
        removed = [session for session in self.kept.values() if session.expires_at < now]
        for session in removed:
            key = (session.conversation, session.session_id)
            del self.kept[key]
            self.unarchived.discard(key)
        return list(map(sealed, removed))


class InMemoryLedger:
    """A ledger that forgets when TTL would: ``expires`` holds the moment, in epoch seconds, for every key.

    ``trail`` holds what was given to the audit, with its conversation, in the order of writing.
    """

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._replies: dict[str, Reply] = {}
        self._leaders: dict[str, str] = {}
        self._claims: set[str] = set()
        self._counts: dict[str, int] = {}
        self.expires: dict[str, int] = {}
        self.trail: list[tuple[str, Happening]] = []

    @property
    def replies(self) -> list[Reply]:
        """All replies on record, in the order of their recording."""
        return list(self._replies.values())

    @_alone
    def find(self, conversation: str, message_ids: Iterable[str]) -> dict[str, Reply]:
        """Return the replies on record, by message id."""
        self._forget()
        keys = {message_id: f"reply#{conversation}#{message_id}" for message_id in message_ids}
        return {
            message_id: self._replies[self._leaders[key]]
            for message_id, key in keys.items()
            if self._leaders.get(key) in self._replies
        }

    @_alone
    def record(self, reply: Reply, trail: Sequence[Happening]) -> None:
        """Write ``reply`` for all its messages, and ``trail``, or nothing."""
        self._forget()
        keys = [f"reply#{reply.conversation}#{message_id}" for message_id in reply.message_ids]
        if any(key in self._leaders for key in keys):
            raise ConflictError("ledger: somebody else was first", code="ledger_conflict")
        self._replies[keys[0]] = reply
        for key in keys:
            self._leaders[key] = keys[0]
            self._keep(key, KEEP_REPLIES_S)
        self.trail += [(reply.conversation, happening) for happening in trail]

    @_alone
    def mark_sent(self, reply: Reply, sent: int) -> None:
        """Remember how many segments are sent."""
        self._forget()
        key = f"reply#{reply.conversation}#{reply.question_id}"
        if key not in self._replies:
            raise ConflictError("ledger: somebody else was first", code="ledger_conflict")
        self._replies[key] = replace(self._replies[key], sent=sent)

    @_alone
    def first_time(self, conversation: str, what: str, trail: Sequence[Happening]) -> bool:
        """Return whether ``what`` is claimed for the first time; then ``trail`` is written."""
        self._forget()
        key = f"once#{conversation}#{what}"
        if key in self._claims:
            return False
        self._claims.add(key)
        self._keep(key, KEEP_REPLIES_S)
        self.trail += [(conversation, happening) for happening in trail]
        return True

    @_alone
    def repetitions(self, conversation: str, text: str) -> int:
        """Return how often ``text`` was counted before."""
        self._forget()
        key = f"said#{conversation}#{text}"
        before = self._counts.get(key, 0)
        self._counts[key] = before + 1
        self._keep(key, KEEP_REPETITIONS_S)
        return before

    def _keep(self, key: str, seconds: int) -> None:
        self.expires[key] = int(self._clock()) + seconds

    def _forget(self) -> None:
        now = self._clock()
        for key in [key for key, moment in self.expires.items() if moment < now]:
            del self.expires[key]
            self._replies.pop(key, None)
            self._leaders.pop(key, None)
            self._claims.discard(key)
            self._counts.pop(key, None)


class InMemoryArchive:
    """Documents by name; ``writes`` holds each write that was taken: name and version, in order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.documents: dict[str, dict[str, Any]] = {}
        self.versions: dict[str, int] = {}
        self.writes: list[tuple[str, int]] = []

    @_alone
    def put(self, name: str, document: dict[str, Any], *, version: int) -> None:
        """Store ``document`` unless this version, or a later one, is there already."""
        if self.versions.get(name, -1) >= version:
            return
        self.documents[name] = document
        self.versions[name] = version
        self.writes.append((name, version))
