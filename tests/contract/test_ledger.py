"""What every ledger does: the fake as well as the real one."""

from __future__ import annotations

import json
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from frontdesk.errors import ConflictError, FrontdeskError, MisconfiguredError, TransientError, UnopenableError
from frontdesk.messages import Field, Pause
from frontdesk.protection import chain
from frontdesk.records import Pending
from frontdesk.storage import ledger
from frontdesk.storage.ledger import DynamoLedger
from tests.contract.audit_in_memory import AUDIT, create_audit, dynamo_audit, happening
from tests.contract.aws_in_memory import LEDGER, create_ledger
from tests.factories import ANOTHER_CONVERSATION, CONVERSATION, CUSTOMER, NOW, WORDS, reply
from tests.fakes import stores
from tests.fakes.clock import FakeClock
from tests.fakes.seals import FakeSeals
from tests.fakes.stores import InMemoryLedger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    from frontdesk.records import Happening
    from frontdesk.storage.audit import Head

    Store = InMemoryLedger | DynamoLedger

DAY_S = 86_400


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW + 0.9)


@pytest.fixture
def client(dynamodb: DynamoDBClient) -> Iterator[DynamoDBClient]:
    create_ledger(dynamodb)
    create_audit(dynamodb)
    yield dynamodb
    dynamodb.delete_table(TableName=LEDGER)
    dynamodb.delete_table(TableName=AUDIT)


def dynamo_ledger(
    client: DynamoDBClient, *, clock: FakeClock | None = None, table: str = LEDGER, seals: FakeSeals | None = None
) -> DynamoLedger:
    """Return a ledger whose ends of chains are read at once, so that a test's calls come in one order."""
    return DynamoLedger(
        client,
        table,
        seals=seals or FakeSeals(),
        audit=dynamo_audit(client, clock=clock),
        clock=clock or FakeClock(),
        submit=at_once,
    )


def at_once(call: Callable[..., Head], *args: Any) -> Future[Head]:
    future: Future[Head] = Future()
    try:
        future.set_result(call(*args))
    except FrontdeskError as error:
        future.set_exception(error)
    return future


def trail_of(store: Store, conversation: str = CONVERSATION) -> list[tuple[int, str]]:
    """Return what the audit has of ``conversation``: each time and the words after."""
    if isinstance(store, InMemoryLedger):
        return [(each.at_ms, each.after) for owner, each in store.trail if owner == conversation]
    return [(each.at_ms, store._audit.opened(each)[1]) for each in store._audit.of(conversation)]


def as_kept(*happenings: Happening) -> list[tuple[int, str]]:
    return [(each.at_ms, each.after) for each in happenings]


@pytest.fixture(params=["in memory", "DynamoDB"])
def store(request: pytest.FixtureRequest, clock: FakeClock) -> Store:
    if request.param == "in memory":
        return InMemoryLedger(clock=clock)
    return dynamo_ledger(request.getfixturevalue("client"), clock=clock)


def lifetimes(store: Store) -> list[int]:
    """Return for how many seconds from now each entry is kept."""
    if isinstance(store, InMemoryLedger):
        ends = list(store.expires.values())
    else:
        ends = [int(item["expires_at"]["N"]) for item in store._client.scan(TableName=LEDGER)["Items"]]
    return sorted(end - NOW for end in ends)


def test_a_reply_is_found_as_it_was_recorded(store: Store):
    pending = Pending(Pause("请登记。", fields=(Field("name", "姓名"),)), filled=(("name", "林梅"),))
    recorded = reply(segments=("甲", "乙\u200b"), pending=pending, chat_no=3, confidence=0.016, opens_session=True)

    store.record(recorded, [])

    assert store.find(CONVERSATION, [recorded.question_id]) == {recorded.question_id: recorded}


def test_what_is_not_on_record_is_not_found(store: Store):
    store.record(reply(message_ids=("1",)), [])

    assert store.find(CONVERSATION, ["2"]) == {}
    assert store.find(ANOTHER_CONVERSATION, ["1"]) == {}
    assert store.find(CONVERSATION, []) == {}


def test_a_reply_to_several_messages_is_found_by_each_of_them(store: Store):
    recorded = reply(message_ids=("1", "2", "3"))
    single = reply(message_ids=("4",))

    store.record(recorded, [])
    store.record(single, [])

    assert store.find(CONVERSATION, ["1", "2", "3", "4", "5"]) == {
        "1": recorded,
        "2": recorded,
        "3": recorded,
        "4": single,
    }
    assert store.find(CONVERSATION, ["3"]) == {"3": recorded}
    assert store.find(CONVERSATION, ["2", "3"]) == {"2": recorded, "3": recorded}


