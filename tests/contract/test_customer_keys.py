"""What every store of customers' keys does: the fake as well as the real one."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import EndpointConnectionError

from frontdesk.errors import ConflictError, MisconfiguredError, TransientError
from frontdesk.storage.customer_keys import KEYRING, DynamoCustomerKeys
from tests.contract.aws_in_memory import CUSTOMER_KEYS, create_customer_keys
from tests.factories import ANOTHER_CONVERSATION, CONVERSATION, NOW, customer_key
from tests.fakes.keys import InMemoryCustomerKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    from frontdesk.records import CustomerKey

    Store = InMemoryCustomerKeys | DynamoCustomerKeys


class OneAtATime:
    """A client whose calls wait for each other: moto, unlike DynamoDB, does not keep writes of one item apart."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        def call(*args: Any, **request: Any) -> Any:
            with self._lock:
                return method(*args, **request)

        return call


@pytest.fixture
def client(dynamodb: DynamoDBClient) -> Iterator[DynamoDBClient]:
    create_customer_keys(dynamodb)
    yield dynamodb
    dynamodb.delete_table(TableName=CUSTOMER_KEYS)


@pytest.fixture(params=["in memory", "DynamoDB"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "in memory":
        return InMemoryCustomerKeys()
    return DynamoCustomerKeys(OneAtATime(request.getfixturevalue("client")), CUSTOMER_KEYS)  # type: ignore[arg-type]


def test_nothing_is_there_at_first(store: Store):
    assert store.read(CONVERSATION) is None
    assert list(store.every()) == []
    assert store.checks() == {}


def test_keys_are_read_as_they_were_created(store: Store):
    created = store.create(customer_key())

    assert created == customer_key(version=1)
    assert store.read(CONVERSATION) == created
    assert store.read(ANOTHER_CONVERSATION) is None


def test_who_comes_second_is_given_the_keys_of_who_was_first(store: Store):
    first = store.create(customer_key())
    second = customer_key(current="cffffffffffff", wrapped={"cffffffffffff": "s1.k1.another"})

    assert store.create(second) == first
    assert store.read(CONVERSATION) == first


def test_of_many_who_create_at_once_all_have_the_same_keys(store: Store):
    start = threading.Barrier(8)

    def create(number: int) -> CustomerKey:
        start.wait(10)
        key_id = f"c{number:012x}"
        return store.create(customer_key(current=key_id, wrapped={key_id: f"s1.k1.{number}"}))

    with ThreadPoolExecutor(8) as threads:
        created = list(threads.map(create, range(8)))

    assert created == [store.read(CONVERSATION)] * 8


def test_replaced_keys_are_one_version_on_with_all_that_is_known_of_them(store: Store):
    created = store.create(customer_key())
    retired = replace(
        created,
        current="c00000000000b",
        wrapped={**created.wrapped, "c00000000000b": "s1.k2.b"},
        retired_at=NOW,
        destroyed=(("c00000000000a", NOW - 5, "operator:wang"), ("c000000000009", NOW - 9, "operator:wang")),
    )

    saved = store.replace(retired)

    assert saved == replace(retired, version=2)
    assert store.read(CONVERSATION) == saved


def test_what_is_no_longer_retired_is_read_so(store: Store):
    retired = store.replace(replace(store.create(customer_key()), retired_at=0))
    assert store.read(CONVERSATION) == retired
    assert retired.retired_at == 0

    store.replace(replace(retired, retired_at=None))

    read = store.read(CONVERSATION)
    assert read is not None
    assert read.retired_at is None


@pytest.mark.parametrize("version", [0, 1, 3])
def test_keys_that_were_changed_meanwhile_are_not_overwritten(store: Store, version: int):
    stored = store.replace(store.create(customer_key()))

    with pytest.raises(ConflictError):
        store.replace(customer_key(version=version, wrapped={}))

    assert store.read(CONVERSATION) == stored


@pytest.mark.parametrize("version", [0, 1])
def test_keys_that_are_not_there_are_not_replaced(store: Store, version: int):
    with pytest.raises(ConflictError):
        store.replace(customer_key(version=version))

    assert store.read(CONVERSATION) is None


def test_every_key_is_found_and_no_check_is_taken_for_one(store: Store):
    created = [store.create(customer_key(conversation=f"{number:032x}")) for number in range(30)]
    store.add_check("k1", "s1.k1.check")

    assert sorted(store.every(), key=lambda key: key.conversation) == created


def test_a_check_is_kept(store: Store):
    assert store.add_check("k1", "s1.k1.check") == "s1.k1.check"
    assert store.add_check("k2", "s1.k2.check") == "s1.k2.check"
    assert store.checks() == {"k1": "s1.k1.check", "k2": "s1.k2.check"}


def test_the_check_that_was_there_first_stays(store: Store):
    store.add_check("k1", "s1.k1.first")

    assert store.add_check("k1", "s1.k1.second") == "s1.k1.first"
    assert store.checks() == {"k1": "s1.k1.first"}


def test_a_check_that_is_removed_is_gone_and_the_others_stay(store: Store):
    store.add_check("k1", "s1.k1.check")
    store.add_check("k2", "s1.k2.check")

    store.remove_check("k1")
    store.remove_check("k7")

    assert store.checks() == {"k2": "s1.k2.check"}


def test_removing_a_check_where_there_is_none_changes_nothing(store: Store):
    store.remove_check("k1")

    assert store.checks() == {}


def test_of_many_checks_added_at_once_none_is_lost_and_the_first_of_each_stays(store: Store):
    start = threading.Barrier(6)

    def add(number: int) -> tuple[str, str]:
        start.wait(10)
        return f"k{number % 2}", store.add_check(f"k{number % 2}", f"s1.check.{number}")

    with ThreadPoolExecutor(6) as threads:
        told = list(threads.map(add, range(6)))

    assert dict(told) == store.checks()
    assert len(set(told)) == 2


# -- DynamoDB's own --------------------------------------------------------------------------------------------------


def test_all_pages_of_a_table_are_read(client: DynamoDBClient):
    store = DynamoCustomerKeys(client, CUSTOMER_KEYS)
    large = "s1.k1." + "A" * 200_000  # a page of a scan ends after 1 MB
    for number in range(8):
        store.create(customer_key(conversation=f"{number:032x}", wrapped={"c0123456789ab": large}))

    assert len(client.scan(TableName=CUSTOMER_KEYS)["Items"]) < 8
    assert len(list(store.every())) == 8


class Overtaken:
    """A client before whose every write somebody else's comes, ``times`` times."""

    def __init__(self, client: DynamoDBClient, overtake: Callable[[int], object], times: int) -> None:
        self._client = client
        self._overtake = overtake
        self._times = times

    def get_item(self, **request: Any) -> Any:
        return self._client.get_item(**request)

    def put_item(self, **request: Any) -> Any:
        if self._times:
            self._times -= 1
            self._overtake(self._times)
        return self._client.put_item(**request)


def test_a_check_waits_for_no_other_ones_to_stop(client: DynamoDBClient):
    other = DynamoCustomerKeys(client, CUSTOMER_KEYS)
    overtaken = Overtaken(client, lambda left: other.add_check(f"k1{left}", "s1.other"), 3)

    assert DynamoCustomerKeys(overtaken, CUSTOMER_KEYS).add_check("k1", "s1.mine") == "s1.mine"  # type: ignore[arg-type]
    assert other.checks() == {"k10": "s1.other", "k11": "s1.other", "k12": "s1.other", "k1": "s1.mine"}


def test_checks_that_never_stop_changing_are_tried_again_later(client: DynamoDBClient):
    other = DynamoCustomerKeys(client, CUSTOMER_KEYS)
    overtaken = Overtaken(client, lambda left: other.add_check(f"k1{left}", "s1.other"), 99)

    with pytest.raises(TransientError) as caught:
        DynamoCustomerKeys(overtaken, CUSTOMER_KEYS).add_check("k1", "s1.mine")  # type: ignore[arg-type]

    assert caught.value.code == "customer_keys_contended"
    assert "k1" not in other.checks()


def test_keys_that_were_there_and_are_gone_are_not_made_up(client: DynamoDBClient):
    other = DynamoCustomerKeys(client, CUSTOMER_KEYS)

    class Vanishing(Overtaken):
        def get_item(self, **request: Any) -> Any:
            client.delete_item(TableName=CUSTOMER_KEYS, Key=request["Key"])
            return super().get_item(**request)

    vanishing = Vanishing(client, lambda _: other.create(customer_key()), 1)
    with pytest.raises(TransientError):
        DynamoCustomerKeys(vanishing, CUSTOMER_KEYS).create(customer_key())  # type: ignore[arg-type]


def test_reading_is_consistent(client: DynamoDBClient):
    asked: list[bool] = []

    class Watched(Overtaken):
        def get_item(self, **request: Any) -> Any:
            asked.append(request["ConsistentRead"])
            return super().get_item(**request)

    store = DynamoCustomerKeys(Watched(client, lambda _: None, 0), CUSTOMER_KEYS)  # type: ignore[arg-type]
    store.read(CONVERSATION)
    store.checks()

    assert asked == [True, True]


def test_the_checks_are_one_item_that_no_conversation_can_be(client: DynamoDBClient):
    DynamoCustomerKeys(client, CUSTOMER_KEYS).add_check("k1", "s1.k1.check")

    (item,) = client.scan(TableName=CUSTOMER_KEYS)["Items"]
    assert item["conversation"] == {"S": KEYRING} == {"S": "#keyring"}


def test_what_a_later_release_added_is_left_alone(client: DynamoDBClient):
    store = DynamoCustomerKeys(client, CUSTOMER_KEYS)
    created = store.create(customer_key())
    (item,) = client.scan(TableName=CUSTOMER_KEYS)["Items"]
    client.put_item(TableName=CUSTOMER_KEYS, Item=item | {"mood": {"S": "good"}})

    assert store.read(CONVERSATION) == created


def test_a_table_that_is_not_there_is_a_mistake_in_the_deployment(client: DynamoDBClient):
    store = DynamoCustomerKeys(client, "another-table")

    for call in (
        lambda: store.read(CONVERSATION),
        lambda: store.create(customer_key()),
        lambda: store.replace(customer_key(version=1)),
        lambda: list(store.every()),
        store.checks,
        lambda: store.add_check("k1", "s1.k1.check"),
        lambda: store.remove_check("k1"),
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
    store = DynamoCustomerKeys(Unreachable(), CUSTOMER_KEYS)  # type: ignore[arg-type]

    with pytest.raises(TransientError) as caught:
        store.read(CONVERSATION)

    assert caught.value.code == "customer_keys_unreachable"
