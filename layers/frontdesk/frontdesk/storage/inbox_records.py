"""What SQS hands to the responder, read into messages; and how a failed one is asked back for sooner.

The reading half of `frontdesk.storage.inbox`, apart from it because the callback must not load pydantic or boto3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from frontdesk.messages import Inbound, Kind, Received
from frontdesk.storage.aws import translated
from frontdesk.storage.bodies import Part, read_body
from frontdesk.storage.inbox import place_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mypy_boto3_sqs import SQSClient

    from frontdesk.storage.seals import RingSeals


class _Version(Part):
    """What tells how the rest is to be read: version 1 has the words plain, version 2 has them sealed."""

    v: Literal[1, 2]


class _Envelope(Part):
    """What every version has plain."""

    channel: str = Field(min_length=1)
    conversation: str = Field(min_length=1)
    message_id: str = Field(min_length=1)
    kind: Kind
    sent_at: int
    received_at_ms: int


class _Words(Part):
    """Who wrote, and what."""

    sender: str = Field(min_length=1)
    text: str = ""
    details: dict[str, str] = Field(default_factory=dict)


class _PlainBody(_Envelope, _Words):
    """The body of version 1."""


class _SealedBody(_Envelope):
    """The body of version 2."""

    sealed: str


class _Form(Part):
    """What tells which form a body of version 2 has: a moment that was waited for may come without a seal."""

    kind: Any = None
    sealed: Any = None


class _BareBody(_Envelope):
    """The body of version 2 without a seal."""

    details: dict[str, str] = Field(default_factory=dict)


# The sender of what nobody sent.
NOBODY = "-"


def read_record(record: Mapping[str, Any], *, max_receives: int, seals: RingSeals) -> Received:
    """Return the message in one SQS record of a Lambda event.

    Raises `MalformedMessageError` for a body that no release wrote, whose text names the fields, not their values;
    and `UnopenableError` for one that does not open.
    """
    attempt = int(record["attributes"]["ApproximateReceiveCount"])
    return Received(inbound=_inbound(record["body"], seals), attempt=attempt, last_attempt=attempt >= max_receives)


def _inbound(body: str, seals: RingSeals) -> Inbound:
    if read_body(_Version, body, whole="body").v == 1:
        return Inbound(**read_body(_PlainBody, body, whole="body").model_dump())
    form = read_body(_Form, body, whole="body")
    if form.kind == Kind.DUE and form.sealed is None:
        return Inbound(**read_body(_BareBody, body, whole="body").model_dump(), sender=NOBODY)
    envelope = read_body(_SealedBody, body, whole="body")
    opened = seals.open(envelope.sealed, *place_of(envelope.conversation, envelope.message_id))
    words = read_body(_Words, opened, whole="sealed")
    return Inbound(**envelope.model_dump(exclude={"sealed"}), **words.model_dump())


def retry_later(client: SQSClient, queue_url: str, waits: Iterable[tuple[str, int]]) -> None:
    """Make failed messages visible again after their waits: (receipt handle, seconds).

    Raises `TransientError` or `MisconfiguredError`; the messages then come back after the queue's own time-out.
    """
    for receipt, seconds in waits:
        # One call each: the batch call reports a failed entry as a success of the call, and there are rarely two.
        with translated("inbox"):
            client.change_message_visibility(QueueUrl=queue_url, ReceiptHandle=receipt, VisibilityTimeout=seconds)
