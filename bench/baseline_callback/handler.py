"""The baseline of the callback's start: the least a callback that uses boto3 can do."""

from __future__ import annotations

import os
from typing import Any

import boto3

_sqs = boto3.client("sqs")


def lambda_handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Put the body into the queue as it is, unchecked and unread."""
    _sqs.send_message(
        QueueUrl=os.environ["INBOX_URL"],
        MessageBody=event["body"],
        MessageGroupId="everybody",
        MessageDeduplicationId=event["requestContext"]["requestId"],
    )
    return {"statusCode": 200, "body": ""}
