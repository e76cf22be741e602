"""What every archive does: the fake as well as the real one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.errors import MisconfiguredError, TransientError
from frontdesk.storage import aws
from frontdesk.storage.archive import S3Archive
from tests.contract.aws_in_memory import aws_in_memory
from tests.fakes.stores import InMemoryArchive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_s3 import S3Client

    Store = InMemoryArchive | S3Archive

BUCKET = "frontdesk-archive"
NAME = "sessions/dt=2026-11-22/channel=wecom_app/conversation=5f0c2a9be1d34786a1b2c3d4e5f60718/1790000000000-0123456789abcdef.json"


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Client]:
    with aws_in_memory():
        yield aws.s3()


@pytest.fixture
def client(s3: S3Client) -> Iterator[S3Client]:
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    yield s3
    for each in s3.list_object_versions(Bucket=BUCKET).get("Versions", []):
        s3.delete_object(Bucket=BUCKET, Key=each["Key"], VersionId=each["VersionId"])
    s3.delete_bucket(Bucket=BUCKET)


@pytest.fixture(params=["in memory", "S3"])
def store(request: pytest.FixtureRequest) -> Store:
    return InMemoryArchive() if request.param == "in memory" else S3Archive(request.getfixturevalue("client"), BUCKET)


def current(store: Store) -> dict[str, Any]:
    """Return what the archive holds under `NAME` now."""
    if isinstance(store, InMemoryArchive):
        return store.documents[NAME]
    document: dict[str, Any] = json.loads(store._client.get_object(Bucket=BUCKET, Key=NAME)["Body"].read())
    return document


def writes(store: Store) -> int:
    """Return how many versions the archive holds under `NAME`."""
    if isinstance(store, InMemoryArchive):
        return len(store.writes)
    return len(store._client.list_object_versions(Bucket=BUCKET, Prefix=NAME)["Versions"])


def test_a_document_is_kept_as_it_was_given(store: Store):
    store.put(NAME, {"words": "您好", "turns": [{"n": 1, "confidence": None}]}, version=1)

    assert current(store) == {"words": "您好", "turns": [{"n": 1, "confidence": None}]}


def test_a_newer_document_takes_the_place_of_an_older_one(store: Store):
    for version in (1, 2, 10):
        store.put(NAME, {"version": version}, version=version)

    assert current(store) == {"version": 10}
    assert writes(store) == 3


def test_an_older_document_that_comes_late_does_not_take_the_place_of_a_newer_one(store: Store):
    store.put(NAME, {"version": 10}, version=10)
    store.put(NAME, {"version": 9}, version=9)

    assert current(store) == {"version": 10}
    assert writes(store) == 1


def test_the_same_document_again_is_written_once(store: Store):
    store.put(NAME, {"archived_at": 1}, version=3)
    store.put(NAME, {"archived_at": 2}, version=3)

    assert current(store) == {"archived_at": 1}
    assert writes(store) == 1


# -- S3's own --------------------------------------------------------------------------------------------------------


def test_an_object_is_readable_json(client: S3Client):
    S3Archive(client, BUCKET).put(NAME, {"words": "您好", "a": 1}, version=1)

    stored = client.get_object(Bucket=BUCKET, Key=NAME)
    assert stored["ContentType"] == "application/json; charset=utf-8"
    assert stored["Body"].read() == '{"a":1,"words":"您好"}'.encode()
    assert stored["Metadata"] == {"version": "1"}


def test_an_object_without_a_version_gives_way(client: S3Client):
    client.put_object(Bucket=BUCKET, Key=NAME, Body=b"{}")
    store = S3Archive(client, BUCKET)

    store.put(NAME, {"version": 1}, version=1)

    assert current(store) == {"version": 1}


class Overtaken:
    """A client before whose every write under a condition somebody else writes, ``times`` times."""

    def __init__(self, client: S3Client, overtake: Callable[[int], None], times: int) -> None:
        self._client = client
        self._overtake = overtake
        self._times = times

    def put_object(self, **request: Any) -> Any:
        if self._times:
            self._times -= 1
            self._overtake(self._times)
        return self._client.put_object(**request)

    def head_object(self, **request: Any) -> Any:
        return self._client.head_object(**request)


def test_of_two_writers_at_the_same_time_the_newer_document_wins(client: S3Client):
    store = S3Archive(client, BUCKET)

    def newer(_: int) -> None:
        store.put(NAME, {"version": 5}, version=5)

    S3Archive(Overtaken(client, newer, 1), BUCKET).put(NAME, {"version": 4}, version=4)  # type: ignore[arg-type]
    assert current(store) == {"version": 5}

    def older(_: int) -> None:
        store.put(NAME, {"version": 6}, version=6)

    S3Archive(Overtaken(client, older, 2), BUCKET).put(NAME, {"version": 7}, version=7)  # type: ignore[arg-type]
    assert current(store) == {"version": 7}


def test_a_document_that_never_stops_changing_is_written_later(client: S3Client):
    def another(left: int) -> None:
        client.put_object(Bucket=BUCKET, Key=NAME, Body=f"{left}".encode(), Metadata={"version": "1"})

    with pytest.raises(TransientError):
        S3Archive(Overtaken(client, another, 99), BUCKET).put(NAME, {}, version=2)  # type: ignore[arg-type]


def test_a_bucket_that_is_not_there_is_a_mistake_in_the_deployment(client: S3Client):
    with pytest.raises(MisconfiguredError):
        S3Archive(client, "another-bucket").put(NAME, {}, version=1)
