"""What every place for reports does: the fake as well as the real one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from frontdesk.errors import MisconfiguredError, TransientError
from frontdesk.storage import aws
from frontdesk.storage.reports import S3Reports
from tests.contract.aws_in_memory import aws_in_memory
from tests.fakes.reviews import InMemoryReports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client

    Store = InMemoryReports | S3Reports

BUCKET = "frontdesk-audit"
NAME = "reviews/dt=2026-11-22/report.json"
JSON = "application/json; charset=utf-8"


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Client]:
    with aws_in_memory():
        client = aws.s3()
        client.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
        yield client


@pytest.fixture
def client(s3: S3Client) -> Iterator[S3Client]:
    yield s3
    for each in s3.list_object_versions(Bucket=BUCKET).get("Versions", []):
        s3.delete_object(Bucket=BUCKET, Key=each["Key"], VersionId=each["VersionId"])


@pytest.fixture(params=["in memory", "S3"])
def store(request: pytest.FixtureRequest) -> Store:
    return InMemoryReports() if request.param == "in memory" else S3Reports(request.getfixturevalue("client"), BUCKET)


def test_a_report_is_read_as_it_was_written(store: Store):
    assert store.put(NAME, '{"规则":1}', content_type=JSON) == '{"规则":1}'

    assert store.get(NAME) == '{"规则":1}'


def test_what_was_never_written_is_not_there(store: Store):
    store.put(NAME, "{}", content_type=JSON)

    assert store.get("reviews/dt=2026-11-22/report-2.json") is None


def test_the_first_report_under_a_name_stays_and_is_told_to_the_second_writer(store: Store):
    store.put(NAME, "first", content_type=JSON)

    assert store.put(NAME, "second", content_type=JSON) == "first"
    assert store.get(NAME) == "first"


# -- S3's own --------------------------------------------------------------------------------------------------------


def test_an_object_says_what_it_is_and_is_written_once(client: S3Client):
    store = S3Reports(client, BUCKET)
    store.put(NAME, "<p>您好", content_type="text/html; charset=utf-8")
    store.put(NAME, "<p>再见", content_type="text/html; charset=utf-8")

    stored = client.get_object(Bucket=BUCKET, Key=NAME)
    assert (stored["ContentType"], stored["Body"].read()) == ("text/html; charset=utf-8", "<p>您好".encode())
    assert len(client.list_object_versions(Bucket=BUCKET, Prefix=NAME)["Versions"]) == 1


class BeingWritten:
    """A client that is told of another write of the same name, which is not done yet."""

    def __init__(self, client: S3Client) -> None:
        self._client = client
        self.exceptions = client.exceptions

    def put_object(self, **request: Any) -> Any:
        assert request["IfNoneMatch"] == "*"
        raise ClientError({"Error": {"Code": "ConditionalRequestConflict", "Message": ""}}, "PutObject")

    def get_object(self, **request: Any) -> Any:
        return self._client.get_object(**request)


def test_a_report_that_somebody_else_is_writing_is_tried_later(client: S3Client):
    with pytest.raises(TransientError) as caught:
        S3Reports(BeingWritten(client), BUCKET).put(NAME, "{}", content_type=JSON)  # type: ignore[arg-type]

    assert caught.value.code == "reports_contended"


def test_a_bucket_that_is_not_there_is_a_mistake_in_the_deployment(client: S3Client):
    store = S3Reports(client, "another-bucket")

    with pytest.raises(MisconfiguredError):
        store.put(NAME, "{}", content_type=JSON)
    with pytest.raises(MisconfiguredError):
        store.get(NAME)