@pytest.mark.parametrize("again", [("1",), ("2",), ("9", "1"), ("9", "2"), ("2", "9"), ("1", "2")])
def test_a_message_has_one_reply_and_a_second_is_recorded_for_none(store: Store, again: tuple[str, ...]):
    first = reply(message_ids=("1", "2"), segments=("甲",))
    store.record(first, [])

    with pytest.raises(ConflictError):
        store.record(reply(message_ids=again, segments=("乙",)), [])

    assert store.find(CONVERSATION, ["1", "2", "9"]) == {"1": first, "2": first}


def test_what_is_sent_is_remembered_with_the_reply(store: Store):
    recorded = reply(message_ids=("1", "2"), segments=("甲", "乙"))
    store.record(recorded, [])

    store.mark_sent(recorded, 1)
    halfway = store.find(CONVERSATION, ["2"])["2"]
    store.mark_sent(recorded, 2)
    whole = store.find(CONVERSATION, ["1"])["1"]

    assert (halfway.sent, halfway.complete) == (1, False)
    assert whole == replace(recorded, sent=2)
    assert whole.complete


def test_what_is_not_on_record_is_not_marked_sent(store: Store):
    with pytest.raises(ConflictError):
        store.mark_sent(reply(), 1)

    assert store.find(CONVERSATION, [reply().question_id]) == {}


def test_each_thing_is_claimed_for_the_first_time_once_a_conversation(store: Store):
    claims = [
        store.first_time(CONVERSATION, "interim#1", []),
        store.first_time(CONVERSATION, "interim#1", []),
        store.first_time(CONVERSATION, "interim#2", []),
        store.first_time(ANOTHER_CONVERSATION, "interim#1", []),
    ]

    assert claims == [True, False, True, True]


def test_the_repetitions_of_a_text_are_counted_by_customer(store: Store):
    counts = [
        store.repetitions(CONVERSATION, "是的。"),
        store.repetitions(CONVERSATION, "是的。"),
        store.repetitions(CONVERSATION, "是的。"),
        store.repetitions(CONVERSATION, "不是。"),
        store.repetitions(ANOTHER_CONVERSATION, "是的。"),
    ]

    assert counts == [0, 1, 2, 0, 0]


def test_replies_and_claims_outlive_a_redrive_of_the_dead_letters(store: Store):
    store.record(reply(message_ids=("1", "2")), [])
    store.first_time(CONVERSATION, "fallback#1", [])

    assert lifetimes(store) == [15 * DAY_S] * 3
    assert min(lifetimes(store)) > 14 * DAY_S  # as long as a queue keeps a message at most


def test_repetitions_are_counted_for_longer_than_the_vendor_takes_them_for_the_same(store: Store, clock: FakeClock):
    store.repetitions(CONVERSATION, "是的。")
    clock.advance(3600)
    store.repetitions(CONVERSATION, "是的。")

    assert lifetimes(store) == [3600 + 2 * 3600]


def test_marking_does_not_change_how_long_a_reply_is_kept(store: Store, clock: FakeClock):
    store.record(reply(), [])
    clock.advance(DAY_S)
    store.mark_sent(reply(), 1)

    assert lifetimes(store) == [15 * DAY_S]


def test_the_fake_keeps_entries_as_long_as_the_real_one():
    assert (stores.KEEP_REPLIES_S, stores.KEEP_REPETITIONS_S) == (ledger.KEEP_REPLIES_S, ledger.KEEP_REPETITIONS_S)


# -- DynamoDB's own --------------------------------------------------------------------------------------------------


def count(client: DynamoDBClient, names: list[str]) -> Callable[[], None]:
    """Write down the name of every request from now on; return what ends it."""

    def note(model: Any, **_: Any) -> None:
        names.append(model.name)

    client.meta.events.register("before-call.dynamodb", note)
    return lambda: client.meta.events.unregister("before-call.dynamodb", note)


def test_the_audit_adds_no_call_that_an_answer_waits_for(client: DynamoDBClient):
    calls: list[str] = []
    waiting: list[tuple[Any, tuple[Any, ...], Future[Head]]] = []

    def elsewhere(call: Any, *args: Any) -> Future[Head]:
        waiting.append((call, args, Future()))
        return waiting[-1][2]

    store = DynamoLedger(
        client, LEDGER, seals=FakeSeals(), audit=dynamo_audit(client), clock=FakeClock(), submit=elsewhere
    )
    end = count(client, calls)
    try:
        store.find(CONVERSATION, ["1"])
        assert calls == ["BatchGetItem"]  # the end of the chain is still being read
        ((call, args, future),) = waiting
        future.set_result(call(*args))
        assert calls == ["BatchGetItem", "Query"]
        store.first_time(CONVERSATION, "interim#1", [happening(1)])
        store.record(reply(message_ids=("1",)), [happening(2), happening(3)])
    finally:
        end()

    assert calls == ["BatchGetItem", "Query", "TransactWriteItems", "TransactWriteItems"]
    assert trail_of(store) == as_kept(happening(1), happening(2), happening(3))


