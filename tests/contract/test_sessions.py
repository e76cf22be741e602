"""What every store of sessions does: the fake as well as the real one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from frontdesk.errors import ConflictError, MisconfiguredError, TransientError, UnopenableError
from frontdesk.messages import Choice, Pause
from frontdesk.records import Pending
from frontdesk.storage.items import to_session
from frontdesk.storage.sessions import SHARDS, DynamoIdleSessions, DynamoSessions, shard_of
from tests.contract.aws_in_memory import SESSIONS, create_sessions
from tests.factories import (
    ANOTHER_CONVERSATION,
    CONVERSATION,
    CUSTOMER,
    NOW,
    SESSION_ID,
    sealed_session,
    session,
    turn,
)
from tests.fakes.seals import FakeSeals, sealed
from tests.fakes.stores import InMemorySessions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient


class DynamoStore:
    """Both sides of the table: the responder's, with the words, and the archiver's, which sees them sealed."""

    shards = DynamoIdleSessions.shards

    def __init__(self, client: DynamoDBClient, table: str = SESSIONS) -> None:
        sessions = DynamoSessions(client, table, seals=FakeSeals())
        self.latest, self.get, self.save = sessions.latest, sessions.get, sessions.save
        idle_sessions = DynamoIdleSessions(client, table)
        self.idle, self.mark_archived = idle_sessions.idle, idle_sessions.mark_archived


Store = InMemorySessions | DynamoStore


@pytest.fixture
def client(dynamodb: DynamoDBClient) -> Iterator[DynamoDBClient]:
    create_sessions(dynamodb)
    yield dynamodb
    dynamodb.delete_table(TableName=SESSIONS)


@pytest.fixture(params=["in memory", "DynamoDB"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "in memory":
        return InMemorySessions()
    return DynamoStore(request.getfixturevalue("client"))


def idle(store: Store, *, before: int = NOW + 10**6) -> list[str]:
    return [each.session_id for shard in range(store.shards) for each in store.idle(shard, before=before)]


def test_a_session_is_read_as_it_was_saved(store: Store):
    pending = Pending(Pause("哪一个？", choices=(Choice("甲", "a"),)), asked_again=True)
    written = session(turns=(turn(), turn(question_id="2", confidence=None)), pending=pending, welcomed=True, chat_no=2)
    written = replace(written, placeholders=(("[手机号1]", "13900000000"),))

    saved = store.save(written)

    assert saved == replace(written, version=1)
    assert store.get(CONVERSATION, SESSION_ID) == saved
    assert store.latest(CONVERSATION) == saved


def test_what_was_never_saved_is_not_found(store: Store):
    store.save(session())

    assert store.get(CONVERSATION, "another") is None
    assert store.get(ANOTHER_CONVERSATION, SESSION_ID) is None
    assert store.latest(ANOTHER_CONVERSATION) is None


def test_the_newest_session_is_the_latest_whichever_was_saved_last(store: Store):
    newer = store.save(session(session_id="1790000000001-00"))
    older = store.save(session(session_id="1790000000000-ff"))
    late = store.save(session(session_id="1790000000000-ff-late"))

    assert store.latest(CONVERSATION) == newer
    assert store.get(CONVERSATION, older.session_id) == older
    assert store.get(CONVERSATION, late.session_id) == late


def test_a_session_that_has_expired_is_still_given_out(store: Store):
    saved = store.save(session(expires_at=NOW - 1))

    assert store.latest(CONVERSATION) == saved


def test_each_save_is_one_version_on(store: Store):
    first = store.save(session())
    second = store.save(replace(first, chat_no=1))

    assert (first.version, second.version) == (1, 2)
    assert store.get(CONVERSATION, SESSION_ID) == second


@pytest.mark.parametrize("version", [0, 1, 3])
def test_a_session_that_was_changed_meanwhile_is_not_overwritten(store: Store, version: int):
    stored = store.save(store.save(session()))

    with pytest.raises(ConflictError):
        store.save(session(version=version, chat_no=9))

    assert store.get(CONVERSATION, SESSION_ID) == stored


def test_a_session_that_is_gone_is_not_saved_as_if_it_were_there(store: Store):
    with pytest.raises(ConflictError):
        store.save(session(version=1))


def test_an_unarchived_session_is_idle_when_its_last_activity_is_old_enough(store: Store):
    store.save(session(last_activity_at=NOW))

    assert idle(store, before=NOW - 1) == []
    assert idle(store, before=NOW) == [SESSION_ID]


def test_the_oldest_idle_sessions_come_first(store: Store):
    in_one_shard = [name for name in (f"s{n}" for n in range(200)) if shard_of(name) == 3][:5]
    for age, name in enumerate(in_one_shard):
        store.save(session(session_id=name, last_activity_at=NOW - age))

    assert [each.session_id for each in store.idle(3, before=NOW)] == in_one_shard[::-1]


def test_every_idle_session_is_in_one_shard_and_a_shard_has_any_number(store: Store):
    names = [f"session-{n}" for n in range(40)]
    crowded = [name for name in (f"crowd-{n}" for n in range(4000)) if shard_of(name) == 5][:120]
    for name in names + crowded:
        store.save(session(session_id=name))

    assert store.shards == SHARDS
    assert sorted(idle(store)) == sorted(names + crowded)
    assert len({shard_of(name) for name in names}) > SHARDS // 2
    assert {each.session_id for each in store.idle(5, before=NOW)} >= set(crowded)


def test_the_archiver_sees_a_session_with_its_words_sealed(store: Store):
    saved = store.save(session(turns=(turn(),), placeholders=(("[手机号1]", "13900000000"),), turns_dropped=2))

    (seen,) = [each for shard in range(store.shards) for each in store.idle(shard, before=NOW)]

    assert seen == sealed(saved)
    assert seen.words.keys() == {"sealed"}
    for words in (CUSTOMER, turn().question, turn().answer, "13900000000"):
        assert words not in str(seen)


def test_an_archived_session_leaves_the_index_and_comes_back_with_its_next_save(store: Store):
    saved = store.save(session())

    store.mark_archived(sealed(saved))
    archived = store.get(CONVERSATION, SESSION_ID)
    assert archived == replace(saved, archived_version=1)
    assert idle(store) == []

    again = store.save(archived)
    assert (again.version, again.archived_version) == (2, 1)
    assert idle(store) == [SESSION_ID]


def test_a_session_read_before_it_was_archived_can_still_be_saved(store: Store):
    saved = store.save(session())
    store.mark_archived(sealed(saved))

    again = store.save(saved)

    assert again.version == 2
    assert again.archived_version < again.version
    assert idle(store) == [SESSION_ID]


def test_a_session_that_came_back_is_not_marked_archived(store: Store):
    saved = store.save(session())
    changed = store.save(saved)

    with pytest.raises(ConflictError):
        store.mark_archived(sealed(saved))

    assert store.get(CONVERSATION, SESSION_ID) == changed
    assert idle(store) == [SESSION_ID]


def test_a_session_that_is_gone_is_not_marked_archived(store: Store):
    with pytest.raises(ConflictError):
        store.mark_archived(sealed_session(version=1))

    assert store.get(CONVERSATION, SESSION_ID) is None


def test_a_session_that_is_archived_twice_is_archived(store: Store):
    saved = store.save(session())

    store.mark_archived(sealed(saved))
    store.mark_archived(sealed(saved))

    assert idle(store) == []


# -- DynamoDB's own --------------------------------------------------------------------------------------------------


def test_an_item_has_the_attributes_that_ttl_and_index_read(client: DynamoDBClient):
    DynamoStore(client).save(session())

    (item,) = client.scan(TableName=SESSIONS)["Items"]

    assert item["expires_at"] == {"N": str(NOW + 900)}
    assert item["last_activity_at"] == {"N": str(NOW)}
    assert item["idle_shard"] == {"S": str(shard_of(SESSION_ID))}
    assert 0 <= int(item["idle_shard"]["S"]) < SHARDS


def test_an_archived_item_has_nothing_in_the_index(client: DynamoDBClient):
    store = DynamoStore(client)
    store.mark_archived(sealed(store.save(session())))

    assert client.scan(TableName=SESSIONS, IndexName="idle")["Items"] == []
    (item,) = client.scan(TableName=SESSIONS)["Items"]
    assert "idle_shard" not in item
    assert to_session(item, FakeSeals()).archived_version == 1


def test_an_item_of_an_earlier_release_is_read_and_one_of_a_later_keeps_what_is_unknown_here(client: DynamoDBClient):
    store = DynamoStore(client)
    store.save(session())
    (item,) = client.scan(TableName=SESSIONS)["Items"]
    earlier = {name: value for name, value in item.items() if name not in {"welcomed", "chat_no", "turns_dropped"}}
    client.put_item(TableName=SESSIONS, Item=earlier | {"mood": {"S": "good"}})

    read = store.latest(CONVERSATION)
    assert read == session(version=1)
    store.mark_archived(sealed(read))

    (item,) = client.scan(TableName=SESSIONS)["Items"]
    assert item["mood"] == {"S": "good"}


def test_nothing_of_a_customer_is_readable_in_an_item(client: DynamoDBClient):
    DynamoStore(client).save(session(turns=(turn(),), pending=Pending(Pause("哪一个？"))))

    (item,) = client.scan(TableName=SESSIONS)["Items"]

    assert not {"customer", "turns", "pending", "placeholders"} & item.keys()
    for words in (CUSTOMER, turn().question, turn().answer, "哪一个"):
        assert words not in str(item)


def test_words_that_do_not_open_are_not_taken_for_none(client: DynamoDBClient):
    store = DynamoStore(client)
    store.save(session(session_id="moved"))
    (item,) = client.scan(TableName=SESSIONS)["Items"]
    client.put_item(TableName=SESSIONS, Item=item | {"session_id": {"S": SESSION_ID}})
    client.delete_item(TableName=SESSIONS, Key={"conversation": {"S": CONVERSATION}, "session_id": {"S": "moved"}})

    for read in (lambda: store.latest(CONVERSATION), lambda: store.get(CONVERSATION, SESSION_ID)):
        with pytest.raises(UnopenableError):
            read()


def test_an_erased_session_is_gone_before_ttl_takes_its_item(client: DynamoDBClient):
    seals = FakeSeals()
    store = DynamoSessions(client, SESSIONS, seals=seals)
    store.save(session())
    seals.erased.add(CONVERSATION)

    assert store.latest(CONVERSATION) is None
    assert store.get(CONVERSATION, SESSION_ID) is None


def test_a_table_that_is_not_there_is_a_mistake_in_the_deployment(client: DynamoDBClient):
    store = DynamoStore(client, "another-table")

    for call in (
        lambda: store.latest(CONVERSATION),
        lambda: store.get(CONVERSATION, SESSION_ID),
        lambda: store.save(session()),
        lambda: store.mark_archived(sealed_session(version=1)),
        lambda: list(store.idle(0, before=NOW)),
    ):
        with pytest.raises(MisconfiguredError):
            call()


class Unreachable:
    """A client whose every call fails on the way."""

    def __getattr__(self, name: str) -> object:
        def fail(**_: object) -> None:
            raise EndpointConnectionError(endpoint_url="https://dynamodb.us-east-1.amazonaws.com")

        return fail


def test_a_store_out_of_reach_may_come_back():
    store = DynamoSessions(Unreachable(), SESSIONS, seals=FakeSeals())  # type: ignore[arg-type]

    with pytest.raises(TransientError) as caught:
        store.latest(CONVERSATION)

    assert caught.value.code == "sessions_unreachable"
    assert "amazonaws" not in str(caught.value)


class Throttled:
    """A client whose every call is refused for now, in words that quote the request."""

    def query(self, **_: object) -> object:
        error = {"Code": "ProvisionedThroughputExceededException", "Message": "too much of lin.mei"}
        raise ClientError({"Error": error}, "Query")  # type: ignore[typeddict-item]


def test_a_busy_store_may_be_free_later_and_its_own_words_are_not_repeated():
    store = DynamoSessions(Throttled(), SESSIONS, seals=FakeSeals())  # type: ignore[arg-type]

    with pytest.raises(TransientError) as caught:
        store.latest(CONVERSATION)

    assert caught.value.code == "sessions_failed"
    assert "lin.mei" not in str(caught.value)
    assert "ProvisionedThroughputExceededException" in str(caught.value)
