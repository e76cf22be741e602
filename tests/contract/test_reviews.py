"""What every store of review items does: the fake as well as the real one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from frontdesk.errors import ConflictError, MisconfiguredError
from frontdesk.storage.reviews import DynamoReviews
from tests.factories import ANOTHER_CONVERSATION, CONVERSATION, NOW
from tests.fakes.reviews import InMemoryReviews, item

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    Store = InMemoryReviews | DynamoReviews

REVIEWS = "frontdesk-reviews"


@pytest.fixture
def client(dynamodb: DynamoDBClient) -> Iterator[DynamoDBClient]:
    dynamodb.create_table(
        TableName=REVIEWS,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "conversation", "AttributeType": "S"},
            {"AttributeName": "seq", "AttributeType": "N"},
            {"AttributeName": "state", "AttributeType": "S"},
            {"AttributeName": "found_at", "AttributeType": "N"},
        ],
        KeySchema=[
            {"AttributeName": "conversation", "KeyType": "HASH"},
            {"AttributeName": "seq", "KeyType": "RANGE"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "state",
                "KeySchema": [
                    {"AttributeName": "state", "KeyType": "HASH"},
                    {"AttributeName": "found_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    yield dynamodb
    dynamodb.delete_table(TableName=REVIEWS)


@pytest.fixture(params=["in memory", "DynamoDB"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "in memory":
        return InMemoryReviews()
    return DynamoReviews(request.getfixturevalue("client"), REVIEWS)


def test_an_item_is_read_as_it_was_opened(store: Store):
    assert store.open(item()) is True

    assert store.get(CONVERSATION, 7) == item()


def test_what_was_never_opened_is_not_found(store: Store):
    store.open(item())

    assert store.get(CONVERSATION, 8) is None
    assert store.get(ANOTHER_CONVERSATION, 7) is None


def test_an_item_is_opened_once_whatever_the_second_one_says(store: Store):
    store.open(item())

    assert store.open(item(rule_ids=("another",), found_at=NOW + 9)) is False
    assert store.get(CONVERSATION, 7) == item()


def test_one_that_is_decided_is_not_opened_again(store: Store):
    store.open(item())
    decided = store.decide(CONVERSATION, 7, "dismissed", by="operator:zhao", at=NOW + 60, note="例行用语")

    assert store.open(item()) is False
    assert store.get(CONVERSATION, 7) == decided


@pytest.mark.parametrize("state", ["upheld", "dismissed"])
def test_a_decision_says_by_whom_when_and_why(store: Store, state: str):
    store.open(item())

    decided = store.decide(CONVERSATION, 7, state, by="operator:zhao", at=NOW + 60, note="例行用语")

    assert decided == replace(item(), state=state, decided_by="operator:zhao", decided_at=NOW + 60, note="例行用语")
    assert store.get(CONVERSATION, 7) == decided


def test_an_item_is_decided_once(store: Store):
    store.open(item())
    first = store.decide(CONVERSATION, 7, "upheld", by="operator:zhao", at=NOW)

    with pytest.raises(ConflictError):
        store.decide(CONVERSATION, 7, "dismissed", by="operator:qian", at=NOW + 1)
    assert store.get(CONVERSATION, 7) == first


def test_an_item_that_is_not_there_cannot_be_decided(store: Store):
    with pytest.raises(ConflictError):
        store.decide(CONVERSATION, 7, "upheld", by="operator:zhao", at=NOW)
    assert store.get(CONVERSATION, 7) is None


def test_open_is_not_a_decision(store: Store):
    store.open(item())

    with pytest.raises(ValueError, match="upheld or dismissed"):
        store.decide(CONVERSATION, 7, "open", by="operator:zhao", at=NOW)
    assert store.get(CONVERSATION, 7) == item()


def test_items_are_listed_by_state_the_oldest_first(store: Store):
    for seq, found_at in ((1, NOW + 2), (2, NOW), (3, NOW + 1)):
        store.open(item(seq=seq, found_at=found_at))
    store.open(item(conversation=ANOTHER_CONVERSATION, seq=2, found_at=NOW + 3))
    store.decide(CONVERSATION, 3, "upheld", by="operator:zhao", at=NOW + 60)

    assert [(each.conversation, each.seq) for each in store.list("open")] == [
        (CONVERSATION, 2),
        (CONVERSATION, 1),
        (ANOTHER_CONVERSATION, 2),
    ]
    assert [each.seq for each in store.list("upheld")] == [3]
    assert list(store.list("dismissed")) == []


# -- DynamoDB's own --------------------------------------------------------------------------------------------------


def test_more_items_than_a_page_holds_are_all_listed(client: DynamoDBClient):
    store = DynamoReviews(client, REVIEWS)
    for seq in range(1, 131):
        store.open(item(seq=seq, found_at=NOW + seq))

    assert [each.seq for each in store.list("open")] == list(range(1, 131))


def test_a_decided_item_can_be_kept_as_it_is(client: DynamoDBClient):
    store = DynamoReviews(client, REVIEWS)
    decided = item(state="upheld", decided_by="operator:zhao", decided_at=NOW, note="属实")
    store.open(decided)

    assert store.get(CONVERSATION, 7) == decided


def test_a_table_that_is_not_there_is_a_mistake_in_the_deployment(client: DynamoDBClient):
    store = DynamoReviews(client, "another-table")

    with pytest.raises(MisconfiguredError):
        store.open(item())
    with pytest.raises(MisconfiguredError):
        list(store.list("open"))
