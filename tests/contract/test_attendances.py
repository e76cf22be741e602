"""What every store of attendances does: the fake as well as the real one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from frontdesk.errors import ConflictError, MisconfiguredError, UnopenableError
from frontdesk.storage.attendances import KEPT_S, SHARDS, DynamoAttendances, DynamoDueAttendances, shard_of
from tests.contract.aws_in_memory import ATTENDANCE, create_attendance
from tests.factories import ANOTHER_CONVERSATION, CONVERSATION, KF_CHANNEL, KF_CUSTOMER, NOW, SESSION_ID, attendance
from tests.fakes.attendances import InMemoryAttendances
from tests.fakes.clock import FakeClock
from tests.fakes.seals import FakeSeals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    from frontdesk.records import Attendance

    Store = InMemoryAttendances | DynamoAttendances

FULL = attendance(
    state="person",
    reason="asked",
    question_id="7011223344556677889",
    session_id=SESSION_ID,
    called_at=NOW,
    agent="zhou.min",
    due_at=NOW + 180,
    reminders=2,
    welcomed_at=NOW - 60,
    rating_asked_at=NOW - 30,
    rated=(SESSION_ID, "chat-1", "attempt-1"),
    brief="客户问订单 8812 的去向。",
    notice="人工客服暂时繁忙。",
)


@pytest.fixture
def client(dynamodb: DynamoDBClient) -> Iterator[DynamoDBClient]:
    create_attendance(dynamodb)
    yield dynamodb
    dynamodb.delete_table(TableName=ATTENDANCE)


@pytest.fixture(params=["in memory", "DynamoDB"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "in memory":
        return InMemoryAttendances()
    return dynamo(request.getfixturevalue("client"))


def dynamo(client: DynamoDBClient, *, seals: FakeSeals | None = None) -> DynamoAttendances:
    return DynamoAttendances(client, ATTENDANCE, seals=seals or FakeSeals(), clock=FakeClock())


def due(store: Store | DynamoDueAttendances, *, by: int = NOW + 10**6) -> list[tuple[str, str, int]]:
    return [each for shard in range(store.shards) for each in store.due(shard, by=by)]


@pytest.mark.parametrize("written", [attendance(), FULL], ids=["bare", "full"])
def test_an_attendance_is_read_as_it_was_saved(store: Store, written: Attendance):
    saved = store.save(written)

    assert saved == replace(written, version=1)
    assert store.get(CONVERSATION) == saved


def test_what_was_never_saved_is_not_found(store: Store):
    store.save(FULL)

    assert store.get(ANOTHER_CONVERSATION) is None


def test_each_save_is_one_version_on(store: Store):
    first = store.save(FULL)
    second = store.save(replace(first, state="bot", due_at=None))

    assert (first.version, second.version) == (1, 2)
    assert store.get(CONVERSATION) == second


@pytest.mark.parametrize("version", [0, 1, 3])
def test_one_that_was_changed_meanwhile_is_not_overwritten(store: Store, version: int):
    stored = store.save(store.save(FULL))

    with pytest.raises(ConflictError) as caught:
        store.save(replace(FULL, agent="wang.lei", version=version))

    assert caught.value.code == "attendances_conflict"
    assert store.get(CONVERSATION) == stored


def test_one_that_is_gone_is_not_saved_as_if_it_were_there(store: Store):
    with pytest.raises(ConflictError):
        store.save(replace(FULL, version=1))


def test_what_is_due_is_found_when_its_moment_has_come(store: Store):
    store.save(FULL)

    assert due(store, by=NOW + 179) == []
    assert due(store, by=NOW + 180) == [(CONVERSATION, KF_CHANNEL, NOW + 180)]


def test_where_nothing_is_due_nothing_is_found(store: Store):
    store.save(attendance())
    assert due(store) == []

    saved = store.save(attendance(conversation=ANOTHER_CONVERSATION, due_at=NOW))
    store.save(replace(saved, due_at=None))
    assert due(store) == []


def test_what_is_due_later_by_now_is_found_at_its_new_moment_only(store: Store):
    saved = store.save(FULL)
    store.save(replace(saved, due_at=NOW + 360))

    assert due(store, by=NOW + 359) == []
    assert due(store, by=NOW + 360) == [(CONVERSATION, KF_CHANNEL, NOW + 360)]


def test_the_oldest_comes_first(store: Store):
    in_one_shard = [name for name in (f"c{n}" for n in range(200)) if shard_of(name) == 3][:5]
    for age, name in enumerate(in_one_shard):
        store.save(attendance(conversation=name, due_at=NOW - age))

    assert [each[0] for each in store.due(3, by=NOW)] == in_one_shard[::-1]


def test_everything_due_is_in_one_shard_and_a_shard_has_any_number(store: Store):
    crowded = [name for name in (f"crowd-{n}" for n in range(2000)) if shard_of(name) == 5][:130]
    names = [f"conversation-{n}" for n in range(40)] + crowded
    for name in names:
        store.save(attendance(conversation=name, due_at=NOW))

    assert store.shards == SHARDS
    assert sorted(each[0] for each in due(store)) == sorted(names)


def erase(store: Store) -> None:
    if isinstance(store, InMemoryAttendances):
        store.erased.add(CONVERSATION)
    else:
        assert isinstance(store._seals, FakeSeals)
        store._seals.erased.add(CONVERSATION)


def write_again(store: Store) -> None:
    """Let the erased customer have a new key, as the first sealing after an erasure does."""
    if isinstance(store, DynamoAttendances):
        assert isinstance(store._seals, FakeSeals)
        store._seals.erased.clear()


def test_what_was_erased_is_gone_and_the_customer_may_be_attended_to_anew(store: Store):
    old = store.save(store.save(FULL))
    erase(store)
    assert store.get(CONVERSATION) is None

    anew = store.save(attendance())
    write_again(store)

    assert anew.version > old.version
    assert store.get(CONVERSATION) == anew
    with pytest.raises(ConflictError):
        store.save(old)


# -- DynamoDB's own --------------------------------------------------------------------------------------------------


def test_an_item_has_the_attributes_that_ttl_and_index_read(client: DynamoDBClient):
    dynamo(client).save(FULL)

    (item,) = client.scan(TableName=ATTENDANCE)["Items"]

    assert item["expires_at"] == {"N": str(NOW + KEPT_S)}
    assert item["due_at"] == {"N": str(NOW + 180)}
    assert item["due_shard"] == {"S": str(shard_of(CONVERSATION))}


def test_what_is_not_due_has_nothing_in_the_index(client: DynamoDBClient):
    store = dynamo(client)
    store.save(replace(store.save(FULL), due_at=None))

    (item,) = client.scan(TableName=ATTENDANCE)["Items"]
    assert not {"due_at", "due_shard"} & item.keys()
    assert client.scan(TableName=ATTENDANCE, IndexName="due")["Items"] == []


def test_a_sweep_finds_what_is_due_without_any_key(client: DynamoDBClient):
    dynamo(client).save(FULL)

    assert due(DynamoDueAttendances(client, ATTENDANCE)) == [(CONVERSATION, KF_CHANNEL, NOW + 180)]
    (projected,) = client.scan(TableName=ATTENDANCE, IndexName="due")["Items"]
    assert projected.keys() == {"conversation", "channel", "due_shard", "due_at"}


def test_nothing_of_a_customer_is_readable_in_an_item(client: DynamoDBClient):
    dynamo(client).save(FULL)

    (item,) = client.scan(TableName=ATTENDANCE)["Items"]

    assert not {"customer", "brief", "notice", "rated"} & item.keys()
    for words in (KF_CUSTOMER, "wmXYZ001", FULL.brief, FULL.notice, "chat-1"):
        assert words not in str(item)


def test_words_that_do_not_open_are_not_taken_for_none(client: DynamoDBClient):
    store = dynamo(client)
    store.save(FULL)
    (item,) = client.scan(TableName=ATTENDANCE)["Items"]
    client.put_item(TableName=ATTENDANCE, Item=item | {"conversation": {"S": ANOTHER_CONVERSATION}})

    with pytest.raises(UnopenableError):
        store.get(ANOTHER_CONVERSATION)


def test_an_item_with_less_or_with_more_is_read(client: DynamoDBClient):
    store = dynamo(client)
    store.save(FULL)
    (item,) = client.scan(TableName=ATTENDANCE)["Items"]
    needed = {"conversation", "channel", "version", "sealed"}
    words = FakeSeals().seal(CONVERSATION, f'{{"customer":"{KF_CUSTOMER}","mood":"good"}}', "attendance", CONVERSATION)
    less = {name: value for name, value in item.items() if name in needed} | {"sealed": {"S": words}}
    client.put_item(TableName=ATTENDANCE, Item=less | {"mood": {"S": "good"}})

    assert store.get(CONVERSATION) == attendance(version=1)


def test_a_table_that_is_not_there_is_a_mistake_in_the_deployment(client: DynamoDBClient):
    store = DynamoAttendances(client, "another-table", seals=FakeSeals())

    for call in (lambda: store.get(CONVERSATION), lambda: store.save(FULL), lambda: list(store.due(0, by=NOW))):
        with pytest.raises(MisconfiguredError):
            call()
