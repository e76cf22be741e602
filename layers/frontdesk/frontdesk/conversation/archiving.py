"""Sessions that have gone quiet are written to the archive, each as one document, before they may be deleted.

Their words stay sealed on the way: nothing here has a key. An archived session can come back, and is then archived
again under the same name: the archive keeps versions.
The document's schema is described in docs/archive.md.
"""

from __future__ import annotations

import logging
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from frontdesk.conversation.days import day_of
from frontdesk.errors import ConflictError, FrontdeskError
from frontdesk.messages import Inbound, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from frontdesk.conversation.ports import Queue
    from frontdesk.records import SealedSession

SCHEMA = "frontdesk.session/2"
SCHEMA_BEFORE_SEALING = "frontdesk.session/1"
_STOP_BEFORE_END_S = 5.0  # one session's writes, with their own retries, end within this

log = logging.getLogger("frontdesk.archiving")


class IdleSessions(Protocol):
    """The sessions that are not archived yet, found without reading the others."""

    shards: int

    def idle(self, shard: int, *, before: int) -> Iterator[SealedSession]:
        """Yield the sessions of ``shard`` without activity after ``before`` (epoch seconds), the oldest first."""

    def mark_archived(self, session: SealedSession) -> None:
        """Note that this version is archived; raises `ConflictError` when the session has changed or gone."""


class Archive(Protocol):
    """Where documents are kept for good."""

    def put(self, name: str, document: dict[str, Any], *, version: int) -> None:
        """Store ``document`` under ``name`` unless this ``version``, or a later one, is there already.

        Raises `TransientError` when the archive is out of reach.
        """


@dataclass(slots=True)
class Tally:
    """What one sweep did: sessions archived, by channel. ``unfinished`` when time ran out: the next sweep goes on.

    ``lag_s`` is for how many seconds too long the oldest session has waited that is idle and not archived, 0 when there
    is none, ``None`` when a shard could not even be read.
    """

    archived: Counter[str] = field(default_factory=Counter)
    superseded: int = 0
    failed: int = 0
    unfinished: bool = False
    lag_s: int | None = 0

    def left(self, last_activity_at: int | None, *, before: int) -> None:
        """Note that a session stays behind, or that nobody knows which."""
        self.lag_s = None if last_activity_at is None else max(0, before - last_activity_at)


def document_name(session: SealedSession) -> str:
    """Return the name of a session's document; the date is that of its opening, in UTC, and never changes.

    The conversation is in it so that one customer's documents are found by their names alone.
    """
    folder = f"sessions/dt={day_of(session.opened_at)}/channel={session.channel}/conversation={session.conversation}"
    return f"{folder}/{session.session_id}.json"


def document(session: SealedSession, *, archived_at: int) -> dict[str, Any]:
    """Return what the archive keeps of ``session``, its words as they are: sealed, or not if they never were."""
    return {
        "schema": SCHEMA if "sealed" in session.words else SCHEMA_BEFORE_SEALING,
        "conversation": session.conversation,
        "session_id": session.session_id,
        "channel": session.channel,
        "version": session.version,
        "opened_at": session.opened_at,
        "last_activity_at": session.last_activity_at,
        "archived_at": archived_at,
        "turns_dropped": session.turns_dropped,
        **({"rating": session.rating} if session.rating else {}),
        **session.words,
    }


class Archiving:
    """Moves idle sessions to the archive."""

    def __init__(
        self,
        *,
        archive: Archive,
        clock: Callable[[], float],
        sessions: IdleSessions | None = None,
        idle_s: int = 0,
        inbox: Queue | None = None,
        rating_channels: Collection[str] = (),
    ) -> None:
        """``clock`` returns epoch seconds. `rescue` needs no ``sessions``.

        The ``inbox`` is told of each session of ``rating_channels`` that has gone quiet: its customer may be asked how
        it was.
        """
        self._archive = archive
        self._clock = clock
        self._sessions = sessions
        self._idle_s = idle_s
        self._inbox = inbox
        self._rating_channels = frozenset(rating_channels)

    def sweep(self, *, time_left: Callable[[], float]) -> Tally:
        """Archive every session that is idle now, as far as ``time_left`` (seconds) goes; shards side by side."""
        assert self._sessions is not None  # noqa: S101  # for the type checker: the sweep is built with them
        before = int(self._clock()) - self._idle_s
        total = Tally()
        with ThreadPoolExecutor(max_workers=self._sessions.shards) as pool:
            tallies = pool.map(
                lambda shard: self._sweep_shard(shard, before=before, time_left=time_left),
                range(self._sessions.shards),
            )
            for tally in tallies:
                total.archived += tally.archived
                total.superseded += tally.superseded
                total.failed += tally.failed
                total.unfinished |= tally.unfinished
                total.lag_s = None if total.lag_s is None or tally.lag_s is None else max(total.lag_s, tally.lag_s)
        return total

    def _sweep_shard(self, shard: int, *, before: int, time_left: Callable[[], float]) -> Tally:
        assert self._sessions is not None  # noqa: S101  # as above
        tally = Tally()
        oldest: int | None = None  # the one at work: they come the oldest first
        try:
            for session in self._sessions.idle(shard, before=before):
                oldest = session.last_activity_at
                if time_left() < _STOP_BEFORE_END_S:
                    tally.unfinished = True
                    tally.left(oldest, before=before)
                    break
                self._store(session)
                try:
                    self._sessions.mark_archived(session)
                except ConflictError:
                    # It came back meanwhile: it is idle again later, and archived then with what was added.
                    tally.superseded += 1
                else:
                    tally.archived[session.channel] += 1
                    self._announce(session)
                oldest = None
        except Exception:
            # The other shards are not to suffer; the caller sees the count and fails the run.
            log.exception("shard not archived", extra={"shard": shard})
            tally.failed += 1
            tally.left(oldest, before=before)
        return tally

    def rescue(self, session: SealedSession) -> bool:
        """Archive a session that was removed; return whether the archive had not seen its last version."""
        if session.version <= session.archived_version:
            return False
        self._store(session)
        return True

    def _announce(self, session: SealedSession) -> None:
        """Tell the inbox that ``session`` has gone quiet. One that it could not be told of stays archived."""
        if self._inbox is None or session.channel not in self._rating_channels:
            return
        now = self._clock()
        ended = Inbound(
            channel=session.channel,
            conversation=session.conversation,
            message_id=f"rating-{session.session_id}",
            sender="-",
            kind=Kind.DUE,
            sent_at=int(now),
            received_at_ms=int(now * 1000),
            details={"what": "rating", "session_id": session.session_id},
        )
        try:
            self._inbox.put(ended)
        except FrontdeskError as error:
            log.warning("no rating asked", extra={"code": error.code, "session_id": session.session_id})

    def _store(self, session: SealedSession) -> None:
        now = self._clock()
        kept = document(session, archived_at=int(now))
        self._archive.put(document_name(session), kept, version=session.version)
        log.info(
            "session archived",
            extra={
                "stage": "archived",
                "at_ms": int(now * 1000),
                "channel": session.channel,
                "conversation": session.conversation,
                "session_id": session.session_id,
                "version": session.version,
            },
        )
