"""Reading a deployment through the AWS API: log lines once each, the newest session, the archived document."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from simulators.console.deployment import AttendanceState, AwsWindow, UnreachableError, archive_names, open_window
from simulators.console.settings import Deployment
from tests.integration.simulators.console_run import LIN

if TYPE_CHECKING:
    from collections.abc import Iterator

REGION = "us-east-1"
RESOURCES = {
    "CallbackLogs": "callback",
    "CollectorLogs": "collector",
    "ResponderLogs": "responder",
    "Sessions": "sessions",
    "Attendance": "attendance",
    "ArchiveBucket": "archive",
}
OPENED = 1_795_380_201  # 2026-11-22


@pytest.fixture
def aws() -> Iterator[boto3.Session]:
    with mock_aws():
        session = boto3.Session(region_name=REGION)
        for group in ("callback", "collector", "responder"):
            session.client("logs").create_log_group(logGroupName=group)
            session.client("logs").create_log_stream(logGroupName=group, logStreamName="one")
        session.client("dynamodb").create_table(
            TableName="sessions",
            KeySchema=[
                {"AttributeName": "conversation", "KeyType": "HASH"},
                {"AttributeName": "session_id", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"} for name in ("conversation", "session_id")
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        session.client("dynamodb").create_table(
            TableName="attendance",
            KeySchema=[{"AttributeName": "conversation", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "conversation", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        session.client("s3").create_bucket(Bucket="archive")
        yield session


def look(aws: boto3.Session, **changes: Any) -> AwsWindow:
    values: dict[str, Any] = {"resources": RESOURCES, "since_ms": int(time.time() * 1000) - 60_000, **changes}
    return AwsWindow(logs=aws.client("logs"), dynamodb=aws.client("dynamodb"), s3=aws.client("s3"), **values)


def log(aws: boto3.Session, group: str, *texts: str, age_ms: int = 0) -> None:
    at_ms = int(time.time() * 1000) - age_ms
    events: Any = [{"timestamp": at_ms, "message": text} for text in texts]
    aws.client("logs").put_log_events(logGroupName=group, logStreamName="one", logEvents=events)


def written(stage: str, message_id: str) -> str:
    return json.dumps({"stage": stage, "at_ms": 5, "conversation": LIN, "message_id": message_id})


def save(aws: boto3.Session, session_id: str, **numbers: int) -> None:
    item: Any = {"conversation": {"S": LIN}, "session_id": {"S": session_id}, "channel": {"S": "wecom_app"}}
    item |= {name: {"N": str(value)} for name, value in numbers.items()}
    aws.client("dynamodb").put_item(TableName="sessions", Item=item)


def test_each_line_of_each_group_is_returned_once(aws: boto3.Session):
    window = look(aws)
    log(aws, "callback", "START RequestId: 1", written("queued", "1"))
    log(aws, "collector", written("queued", "2"))
    log(aws, "responder", written("asked", "1"))

    first = window.new_lines()
    log(aws, "responder", written("sent", "1"))

    assert [(each.stage, each.message_id) for each in first] == [("queued", "1"), ("queued", "2"), ("asked", "1")]
    assert [each.stage for each in window.new_lines()] == ["sent"]
    assert window.new_lines() == []


def test_a_line_that_shows_up_late_is_not_missed(aws: boto3.Session):
    window = look(aws)
    log(aws, "callback", written("queued", "2"))
    window.new_lines()

    log(aws, "callback", written("queued", "1"), age_ms=9_000)

    assert [each.message_id for each in window.new_lines()] == ["1"]


def test_lines_from_before_the_run_are_left_alone(aws: boto3.Session):
    log(aws, "callback", written("queued", "1"), age_ms=120_000)

    assert look(aws).new_lines() == []


def test_the_newest_session_of_a_conversation_is_read(aws: boto3.Session):
    save(aws, "1", opened_at=1, last_activity_at=2, expires_at=902, version=1)
    save(
        aws, "2", opened_at=OPENED, last_activity_at=OPENED + 9, expires_at=OPENED + 909, version=3, archived_version=2
    )

    session = look(aws).session(LIN)

    assert session is not None
    assert (session.session_id, session.opened_at, session.expires_at) == ("2", OPENED, OPENED + 909)
    assert not session.archived
    assert look(aws).session("nobody") is None


def test_a_session_is_archived_when_its_present_version_is(aws: boto3.Session):
    save(aws, "1", opened_at=1, last_activity_at=2, expires_at=902, version=3, archived_version=3)

    session = look(aws).session(LIN)

    assert session is not None
    assert session.archived


def test_who_attends_to_a_customer_is_read(aws: boto3.Session):
    texts = {"conversation": LIN, "state": "person", "agent": "Zhou.Min", "reason": "asked"}
    item: Any = {name: {"S": value} for name, value in texts.items()} | {"reminders": {"N": "1"}}
    aws.client("dynamodb").put_item(TableName="attendance", Item=item | {"due_at": {"N": "1795380400"}})

    found = look(aws).attendance(LIN)

    assert found == AttendanceState(LIN, "person", "zhou.min", "asked", due_at=1_795_380_400, reminders=1)
    assert look(aws).attendance("nobody") is None


def test_nothing_is_due_of_a_customer_whom_the_machine_has_back(aws: boto3.Session):
    item: Any = {"conversation": {"S": LIN}, "state": {"S": "bot"}, "reason": {"S": "asked"}}
    aws.client("dynamodb").put_item(TableName="attendance", Item=item)

    assert look(aws).attendance(LIN) == AttendanceState(LIN, "bot", "", "asked", due_at=None, reminders=0)


@pytest.mark.parametrize(
    ("resources", "problem"),
    [({}, "not deployed"), ({"Attendance": "gone"}, "ResourceNotFoundException")],
)
def test_attendances_that_are_not_there_are_named(aws: boto3.Session, resources: dict[str, str], problem: str):
    with pytest.raises(UnreachableError, match=f"Attendance: {problem}"):
        look(aws, resources=resources).attendance(LIN)


def test_an_archived_document_is_found_under_the_day_of_its_opening(aws: boto3.Session):
    name = f"sessions/dt=2026-11-22/channel=wecom_app/conversation={LIN}/2.json"
    aws.client("s3").put_object(Bucket="archive", Key=name, Body=b'{"sealed":"s1."}')
    window = look(aws)

    assert window.archived(LIN, "2", "wecom_app", [OPENED]) == (name, {"sealed": "s1."})
    assert window.archived(LIN, "2", "wecom_app", [OPENED + 86_400]) == (name, {"sealed": "s1."})
    assert window.archived(LIN, "3", "wecom_app", [OPENED]) is None


def test_the_days_looked_at_are_the_one_named_and_the_one_before():
    assert archive_names(LIN, "2", "wecom_app", [1_793_491_200, 1_793_491_201]) == [
        f"sessions/dt=2026-11-01/channel=wecom_app/conversation={LIN}/2.json",
        f"sessions/dt=2026-10-31/channel=wecom_app/conversation={LIN}/2.json",
    ]


@pytest.mark.parametrize(
    ("resources", "problem"),
    [
        ({"CallbackLogs": "gone"}, "CallbackLogs: ResourceNotFoundException"),
        ({"Sessions": "gone"}, "Sessions: ResourceNotFoundException"),
        ({}, "Sessions: not deployed"),
    ],
)
def test_what_cannot_be_read_is_named_with_the_services_own_code(
    aws: boto3.Session, resources: dict[str, str], problem: str
):
    window = look(aws, resources=resources)

    with pytest.raises(UnreachableError) as caught:
        (window.new_lines if "CallbackLogs" in resources else lambda: window.session(LIN))()

    assert str(caught.value) == problem


def test_an_archive_that_is_not_there_is_named_too(aws: boto3.Session):
    for resources, problem in (({}, "not deployed"), ({"ArchiveBucket": "gone"}, "NoSuchBucket")):
        with pytest.raises(UnreachableError, match=problem):
            look(aws, resources=resources).archived(LIN, "2", "wecom_app", [OPENED])


def test_a_local_aws_that_does_not_answer_is_told_and_never_mistaken_for_the_real_one():
    deployment = Deployment(REGION, {"CallbackLogs": "callback"}, "http://127.0.0.1:9")
    window = open_window(deployment, since_ms=0)

    with pytest.raises(UnreachableError, match="CallbackLogs: EndpointConnectionError"):
        window.new_lines()
