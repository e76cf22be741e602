"""What SQS hands to the responder, read into messages; and how a failed one is asked back for sooner.

The reading half of `frontdesk.storage.inbox`, apart from it because the callback must not load pydantic or boto3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from frontdesk.errors import MalformedMessageError
from frontdesk.messages import Inbound, Kind, Received
from frontdesk.storage.aws import translated

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mypy_boto3_sqs import SQSClient


class _Body(BaseModel):
    """The queue body, any version we ever wrote; unknown fields are a later release's."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, frozen=True)

    v: Literal[1]
    channel: str = Field(min_length=1)
    conversation: str = Field(min_length=1)
    message_id: str = Field(min_length=1)
    sender: str = Field(min_length=1)
    kind: Kind
    sent_at: int
    received_at_ms: int
    text: str = ""
    details: dict[str, str] = {}


def read_record(record: Mapping[str, Any], *, max_receives: int) -> Received:
    """Return the message in one SQS record of a Lambda event.

    Raises `MalformedMessageError` for a body that no release wrote; its text names the fields, not their values.
    """
    try:
        body = _Body.model_validate_json(record["body"])
    except ValidationError as error:
        # Only the first part of a place: what follows may be a key that the message brought along.
        fields = sorted({str(each["loc"][0]) if each["loc"] else "body" for each in error.errors()})
        raise MalformedMessageError(f"unreadable: {', '.join(fields)}") from None
    attempt = int(record["attributes"]["ApproximateReceiveCount"])
    return Received(
        inbound=Inbound(**body.model_dump(exclude={"v"})), attempt=attempt, last_attempt=attempt >= max_receives
    )


def retry_later(client: SQSClient, queue_url: str, waits: Iterable[tuple[str, int]]) -> None:
    """Make failed messages visible again after their waits: (receipt handle, seconds).

    Raises `TransientError` or `MisconfiguredError`; the messages then come back after the queue's own time-out.
    """
    for receipt, seconds in waits:
        # One call each: the batch call reports a failed entry as a success of the call, and there are rarely two.
        with translated("inbox"):
            client.change_message_visibility(QueueUrl=queue_url, ReceiptHandle=receipt, VisibilityTimeout=seconds)
