"""The inbox queue: what a message looks like in it, and how one is put there.

SQS FIFO: the group is the conversation, so one customer's messages stay in order and hold back nobody else's;
the deduplication id is the message id, so a callback that WeCom repeats is queued once.
The body is versioned JSON, because during a deployment old and new code read each other's messages. Who wrote and
what is sealed in it, at its place: this message of this conversation. A moment that was waited for has no words, and
its body no seal: those who watch the clock need no key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from frontdesk.messages import Inbound, Kind
from frontdesk.storage.compact_json import compact_json
from frontdesk.storage.signed import SignedJson

if TYPE_CHECKING:
    import urllib3

    from frontdesk.storage.seals import RingSeals
    from frontdesk.storage.signed import JsonService
    from frontdesk.storage.sigv4 import Credentials

BODY_VERSION = 2


def queue_service(queue_url: str, *, region: str, credentials: Credentials, http: urllib3.PoolManager) -> SignedJson:
    """Return the SQS that has the queue. Its JSON protocol is spoken at the root, where AWS's own clients speak it."""
    return SignedJson(
        service="sqs", url=urljoin(queue_url, "/"), version="1.0", region=region, credentials=credentials, http=http
    )


def place_of(conversation: str, message_id: str) -> tuple[str, ...]:
    """Return the place at which a message's words are sealed."""
    return "inbox", conversation, message_id


def encode(inbound: Inbound, seals: RingSeals) -> str:
    """Return the queue body of ``inbound``. `frontdesk.storage.inbox_records` reads it."""
    words = {"sender": inbound.sender, "text": inbound.text, "details": dict(inbound.details)}
    token = seals.seal(compact_json(words), *place_of(inbound.conversation, inbound.message_id))
    return compact_json({**_envelope(inbound), "sealed": token})


def encode_bare(inbound: Inbound) -> str:
    """Return the queue body of ``inbound``, which must be a moment that was waited for: its details stay readable.

    Sender and text are left out. Raises ValueError for any other kind, whose words have to be sealed.
    """
    if inbound.kind is not Kind.DUE:
        raise ValueError("only a moment that was waited for has no words to seal")
    return compact_json({**_envelope(inbound), "details": dict(inbound.details)})


def _envelope(inbound: Inbound) -> dict[str, Any]:
    return {
        "v": BODY_VERSION,
        "channel": inbound.channel,
        "conversation": inbound.conversation,
        "message_id": inbound.message_id,
        "kind": inbound.kind,
        "sent_at": inbound.sent_at,
        "received_at_ms": inbound.received_at_ms,
    }


class SqsInbox:
    """Puts messages into the inbox."""

    def __init__(self, sqs: JsonService, queue_url: str, *, seals: RingSeals) -> None:
        """``sqs`` speaks SQS's JSON protocol."""
        self._sqs = sqs
        self._queue_url = queue_url
        self._seals = seals

    def put(self, inbound: Inbound) -> None:
        """Return when the queue has it; raises `TransientError` or `MisconfiguredError`."""
        self._sqs.call(
            "AmazonSQS.SendMessage",
            {
                "QueueUrl": self._queue_url,
                "MessageBody": encode(inbound, self._seals),
                "MessageGroupId": inbound.conversation,
                "MessageDeduplicationId": inbound.message_id,
            },
        )
