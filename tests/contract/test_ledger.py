"""What every ledger does: the fake as well as the real one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.errors import ConflictError, MisconfiguredError, TransientError
from frontdesk.messages import Field, Pause
from frontdesk.records import Pending
from frontdesk.storage import ledger
from frontdesk.storage.ledger import DynamoLedger
from tests.contract.aws_in_memory import LEDGER, create_ledger
from tests.factories import ANOTHER_CONVERSATION, CONVERSATION, CUSTOMER, NOW, WORDS, reply
from tests.fakes import stores
from tests.fakes.clock import FakeClock
from tests.fakes.stores import InMemoryLedger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    Store = InMemoryLedger | DynamoLedger

DAY_S = 86_400


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW + 0.9)


@pytest.fixture
def client(dynamodb: DynamoDBClient) -> Iterator[DynamoDBClient]:
    create_ledger(dynamodb)
    yield dynamodb
    dynamodb.delete_table(TableName=LEDGER)


@pytest.fixture(params=["in memory", "DynamoDB"])
def store(request: pytest.FixtureRequest, clock: FakeClock) -> Store:
    if request.param == "in memory":
        return InMemoryLedger(clock=clock)
    return DynamoLedger(request.getfixturevalue("client"), LEDGER, clock=clock)


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

    store.record(recorded)

    assert store.find(CONVERSATION, [recorded.question_id]) == {recorded.question_id: recorded}


def test_what_is_not_on_record_is_not_found(store: Store):
    store.record(reply(message_ids=("1",)))

    assert store.find(CONVERSATION, ["2"]) == {}
    assert store.find(ANOTHER_CONVERSATION, ["1"]) == {}
    assert store.find(CONVERSATION, []) == {}


def test_a_reply_to_several_messages_is_found_by_each_of_them(store: Store):
    recorded = reply(message_ids=("1", "2", "3"))
    single = reply(message_ids=("4",))

    store.record(recorded)
    store.record(single)

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
    store.record(first)

    with pytest.raises(ConflictError):
        store.record(reply(message_ids=again, segments=("乙",)))

    assert store.find(CONVERSATION, ["1", "2", "9"]) == {"1": first, "2": first}


def test_what_is_sent_is_remembered_with_the_reply(store: Store):
    recorded = reply(message_ids=("1", "2"), segments=("甲", "乙"))
    store.record(recorded)

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
        store.first_time(CONVERSATION, "interim#1"),
        store.first_time(CONVERSATION, "interim#1"),
        store.first_time(CONVERSATION, "interim#2"),
        store.first_time(ANOTHER_CONVERSATION, "interim#1"),
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
    store.record(reply(message_ids=("1", "2")))
    store.first_time(CONVERSATION, "fallback#1")

    assert lifetimes(store) == [15 * DAY_S] * 3
    assert min(lifetimes(store)) > 14 * DAY_S  # as long as a queue keeps a message at most


def test_repetitions_are_counted_for_longer_than_the_vendor_takes_them_for_the_same(store: Store, clock: FakeClock):
    store.repetitions(CONVERSATION, "是的。")
    clock.advance(3600)
    store.repetitions(CONVERSATION, "是的。")

    assert lifetimes(store) == [3600 + 2 * 3600]


def test_marking_does_not_change_how_long_a_reply_is_kept(store: Store, clock: FakeClock):
    store.record(reply())
    clock.advance(DAY_S)
    store.mark_sent(reply(), 1)

    assert lifetimes(store) == [15 * DAY_S]


def test_the_fake_keeps_entries_as_long_as_the_real_one():
    assert (stores.KEEP_REPLIES_S, stores.KEEP_REPETITIONS_S) == (ledger.KEEP_REPLIES_S, ledger.KEEP_REPETITIONS_S)


# -- DynamoDB's own --------------------------------------------------------------------------------------------------


def test_a_key_or_a_counter_holds_no_words_of_a_customer(client: DynamoDBClient):
    DynamoLedger(client, LEDGER).repetitions(CONVERSATION, WORDS)

    (item,) = client.scan(TableName=LEDGER)["Items"]
    assert WORDS not in str(item)
    assert CUSTOMER not in str(item)


def test_a_reply_of_an_earlier_release_is_found(client: DynamoDBClient):
    store = DynamoLedger(client, LEDGER)
    store.record(reply(confidence=None))
    (item,) = client.scan(TableName=LEDGER)["Items"]
    earlier = {name: value for name, value in item.items() if name not in {"opens_session", "chat_no", "sent"}}
    client.put_item(TableName=LEDGER, Item=earlier | {"mood": {"S": "good"}})

    assert store.find(CONVERSATION, [reply().question_id]) == {reply().question_id: reply(confidence=None)}


def test_a_follower_whose_leader_is_gone_is_not_found(client: DynamoDBClient):
    store = DynamoLedger(client, LEDGER)
    store.record(reply(message_ids=("1", "2")))
    client.delete_item(TableName=LEDGER, Key={"key": {"S": f"reply#{CONVERSATION}#1"}})

    assert store.find(CONVERSATION, ["1", "2"]) == {}


class LeavingUnread:
    """A client that leaves the last key of each batch unread, as a busy table does, ``times`` times."""

    def __init__(self, client: DynamoDBClient, times: int) -> None:
        self._client = client
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


def test_what_a_busy_table_left_unread_is_read_again(client: DynamoDBClient):
    DynamoLedger(client, LEDGER).record(reply(message_ids=("1", "2")))

    found = DynamoLedger(LeavingUnread(client, 1), LEDGER).find(CONVERSATION, ["1", "2"])  # type: ignore[arg-type]

    assert found.keys() == {"1", "2"}


def test_a_table_that_stays_busy_is_asked_again_later(client: DynamoDBClient):
    with pytest.raises(TransientError):
        DynamoLedger(LeavingUnread(client, 9), LEDGER).find(CONVERSATION, ["1"])  # type: ignore[arg-type]


def test_a_table_that_is_not_there_is_a_mistake_in_the_deployment(client: DynamoDBClient):
    store = DynamoLedger(client, "another-table")

    for call in (
        lambda: store.find(CONVERSATION, ["1"]),
        lambda: store.record(reply()),
        lambda: store.mark_sent(reply(), 1),
        lambda: store.first_time(CONVERSATION, "interim#1"),
        lambda: store.repetitions(CONVERSATION, "是的。"),
    ):
        with pytest.raises(MisconfiguredError):
            call()
