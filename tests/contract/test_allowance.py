"""What every count of WeCom's allowance does: the fake as well as the real one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.errors import MisconfiguredError, TransientError
from frontdesk.records import Claim
from frontdesk.storage.allowance import KEPT_S, MOST, MOST_REMEMBERED, WINDOW_S, DynamoAllowance
from tests.contract.aws_in_memory import LEDGER, create_ledger
from tests.factories import ANOTHER_CONVERSATION, CONVERSATION, NOW
from tests.fakes.allowance import InMemoryAllowance
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    Store = InMemoryAllowance | DynamoAllowance

GRANTED = Claim(granted=True, repeated=False)
REPEATED = Claim(granted=True, repeated=True)
REFUSED = Claim(granted=False, repeated=False)


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
        return InMemoryAllowance(clock=clock)
    return dynamo(request.getfixturevalue("client"), clock)


def dynamo(client: DynamoDBClient, clock: FakeClock) -> DynamoAllowance:
    return DynamoAllowance(client, LEDGER, clock=clock, pause=lambda _seconds: None)


def left(store: Store, *, customer_at: int = 0) -> int:
    """Return what is left; by default nothing new is known of the customer."""
    return store.left(CONVERSATION, customer_at=customer_at)


def claim(store: Store, *names: str, keep: int = 0) -> list[Claim]:
    return [store.claim(CONVERSATION, name, keep=keep) for name in names]


def test_a_customer_who_never_wrote_is_sent_nothing(store: Store):
    assert left(store) == 0
    assert claim(store, "1") == [REFUSED]


def test_five_messages_answer_a_customers_message(store: Store):
    assert left(store, customer_at=NOW) == 5
    assert claim(store, *"123456") == [GRANTED] * 5 + [REFUSED]
    assert left(store) == 0


def test_each_message_is_one_less(store: Store):
    left(store, customer_at=NOW)
    remaining = [(claim(store, name), left(store)) for name in "123"]

    assert [each for _, each in remaining] == [4, 3, 2]


def test_what_is_to_be_kept_is_kept(store: Store):
    left(store, customer_at=NOW)

    assert claim(store, *"12345", keep=1) == [GRANTED] * 4 + [REFUSED]
    assert left(store) == 1
    assert claim(store, "last") == [GRANTED]


def test_a_message_that_is_claimed_again_counts_once(store: Store):
    left(store, customer_at=NOW)
    claim(store, *"1234")

    assert claim(store, "1", "1") == [REPEATED] * 2
    assert left(store) == 1
    assert claim(store, "5", "1", "6") == [GRANTED, REPEATED, REFUSED]


@pytest.mark.parametrize("heard_first", [True, False], ids=["heard before", "heard after"])
def test_a_message_claimed_again_counts_after_what_the_customer_wrote_meanwhile(
    store: Store, clock: FakeClock, *, heard_first: bool
):
    left(store, customer_at=NOW)
    claim(store, "1")  # whoever claimed it died before it was sent

    clock.advance(10)
    if heard_first:
        assert left(store, customer_at=NOW + 5) == 5
    assert claim(store, "1", "1") == [REPEATED] * 2

    assert left(store, customer_at=NOW + 5) == 4
    assert claim(store, *"abcde") == [GRANTED] * 4 + [REFUSED]


def test_a_message_that_is_given_back_does_not_count(store: Store):
    left(store, customer_at=NOW)
    claim(store, *"12345")
    store.give_back(CONVERSATION, "3")
    store.give_back(CONVERSATION, "3")
    store.give_back(CONVERSATION, "never claimed")

    assert left(store) == 1
    assert claim(store, "3", "6") == [GRANTED, REFUSED]


def test_a_message_that_was_refused_may_be_claimed_later(store: Store, clock: FakeClock):
    left(store, customer_at=NOW)
    assert claim(store, *"123456")[-1] == REFUSED

    clock.advance(10)
    left(store, customer_at=NOW + 5)
    assert claim(store, "6") == [GRANTED]


def test_the_customers_next_message_begins_anew(store: Store, clock: FakeClock):
    left(store, customer_at=NOW)
    claim(store, *"12345")

    clock.advance(10)
    assert left(store, customer_at=NOW + 5) == 5
    assert claim(store, *"abcdef") == [GRANTED] * 5 + [REFUSED]


def test_an_older_message_of_the_customer_changes_nothing(store: Store, clock: FakeClock):
    left(store, customer_at=NOW)
    clock.advance(10)
    claim(store, *"12345")

    assert left(store, customer_at=NOW - 3600) == 0
    assert left(store, customer_at=NOW) == 0


def test_an_older_message_that_comes_late_does_not_end_the_48_hours_sooner(store: Store, clock: FakeClock):
    left(store, customer_at=NOW)

    clock.advance(2 * 3600)
    assert left(store, customer_at=NOW - 47 * 3600) == 5


def test_what_was_sent_before_the_customer_wrote_does_not_count(store: Store, clock: FakeClock):
    left(store, customer_at=NOW - 10)
    claim(store, "1", "2")
    clock.advance(5)
    claim(store, "3")

    assert left(store, customer_at=NOW + 5) == 4


def test_of_what_happened_in_one_second_our_message_counts(store: Store):
    left(store, customer_at=NOW - 10)
    claim(store, *"123")

    assert left(store, customer_at=NOW) == 2


def test_a_clock_that_is_behind_wecoms_counts_all_the_same(store: Store, clock: FakeClock):
    left(store, customer_at=NOW + 30)

    assert claim(store, *"123456") == [GRANTED] * 5 + [REFUSED]
    clock.advance(31)
    assert left(store) == 0


def test_after_48_hours_nothing_is_left(store: Store, clock: FakeClock):
    left(store, customer_at=NOW)
    claim(store, "1")

    clock.now = NOW + WINDOW_S - 0.1
    assert left(store) == 4
    clock.now = NOW + WINDOW_S
    assert left(store) == 0
    assert claim(store, "2") == [REFUSED]
    assert WINDOW_S == 48 * 3600


def test_a_customer_who_comes_back_after_days_has_a_whole_allowance(store: Store, clock: FakeClock):
    left(store, customer_at=NOW)
    claim(store, *"12345")

    clock.advance(5 * 86_400)
    assert left(store, customer_at=NOW + 5 * 86_400) == 5
    assert claim(store, "1", "1") == [GRANTED, REPEATED]


def test_customers_are_apart(store: Store):
    left(store, customer_at=NOW)
    claim(store, *"12345")

    assert store.left(ANOTHER_CONVERSATION, customer_at=NOW) == 5
    assert store.claim(ANOTHER_CONVERSATION, "1", keep=0) == GRANTED


# -- DynamoDB's own --------------------------------------------------------------------------------------------------


def test_an_item_ends_by_ttl_and_is_found_by_the_conversation(client: DynamoDBClient, clock: FakeClock):
    store = dynamo(client, clock)
    left(store, customer_at=NOW)

    (item,) = client.scan(TableName=LEDGER)["Items"]

    assert item["expires_at"] == {"N": str(NOW + KEPT_S)}
    assert item["key"]["S"].split("#")[1:-1] == [CONVERSATION]


def test_looking_for_nothing_new_writes_nothing(client: DynamoDBClient, clock: FakeClock):
    store = dynamo(client, clock)
    left(store)
    assert client.scan(TableName=LEDGER)["Items"] == []

    left(store, customer_at=NOW)
    left(store, customer_at=NOW - 1)
    claim(store, "1", "1")
    store.give_back(CONVERSATION, "2")

    (item,) = client.scan(TableName=LEDGER)["Items"]
    assert item["version"] == {"N": "2"}


def test_a_customer_who_writes_without_end_makes_no_item_without_end(client: DynamoDBClient, clock: FakeClock):
    store = dynamo(client, clock)
    sends = {f"{n:032d}": {"N": str(NOW - MOST_REMEMBERED + n)} for n in range(MOST_REMEMBERED)}
    left(store, customer_at=NOW - 1)
    client.update_item(
        TableName=LEDGER,
        Key={"key": {"S": f"allowance#{CONVERSATION}#sends"}},
        UpdateExpression="SET sends = :sends",
        ExpressionAttributeValues={":sends": {"M": sends}},
    )
    assert left(store) == MOST - 1

    assert claim(store, "newest", "newest") == [GRANTED, REPEATED]

    (item,) = client.scan(TableName=LEDGER)["Items"]
    assert item["sends"]["M"].keys() == (sends.keys() - {f"{0:032d}"}) | {"newest"}
    assert left(store) == MOST - 2


class Meanwhile:
    """A client before whose first ``times`` puts somebody else does something."""

    def __init__(self, client: DynamoDBClient, happens: Any, *, times: int = 1) -> None:
        self._client = client
        self._happens = happens
        self._times = times
        self.exceptions = client.exceptions

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def put_item(self, **request: Any) -> Any:
        if self._times:
            self._times -= 1
            self._happens(self._times)
        return self._client.put_item(**request)


def test_of_two_who_claim_the_last_one_at_once_one_has_it(client: DynamoDBClient, clock: FakeClock):
    other = dynamo(client, clock)
    left(other, customer_at=NOW)
    claim(other, *"1234")
    store = dynamo(Meanwhile(client, lambda _: claim(other, "other's")), clock)  # type: ignore[arg-type]

    assert claim(store, "mine") == [REFUSED]
    assert left(store) == 0


def test_whoever_was_slower_looks_again(client: DynamoDBClient, clock: FakeClock):
    other = dynamo(client, clock)
    left(other, customer_at=NOW)
    store = dynamo(Meanwhile(client, lambda n: claim(other, str(n)), times=3), clock)  # type: ignore[arg-type]

    assert claim(store, "mine") == [GRANTED]
    assert left(store) == 1


def test_an_allowance_that_keeps_changing_is_counted_later(client: DynamoDBClient, clock: FakeClock):
    other = dynamo(client, clock)
    left(other, customer_at=NOW)
    waits: list[float] = []

    def change(n: int) -> None:
        clock.advance(1)
        left(other, customer_at=NOW + 100 - n)

    store = DynamoAllowance(
        Meanwhile(client, change, times=99),  # type: ignore[arg-type]
        LEDGER,
        clock=clock,
        pause=waits.append,
    )
    with pytest.raises(TransientError) as caught:
        claim(store, "mine")

    assert caught.value.code == "allowance_contended"
    assert len(waits) == 5
    assert 0 < sum(waits) < 2


def test_a_table_that_is_not_there_is_a_mistake_in_the_deployment(client: DynamoDBClient):
    store = DynamoAllowance(client, "another-table")

    for call in (
        lambda: store.left(CONVERSATION, customer_at=NOW),
        lambda: store.claim(CONVERSATION, "1", keep=0),
        lambda: store.give_back(CONVERSATION, "1"),
    ):
        with pytest.raises(MisconfiguredError):
            call()
