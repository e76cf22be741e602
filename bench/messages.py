"""What comes in: signed callbacks as WeCom sends them, gateway events around them, and records of the queue.

Written with the WeCom simulator's own cryptography, so a callback measured here was made by somebody else.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

from frontdesk.messages import Inbound, Kind
from frontdesk.protection.sealing import Keyring
from frontdesk.storage.inbox import encode
from simulators.wecom.callback import CallbackWriter
from simulators.wecom.settings import WecomSettings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ops.local.vendors import Vendors

KEYRING = "00112233445566778899aabbccddeeff"
"""The keyring of every function that is measured: one invented key."""
WORDS = "你好，我上周三在你们这里买的保温杯，订单 8812，到现在还没有收到，可以帮我查一下到哪里了吗？谢谢！"


@dataclass(frozen=True, slots=True)
class Callback:
    """One POST of WeCom: the raw query string and the body."""

    query: str
    body: bytes


class CallbackMaker:
    """Makes callbacks of one application, each different, every one of them valid now."""

    def __init__(self, vendors: Vendors, *, seed: int = 0) -> None:
        given = vendors.settings
        self._settings = WecomSettings(
            corp_id=given["WECOM_CORP_ID"],
            agent_id=int(given["WECOM_AGENT_ID"]),
            secret=given["WECOM_SECRET"],
            token=given["WECOM_TOKEN"],
            encoding_aes_key=given["WECOM_ENCODING_AES_KEY"],
            callback_url="http://127.0.0.1/wecom/callback",
        )
        self._rng = Random(seed)
        self._writer = CallbackWriter(self._rng)

    def text(self, sender: str = "lin.mei", words: str = WORDS) -> Callback:
        """Return the callback of a text message that ``sender`` writes now."""
        elements = [
            ("ToUserName", self._settings.corp_id),
            ("FromUserName", sender),
            ("CreateTime", int(time.time())),
            ("MsgType", "text"),
            ("Content", words),
            ("MsgId", self._rng.randrange(10**18, 9 * 10**18)),
            ("AgentID", self._settings.agent_id),
        ]
        request = self._writer.write_post(self._settings, elements, time.time())
        return Callback(urlsplit(request.url).query, request.body)


def gateway_event(callback: Callback) -> dict[str, Any]:
    """Return the HTTP API event (payload format 2.0) that brings ``callback`` to a function."""
    return {
        "version": "2.0",
        "routeKey": "POST /wecom/callback",
        "rawPath": "/wecom/callback",
        "rawQueryString": callback.query,
        "headers": {"content-type": "text/xml"},
        "requestContext": {
            "accountId": "123456789012",
            "http": {"method": "POST", "path": "/wecom/callback", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
            "requestId": uuid4().hex,
            "stage": "$default",
            "timeEpoch": int(time.time() * 1000),
        },
        "body": callback.body.decode(),
        "isBase64Encoded": False,
    }


def batch_event(senders: Iterable[str], words: str, channel: str = "wecom_app") -> dict[str, Any]:
    """Return an SQS event in which each of ``senders`` says ``words``, as if they had just been queued."""
    return {"Records": [_record(number, sender, words, channel, uuid4().hex) for number, sender in enumerate(senders)]}


def question_event(sender: str, words: str, conversation: str) -> dict[str, Any]:
    """Return an SQS event in which ``sender`` says ``words`` in a conversation of theirs."""
    return {"Records": [_record(0, sender, words, "wecom_app", conversation)]}


def _record(number: int, sender: str, words: str, channel: str, conversation: str) -> dict[str, Any]:
    message_id = str(uuid4().int % 10**19)
    inbound = Inbound(
        channel=channel,
        conversation=conversation,
        message_id=message_id,
        sender=sender,
        kind=Kind.TEXT,
        sent_at=int(time.time()),
        received_at_ms=int(time.time() * 1000),
        text=words,
    )
    return {
        "messageId": str(uuid4()),
        "receiptHandle": f"receipt-{number}",
        "body": encode(inbound, Keyring.read(KEYRING)),
        "attributes": {
            "ApproximateReceiveCount": "1",
            "MessageGroupId": conversation,
            "MessageDeduplicationId": message_id,
        },
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:inbox.fifo",
        "awsRegion": "us-east-1",
    }
