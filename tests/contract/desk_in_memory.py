"""A whole deployment in this process, and the desk before it: everything that the operator's commands touch."""

from __future__ import annotations

import json
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

import boto3

from ops.desk import Deployment, Desk
from tests.contract.audit_in_memory import AUDIT, create_audit
from tests.contract.aws_in_memory import (
    ATTENDANCE,
    CUSTOMER_KEYS,
    LEDGER,
    SESSIONS,
    TICKETS,
    aws_in_memory,
    create_attendance,
    create_customer_keys,
    create_ledger,
    create_sessions,
    create_tickets,
)
from tests.factories import CORP_ID, NOW
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

REVIEWS = "frontdesk-reviews"
OPERATOR = "chen.yu"
CONVERSATION_KEY = "a-key-for-digests-of-forty-characters-xx"
RING_KEY = "0123456789abcdeffedcba9876543210"
SIGNING_KEY = "3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8"  # of GB/T 32918.5's example
RETENTION_DAYS = 180
_SERVICES = ("dynamodb", "s3", "sqs", "secretsmanager")
_NUMBERS = count(1)


class Functions:
    """What Lambda tells of the deployed functions."""

    def get_function_configuration(self, *, FunctionName: str) -> dict[str, Any]:  # noqa: N803  # as boto3 has it
        """Return a function's environment."""
        variables = {
            "callback": {"WECOM_CORP_ID": CORP_ID},
            "responder": {"AUDIT_RETENTION_DAYS": str(RETENTION_DAYS)},
        }
        return {"Environment": {"Variables": variables[FunctionName]}}


class Clients:
    """One client a service, for as long as AWS is in memory."""

    def __init__(self) -> None:
        self.made: dict[str, Any] = {name: boto3.client(name) for name in _SERVICES}  # type: ignore[call-overload]
        self.made["lambda"] = Functions()

    def __call__(self, service: str) -> Any:
        """Return the client of ``service``."""
        return self.made[service]


@contextmanager
def clients_in_memory() -> Iterator[Clients]:
    """Yield clients to an AWS in this process."""
    with aws_in_memory():
        yield Clients()


def create_reviews(client: Any) -> None:
    """Create the Reviews table."""
    client.create_table(
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


_TABLES: Mapping[str, tuple[str, Callable[[Any], None]]] = {
    "Sessions": (SESSIONS, create_sessions),
    "Ledger": (LEDGER, create_ledger),
    "Attendance": (ATTENDANCE, create_attendance),
    "Tickets": (TICKETS, create_tickets),
    "CustomerKeys": (CUSTOMER_KEYS, create_customer_keys),
    "Audit": (AUDIT, create_audit),
    "Reviews": (REVIEWS, create_reviews),
}
_QUEUES = ("Inbox", "InboxDeadLetters", "Pulls", "PullsDeadLetters", "TicketQueue", "TicketQueueDeadLetters")


@contextmanager
def deployment(clients: Clients) -> Iterator[Deployment]:
    """Yield a deployment that nobody has written to yet."""
    dynamodb, s3, sqs, vault = (clients(name) for name in _SERVICES)
    for _, create in _TABLES.values():
        create(dynamodb)
    number = next(_NUMBERS)
    resources = {name: table for name, (table, _) in _TABLES.items()}
    resources |= {"CallbackFunction": "callback", "ResponderFunction": "responder"}
    for name in ("ArchiveBucket", "AuditBucket", "RulesBucket"):
        resources[name] = f"{name.lower()}-{number}"
        s3.create_bucket(Bucket=resources[name])
        s3.put_bucket_versioning(Bucket=resources[name], VersioningConfiguration={"Status": "Enabled"})
    for name in _QUEUES:
        made = sqs.create_queue(QueueName=f"{name}-{number}.fifo", Attributes={"FifoQueue": "true"})
        resources[name] = made["QueueUrl"]
    for name, values in (
        ("KeyringSecret", {"SM4_KEYRING": RING_KEY}),
        ("AuditSecret", {"SM2_PRIVATE_KEY": SIGNING_KEY}),
        ("IdentitySecret", {"CONVERSATION_KEY": CONVERSATION_KEY}),
    ):
        made = vault.create_secret(Name=f"{name}-{number}", SecretString=json.dumps(values))
        resources[name] = made["ARN"]
    yield Deployment("frontdesk", resources, clients)
    for table, _ in _TABLES.values():
        dynamodb.delete_table(TableName=table)


def desk_of(
    where: Deployment,
    *,
    clock: FakeClock | None = None,
    by: str = OPERATOR,
    sleep: Callable[[float], None] | None = None,
) -> Desk:
    """Return a desk before ``where``, as one command opens it. Who sleeps there makes the clock go on."""
    clock = clock or FakeClock(NOW)
    return Desk(where, by=by, clock=clock, monotonic=clock.monotonic, sleep=sleep or clock.advance, silence_s=0)


def letter(where: Deployment, conversation: str, message_id: str, *, queue: str = "InboxDeadLetters") -> None:
    """Put a message of ``conversation`` into a queue."""
    where.client("sqs").send_message(
        QueueUrl=where.resources[queue],
        MessageBody="{}",
        MessageGroupId=conversation,
        MessageDeduplicationId=message_id,
    )
