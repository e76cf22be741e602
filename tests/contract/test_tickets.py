"""What every store of tickets does: the fake as well as the real one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.errors import ConflictError, MisconfiguredError, TransientError, UnopenableError
from frontdesk.storage.tickets import (
    KEPT_AFTER_CLOSING_S,
    KEPT_REQUEST_S,
    SHARDS,
    DynamoTickets,
    DynamoTicketsToOffer,
    shard_of,
)
from tests.contract.aws_in_memory import TICKETS, create_tickets
from tests.factories import ANOTHER_CONVERSATION, CONVERSATION, KF_CUSTOMER, MESSAGE_ID, NOW, WORDS, ticket
from tests.fakes.seals import FakeSeals
from tests.fakes.tickets import InMemoryTickets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    Store = InMemoryTickets | DynamoTickets

DAY = "2026-11-28"


@pytest.fixture
def client(dynamodb: DynamoDBClient) -> Iterator[DynamoDBClient]:
    create_tickets(dynamodb)
    yield dynamodb
    dynamodb.delete_table(TableName=TICKETS)


@pytest.fixture(params=["in memory", "DynamoDB"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "in memory":
        return InMemoryTickets()
    return dynamo(request.getfixturevalue("client"))


def dynamo(client: DynamoDBClient, *, seals: FakeSeals | None = None) -> DynamoTickets:
    return DynamoTickets(client, TICKETS, seals=seals or FakeSeals())


def test_a_ticket_is_read_as_it_was_opened(store: Store):
    opened = store.open(ticket(offer_at=NOW + 60), day=DAY)

    assert opened == ticket(number="T20261128-0001", offer_at=NOW + 60, version=1)
    assert store.get("T20261128-0001") == opened


def test_numbers_count_up_within_a_day(store: Store):
    numbers = [store.open(ticket(request_id=str(n)), day=DAY).number for n in range(3)]
    another = store.open(ticket(request_id="4"), day="2026-11-29").number

    assert numbers == ["T20261128-0001", "T20261128-0002", "T20261128-0003"]
    assert another == "T20261129-0001"


def test_a_request_that_comes_twice_opens_one_ticket(store: Store):
    opened = store.open(ticket(), day=DAY)
    changed = store.save(replace(opened, state="assigned", assignee="zhou.min"))

    assert store.open(ticket(question="别的"), day="2026-11-29") == changed
    assert store.open(ticket(request_id="2"), day=DAY).number == "T20261128-0002"


def test_the_same_request_of_another_customer_is_another(store: Store):
    store.open(ticket(), day=DAY)

    assert store.open(ticket(conversation=ANOTHER_CONVERSATION), day=DAY).number == "T20261128-0002"


def test_a_ticket_is_read_as_it_was_saved(store: Store):
    opened = store.open(ticket(offer_at=NOW), day=DAY)

    saved = store.save(
        replace(
            opened,
            state="closed",
            assignee="zhou.min",
            answer="已补发，明天送达。",
            closed_at=NOW + 900,
            done=("carded", "hooked", "told"),
        )
    )

    assert saved.version == 2
    assert store.get(opened.number) == saved


@pytest.mark.parametrize("version", [0, 1, 3])
def test_one_that_was_changed_meanwhile_is_not_overwritten(store: Store, version: int):
    stored = store.save(store.open(ticket(), day=DAY))

    with pytest.raises(ConflictError) as caught:
        store.save(replace(stored, assignee="wang.lei", version=version))

    assert caught.value.code == "tickets_conflict"
    assert store.get(stored.number) == stored


def test_a_ticket_that_was_never_opened_is_not_saved(store: Store):
    with pytest.raises(ConflictError):
        store.save(ticket(number="T20261128-0001", version=1))


@pytest.mark.parametrize(
    "number",
    ["", "T20261128-0002", "0001", "counter#2026-11-28", f"request#{CONVERSATION}#{MESSAGE_ID}", "T20261128-0001\n"],
)
def test_what_is_no_number_of_a_ticket_finds_none(store: Store, number: str):
    store.open(ticket(), day=DAY)

    assert store.get(number) is None


def test_open_tickets_are_offered_when_their_moment_has_come(store: Store):
    first = store.open(ticket(request_id="1", offer_at=NOW), day=DAY)
    second = store.open(ticket(request_id="2", offer_at=NOW + 60), day=DAY)
    store.open(ticket(request_id="3"), day=DAY)

    assert list(store.to_offer(by=NOW - 1)) == []
    assert list(store.to_offer(by=NOW)) == [first.number]
    assert sorted(store.to_offer(by=NOW + 60)) == [first.number, second.number]


@pytest.mark.parametrize(
    "changed", [{"state": "assigned"}, {"state": "answered"}, {"state": "closed", "closed_at": NOW}, {"offer_at": None}]
)
def test_what_somebody_has_taken_is_offered_no_more(store: Store, changed: dict[str, Any]):
    opened = store.open(ticket(offer_at=NOW), day=DAY)
    saved = store.save(replace(opened, **changed))

    assert list(store.to_offer(by=NOW + 10**6)) == []
    assert store.get(opened.number) == saved


def test_what_is_open_again_is_offered_again(store: Store):
    opened = store.open(ticket(offer_at=NOW), day=DAY)
    assigned = store.save(replace(opened, state="assigned"))
    store.save(replace(assigned, state="open", offer_at=NOW + 30))

    assert list(store.to_offer(by=NOW + 29)) == []
    assert list(store.to_offer(by=NOW + 30)) == [opened.number]


def test_any_number_of_tickets_is_offered(store: Store):
    for n in range(130):
        store.open(ticket(request_id=str(n), offer_at=NOW), day=DAY)

    assert sorted(store.to_offer(by=NOW)) == [f"T20261128-{n:04d}" for n in range(1, 131)]


def test_a_ticket_of_an_erased_customer_is_gone(store: Store):
    opened = store.open(ticket(), day=DAY)
    erased = store.erased if isinstance(store, InMemoryTickets) else store._seals.erased  # type: ignore[attr-defined]
    erased.add(CONVERSATION)

    assert store.get(opened.number) is None


# -- DynamoDB's own --------------------------------------------------------------------------------------------------


def items(client: DynamoDBClient) -> dict[str, Any]:
    return {item["number"]["S"]: item for item in client.scan(TableName=TICKETS)["Items"]}


def test_the_ten_thousandth_of_a_day_has_a_digit_more(client: DynamoDBClient):
    client.put_item(TableName=TICKETS, Item={"number": {"S": f"counter#{DAY}"}, "tickets": {"N": "9999"}})

    assert dynamo(client).open(ticket(), day=DAY).number == "T20261128-10000"
    assert dynamo(client).get("T20261128-10000") is not None


@pytest.mark.parametrize("state", ["answered", "closed"])
def test_a_ticket_that_has_ended_is_kept_for_400_days_and_an_open_one_until_it_ends(client: DynamoDBClient, state: str):
    store = dynamo(client)
    opened = store.open(ticket(), day=DAY)
    assert "expires_at" not in items(client)[opened.number]

    closed = store.save(replace(opened, state=state, closed_at=NOW))
    assert items(client)[opened.number]["expires_at"] == {"N": str(NOW + KEPT_AFTER_CLOSING_S)}
    store.save(replace(closed, state="open"))
    assert "expires_at" not in items(client)[opened.number]
    assert KEPT_AFTER_CLOSING_S == 400 * 86_400


def test_what_counts_and_what_remembers_requests_outlives_a_redrive_and_ends(client: DynamoDBClient):
    dynamo(client).open(ticket(), day=DAY)

    for key in (f"counter#{DAY}", f"request#{CONVERSATION}#{MESSAGE_ID}"):
        assert items(client)[key]["expires_at"] == {"N": str(NOW + KEPT_REQUEST_S)}
    assert KEPT_REQUEST_S > 28 * 86_400


def test_what_belongs_to_a_customer_can_be_found_by_the_conversation(client: DynamoDBClient):
    opened = dynamo(client).open(ticket(), day=DAY)

    theirs = {name for name, item in items(client).items() if item.get("conversation") == {"S": CONVERSATION}}
    assert theirs == {opened.number, f"request#{CONVERSATION}#{MESSAGE_ID}"}


def test_the_index_holds_open_tickets_only_and_no_more_than_their_keys(client: DynamoDBClient):
    store = dynamo(client)
    opened = store.open(ticket(request_id="1", offer_at=NOW), day=DAY)
    store.save(replace(store.open(ticket(request_id="2", offer_at=NOW), day=DAY), state="assigned"))

    (projected,) = client.scan(TableName=TICKETS, IndexName="offer")["Items"]

    assert projected == {
        "number": {"S": opened.number},
        "offer_shard": {"S": str(shard_of(opened.number))},
        "offer_at": {"N": str(NOW)},
    }
    assert {shard_of(f"T20261128-{n:04d}") for n in range(1, 50)} == set(range(SHARDS))
    assert list(DynamoTicketsToOffer(client, TICKETS).to_offer(by=NOW)) == [opened.number]


def test_nothing_of_a_customer_is_readable_in_an_item(client: DynamoDBClient):
    store = dynamo(client)
    store.save(replace(store.open(ticket(), day=DAY), answer="已补发，明天送达。"))

    stored = str(items(client))
    for words in (KF_CUSTOMER, "wmXYZ001", WORDS, ticket().brief, "已补发"):
        assert words not in stored


def test_words_that_do_not_open_are_not_taken_for_none(client: DynamoDBClient):
    store = dynamo(client)
    opened = store.open(ticket(), day=DAY)
    moved = items(client)[opened.number] | {"number": {"S": "T20261128-0009"}}
    client.put_item(TableName=TICKETS, Item=moved)

    with pytest.raises(UnopenableError):
        store.get("T20261128-0009")


def test_an_item_with_less_or_with_more_is_read(client: DynamoDBClient):
    store = dynamo(client)
    opened = store.open(ticket(), day=DAY)
    less = {name: value for name, value in items(client)[opened.number].items() if name not in {"assignee", "done"}}
    client.put_item(TableName=TICKETS, Item=less | {"mood": {"S": "good"}})

    assert store.get(opened.number) == opened


class Meanwhile:
    """A client before whose transaction something else happens."""

    def __init__(self, client: DynamoDBClient, happens: Any) -> None:
        self._client = client
        self._happens = happens
        self.exceptions = client.exceptions

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def transact_write_items(self, **request: Any) -> Any:
        self._happens()
        return self._client.transact_write_items(**request)


def test_of_two_who_open_for_one_request_at_once_both_have_the_same_ticket(client: DynamoDBClient):
    opened = []
    store = DynamoTickets(
        Meanwhile(client, lambda: opened.append(dynamo(client).open(ticket(), day=DAY))),  # type: ignore[arg-type]
        TICKETS,
        seals=FakeSeals(),
    )

    assert store.open(ticket(), day=DAY) == opened[0]
    assert {name for name in items(client) if name.startswith("T")} == {opened[0].number}


def test_a_request_whose_ticket_is_gone_waits_for_people(client: DynamoDBClient):
    store = dynamo(client)
    opened = store.open(ticket(), day=DAY)
    client.delete_item(TableName=TICKETS, Key={"number": {"S": opened.number}})

    with pytest.raises(TransientError) as caught:
        store.open(ticket(), day=DAY)

    assert caught.value.code == "tickets_failed"


def test_a_process_that_dies_after_counting_leaves_a_number_out_and_gives_none_twice(client: DynamoDBClient):
    def die() -> None:
        raise KeyboardInterrupt

    dying = DynamoTickets(Meanwhile(client, die), TICKETS, seals=FakeSeals())  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        dying.open(ticket(), day=DAY)

    assert dynamo(client).open(ticket(), day=DAY).number == "T20261128-0002"


def test_a_table_that_is_not_there_is_a_mistake_in_the_deployment(client: DynamoDBClient):
    store = DynamoTickets(client, "another-table", seals=FakeSeals())

    for call in (
        lambda: store.open(ticket(), day=DAY),
        lambda: store.get("T20261128-0001"),
        lambda: store.save(ticket(number="T20261128-0001", version=1)),
        lambda: list(store.to_offer(by=NOW)),
    ):
        with pytest.raises(MisconfiguredError):
            call()
