"""What callers of a token store rely on, shown of the real one and of the fake that tests use in its place."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from frontdesk.errors import MisconfiguredError
from frontdesk.storage.tokens import DynamoTokenStore
from tests.fakes.seals import FakeRing
from tests.fakes.tokens import InMemoryTokenStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from frontdesk.channels.wecom_token import Token, TokenStore

NAME = "wecom#ww0a1b2c3d4e5f6a7b#1000002"
TABLE = "ledger"
NOW = 1_790_000_000.25
SAVED: dict[str, Any] = {
    "value": "an-invented-token",
    "version": "v1",
    "refresh_at": NOW + 6900.5,
    "expires_at": NOW + 7200.5,
}


class OneAtATime:
    """A client whose calls wait for each other: moto, unlike DynamoDB, does not keep writes of one item apart."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        def call(**request: Any) -> Any:
            with self._lock:
                return method(**request)

        return call


@pytest.fixture
def ledger() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("dynamodb")
        client.create_table(
            TableName=TABLE,
            AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield client


@pytest.fixture(params=["memory", "dynamodb"])
def store(request: pytest.FixtureRequest) -> TokenStore:
    if request.param == "memory":
        return InMemoryTokenStore()
    return DynamoTokenStore(OneAtATime(request.getfixturevalue("ledger")), TABLE, seals=FakeRing())  # type: ignore[arg-type]


def lease(store: TokenStore, owner: str, *, now: float = NOW, lasts_s: float = 20.0, name: str = NAME) -> bool:
    return store.lease(name, owner, now=now, until=now + lasts_s)


def save(store: TokenStore, owner: str, *, version: str = "v1") -> bool:
    return store.save(NAME, owner, **{**SAVED, "version": version})


def as_saved(token: Token | None) -> dict[str, Any]:
    assert token is not None
    return {name: getattr(token, name) for name in SAVED}


def test_nothing_is_there_at_first(store: TokenStore):
    assert store.read(NAME) is None


def test_a_saved_token_is_read_as_it_was(store: TokenStore):
    lease(store, "a")

    assert save(store, "a")
    assert as_saved(store.read(NAME)) == SAVED


def test_tokens_of_different_names_are_apart(store: TokenStore):
    lease(store, "a")
    save(store, "a")

    assert store.read("wecom#another#1") is None
    assert lease(store, "b", name="wecom#another#1")


def test_a_token_does_not_show_itself_when_printed(store: TokenStore):
    lease(store, "a")
    save(store, "a")

    assert SAVED["value"] not in repr(store.read(NAME))


def test_a_lease_is_exclusive(store: TokenStore):
    assert lease(store, "a")
    assert not lease(store, "b", now=NOW + 19.9)


def test_an_owner_may_take_its_lease_again(store: TokenStore):
    assert lease(store, "a")
    assert lease(store, "a", now=NOW + 1)


def test_a_lease_expires(store: TokenStore):
    lease(store, "a", lasts_s=20)

    assert lease(store, "b", now=NOW + 20)


def test_saving_ends_the_lease(store: TokenStore):
    lease(store, "a")
    save(store, "a")

    assert lease(store, "b")


def test_releasing_ends_the_lease_and_keeps_the_token(store: TokenStore):
    lease(store, "a")
    save(store, "a")
    lease(store, "b")
    store.release(NAME, "b")

    assert lease(store, "c")
    assert as_saved(store.read(NAME)) == SAVED


def test_nobody_releases_the_lease_of_another(store: TokenStore):
    lease(store, "a")
    store.release(NAME, "b")

    assert not lease(store, "c")


def test_who_lost_the_lease_does_not_overwrite_the_token(store: TokenStore):
    lease(store, "slow")
    lease(store, "quick", now=NOW + 20)
    assert save(store, "quick", version="v2")

    assert not save(store, "slow", version="v1")
    assert as_saved(store.read(NAME)) == {**SAVED, "version": "v2"}


def test_a_lease_on_a_shared_token_leaves_it_readable(store: TokenStore):
    lease(store, "a")
    save(store, "a")
    lease(store, "b")

    assert as_saved(store.read(NAME)) == SAVED


def test_the_version_in_use_is_discarded(store: TokenStore):
    lease(store, "a")
    save(store, "a")
    store.discard(NAME, "v1")

    assert store.read(NAME) is None


def test_a_newer_version_is_not_discarded(store: TokenStore):
    lease(store, "a")
    save(store, "a", version="v2")
    store.discard(NAME, "v1")

    assert as_saved(store.read(NAME))["version"] == "v2"


def test_discarding_and_releasing_what_is_not_there_changes_nothing(store: TokenStore):
    store.discard(NAME, "v1")
    store.release(NAME, "a")

    assert store.read(NAME) is None
    assert lease(store, "b")


def test_of_many_callers_at_once_one_gets_the_lease(store: TokenStore):
    start = threading.Barrier(10)

    def take(owner: str) -> bool:
        start.wait(10)
        return lease(store, owner)

    with ThreadPoolExecutor(10) as threads:
        assert sum(threads.map(take, map(str, range(10)))) == 1


def test_of_many_savers_at_once_the_owner_of_the_lease_wins(store: TokenStore):
    lease(store, "3")
    start = threading.Barrier(10)

    def share(owner: str) -> bool:
        start.wait(10)
        return save(store, owner, version=owner)

    with ThreadPoolExecutor(10) as threads:
        assert list(threads.map(share, map(str, range(10)))) == [owner == 3 for owner in range(10)]
    assert as_saved(store.read(NAME))["version"] == "3"


def test_the_item_outlives_its_token_and_then_goes(ledger: Any):
    """TTL takes whole seconds; nothing that is still good may go."""
    store = DynamoTokenStore(ledger, TABLE, seals=FakeRing())
    lease(store, "a")
    save(store, "a")

    (item,) = ledger.scan(TableName=TABLE)["Items"]
    assert item["key"] == {"S": f"token#{NAME}"}
    assert SAVED["expires_at"] < int(item["expires_at"]["N"]) <= SAVED["expires_at"] + 2 * 86_400


def test_a_token_is_not_readable_in_its_item(ledger: Any):
    store = DynamoTokenStore(ledger, TABLE, seals=FakeRing())
    lease(store, "a")
    save(store, "a")

    (item,) = ledger.scan(TableName=TABLE)["Items"]
    assert "token" not in item
    assert SAVED["value"] not in str(item)


@pytest.mark.parametrize(
    "spoiled", [{"S": "s1.k1.AAAA"}, {"S": FakeRing("k9").seal("an-invented-token", "token", NAME)}]
)
def test_a_token_that_does_not_open_is_none_and_is_replaced_by_a_new_one(ledger: Any, spoiled: dict[str, str]):
    store = DynamoTokenStore(ledger, TABLE, seals=FakeRing())
    lease(store, "a")
    save(store, "a")
    (item,) = ledger.scan(TableName=TABLE)["Items"]
    ledger.put_item(TableName=TABLE, Item=item | {"sealed": spoiled})

    assert store.read(NAME) is None
    assert lease(store, "b")
    assert save(store, "b", version="v2")
    assert as_saved(store.read(NAME)) == {**SAVED, "version": "v2"}


def test_a_token_moved_to_another_name_does_not_open(ledger: Any):
    store = DynamoTokenStore(ledger, TABLE, seals=FakeRing())
    lease(store, "a")
    save(store, "a")
    (item,) = ledger.scan(TableName=TABLE)["Items"]
    ledger.put_item(TableName=TABLE, Item=item | {"key": {"S": "token#another"}})

    assert store.read("another") is None


# As the release before sealing writes it.
PLAIN_ITEM = {
    "key": {"S": f"token#{NAME}"},
    "token": {"S": "a-plain-token"},
    "version": {"S": "v0"},
    "refresh_at": {"N": "1790006900.750"},
    "valid_until": {"N": "1790007200.750"},
    "expires_at": {"N": "1790093601"},
}


def test_a_token_of_the_release_before_sealing_is_read_and_then_replaced_by_a_sealed_one(ledger: Any):
    store = DynamoTokenStore(ledger, TABLE, seals=FakeRing())
    ledger.put_item(TableName=TABLE, Item=PLAIN_ITEM)

    assert as_saved(store.read(NAME)) == {**SAVED, "value": "a-plain-token", "version": "v0"}

    lease(store, "a")
    save(store, "a")
    (item,) = ledger.scan(TableName=TABLE)["Items"]
    assert as_saved(store.read(NAME)) == SAVED
    assert "a-plain-token" not in str(item)


def test_while_a_release_is_rolled_out_the_token_that_was_saved_last_counts(ledger: Any):
    store = DynamoTokenStore(ledger, TABLE, seals=FakeRing())
    lease(store, "a")
    save(store, "a")
    (item,) = ledger.scan(TableName=TABLE)["Items"]
    ledger.put_item(TableName=TABLE, Item=item | PLAIN_ITEM)  # the release before leaves ``sealed`` alone

    assert as_saved(store.read(NAME))["value"] == "a-plain-token"

    plain = {"token", "version", "refresh_at", "valid_until"}  # which it removes when it discards its token
    ledger.put_item(TableName=TABLE, Item={name: value for name, value in item.items() if name not in plain})
    assert store.read(NAME) is None


def test_a_plain_token_is_discarded_with_what_was_sealed_before_it(ledger: Any):
    store = DynamoTokenStore(ledger, TABLE, seals=FakeRing())
    lease(store, "a")
    save(store, "a")
    (item,) = ledger.scan(TableName=TABLE)["Items"]
    ledger.put_item(TableName=TABLE, Item=item | PLAIN_ITEM)

    store.discard(NAME, "v0")

    assert store.read(NAME) is None
    (item,) = ledger.scan(TableName=TABLE)["Items"]
    assert not {"token", "sealed"} & item.keys()


def test_a_missing_table_is_a_misconfiguration():
    with mock_aws():
        store = DynamoTokenStore(boto3.client("dynamodb"), TABLE, seals=FakeRing())

        with pytest.raises(MisconfiguredError):
            store.read(NAME)
        with pytest.raises(MisconfiguredError):
            store.lease(NAME, "a", now=NOW, until=NOW + 1)
