"""What every store of the export does: the fake as well as the real one."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from frontdesk.errors import MisconfiguredError
from frontdesk.storage import aws
from frontdesk.storage.audit_export import S3AuditStore
from tests.contract.aws_in_memory import aws_in_memory
from tests.fakes.audit import InMemoryAuditStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client

    Store = InMemoryAuditStore | S3AuditStore

DAY = "audit/dt=2026-11-22/"
_NUMBERS = count(1)


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Client]:
    with aws_in_memory():
        yield aws.s3()


@pytest.fixture
def bucket(s3: S3Client) -> str:
    """Create a bucket as the deployment does; a locked one cannot be emptied for the next test."""
    name = f"frontdesk-audit-{next(_NUMBERS)}"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    s3.put_object_lock_configuration(
        Bucket=name,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 180}},
        },
    )
    return name


@pytest.fixture(params=["in memory", "S3"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "in memory":
        return InMemoryAuditStore()
    return S3AuditStore(request.getfixturevalue("s3"), request.getfixturevalue("bucket"))


def test_an_object_is_read_as_it_was_put(store: Store):
    assert store.put(f"{DAY}part-1.jsonl", "记录\n".encode()) is True

    assert store.read(f"{DAY}part-1.jsonl") == "记录\n".encode()


def test_an_object_is_written_once(store: Store):
    store.put(f"{DAY}manifest-1.json", b"first")

    assert store.put(f"{DAY}manifest-1.json", b"second") is False
    assert store.put(f"{DAY}manifest-1.json", b"first") is False
    assert store.read(f"{DAY}manifest-1.json") == b"first"


def test_what_is_not_there_is_nothing(store: Store):
    store.put(f"{DAY}manifest-1.json", b"{}")

    assert store.read(f"{DAY}manifest-2.json") is None


def test_names_are_found_by_their_beginning_in_their_order(store: Store):
    for name in (f"{DAY}part-2.jsonl", f"{DAY}part-1.jsonl", "audit/dt=2026-11-23/part-1.jsonl", "reviews/a.json"):
        store.put(name, b"")

    assert list(store.names(DAY)) == [f"{DAY}part-1.jsonl", f"{DAY}part-2.jsonl"]
    assert len(list(store.names("audit/"))) == 3
    assert list(store.names("nothing/")) == []


# -- S3's own --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("part-1.jsonl", "application/x-ndjson; charset=utf-8"),
        ("manifest-1.json", "application/json; charset=utf-8"),
        ("manifest-1.json.sig", "application/json; charset=utf-8"),
        ("other", "application/octet-stream"),
    ],
)
def test_an_object_says_what_it_is_and_is_kept_for_the_retention(s3: S3Client, bucket: str, name: str, kind: str):
    S3AuditStore(s3, bucket).put(DAY + name, b"{}")

    stored = s3.get_object(Bucket=bucket, Key=DAY + name)
    assert stored["ContentType"] == kind
    assert stored["ObjectLockMode"] == "GOVERNANCE"


def test_more_names_than_a_page_has_are_all_found(s3: S3Client, bucket: str):
    store = S3AuditStore(s3, bucket)
    names = [f"{DAY}part-{n:04d}.jsonl" for n in range(1001)]
    for name in names:
        s3.put_object(Bucket=bucket, Key=name, Body=b"")

    assert list(store.names(DAY)) == names


def test_a_bucket_that_is_not_there_is_a_mistake_in_the_deployment(s3: S3Client):
    store = S3AuditStore(s3, "another-bucket")

    for call in (lambda: store.put("a", b""), lambda: store.read("a"), lambda: list(store.names("a"))):
        with pytest.raises(MisconfiguredError):
            call()
