"""What breakers rely on of the shared circuits: the fake as well as the table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from frontdesk.errors import MisconfiguredError
from frontdesk.fastgpt import circuit as machine
from frontdesk.records import Circuit
from frontdesk.storage.circuits import KEPT_S, WINDOW_S, DynamoCircuits
from tests.contract.aws_in_memory import LEDGER, create_ledger
from tests.factories import NOW
from tests.fakes import circuits as fake
from tests.fakes.circuits import InMemoryCircuits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    from frontdesk.fastgpt.breaker import Circuits

OPEN = Circuit(openings=1, code="fastgpt_unreachable", retry_at=NOW + 10.125, version=1)
NOW_S = NOW // WINDOW_S * WINDOW_S + 30.0  # in the middle of a window


@pytest.fixture
def client(dynamodb: DynamoDBClient) -> Iterator[DynamoDBClient]:
    create_ledger(dynamodb)
    yield dynamodb
    dynamodb.delete_table(TableName=LEDGER)


@pytest.fixture(params=["in memory", "DynamoDB"])
def circuits(request: pytest.FixtureRequest) -> Circuits:
    if request.param == "in memory":
        return InMemoryCircuits()
    return DynamoCircuits(request.getfixturevalue("client"), LEDGER)


def test_an_endpoint_that_nobody_has_met_is_closed(circuits: Circuits):
    assert circuits.read("primary", now=NOW_S) == Circuit()


def test_failures_of_all_are_counted_together_and_told_at_once(circuits: Circuits):
    told = [circuits.count("primary", 1, now=NOW_S).failures for _ in range(3)]

    assert told == [1, 2, 3]
    assert circuits.read("primary", now=NOW_S).failures == 3
    assert circuits.read("standby", now=NOW_S).failures == 0


def test_failures_are_taken_back(circuits: Circuits):
    circuits.count("primary", 1, now=NOW_S)
    circuits.count("primary", 1, now=NOW_S)

    assert circuits.count("primary", -2, now=NOW_S).failures == 0


def test_never_fewer_than_none_have_failed(circuits: Circuits):
    assert circuits.count("primary", -3, now=NOW_S).failures == 0


def test_failures_count_for_two_windows(circuits: Circuits):
    circuits.count("primary", 2, now=NOW_S)

    assert circuits.read("primary", now=NOW_S + WINDOW_S).failures == 2
    assert circuits.read("primary", now=NOW_S + 2 * WINDOW_S).failures == 0


def test_what_is_saved_is_read_as_it_was(circuits: Circuits):
    tried = replace(OPEN, probed=True, taken_until=NOW + 3.5)

    assert circuits.save("primary", tried, now=NOW_S)
    assert circuits.read("primary", now=NOW_S) == tried


def test_only_one_of_two_who_read_the_same_may_change_it(circuits: Circuits):
    circuits.count("primary", 3, now=NOW_S)

    assert circuits.save("primary", OPEN, now=NOW_S)
    assert not circuits.save("primary", replace(OPEN, code="fastgpt_silent"), now=NOW_S)
    assert circuits.read("primary", now=NOW_S) == OPEN


def test_counting_is_no_change_that_somebody_else_could_have_missed(circuits: Circuits):
    circuits.save("primary", OPEN, now=NOW_S)
    circuits.count("primary", 1, now=NOW_S)

    assert circuits.save("primary", machine.closed(OPEN), now=NOW_S)


def test_failures_are_forgotten_with_every_change(circuits: Circuits):
    circuits.count("primary", 3, now=NOW_S)
    circuits.save("primary", OPEN, now=NOW_S)

    assert circuits.read("primary", now=NOW_S).failures == 0


def test_a_failure_told_of_an_open_circuit_tells_that_it_is_open(circuits: Circuits):
    circuits.save("primary", OPEN, now=NOW_S)

    assert circuits.count("primary", 1, now=NOW_S) == replace(OPEN, failures=1)


def test_the_fake_counts_in_the_same_windows():
    assert fake.WINDOW_S == WINDOW_S


def test_a_circuit_that_nobody_changes_ends_by_ttl(client: DynamoDBClient):
    store = DynamoCircuits(client, LEDGER)
    store.count("primary", 1, now=NOW_S)
    store.save("standby", OPEN, now=NOW_S)

    items = client.scan(TableName=LEDGER)["Items"]

    assert {item["expires_at"]["N"] for item in items} == {str(int(NOW_S) + KEPT_S)}


def test_a_table_that_is_not_there_is_a_mistake_of_somebodys(dynamodb: DynamoDBClient):
    store = DynamoCircuits(dynamodb, "another")

    for call in (
        lambda: store.read("primary", now=NOW_S),
        lambda: store.count("primary", 1, now=NOW_S),
        lambda: store.save("primary", OPEN, now=NOW_S),
    ):
        with pytest.raises(MisconfiguredError):
            call()
