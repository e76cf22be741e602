"""Signed calls over a real connection: what is tried again, what is told, and how long it may take."""

from __future__ import annotations

import json
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.errors import MisconfiguredError, TransientError
from frontdesk.storage.inbox import SqsInbox, encode, queue_service
from frontdesk.storage.signed import SignedJson, pool
from frontdesk.storage.sigv4 import Credentials
from tests.factories import inbound
from tests.fakes.seals import FakeRing
from tests.integration.scripted_peer import Peer, Talk, peer

if TYPE_CHECKING:
    from tests.integration.scripted_peer import Script

WECOM_WAITS_S = 5.0
TAKEN: dict[str, Any] = {"MessageId": "1"}


def said(status: int, body: bytes | dict[str, Any], *, keep: bool = False, length: int | None = None) -> bytes:
    """Return a whole HTTP answer; ``length`` is told instead of the true one."""
    content = json.dumps(body).encode() if isinstance(body, dict) else body
    return (
        f"HTTP/1.1 {status} Whatever\r\nContent-Type: application/x-amz-json-1.0\r\n"
        f"Content-Length: {len(content) if length is None else length}\r\n"
        f"Connection: {'keep-alive' if keep else 'close'}\r\n\r\n"
    ).encode() + content


def answers(*each: bytes) -> Script:
    """Return a script that hears a request for every answer and then hangs up."""

    def script(talk: Talk) -> None:
        for answer in each:
            talk.hear()
            talk.say(answer)

    return script


def silent(talk: Talk) -> None:
    """Hear the request and never answer."""
    talk.hear()
    assert talk.hung_up()


def reset(talk: Talk) -> None:
    """Hear the request and break the connection."""
    talk.hear()
    talk.reset()


def sqs_at(port: int) -> SignedJson:
    return queue_service(
        f"http://127.0.0.1:{port}/123456789012/inbox.fifo",
        region="us-east-1",
        credentials=Credentials("AKIDEXAMPLE", "key", "token"),
        http=pool(),
    )


def send(server: Peer) -> dict[str, Any]:
    return sqs_at(server.port).call("AmazonSQS.SendMessage", {"MessageBody": "你好"})


BROKEN = said(500, {"__type": "com.amazonaws.sqs#InternalFailure"})
DENIED = said(400, {"__type": "com.amazonaws.sqs#AccessDenied", "message": "User is not authorized"})
THROTTLED = said(400, {"__type": "com.amazonaws.sqs#RequestThrottled"})


def test_a_call_is_one_signed_request_to_the_root():
    with peer(answers(said(200, TAKEN))) as server:
        assert send(server) == TAKEN
    (request,) = server.requests
    assert request.line == "POST / HTTP/1.1"
    assert request.body == {"MessageBody": "你好"}
    assert request.headers["host"] == f"127.0.0.1:{server.port}"
    assert request.headers["content-type"] == "application/x-amz-json-1.0"
    assert request.headers["x-amz-target"] == "AmazonSQS.SendMessage"
    assert request.headers["x-amz-security-token"] == "token"
    assert request.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_failing_service_is_asked_again_and_the_call_succeeds(status: int):
    broken = answers(said(status, b"<html>"))
    with peer(broken, broken, answers(said(200, TAKEN))) as server:
        assert send(server) == TAKEN
    assert len(server.requests) == 3
    assert len({str(request.body) for request in server.requests}) == 1


def test_a_service_that_fails_three_times_is_a_failure_that_may_pass():
    with peer(*[answers(BROKEN)] * 3, answers(said(200, TAKEN))) as server:
        with pytest.raises(TransientError, match="sqs failed: InternalFailure"):
            send(server)
        assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (DENIED, MisconfiguredError),
        (THROTTLED, TransientError),
        (said(429, b""), TransientError),
        (said(307, b""), MisconfiguredError),
        (said(200, b"<html>garbage"), TransientError),
        (said(200, b""), TransientError),
    ],
)
def test_an_answer_that_is_final_is_not_asked_for_again(answer: Any, error: Any):
    with peer(answers(answer)) as server:
        with pytest.raises(error):
            send(server)
        assert len(server.requests) == server.connections == 1


@pytest.mark.parametrize(
    "failure", [reset, answers(said(200, b'{"MessageId": ', length=100)), answers(b"nonsense\r\n\r\n"), answers(b"")]
)
def test_a_broken_connection_is_replaced_and_the_call_succeeds(failure: Any):
    with peer(failure, answers(said(200, TAKEN))) as server:
        assert send(server) == TAKEN
    assert len(server.requests) == 2


def test_a_service_that_always_hangs_up_is_a_failure_that_may_pass():
    with peer(*[reset] * 3) as server:
        with pytest.raises(TransientError) as caught:
            send(server)
        assert caught.value.code == "sqs_unreachable"
        assert server.connections == 3


def test_nobody_there_is_a_failure_that_may_pass():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(TransientError) as caught:
        sqs_at(port).call("AmazonSQS.SendMessage", {"MessageBody": "MarkedWords"})
    assert caught.value.code == "sqs_unreachable"
    assert "MarkedWords" not in str(caught.value)
    assert time.monotonic() - started < WECOM_WAITS_S


def test_a_service_that_never_answers_is_given_up_before_wecom_gives_up():
    with peer(*[silent] * 3) as server:
        started = time.monotonic()
        with pytest.raises(TransientError) as caught:
            send(server)
        took = time.monotonic() - started
        assert caught.value.code == "sqs_unreachable"
        assert len(server.requests) == 3
    assert took < WECOM_WAITS_S


def test_one_connection_serves_many_calls():
    with peer(answers(*[said(200, TAKEN, keep=True)] * 3)) as server:
        sqs = sqs_at(server.port)
        for _ in range(3):
            assert sqs.call("AmazonSQS.SendMessage", {}) == TAKEN
        assert server.connections == 1


def test_a_connection_that_was_closed_while_idle_is_replaced():
    answer = answers(said(200, TAKEN, keep=True))
    with peer(answer, answer) as server:
        sqs = sqs_at(server.port)
        assert sqs.call("AmazonSQS.SendMessage", {}) == TAKEN
        assert sqs.call("AmazonSQS.SendMessage", {}) == TAKEN
        assert server.connections == 2


def test_a_message_put_again_by_a_repeated_call_is_the_same_message():
    with peer(answers(BROKEN), answers(said(200, TAKEN))) as server:
        queue_url = f"http://127.0.0.1:{server.port}/123456789012/inbox.fifo"
        SqsInbox(sqs_at(server.port), queue_url, seals=FakeRing()).put(inbound())
    first, second = (request.body for request in server.requests)
    assert first == second
    assert first == {
        "QueueUrl": queue_url,
        "MessageBody": encode(inbound(), FakeRing()),
        "MessageGroupId": inbound().conversation,
        "MessageDeduplicationId": inbound().message_id,
    }