def test_without_a_trail_a_reply_and_a_claim_are_simple_writes(client: DynamoDBClient):
    calls: list[str] = []
    store = dynamo_ledger(client)
    end = count(client, calls)
    try:
        store.record(reply(message_ids=("1",)), [])
        store.first_time(CONVERSATION, "interim#1", [])
    finally:
        end()

    assert calls == ["PutItem", "PutItem"]


def test_looking_for_nothing_reads_nothing(client: DynamoDBClient):
    calls: list[str] = []
    store = dynamo_ledger(client)
    end = count(client, calls)
    try:
        assert store.find(CONVERSATION, []) == {}
    finally:
        end()

    assert calls == []


def test_two_who_answer_at_the_same_time_leave_one_chain(client: DynamoDBClient):
    one, two = dynamo_ledger(client), dynamo_ledger(client)
    one.find(CONVERSATION, ["1"])
    two.find(CONVERSATION, ["2"])

    one.record(reply(message_ids=("1",)), [happening(1)])
    two.record(reply(message_ids=("2",)), [happening(2)])
    one.record(reply(message_ids=("3",)), [happening(3)])

    assert trail_of(one) == as_kept(happening(1), happening(2), happening(3))
    assert chain.check(CONVERSATION, one._audit.of(CONVERSATION)) == []
    assert one.find(CONVERSATION, ["1", "2", "3"]).keys() == {"1", "2", "3"}


class Client:
    """Stands before the client, and passes on what it does not do itself."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


class Unqueried(Client):
    """A client whose first queries fail, as a throttled table's do."""

    def __init__(self, client: DynamoDBClient, times: int) -> None:
        super().__init__(client)
        self._times = times

    def query(self, **request: Any) -> Any:
        if self._times:
            self._times -= 1
            raise ClientError({"Error": {"Code": "ThrottlingException"}}, "Query")
        return self._client.query(**request)


def test_an_end_of_the_chain_that_could_not_be_read_ahead_is_read_when_it_is_needed(client: DynamoDBClient):
    store = dynamo_ledger(Unqueried(client, 1))  # type: ignore[arg-type]

    assert store.find(CONVERSATION, ["1"]) == {}
    store.record(reply(message_ids=("1",)), [happening(1)])

    assert trail_of(store) == as_kept(happening(1))


def test_an_end_of_the_chain_that_cannot_be_read_at_all_leaves_the_reply_for_later(client: DynamoDBClient):
    store = dynamo_ledger(Unqueried(client, 9))  # type: ignore[arg-type]
    store.find(CONVERSATION, ["1"])

    with pytest.raises(TransientError):
        store.record(reply(message_ids=("1",)), [happening(1)])

    assert store.find(CONVERSATION, ["1"]) == {}


def test_a_reply_that_does_not_open_is_never_taken_for_none(client: DynamoDBClient):
    seals = FakeSeals()
    store = dynamo_ledger(client, seals=seals)
    store.record(reply(message_ids=("1", "2")), [])
    seals.erased.add(CONVERSATION)

    for message_id in ("1", "2"):
        with pytest.raises(UnopenableError):
            store.find(CONVERSATION, [message_id])


def test_no_word_of_a_reply_stands_readable_in_the_table(client: DynamoDBClient):
    dynamo_ledger(client).record(reply(), [happening()])

    stored = str([client.scan(TableName=table)["Items"] for table in (LEDGER, AUDIT)])
    for words in (WORDS, CUSTOMER, reply().segments[0], happening().before, happening().after):
        assert words not in stored


def test_what_the_audit_keeps_of_a_reply_is_written_with_it(store: Store):
    store.record(reply(message_ids=("1", "2")), [happening(1), happening(2)])
    store.record(reply(message_ids=("3",)), [happening(3)])
    store.record(reply(message_ids=("4",)), [])

    assert trail_of(store) == as_kept(happening(1), happening(2), happening(3))
    assert store.find(CONVERSATION, ["2", "3", "4"]).keys() == {"2", "3", "4"}
    assert trail_of(store, ANOTHER_CONVERSATION) == []


def test_a_reply_that_is_not_recorded_leaves_no_trail(store: Store):
    store.record(reply(message_ids=("1", "2")), [happening(1)])

    for again in (("2",), ("3", "1")):
        with pytest.raises(ConflictError) as caught:
            store.record(reply(message_ids=again), [happening(9)])
        assert caught.value.code == "ledger_conflict"

    assert trail_of(store) == as_kept(happening(1))


