"""boto3 clients with time-outs that fit a function's time, and AWS's error codes as our errors."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from frontdesk.errors import ConflictError, MisconfiguredError, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

# Three tries with jitter (botocore's standard mode) end within 3 x (1 + 3) s and the waits between.
_CONFIG = Config(
    connect_timeout=1,
    read_timeout=3,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=20,
)
_AT_ONCE = Config(connect_timeout=1, read_timeout=1, retries={"mode": "standard", "total_max_attempts": 1})
_CONFLICTS = frozenset(
    {
        "ConditionalCheckFailedException",
        "ConditionalRequestConflict",
        "PreconditionFailed",
        "TransactionConflictException",
    }
)
_REFUSALS = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "AccessDenied",
        "AccessDeniedException",
        "InvalidAccessKeyId",
        "NoSuchBucket",
        "ResourceNotFoundException",
        "UnrecognizedClientException",
        "ValidationException",
    }
)


def dynamodb() -> DynamoDBClient:
    """Return a DynamoDB client."""
    return boto3.client("dynamodb", config=_CONFIG)


def dynamodb_at_once() -> DynamoDBClient:
    """Return a DynamoDB client that gives up within two seconds: for what a customer waits for and can do without."""
    return boto3.client("dynamodb", config=_AT_ONCE)


def s3() -> S3Client:
    """Return an S3 client."""
    return boto3.client("s3", config=_CONFIG)


def s3_at_once() -> S3Client:
    """Return an S3 client that gives up within two seconds: for what somebody waits for and can do without."""
    return boto3.client("s3", config=_AT_ONCE)


def sqs() -> SQSClient:
    """Return an SQS client."""
    return boto3.client("sqs", config=_CONFIG)


def code_of(error: ClientError) -> str:
    """Return what AWS calls this error."""
    code: str = error.response.get("Error", {}).get("Code", "unnamed")
    return code


@contextmanager
def translated(service: str) -> Iterator[None]:
    """Raise our errors for AWS's: `ConflictError`, `MisconfiguredError` or, for all that may pass, `TransientError`.

    AWS's own text is left out: it can quote the values of a request.
    """
    try:
        yield
    except ClientError as error:
        name = code_of(error)
        reasons = {reason.get("Code") for reason in error.response.get("CancellationReasons", [])}
        if name in _CONFLICTS or "ConditionalCheckFailed" in reasons:
            raise ConflictError(f"{service}: somebody else was first", code=f"{service}_conflict") from None
        if name in _REFUSALS:
            raise MisconfiguredError(f"{service} refused: {name}", code=f"{service}_refused") from None
        raise TransientError(f"{service} failed: {name}", code=f"{service}_failed") from None
    except BotoCoreError as error:
        raise TransientError(
            f"{service} could not be reached: {type(error).__name__}", code=f"{service}_unreachable"
        ) from None
