"""Idle sessions go to the archive before they may be removed, and what comes back goes there again."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.conversation.archiving import Archiving, document, document_name
from frontdesk.errors import TransientError
from tests.factories import (
    ANOTHER_CONVERSATION,
    CHANNEL,
    CONVERSATION,
    CUSTOMER,
    NOW,
    SESSION_ID,
    sealed_session,
    session,
    turn,
)
from tests.fakes.clock import FakeClock
from tests.fakes.seals import sealed, words_in
from tests.fakes.stores import InMemoryArchive, InMemorySessions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from frontdesk.conversation.archiving import Tally
    from frontdesk.records import SealedSession, Session

IDLE_S = 600
PLENTY_S = 60.0


class Room:
    """The stores of one archiver."""

    def __init__(self, *, sessions: InMemorySessions | None = None, archive: InMemoryArchive | None = None) -> None:
        self.clock = FakeClock()
        self.sessions = sessions or InMemorySessions(shards=4)
        self.archive = archive or InMemoryArchive()

    def sweep(self, *, time_left: Any = lambda: PLENTY_S) -> Tally:
        return Archiving(sessions=self.sessions, archive=self.archive, idle_s=IDLE_S, clock=self.clock).sweep(
            time_left=time_left
        )

    def keep(self, count: int, **differently: Any) -> list[Session]:
        return [
            self.sessions.save(session(session_id=f"session-{n}", last_activity_at=NOW - IDLE_S, **differently))
            for n in range(count)
        ]


def test_an_idle_session_is_written_whole_and_marked():
    room = Room()
    saved = room.sessions.save(session(turns=(turn(),), last_activity_at=NOW - IDLE_S, turns_dropped=2))

    tally = room.sweep()

    assert (dict(tally.archived), tally.superseded, tally.failed, tally.unfinished) == ({CHANNEL: 1}, 0, 0, False)
    assert room.archive.documents == {
        f"sessions/dt=2026-09-21/channel={CHANNEL}/conversation={CONVERSATION}/{SESSION_ID}.json": {
            "schema": "frontdesk.session/2",
            "conversation": CONVERSATION,
            "session_id": SESSION_ID,
            "channel": CHANNEL,
            "version": saved.version,
            "opened_at": NOW,
            "last_activity_at": NOW - IDLE_S,
            "archived_at": NOW,
            "turns_dropped": 2,
            "sealed": sealed(saved).words["sealed"],
        }
    }
    assert room.sessions.get(CONVERSATION, SESSION_ID) == replace(saved, archived_version=saved.version)


def test_a_document_opens_to_what_was_said():
    kept = document(sealed_session(turns=(turn(),), placeholders=(("[手机号1]", "13900000000"),)), archived_at=NOW)

    words = words_in(json.loads(json.dumps(kept)))

    assert (words["customer"], words["turns"][0]["answer"]) == (CUSTOMER, turn().answer)
    assert words["placeholders"] == [["[手机号1]", "13900000000"]]


def test_a_document_tells_nothing_without_a_key():
    kept = json.dumps(document(sealed_session(turns=(turn(),)), archived_at=NOW), ensure_ascii=False)

    assert not [words for words in (CUSTOMER, turn().question, turn().answer) if words in kept]


def test_a_session_that_was_never_sealed_is_archived_as_the_release_before_sealing_did():
    before = replace(sealed_session(version=3), words={"customer": CUSTOMER, "turns": [{"question": "在吗？"}]})

    assert document(before, archived_at=NOW) == {
        "schema": "frontdesk.session/1",
        "conversation": CONVERSATION,
        "session_id": SESSION_ID,
        "channel": CHANNEL,
        "customer": CUSTOMER,
        "version": 3,
        "opened_at": NOW,
        "last_activity_at": NOW,
        "archived_at": NOW,
        "turns_dropped": 0,
        "turns": [{"question": "在吗？"}],
    }


def test_a_customers_documents_are_found_by_their_names():
    mine, theirs = sealed_session(), sealed_session(conversation=ANOTHER_CONVERSATION)

    assert f"/conversation={CONVERSATION}/" in document_name(mine)
    assert f"/conversation={CONVERSATION}/" not in document_name(theirs)


@pytest.mark.parametrize(
    ("opened_at", "day"), [(1_767_225_599, "2025-12-31"), (1_767_225_600, "2026-01-01"), (1_767_225_601, "2026-01-01")]
)
def test_a_documents_name_has_the_day_of_the_opening_in_utc(opened_at: int, day: str):
    assert document_name(sealed_session(opened_at=opened_at)).startswith(f"sessions/dt={day}/channel={CHANNEL}/")


def test_a_session_keeps_its_documents_name_however_long_it_goes_on():
    grown = sealed_session(version=9, last_activity_at=NOW + 10**6, expires_at=NOW + 10**6, turns=(turn(),))

    assert document_name(grown) == document_name(sealed_session())


def test_a_session_with_recent_activity_is_left_alone():
    room = Room()
    room.sessions.save(session(last_activity_at=NOW - IDLE_S + 1))

    assert room.sweep().archived.total() == 0
    assert room.archive.documents == {}

    room.clock.advance(1)
    assert room.sweep().archived.total() == 1


def test_what_is_archived_is_not_archived_again():
    room = Room()
    room.keep(3)

    assert room.sweep().archived.total() == 3
    assert room.sweep().archived.total() == 0
    assert len(room.archive.writes) == 3


def test_sessions_of_all_shards_and_channels_are_archived_and_counted():
    room = Room()
    room.keep(40)
    room.sessions.save(session(channel="another", last_activity_at=NOW - IDLE_S))

    assert room.sweep().archived == {CHANNEL: 40, "another": 1}
    assert room.sessions.unarchived == set()


def test_a_session_that_comes_back_is_archived_again_with_what_was_added():
    room = Room()
    (saved,) = room.keep(1, turns=(turn(),))
    room.sweep()

    archived = room.sessions.get(CONVERSATION, saved.session_id)
    assert archived is not None
    room.sessions.save(replace(archived, turns=(*archived.turns, turn(question_id="2"))))
    room.sweep()

    (kept,) = room.archive.documents.values()
    assert [each["question_id"] for each in words_in(kept)["turns"]] == [turn().question_id, "2"]
    assert [version for _, version in room.archive.writes] == [1, 2]


class ComingBack(InMemoryArchive):
    """An archive during whose first write the session comes back."""

    def __init__(self, sessions: InMemorySessions) -> None:
        super().__init__()
        self._sessions = sessions

    def put(self, name: str, document: dict[str, Any], *, version: int) -> None:
        super().put(name, document, version=version)
        if len(self.writes) == 1:
            saved = self._sessions.get(document["conversation"], document["session_id"])
            assert saved is not None
            self._sessions.save(replace(saved, last_activity_at=NOW, turns=(*saved.turns, turn(question_id="new"))))


def test_a_session_that_comes_back_while_it_is_archived_is_not_lost():
    sessions = InMemorySessions(shards=4)
    room = Room(sessions=sessions, archive=ComingBack(sessions))
    room.keep(1)

    first = room.sweep()
    assert (first.archived.total(), first.superseded, first.failed) == (0, 1, 0)
    assert room.sweep().archived.total() == 0  # it is active

    room.clock.advance(IDLE_S)
    assert room.sweep().archived.total() == 1
    (kept,) = room.archive.documents.values()
    assert [each["question_id"] for each in words_in(kept)["turns"]] == ["new"]


class Removing(InMemoryArchive):
    """An archive during whose write the session is removed."""

    def __init__(self, sessions: InMemorySessions) -> None:
        super().__init__()
        self._sessions = sessions

    def put(self, name: str, document: dict[str, Any], *, version: int) -> None:
        super().put(name, document, version=version)
        self._sessions.remove_expired(NOW + 10**6)


def test_a_session_that_is_removed_while_it_is_archived_is_archived():
    sessions = InMemorySessions(shards=4)
    room = Room(sessions=sessions, archive=Removing(sessions))
    room.keep(1)

    tally = room.sweep()

    assert (tally.superseded, tally.failed) == (1, 0)
    assert len(room.archive.documents) == 1


def test_an_older_sweep_that_comes_late_does_not_undo_a_newer_one():
    room = Room()
    (seen,) = room.keep(1, turns=(turn(),))
    newer = room.sessions.save(replace(seen, turns=(*seen.turns, turn(question_id="2"))))
    room.sweep()

    class Stale(InMemorySessions):
        """An index that still shows what the session was."""

        def idle(self, shard: int, *, before: int) -> Iterator[SealedSession]:
            if shard == 0:
                yield sealed(seen)

    stale = Stale(shards=4)
    stale.kept = room.sessions.kept
    tally = Archiving(sessions=stale, archive=room.archive, idle_s=IDLE_S, clock=room.clock).sweep(
        time_left=lambda: PLENTY_S
    )

    assert tally.superseded == 1
    (kept,) = room.archive.documents.values()
    assert (kept["version"], len(words_in(kept)["turns"])) == (newer.version, 2)


def test_when_time_runs_out_the_next_sweep_goes_on():
    room = Room(sessions=InMemorySessions(shards=1))
    room.keep(10)
    left = iter([60.0, 5.0, 4.9])

    first = room.sweep(time_left=lambda: next(left))
    second = room.sweep()

    assert (first.archived.total(), first.unfinished) == (2, True)
    assert (second.archived.total(), second.unfinished) == (8, False)


def test_the_lag_is_the_age_beyond_idle_of_the_oldest_session_left_behind():
    room = Room(sessions=InMemorySessions(shards=1))
    room.sessions.save(session(session_id="old", last_activity_at=NOW - IDLE_S - 90))
    room.sessions.save(session(session_id="young", last_activity_at=NOW - IDLE_S - 30))
    left = iter([60.0, 4.9])

    assert room.sweep(time_left=lambda: next(left)).lag_s == 30
    assert room.sweep().lag_s == 0


def test_without_time_nothing_is_begun():
    room = Room()
    room.keep(10)

    tally = room.sweep(time_left=lambda: 0.0)

    assert (tally.archived.total(), tally.unfinished, tally.failed) == (0, True, 0)
    assert room.archive.documents == {}


class BadShard(InMemorySessions):
    """Sessions of which one shard cannot be read."""

    bad = 2

    def idle(self, shard: int, *, before: int) -> Iterator[SealedSession]:
        if shard == self.bad:
            raise TransientError("throttled")
        return super().idle(shard, before=before)


def test_a_shard_that_fails_does_not_hurt_the_others():
    room = Room(sessions=BadShard(shards=4))
    room.keep(40)

    first = room.sweep()

    assert (first.failed, first.unfinished) == (1, False)
    assert first.lag_s is None  # nobody knows what waits in the shard
    assert 0 < first.archived.total() < 40
    BadShard.bad, bad = -1, BadShard.bad
    try:
        second = room.sweep()
    finally:
        BadShard.bad = bad
    assert first.archived.total() + second.archived.total() == 40


class FullArchive(InMemoryArchive):
    """An archive that takes one document only."""

    def put(self, name: str, document: dict[str, Any], *, version: int) -> None:
        if self.documents:
            raise TransientError("slow down")
        super().put(name, document, version=version)


def test_what_could_not_be_written_is_not_marked():
    room = Room(sessions=InMemorySessions(shards=1), archive=FullArchive())
    room.keep(3)

    tally = room.sweep()

    assert (tally.archived.total(), tally.failed) == (1, 1)
    assert tally.lag_s is not None
    assert len(room.sessions.unarchived) == 2


def test_a_crash_between_writing_and_marking_is_made_good_by_the_next_sweep():
    room = Room()
    (saved,) = room.keep(1)
    seen = sealed(saved)
    room.archive.put(document_name(seen), document(seen, archived_at=NOW), version=seen.version)

    assert room.sweep().archived.total() == 1
    assert len(room.archive.writes) == 1
    assert room.sessions.unarchived == set()


@pytest.mark.parametrize(
    ("version", "archived_version", "rescued"), [(1, 0, True), (5, 4, True), (5, 5, False), (1, 1, False)]
)
def test_of_removed_sessions_those_are_archived_that_had_changed_since(
    *, version: int, archived_version: int, rescued: bool
):
    archive = InMemoryArchive()
    rescuer = Archiving(archive=archive, clock=FakeClock())
    removed = sealed_session(version=version, archived_version=archived_version, turns=(turn(),))

    assert rescuer.rescue(removed) is rescued
    assert rescuer.rescue(removed) is rescued
    assert len(archive.writes) == rescued


def test_what_was_archived_is_told_without_content(caplog: pytest.LogCaptureFixture):
    room = Room()
    room.keep(1, turns=(turn(),))

    with caplog.at_level("INFO"):
        room.sweep()

    (record,) = [each for each in caplog.records if getattr(each, "stage", "") == "archived"]
    assert (record.conversation, record.session_id, record.version) == (CONVERSATION, "session-0", 1)
    assert record.at_ms == NOW * 1000
    assert turn().answer not in str(record.__dict__)
    assert CUSTOMER not in str(record.__dict__)
    assert sealed(room.sessions.kept[CONVERSATION, "session-0"]).words["sealed"] not in str(record.__dict__)
