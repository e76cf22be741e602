"""What every store of duties does: the fake as well as the real one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from frontdesk.errors import MisconfiguredError
from frontdesk.records import Duty
from frontdesk.storage.attendances import DynamoAttendances
from frontdesk.storage.duties import DynamoDuties
from tests.contract.aws_in_memory import ATTENDANCE, create_attendance
from tests.factories import ANOTHER_CONVERSATION, CONVERSATION, NOW, NOW_MS, attendance
from tests.fakes.clock import FakeClock
from tests.fakes.duties import KEPT_S, InMemoryDuties
from tests.fakes.seals import FakeSeals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    Store = InMemoryDuties | DynamoDuties

DUTY = Duty(
    conversation=CONVERSATION,
    kind="attend",
    about=ANOTHER_CONVERSATION,
    begun_by="7011223344556677889",
    begun_at_ms=NOW_MS,
    ended_by="7011223344556677890",
    response_code="an-invented-response-code",
)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW + 0.9)


@pytest.fixture
def client(dynamodb: DynamoDBClient) -> Iterator[DynamoDBClient]:
    create_attendance(dynamodb)
    yield dynamodb
    dynamodb.delete_table(TableName=ATTENDANCE)


@pytest.fixture(params=["in memory", "DynamoDB"])
def store(request: pytest.FixtureRequest, clock: FakeClock) -> Store:
    if request.param == "in memory":
        return InMemoryDuties(clock=clock)
    return DynamoDuties(request.getfixturevalue("client"), ATTENDANCE, clock=clock)


def test_a_duty_is_read_as_it_was_set(store: Store):
    store.set(DUTY)

    assert store.get(CONVERSATION) == DUTY
    assert store.get(ANOTHER_CONVERSATION) is None


def test_the_next_one_takes_its_place(store: Store):
    following = replace(DUTY, kind="reply", about="T20261128-0001", ended_by="", response_code="")
    store.set(DUTY)
    store.set(following)

    assert store.get(CONVERSATION) == following


def test_a_duty_that_is_cleared_is_forgotten(store: Store):
    store.set(DUTY)
    store.clear(CONVERSATION)
    store.clear(CONVERSATION)

    assert store.get(CONVERSATION) is None


def test_a_duty_is_forgotten_two_days_after_it_was_set(store: Store, clock: FakeClock):
    store.set(DUTY)
    clock.now = NOW + KEPT_S - 1
    assert store.get(CONVERSATION) == DUTY

    store.set(DUTY)
    clock.now = NOW + 2 * KEPT_S - 2
    assert store.get(CONVERSATION) == DUTY
    clock.now = NOW + 2 * KEPT_S - 1
    assert store.get(CONVERSATION) is None
    assert KEPT_S == 2 * 86_400


# -- DynamoDB's own --------------------------------------------------------------------------------------------------


def test_a_duty_and_an_attendance_of_one_conversation_do_not_meet(client: DynamoDBClient, clock: FakeClock):
    attendances = DynamoAttendances(client, ATTENDANCE, seals=FakeSeals(), clock=clock)
    duties = DynamoDuties(client, ATTENDANCE, clock=clock)
    saved = attendances.save(attendance(due_at=NOW))
    duties.set(DUTY)
    assert (attendances.get(CONVERSATION), duties.get(CONVERSATION)) == (saved, DUTY)

    duties.clear(CONVERSATION)
    assert attendances.get(CONVERSATION) == saved


def test_an_item_ends_by_ttl_and_is_due_nowhere(client: DynamoDBClient, clock: FakeClock):
    DynamoDuties(client, ATTENDANCE, clock=clock).set(DUTY)

    (item,) = client.scan(TableName=ATTENDANCE)["Items"]
    assert item["expires_at"] == {"N": str(NOW + KEPT_S)}
    assert client.scan(TableName=ATTENDANCE, IndexName="due")["Items"] == []


def test_a_table_that_is_not_there_is_a_mistake_in_the_deployment(client: DynamoDBClient):
    store = DynamoDuties(client, "another-table")

    for call in (lambda: store.get(CONVERSATION), lambda: store.set(DUTY), lambda: store.clear(CONVERSATION)):
        with pytest.raises(MisconfiguredError):
            call()
