"""What every place for the file of rules does: the fake as well as the real one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.errors import MisconfiguredError, TransientError
from frontdesk.protection.rules import RulesError, RuleSet
from frontdesk.storage import aws
from frontdesk.storage.rule_files import ANSWERS_KEY, S3RuleFiles
from tests.contract.aws_in_memory import aws_in_memory
from tests.fakes.rule_files import InMemoryRuleFiles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client

    Files = InMemoryRuleFiles | S3RuleFiles

BUCKET = "frontdesk-rules"
KEY = "rules/rules.yaml"


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Client]:
    with aws_in_memory():
        yield aws.s3()


@pytest.fixture
def client(s3: S3Client) -> Iterator[S3Client]:
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    yield s3
    stored = s3.list_object_versions(Bucket=BUCKET)
    for each in [*stored.get("Versions", []), *stored.get("DeleteMarkers", [])]:
        s3.delete_object(Bucket=BUCKET, Key=each["Key"], VersionId=each["VersionId"])
    s3.delete_bucket(Bucket=BUCKET)


@pytest.fixture(params=["in memory", "S3"])
def files(request: pytest.FixtureRequest) -> Files:
    return (
        InMemoryRuleFiles() if request.param == "in memory" else S3RuleFiles(request.getfixturevalue("client"), BUCKET)
    )


def delete(files: Files) -> None:
    if isinstance(files, InMemoryRuleFiles):
        files.deleted = True
    else:
        files._client.delete_object(Bucket=BUCKET, Key=KEY)


def test_a_file_that_was_never_put_is_absent_and_no_error(files: Files):
    newest = files.newest("")

    assert newest is not None
    assert (newest.text, newest.etag, newest.version_id) == ("", "", "")
    assert list(files.earlier()) == []


def test_a_file_is_given_as_it_was_put(files: Files):
    version_id = files.put("version: 一\n")

    newest = files.newest("")
    assert newest is not None
    assert newest.text == "version: 一\n"
    assert newest.version_id == version_id
    assert newest.etag


def test_a_file_that_is_known_is_not_given_again(files: Files):
    files.put("a")
    known = files.newest("")
    assert known is not None

    assert files.newest(known.etag) is None


def test_a_changed_file_is_given_to_who_knows_the_old_one(files: Files):
    files.put("a")
    known = files.newest("")
    assert known is not None
    files.put("b")

    newest = files.newest(known.etag)
    assert newest is not None
    assert newest.text == "b"
    assert newest.etag != known.etag


def test_a_deleted_file_is_absent_even_to_who_knows_it(files: Files):
    files.put("a")
    known = files.newest("")
    assert known is not None
    delete(files)

    newest = files.newest(known.etag)
    assert newest is not None
    assert newest.etag == ""


def test_earlier_versions_come_newest_first_without_the_one_in_force(files: Files):
    ids = [files.put(text) for text in ("a", "b", "c", "d")]

    assert [(each.text, each.version_id) for each in files.earlier()] == [
        ("c", ids[2]),
        ("b", ids[1]),
        ("a", ids[0]),
    ]


def test_before_a_deletion_there_are_all_versions(files: Files):
    for text in ("a", "b"):
        files.put(text)
    delete(files)

    assert [each.text for each in files.earlier()] == ["b", "a"]


# -- S3's own --------------------------------------------------------------------------------------------------------


def test_an_object_can_be_read_by_people(client: S3Client):
    S3RuleFiles(client, BUCKET).put("version: 一\n")

    stored = client.get_object(Bucket=BUCKET, Key=KEY)
    assert stored["ContentType"] == "application/yaml; charset=utf-8"
    assert stored["Body"].read().decode() == "version: 一\n"


def test_other_objects_are_no_versions_of_the_file(client: S3Client):
    client.put_object(Bucket=BUCKET, Key=f"{KEY}.bak", Body=b"x")
    client.put_object(Bucket=BUCKET, Key=f"{KEY}.bak", Body=b"y")
    files = S3RuleFiles(client, BUCKET)
    files.put("a")

    assert list(files.earlier()) == []


def test_bytes_that_are_no_utf_8_reach_the_reader_who_refuses_them(client: S3Client):
    client.put_object(Bucket=BUCKET, Key=KEY, Body=b"version: \xff\xfe")

    newest = S3RuleFiles(client, BUCKET).newest("")
    assert newest is not None
    with pytest.raises(RulesError, match="UTF-8"):
        RuleSet.read(newest.text)


def test_a_bucket_that_is_not_there_is_a_mistake_in_the_deployment(client: S3Client):
    files = S3RuleFiles(client, "another-bucket")

    with pytest.raises(MisconfiguredError):
        files.newest("")
    with pytest.raises(MisconfiguredError):
        files.put("a")
    with pytest.raises(MisconfiguredError):
        list(files.earlier())


class Silent:
    """A client that never gets an answer."""

    def get_object(self, **_: Any) -> Any:
        raise aws.BotoCoreError


def test_an_s3_that_does_not_answer_may_answer_later():
    with pytest.raises(TransientError) as caught:
        S3RuleFiles(Silent(), BUCKET).newest("")  # type: ignore[arg-type]

    assert caught.value.code == "rules_unreachable"


def test_two_files_of_one_bucket_know_nothing_of_each_other(client: S3Client):
    rules, answers = S3RuleFiles(client, BUCKET), S3RuleFiles(client, BUCKET, ANSWERS_KEY)
    rules.put("rules")
    answers.put("older answers")
    answers.put("answers")

    newest = answers.newest("")
    assert newest is not None
    assert newest.text == "answers"
    assert [each.text for each in answers.earlier()] == ["older answers"]
    assert list(rules.earlier()) == []
