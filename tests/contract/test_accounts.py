"""What every store of customer-service accounts does: the fake as well as the real one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.errors import ConflictError, MisconfiguredError, TransientError
from frontdesk.storage.accounts import DynamoAccounts
from tests.contract.aws_in_memory import ACCOUNTS, create_accounts
from tests.factories import KF_ACCOUNT, NOW, NOW_MS, account
from tests.fakes.accounts import InMemoryAccounts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    from frontdesk.records import Account

    Store = InMemoryAccounts | DynamoAccounts

UNTIL_MS = NOW_MS + 90_000


@pytest.fixture
def client(dynamodb: DynamoDBClient) -> Iterator[DynamoDBClient]:
    create_accounts(dynamodb)
    yield dynamodb
    dynamodb.delete_table(TableName=ACCOUNTS)


@pytest.fixture(params=["in memory", "DynamoDB"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "in memory":
        return InMemoryAccounts()
    return DynamoAccounts(request.getfixturevalue("client"), ACCOUNTS)


def kept(store: Store) -> Account:
    return store.get_or_add(KF_ACCOUNT, answer_from=0)


def add_and_lease(store: Store, lease: str = "a", *, now_ms: int = NOW_MS, until_ms: int = UNTIL_MS) -> Account:
    store.get_or_add(KF_ACCOUNT, answer_from=NOW - 120)
    return store.lease(KF_ACCOUNT, lease, now_ms=now_ms, until_ms=until_ms)


def test_an_account_never_seen_is_kept_from_now_on(store: Store):
    assert store.get_or_add(KF_ACCOUNT, answer_from=NOW - 120) == account()
    assert list(store.all()) == [account()]


def test_one_that_is_known_stays_as_it_is(store: Store):
    store.get_or_add(KF_ACCOUNT, answer_from=NOW - 120)

    assert store.get_or_add(KF_ACCOUNT, answer_from=NOW + 999) == account()


def test_accounts_are_apart(store: Store):
    add_and_lease(store)
    store.get_or_add("wkOther", answer_from=NOW)
    store.lease("wkOther", "b", now_ms=NOW_MS, until_ms=UNTIL_MS)
    store.advance("wkOther", "b", "c_7")

    assert {each.account: each.cursor for each in store.all()} == {KF_ACCOUNT: "", "wkOther": "c_7"}


def test_a_lease_tells_how_far_the_account_is(store: Store):
    add_and_lease(store)
    store.advance(KF_ACCOUNT, "a", "c_1")
    store.release(KF_ACCOUNT, "a", complete_from_ms=NOW_MS)

    leased = store.lease(KF_ACCOUNT, "b", now_ms=NOW_MS, until_ms=UNTIL_MS)

    assert leased == account(cursor="c_1", complete_from_ms=NOW_MS, lease="b", leased_until_ms=UNTIL_MS)
    assert kept(store) == leased


def test_one_at_a_time_has_the_account(store: Store):
    leased = add_and_lease(store)

    with pytest.raises(ConflictError) as caught:
        store.lease(KF_ACCOUNT, "b", now_ms=UNTIL_MS - 1, until_ms=UNTIL_MS + 90_000)

    assert caught.value.code == "accounts_conflict"
    assert kept(store) == leased


def test_whoever_has_the_account_may_have_it_for_longer(store: Store):
    add_and_lease(store)

    assert store.lease(KF_ACCOUNT, "a", now_ms=NOW_MS + 1, until_ms=UNTIL_MS + 1).leased_until_ms == UNTIL_MS + 1


def test_a_lease_ends_by_itself(store: Store):
    add_and_lease(store)

    assert store.lease(KF_ACCOUNT, "b", now_ms=UNTIL_MS, until_ms=UNTIL_MS + 90_000).lease == "b"


def test_an_account_that_was_never_added_cannot_be_leased(store: Store):
    with pytest.raises(ConflictError):
        store.lease(KF_ACCOUNT, "a", now_ms=NOW_MS, until_ms=UNTIL_MS)

    assert list(store.all()) == []


def test_the_cursor_is_moved_by_whoever_has_the_lease_only(store: Store):
    add_and_lease(store)
    store.advance(KF_ACCOUNT, "a", "c_1")
    store.lease(KF_ACCOUNT, "b", now_ms=UNTIL_MS, until_ms=UNTIL_MS + 90_000)

    with pytest.raises(ConflictError):
        store.advance(KF_ACCOUNT, "a", "c_2")

    assert kept(store).cursor == "c_1"


@pytest.mark.parametrize("lease", ["a", "b", ""])
def test_without_a_lease_the_cursor_stays(store: Store, lease: str):
    add_and_lease(store)
    store.release(KF_ACCOUNT, "a", complete_from_ms=None)

    with pytest.raises(ConflictError):
        store.advance(KF_ACCOUNT, lease or "c", "c_2")

    assert kept(store).cursor == ""


def test_releasing_lets_the_next_one_in_and_changes_nothing_else(store: Store):
    add_and_lease(store)
    store.advance(KF_ACCOUNT, "a", "c_1")
    store.release(KF_ACCOUNT, "a", complete_from_ms=None)

    assert kept(store) == account(cursor="c_1")
    assert store.lease(KF_ACCOUNT, "b", now_ms=NOW_MS, until_ms=UNTIL_MS).lease == "b"


def test_a_pull_that_reached_the_end_is_noted(store: Store):
    add_and_lease(store)
    store.release(KF_ACCOUNT, "a", complete_from_ms=NOW_MS)

    assert kept(store) == account(complete_from_ms=NOW_MS)


@pytest.mark.parametrize(
    "ending", [{"complete_from_ms": NOW_MS}, {"complete_from_ms": None, "withdrawn": True}], ids=["done", "withdrawn"]
)
def test_nobody_ends_the_lease_of_another(store: Store, ending: dict[str, Any]):
    leased = add_and_lease(store)

    store.release(KF_ACCOUNT, "b", **ending)
    store.release("wkUnknown", "b", **ending)

    assert kept(store) == leased
    assert list(store.all()) == [leased]


def withdrawn(store: Store) -> Account:
    add_and_lease(store)
    store.release(KF_ACCOUNT, "a", complete_from_ms=None, withdrawn=True)
    return kept(store)


def test_a_withdrawn_account_is_kept_and_not_among_all(store: Store):
    assert withdrawn(store) == account(withdrawn=True)
    assert list(store.all()) == []


def test_a_withdrawn_account_stays_so_until_it_can_be_fetched(store: Store):
    withdrawn(store)
    add_and_lease(store)
    store.release(KF_ACCOUNT, "a", complete_from_ms=None)

    assert kept(store).withdrawn


def test_a_page_makes_an_account_one_like_the_others_again(store: Store):
    withdrawn(store)
    add_and_lease(store)
    store.advance(KF_ACCOUNT, "a", "c_1")
    store.release(KF_ACCOUNT, "a", complete_from_ms=None)

    assert list(store.all()) == [account(cursor="c_1")]


def test_a_pull_that_reached_the_end_without_a_message_does_so_too(store: Store):
    withdrawn(store)
    add_and_lease(store)
    store.release(KF_ACCOUNT, "a", complete_from_ms=NOW_MS)

    assert list(store.all()) == [account(complete_from_ms=NOW_MS)]


# -- DynamoDB's own --------------------------------------------------------------------------------------------------


class FirstSomebodyElse:
    """A client before whose first put somebody else puts another account of the same name, or takes it away again."""

    def __init__(self, client: DynamoDBClient, *, gone: bool = False) -> None:
        self._client = client
        self._gone = gone
        self.exceptions = client.exceptions

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def put_item(self, **request: Any) -> Any:
        earlier = {"account": {"S": KF_ACCOUNT}, "answer_from": {"N": "5"}}
        self._client.put_item(TableName=ACCOUNTS, Item=earlier)
        try:
            return self._client.put_item(**request)
        finally:
            if self._gone:
                self._client.delete_item(TableName=ACCOUNTS, Key={"account": {"S": KF_ACCOUNT}})


def test_of_two_who_add_an_account_at_once_the_first_has_its_way(client: DynamoDBClient):
    store = DynamoAccounts(FirstSomebodyElse(client), ACCOUNTS)  # type: ignore[arg-type]

    assert store.get_or_add(KF_ACCOUNT, answer_from=NOW) == account(answer_from=5)


def test_an_account_that_vanishes_is_looked_for_again_later(client: DynamoDBClient):
    store = DynamoAccounts(FirstSomebodyElse(client, gone=True), ACCOUNTS)  # type: ignore[arg-type]

    with pytest.raises(TransientError):
        store.get_or_add(KF_ACCOUNT, answer_from=NOW)


def test_what_a_later_release_added_is_left_alone(client: DynamoDBClient):
    store = DynamoAccounts(client, ACCOUNTS)
    client.put_item(
        TableName=ACCOUNTS, Item={"account": {"S": KF_ACCOUNT}, "answer_from": {"N": "5"}, "name": {"S": "售前"}}
    )

    leased = add_and_lease(store)
    store.release(KF_ACCOUNT, "a", complete_from_ms=NOW_MS)

    assert replace(leased, lease="", leased_until_ms=0) == account(answer_from=5)
    (item,) = client.scan(TableName=ACCOUNTS)["Items"]
    assert item["name"] == {"S": "售前"}


def test_a_table_that_is_not_there_is_a_mistake_in_the_deployment(client: DynamoDBClient):
    store = DynamoAccounts(client, "another-table")

    for call in (
        lambda: store.get_or_add(KF_ACCOUNT, answer_from=NOW),
        lambda: store.lease(KF_ACCOUNT, "a", now_ms=NOW_MS, until_ms=UNTIL_MS),
        lambda: store.advance(KF_ACCOUNT, "a", "c_1"),
        lambda: store.release(KF_ACCOUNT, "a", complete_from_ms=None),
        lambda: list(store.all()),
    ):
        with pytest.raises(MisconfiguredError):
            call()
