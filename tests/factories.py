"""Values for tests, complete and plausible: a test names only what it is about.

All people, companies, keys and words here are invented.
"""

from __future__ import annotations

from typing import Any

from frontdesk.messages import Inbound, Kind, ModelAnswer, Outbound, Pull, Question, Received, Sentences
from frontdesk.records import (
    Account,
    Attendance,
    CustomerKey,
    Reply,
    SealedSession,
    Session,
    Ticket,
    Turn,
)
from tests.fakes import seals

NOW = 1_790_000_000  # epoch seconds
NOW_MS = NOW * 1000

CHANNEL = "wecom_app"
CORP_ID = "ww0a1b2c3d4e5f6a7b"
AGENT_ID = 1000002
CUSTOMER = "lin.mei"
CONVERSATION = "5f0c2a9be1d34786a1b2c3d4e5f60718"
ANOTHER_CONVERSATION = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
MESSAGE_ID = "7011223344556677889"
SESSION_ID = "1790000000000-0123456789abcdef"
WORDS = "订单 8812 到哪里了？"

KF_CHANNEL = "wecom_kf"
KF_ACCOUNT = "wkAbCdEf0001"
KF_CUSTOMER = f"{KF_ACCOUNT}:wmXYZ001"

SENTENCES = Sentences(
    welcome="您好，请问有什么可以帮您？",
    interim="正在为您查询，请稍候。",
    fallback="抱歉，暂时无法回答，我们会尽快联系您。",
    unsupported="目前只能阅读文字消息，请用文字描述您的问题。",
    reset="好的，我们重新开始。",
)


def inbound(**differently: Any) -> Inbound:
    """Return a text message of one customer."""
    return Inbound(
        **{
            "channel": CHANNEL,
            "conversation": CONVERSATION,
            "message_id": MESSAGE_ID,
            "sender": CUSTOMER,
            "kind": Kind.TEXT,
            "sent_at": NOW,
            "received_at_ms": NOW_MS + 250,
            "text": WORDS,
            "details": {},
            **differently,
        }
    )


def received(*, attempt: int = 1, last_attempt: bool = False, **differently: Any) -> Received:
    """Return an inbound message as the queue hands it over; ``differently`` is the message's."""
    return Received(inbound=inbound(**differently), attempt=attempt, last_attempt=last_attempt)


def outbound(**differently: Any) -> Outbound:
    """Return a message to the customer."""
    return Outbound(**{"channel": CHANNEL, "recipient": CUSTOMER, "text": "您的订单已发货。", **differently})


def question(**differently: Any) -> Question:
    """Return what the model is asked."""
    return Question(
        **{
            "chat_id": f"frontdesk:{CONVERSATION}:{SESSION_ID}:0",
            "attempt_id": "attempt-1",
            "customer": CONVERSATION,
            "text": WORDS,
            **differently,
        }
    )


def model_answer(**differently: Any) -> ModelAnswer:
    """Return an answer of the model without a pause."""
    return ModelAnswer(
        **{"text": "您的订单已发货。", "confidence": 0.93, "first_words_ms": 300, "total_ms": 900, **differently}
    )


def turn(**differently: Any) -> Turn:
    """Return one exchange of words."""
    return Turn(
        **{
            "question_id": MESSAGE_ID,
            "kind": "answer",
            "question": WORDS,
            "answer": "您的订单已发货。",
            "asked_at_ms": NOW_MS + 400,
            "answered_at_ms": NOW_MS + 1300,
            "confidence": 0.93,
            **differently,
        }
    )


def session(**differently: Any) -> Session:
    """Return a session opened just now and never saved."""
    return Session(
        **{
            "conversation": CONVERSATION,
            "session_id": SESSION_ID,
            "channel": CHANNEL,
            "customer": CUSTOMER,
            "opened_at": NOW,
            "last_activity_at": NOW,
            "expires_at": NOW + 900,
            **differently,
        }
    )


