"""The archiver's two functions, around the real use case."""

from __future__ import annotations

import json
import runpy
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk import bootstrap
from frontdesk.bootstrap import Rescuer
from frontdesk.conversation.archiving import Archiving
from frontdesk.errors import TransientError
from frontdesk.storage.items import from_session, to_sealed_session
from functions.archiver import handler, stream
from tests.factories import CHANNEL, NOW, session, turn
from tests.fakes.clock import FakeClock
from tests.fakes.seals import FakeSeals, words_in
from tests.fakes.stores import InMemoryArchive, InMemorySessions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from frontdesk.records import SealedSession, Session

TTL_SERVICE = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}


class Context:
    """The part of Lambda's context that is read."""

    def get_remaining_time_in_millis(self) -> int:
        return 50_000


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> InMemoryArchive:
    archive = InMemoryArchive()
    rescuer = Rescuer(archiving=Archiving(archive=archive, clock=FakeClock()), read=to_sealed_session)
    monkeypatch.setattr(bootstrap, "rescuer", lambda: rescuer)
    return archive


def sweeping(monkeypatch: pytest.MonkeyPatch, sessions: InMemorySessions) -> InMemoryArchive:
    """Put an archiver over ``sessions`` into the place of the real one, and return its archive."""
    archive = InMemoryArchive()
    archiving = Archiving(sessions=sessions, archive=archive, idle_s=600, clock=FakeClock())
    monkeypatch.setattr(bootstrap, "archiver", lambda: archiving)
    return archive


def metrics(output: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in output.splitlines() if '"_aws"' in line]
    return [{name: line[name] for name in ("channel", "Archived", "ArchiveLag") if name in line} for line in lines]


def removal(removed: Session, *, number: int = 1, **differently: Any) -> dict[str, Any]:
    return {
        "eventID": f"{number:032d}",
        "eventName": "REMOVE",
        "eventSource": "aws:dynamodb",
        "userIdentity": TTL_SERVICE,
        "dynamodb": {
            "Keys": {"conversation": {"S": removed.conversation}, "session_id": {"S": removed.session_id}},
            "OldImage": from_session(removed, FakeSeals()) | {"idle_shard": {"S": "3"}},
            "SequenceNumber": str(number),
            "StreamViewType": "OLD_IMAGE",
        },
        **differently,
    }


# -- the sweep -------------------------------------------------------------------------------------------------------


