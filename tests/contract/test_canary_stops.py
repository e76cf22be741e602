"""Which canaries were stopped, as the table keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
import pytest

from frontdesk.storage.canary import DynamoCanaryStops
from tests.contract.aws_in_memory import LEDGER, aws_in_memory
from tests.factories import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def stops() -> Iterator[DynamoCanaryStops]:
    with aws_in_memory():
        client = boto3.client("dynamodb")
        client.create_table(
            TableName=LEDGER,
            AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield DynamoCanaryStops(client, LEDGER)


def test_nobody_stopped_what_was_never_stopped(stops: DynamoCanaryStops):
    assert stops.stopped_by("app") == ""


def test_who_stopped_it_is_kept_until_it_is_resumed_and_for_that_app_alone(stops: DynamoCanaryStops):
    stops.stop("app", "alarm", now=NOW)
    assert stops.stopped_by("app") == "alarm"
    assert stops.stopped_by("another") == ""
    stops.resume("app")
    stops.resume("app")
    assert stops.stopped_by("app") == ""


def test_it_does_not_expire(stops: DynamoCanaryStops):
    stops.stop("app", "operator:lin", now=NOW)
    (item,) = boto3.client("dynamodb").scan(TableName=LEDGER)["Items"]
    assert "expires_at" not in item
