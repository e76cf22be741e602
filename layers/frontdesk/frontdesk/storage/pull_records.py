"""What SQS hands to the collector, read into pulls; and how the sweep puts its own into the queue.

The other half of `frontdesk.storage.pulls`, apart from it because the callback must not load pydantic or boto3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from frontdesk.messages import Pull
from frontdesk.storage.aws import translated
from frontdesk.storage.bodies import Part, read_body
from frontdesk.storage.pulls import encode_bare, place_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_sqs import SQSClient

    from frontdesk.storage.seals import RingSeals

_MINUTE_MS = 60_000


class _Body(Part):
    v: Literal[1]
    account: str = Field(min_length=1)
    noticed_at_ms: int
    sealed: str = ""


def read_pull(record: Mapping[str, Any], *, seals: RingSeals) -> Pull:
    """Return the pull in one SQS record of a Lambda event.

    Raises `MalformedMessageError` for a body that no release wrote, whose text names the fields, not their values;
    and `UnopenableError` for a token that does not open.
    """
    body = read_body(_Body, record["body"], whole="body")
    token = seals.open(body.sealed, *place_of(body.account)) if body.sealed else ""
    return Pull(account=body.account, noticed_at_ms=body.noticed_at_ms, token=token)


class SqsPulls:
    """Puts pulls that nobody called for into the queue, without any key."""

    def __init__(self, client: SQSClient, queue_url: str) -> None:
        """``queue_url`` is that of the pulls."""
        self._client = client
        self._queue_url = queue_url

    def put(self, pull: Pull) -> None:
        """Return when the queue has it; there is one such pull an account and minute.

        Raises `TransientError` or `MisconfiguredError`.
        """
        with translated("pulls"):
            self._client.send_message(
                QueueUrl=self._queue_url,
                MessageBody=encode_bare(pull),
                MessageGroupId=pull.account,
                MessageDeduplicationId=f"{pull.account}-{pull.noticed_at_ms // _MINUTE_MS}",
            )
