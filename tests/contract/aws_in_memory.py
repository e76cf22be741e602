"""DynamoDB and S3 in this process, and the tables as the deployment makes them.

A client takes long to build, so each module of tests has one, and each test its own tables.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from moto import mock_aws

from tests.conftest import REGION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

SESSIONS = "frontdesk-sessions"
LEDGER = "frontdesk-ledger"
CUSTOMER_KEYS = "frontdesk-customer-keys"
ACCOUNTS = "frontdesk-accounts"
ATTENDANCE = "frontdesk-attendance"
TICKETS = "frontdesk-tickets"


@contextmanager
def aws_in_memory() -> Iterator[None]:
    """Let what is built inside speak to an AWS in this process."""
    with pytest.MonkeyPatch.context() as environment, mock_aws():
        environment.setenv("AWS_DEFAULT_REGION", REGION)
        yield


def create_sessions(client: DynamoDBClient) -> None:
    """Create the Sessions table: TTL, and the sparse index of what is not archived yet."""
    client.create_table(
        TableName=SESSIONS,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "conversation", "AttributeType": "S"},
            {"AttributeName": "session_id", "AttributeType": "S"},
            {"AttributeName": "idle_shard", "AttributeType": "S"},
            {"AttributeName": "last_activity_at", "AttributeType": "N"},
        ],
        KeySchema=[
            {"AttributeName": "conversation", "KeyType": "HASH"},
            {"AttributeName": "session_id", "KeyType": "RANGE"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "idle",
                "KeySchema": [
                    {"AttributeName": "idle_shard", "KeyType": "HASH"},
                    {"AttributeName": "last_activity_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )


def create_ledger(client: DynamoDBClient) -> None:
    """Create the Ledger table."""
    client.create_table(
        TableName=LEDGER,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
    )


def create_customer_keys(client: DynamoDBClient) -> None:
    """Create the CustomerKeys table."""
    client.create_table(
        TableName=CUSTOMER_KEYS,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "conversation", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "conversation", "KeyType": "HASH"}],
    )


def create_accounts(client: DynamoDBClient) -> None:
    """Create the Accounts table."""
    client.create_table(
        TableName=ACCOUNTS,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "account", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "account", "KeyType": "HASH"}],
    )


def create_attendance(client: DynamoDBClient) -> None:
    """Create the Attendance table: TTL, and the sparse index of what is due, with keys and channels only."""
    client.create_table(
        TableName=ATTENDANCE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "conversation", "AttributeType": "S"},
            {"AttributeName": "due_shard", "AttributeType": "S"},
            {"AttributeName": "due_at", "AttributeType": "N"},
        ],
        KeySchema=[{"AttributeName": "conversation", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "due",
                "KeySchema": [
                    {"AttributeName": "due_shard", "KeyType": "HASH"},
                    {"AttributeName": "due_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["channel"]},
            }
        ],
    )


def create_tickets(client: DynamoDBClient) -> None:
    """Create the Tickets table: TTL, and the sparse index of what is to be offered, with keys only."""
    client.create_table(
        TableName=TICKETS,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "number", "AttributeType": "S"},
            {"AttributeName": "offer_shard", "AttributeType": "S"},
            {"AttributeName": "offer_at", "AttributeType": "N"},
        ],
        KeySchema=[{"AttributeName": "number", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "offer",
                "KeySchema": [
                    {"AttributeName": "offer_shard", "KeyType": "HASH"},
                    {"AttributeName": "offer_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
    )