def sealed_session(**differently: Any) -> SealedSession:
    """Return a session as the archiver sees it; ``differently`` is the session's."""
    return seals.sealed(session(**differently))


def customer_key(**differently: Any) -> CustomerKey:
    """Return the keys of one customer, one of them, never saved; what stands for it is wrapped by nobody."""
    return CustomerKey(
        **{
            "conversation": CONVERSATION,
            "current": "c0123456789ab",
            "wrapped": {"c0123456789ab": "s1.k1.a-wrapped-key-in-name-only"},
            **differently,
        }
    )


def reply(**differently: Any) -> Reply:
    """Return the reply to the customer's message, one segment long, none of it sent."""
    return Reply(
        **{
            "conversation": CONVERSATION,
            "message_ids": (MESSAGE_ID,),
            "channel": CHANNEL,
            "recipient": CUSTOMER,
            "session_id": SESSION_ID,
            "kind": "answer",
            "question": WORDS,
            "segments": ("您的订单已发货。",),
            "asked_at_ms": NOW_MS + 400,
            "answered_at_ms": NOW_MS + 1300,
            "confidence": 0.93,
            **differently,
        }
    )


def account(**differently: Any) -> Account:
    """Return a customer-service account that was just added."""
    return Account(**{"account": KF_ACCOUNT, "answer_from": NOW - 120, **differently})


def attendance(**differently: Any) -> Attendance:
    """Return a customer whom the machine attends to, never saved."""
    return Attendance(**{"conversation": CONVERSATION, "channel": KF_CHANNEL, "customer": KF_CUSTOMER, **differently})


def pull(**differently: Any) -> Pull:
    """Return the news that an account has messages."""
    return Pull(**{"account": KF_ACCOUNT, "noticed_at_ms": NOW_MS, "token": "an-invented-sync-token", **differently})


def ticket(**differently: Any) -> Ticket:
    """Return a request for a ticket, not opened yet."""
    return Ticket(
        **{
            "number": "",
            "request_id": MESSAGE_ID,
            "conversation": CONVERSATION,
            "channel": KF_CHANNEL,
            "customer": KF_CUSTOMER,
            "reason": "asked",
            "question": WORDS,
            "brief": "客户问订单 8812 的去向。",
            "opened_at": NOW,
            **differently,
        }
    )


def gateway_event(
    method: str = "POST", *, query: str = "", body: str = "", encoded: bool = False, at_ms: int = NOW_MS + 250
) -> dict[str, Any]:
    """Return an HTTP API event, payload format 2.0, as the gateway hands it to a function."""
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"{method} /wecom/callback",
        "rawPath": "/wecom/callback",
        "rawQueryString": query,
        "headers": {"host": "example.execute-api.us-east-1.amazonaws.com", "content-type": "text/xml"},
        "requestContext": {
            "accountId": "123456789012",
            "http": {"method": method, "path": "/wecom/callback", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
            "requestId": "JKJaXmPLvHcESHA=",
            "stage": "$default",
            "timeEpoch": at_ms,
        },
        "isBase64Encoded": encoded,
    }
    return event | ({"body": body} if body else {})


def sqs_record(body: str, *, attempt: int = 1, number: int = 1) -> dict[str, Any]:
    """Return one record of the event that SQS hands to a function."""
    return {
        "messageId": f"059f36b4-87a3-44ab-83d2-{number:012d}",
        "receiptHandle": f"receipt-{number}",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": str(attempt),
            "SentTimestamp": str(NOW_MS + 300),
            "SequenceNumber": f"1884919{number:013d}",
            "MessageGroupId": CONVERSATION,
            "MessageDeduplicationId": MESSAGE_ID,
            "SenderId": "AROAEXAMPLE:callback",
            "ApproximateFirstReceiveTimestamp": str(NOW_MS + 320),
        },
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:inbox.fifo",
        "awsRegion": "us-east-1",
    }