def test_what_is_claimed_for_the_first_time_is_in_the_audit_once(store: Store):
    claims = [store.first_time(CONVERSATION, "interim#1", [happening(n)]) for n in (1, 2)]

    assert claims == [True, False]
    assert trail_of(store) == as_kept(happening(1))


def test_a_key_or_a_counter_holds_no_words_of_a_customer(client: DynamoDBClient):
    dynamo_ledger(client).repetitions(CONVERSATION, WORDS)

    (item,) = client.scan(TableName=LEDGER)["Items"]
    assert WORDS not in str(item)
    assert CUSTOMER not in str(item)


def test_a_reply_of_an_earlier_release_is_found(client: DynamoDBClient):
    store = dynamo_ledger(client)
    store.record(reply(confidence=None), [])
    (item,) = client.scan(TableName=LEDGER)["Items"]
    absent = {"sealed", "opens_session", "chat_no", "sent"}
    plain = {"recipient": CUSTOMER, "question": WORDS, "segments": json.dumps(reply().segments)}
    earlier = {name: value for name, value in item.items() if name not in absent}
    earlier |= {name: {"S": value} for name, value in plain.items()}
    client.put_item(TableName=LEDGER, Item=earlier | {"mood": {"S": "good"}})

    assert store.find(CONVERSATION, [reply().question_id]) == {reply().question_id: reply(confidence=None)}


def test_a_follower_whose_leader_is_gone_is_not_found(client: DynamoDBClient):
    store = dynamo_ledger(client)
    store.record(reply(message_ids=("1", "2")), [])
    client.delete_item(TableName=LEDGER, Key={"key": {"S": f"reply#{CONVERSATION}#1"}})

    assert store.find(CONVERSATION, ["1", "2"]) == {}


class LeavingUnread(Client):
    """A client that leaves the last key of each batch unread, as a busy table does, ``times`` times."""

    def __init__(self, client: DynamoDBClient, times: int) -> None:
        super().__init__(client)
        self._times = times

    def batch_get_item(self, **request: Any) -> Any:
        keys = request["RequestItems"][LEDGER]["Keys"]
        if not self._times:
            return self._client.batch_get_item(**request)
        self._times -= 1
        taken, left = keys[:-1], keys[-1:]
        answer: dict[str, Any] = {"Responses": {}}
        if taken:
            answer = dict(self._client.batch_get_item(RequestItems={LEDGER: {"Keys": taken, "ConsistentRead": True}}))
        return answer | {"UnprocessedKeys": {LEDGER: {"Keys": left, "ConsistentRead": True}}}


@pytest.mark.parametrize("times", [1, 2])
def test_what_a_busy_table_left_unread_is_read_again(client: DynamoDBClient, times: int):
    dynamo_ledger(client).record(reply(message_ids=("1", "2")), [])

    found = dynamo_ledger(LeavingUnread(client, times)).find(CONVERSATION, ["1", "2"])  # type: ignore[arg-type]

    assert found.keys() == {"1", "2"}


def test_a_table_that_stays_busy_is_asked_again_later(client: DynamoDBClient):
    with pytest.raises(TransientError):
        dynamo_ledger(LeavingUnread(client, 9)).find(CONVERSATION, ["1"])  # type: ignore[arg-type]


def test_a_table_that_is_not_there_is_a_mistake_in_the_deployment(client: DynamoDBClient):
    store = dynamo_ledger(client, table="another-table")

    for call in (
        lambda: store.find(CONVERSATION, ["1"]),
        lambda: store.record(reply(), []),
        lambda: store.mark_sent(reply(), 1),
        lambda: store.first_time(CONVERSATION, "interim#1", []),
        lambda: store.repetitions(CONVERSATION, "是的。"),
    ):
        with pytest.raises(MisconfiguredError):
            call()


@pytest.mark.parametrize("where", [f"reply#{CONVERSATION}#2", f"reply#{ANOTHER_CONVERSATION}#1"])
def test_a_reply_that_was_copied_to_another_message_or_customer_is_not_sent(client: DynamoDBClient, where: str):
    store = dynamo_ledger(client)
    store.record(reply(message_ids=("1",)), [])
    item = client.get_item(TableName=LEDGER, Key={"key": {"S": f"reply#{CONVERSATION}#1"}})["Item"]
    client.put_item(TableName=LEDGER, Item=item | {"key": {"S": where}})
    conversation, message_id = where.split("#")[1:]

    with pytest.raises(UnopenableError):
        store.find(conversation, [message_id])