def test_the_sweep_archives_and_counts(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    sessions = InMemorySessions()
    for n in range(3):
        sessions.save(session(session_id=f"s{n}", last_activity_at=NOW - 600))
    archive = sweeping(monkeypatch, sessions)

    handler.lambda_handler({}, Context())

    assert len(archive.documents) == 3
    assert metrics(capsys.readouterr().out) == [
        {"channel": CHANNEL, "Archived": [3]},
        {"channel": "system", "ArchiveLag": [0]},
    ]


def test_a_sweep_that_finds_nothing_shows_that_nothing_waits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    sweeping(monkeypatch, InMemorySessions())

    handler.lambda_handler({}, Context())

    assert metrics(capsys.readouterr().out) == [{"channel": "system", "ArchiveLag": [0]}]


class BadShard(InMemorySessions):
    """Sessions of which the first shard cannot be read."""

    def idle(self, shard: int, *, before: int) -> Iterator[SealedSession]:
        if shard == 0:
            raise TransientError("throttled")
        return super().idle(shard, before=before)


def test_a_shard_that_fails_fails_the_run_after_the_others_are_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    sessions = BadShard(shards=2)
    for n in range(20):
        sessions.save(session(session_id=f"s{n}", last_activity_at=NOW - 600))
    archive = sweeping(monkeypatch, sessions)

    with pytest.raises(TransientError) as caught:
        handler.lambda_handler({}, Context())

    assert caught.value.code == "archive_incomplete"
    assert 0 < len(archive.documents) < 20
    # How long the shard that failed is behind, nobody knows, and nothing is told of it.
    assert metrics(capsys.readouterr().out) == [{"channel": CHANNEL, "Archived": [len(archive.documents)]}]


# -- the stream ------------------------------------------------------------------------------------------------------


def test_what_ttl_removed_unarchived_is_archived(archive: InMemoryArchive, capsys: pytest.CaptureFixture[str]):
    removed = session(version=3, archived_version=2, turns=(turn(),))

    answer = stream.lambda_handler({"Records": [removal(removed)]}, None)

    assert answer == {"batchItemFailures": []}
    (kept,) = archive.documents.values()
    assert (kept["version"], words_in(kept)["turns"][0]["answer"]) == (3, turn().answer)
    assert metrics(capsys.readouterr().out) == [{"channel": CHANNEL, "Archived": [1]}]


def test_what_the_release_before_sealing_saved_is_archived_as_it_is(archive: InMemoryArchive):
    record = removal(session(version=1))
    del record["dynamodb"]["OldImage"]["sealed"]
    record["dynamodb"]["OldImage"] |= {"customer": {"S": "lin.mei"}, "turns": {"S": "[]"}}

    assert stream.lambda_handler({"Records": [record]}, None) == {"batchItemFailures": []}

    (kept,) = archive.documents.values()
    assert (kept["schema"], kept["customer"], kept["turns"]) == ("frontdesk.session/1", "lin.mei", [])


def test_what_was_archived_in_its_last_version_is_left_alone(
    archive: InMemoryArchive, capsys: pytest.CaptureFixture[str]
):
    answer = stream.lambda_handler({"Records": [removal(session(version=3, archived_version=3))]}, None)

    assert answer == {"batchItemFailures": []}
    assert archive.documents == {}
    assert metrics(capsys.readouterr().out) == []


@pytest.mark.parametrize(
    "differently",
    [
        {"userIdentity": None},
        {"userIdentity": {"type": "User", "principalId": "AIDAEXAMPLE"}},
        {"eventName": "MODIFY"},
        {"eventName": "INSERT"},
    ],
    ids=str,
)
def test_only_what_ttl_removed_is_archived(archive: InMemoryArchive, differently: dict[str, Any]):
    record = removal(session(version=1), **differently)
    if not differently.get("userIdentity", True):
        del record["userIdentity"]

    assert stream.lambda_handler({"Records": [record]}, None) == {"batchItemFailures": []}
    assert archive.documents == {}


def test_the_stream_is_read_again_from_the_first_record_that_failed(archive: InMemoryArchive):
    good = [removal(session(session_id=f"s{n}", version=1), number=n) for n in range(4)]
    del good[2]["dynamodb"]["OldImage"]["channel"]

    answer = stream.lambda_handler({"Records": good}, None)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "2"}]}
    assert sorted(document["session_id"] for document in archive.documents.values()) == ["s0", "s1"]


def test_an_archive_that_is_down_brings_the_record_again(monkeypatch: pytest.MonkeyPatch):
    class Down(InMemoryArchive):
        def put(self, name: str, document: dict[str, Any], *, version: int) -> None:
            raise TransientError("down")

    rescuer = Rescuer(archiving=Archiving(archive=Down(), clock=FakeClock()), read=to_sealed_session)
    monkeypatch.setattr(bootstrap, "rescuer", lambda: rescuer)

    answer = stream.lambda_handler({"Records": [removal(session(version=1), number=7)]}, None)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "7"}]}


def test_a_record_that_is_read_again_is_archived_once(archive: InMemoryArchive):
    event = {"Records": [removal(session(version=1))]}

    stream.lambda_handler(event, None)
    stream.lambda_handler(event, None)

    assert len(archive.writes) == 1


# -- the start -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("module", "built"), [(handler, ["archiver"]), (stream, ["rescuer"])])
def test_each_function_builds_its_own_use_case_while_it_initialises(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, built: list[str]
):
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "frontdesk-archiver")
    asked: list[str] = []
    for name in ("archiver", "rescuer"):
        monkeypatch.setattr(bootstrap, name, lambda name=name: asked.append(name))

    runpy.run_path(str(module.__file__))

    assert asked == built
