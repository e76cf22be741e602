"""The Audit table as the deployment makes it, and the audit over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from frontdesk.protection import chain
from frontdesk.records import Happening
from frontdesk.storage.audit import DynamoAudit
from tests.factories import MESSAGE_ID, NOW, NOW_MS
from tests.fakes.clock import FakeClock
from tests.fakes.seals import FakeSeals

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

AUDIT = "frontdesk-audit"
DAY = "2026-09-21"  # of NOW


def create_audit(client: DynamoDBClient) -> None:
    """Create the Audit table with its index by day."""
    client.create_table(
        TableName=AUDIT,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "conversation", "AttributeType": "S"},
            {"AttributeName": "seq", "AttributeType": "N"},
            {"AttributeName": "day_shard", "AttributeType": "S"},
            {"AttributeName": "at_ms", "AttributeType": "N"},
        ],
        KeySchema=[
            {"AttributeName": "conversation", "KeyType": "HASH"},
            {"AttributeName": "seq", "KeyType": "RANGE"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "day",
                "KeySchema": [
                    {"AttributeName": "day_shard", "KeyType": "HASH"},
                    {"AttributeName": "at_ms", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )


def dynamo_audit(
    client: DynamoDBClient,
    *,
    clock: Callable[[], float] | None = None,
    pause: Callable[[float], None] = lambda _seconds: None,
) -> DynamoAudit:
    """Return an audit with seals that show their words, which waits for nothing."""
    return DynamoAudit(client, AUDIT, seals=FakeSeals(), chain=chain, clock=clock or FakeClock(NOW), pause=pause)


def happening(n: int = 1, **differently: object) -> Happening:
    """Return what a model said, and what became of it."""
    values = {
        "kind": "filtered",
        "actor": "rule:prices@7",
        "at_ms": NOW_MS + n,
        "about": MESSAGE_ID,
        "before": f"成本是 {n} 元",
        "after": f"＊＊＊ {n}",
        "details": {"action": "mask"},
    }
    return Happening(**{**values, **differently})  # type: ignore[arg-type]
