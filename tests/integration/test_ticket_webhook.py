"""The company's ticket system over real HTTP: what it is told, and what its answers and its silences mean."""

from __future__ import annotations

import json
import logging
import socket
import time
import traceback
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.channels.ticket_webhook import TicketWebhook, signed
from frontdesk.errors import FrontdeskError, PermanentError, TransientError
from tests.factories import KF_CHANNEL, KF_CUSTOMER, NOW, WORDS, ticket
from tests.integration.scripted_peer import Talk, peer

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "an-invented-secret-of-the-webhook"
NUMBER = "T20261128-0007"
TICKET = ticket(
    number=NUMBER, state="answered", assignee="zhou.min", answer="已补寄，请查收。", closed_at=NOW + 60, version=4
)
PATIENCE_S = 20.0
SHORT_S = 0.3


def webhook(port: int) -> TicketWebhook:
    return TicketWebhook(f"http://127.0.0.1:{port}/hook?key=MarkedKey", SECRET, clock=lambda: NOW)


def post(port: int, *, within_s: float = PATIENCE_S) -> None:
    webhook(port).post("answered", TICKET, deadline=time.monotonic() + within_s)


def answering(status: str, *headers: str, body: bytes = b"") -> Callable[[Talk], None]:
    def answer(talk: Talk) -> None:
        talk.hear()
        head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}"))
        talk.say(head.encode() + b"\r\n" + body)

    return answer


def error_of(*scripts: Callable[[Talk], object], within_s: float = PATIENCE_S) -> Any:
    with peer(*scripts) as system, pytest.raises(FrontdeskError) as caught:
        post(system.port, within_s=within_s)
    told = str(caught.value) + "".join(traceback.format_exception(caught.value))
    assert not [each for each in (SECRET, "MarkedKey", WORDS, "已补寄", KF_CUSTOMER, NUMBER, "zhou") if each in told]
    assert caught.value.__context__ is None
    assert system.connections == 1
    return caught.value


# -- what it is told -------------------------------------------------------------------------------------------------


def test_the_system_is_told_of_the_ticket_and_by_whom():
    with peer(answering("200 OK")) as system:
        post(system.port)

    (request,) = system.requests
    assert request.line == "POST /hook?key=MarkedKey HTTP/1.1"
    assert request.body == {
        "event": "answered",
        "number": NUMBER,
        "state": "answered",
        "opened_at": NOW,
        "reason": "asked",
        "channel": KF_CHANNEL,
        "question": WORDS,
        "brief": TICKET.brief,
        "answer": "已补寄，请查收。",
        "assignee": "zhou.min",
    }
    body = json.dumps(request.body, ensure_ascii=False, separators=(",", ":")).encode()
    assert request.headers["content-length"] == str(len(body))
    assert request.headers["content-type"] == "application/json; charset=utf-8"
    assert request.headers["x-frontdesk-delivery"] == f"{NUMBER}-answered"
    expected = {name.lower(): value for name, value in signed(body, SECRET.encode(), at=NOW).items()}
    assert {name: request.headers[name] for name in expected} == expected
    assert KF_CUSTOMER not in str(request)
    assert SECRET not in str(request)


@pytest.mark.parametrize("status", ["200 OK", "201 Created", "202 Accepted", "204 No Content"])
def test_every_status_of_success_is_one(status: str):
    with peer(answering(status)) as system:
        post(system.port)

    assert len(system.requests) == 1


def test_nothing_of_the_answer_is_waited_for_but_its_head():
    def talkative(talk: Talk) -> None:
        talk.hear()
        talk.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        talk.drip(b"1\r\nx\r\n")

    with peer(talkative) as system:
        post(system.port)

    assert len(system.requests) == 1


def test_each_event_is_told_on_its_own():
    with peer(answering("200 OK"), answering("200 OK")) as system:
        hook = webhook(system.port)
        for event in ("opened", "answered"):
            hook.post(event, TICKET, deadline=time.monotonic() + PATIENCE_S)

    assert [each.body["event"] for each in system.requests] == ["opened", "answered"]
    assert [each.headers["x-frontdesk-delivery"] for each in system.requests] == [
        f"{NUMBER}-opened",
        f"{NUMBER}-answered",
    ]


# -- what its answers mean -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "status", ["408 Request Timeout", "429 Too Many Requests", "500 Error", "502 Bad Gateway", "503 Busy", "599 Odd"]
)
def test_what_may_pass_is_told_again(status: str):
    error = error_of(answering(status))

    assert (type(error), error.code, error.retry_after_s) == (TransientError, "ticket_webhook_failed", 0.0)


@pytest.mark.parametrize(
    "status",
    [
        *("301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent", "304 Not Modified"),
        *("400 Bad Request", "401 Unauthorized", "403 Forbidden", "404 Not Found", "410 Gone", "422 Unprocessable"),
    ],
)
def test_what_is_refused_is_a_persons_to_mend(status: str):
    with peer() as elsewhere:
        error = error_of(answering(status, f"Location: http://127.0.0.1:{elsewhere.port}/"))

    assert (type(error), error.code) == (PermanentError, "ticket_webhook_refused")
    assert elsewhere.connections == 0


def after(seconds: int) -> str:
    return format_datetime(datetime.fromtimestamp(NOW + seconds, UTC), usegmt=True)


@pytest.mark.parametrize(
    ("asked", "wait_s"),
    [
        *(("30", 30.0), ("0", 0.0), ("86400", 900.0), (after(45), 45.0), (after(-45), 0.0), (after(86_400), 900.0)),
        *(("soon", 0.0), ("-5", 0.0), ("1.5", 0.0), ("", 0.0), ("٣٠", 0.0)),
    ],
)
def test_the_wait_that_the_system_asks_for_is_kept(asked: str, wait_s: float):
    error = error_of(answering("503 Busy", f"Retry-After: {asked}"))

    assert error.retry_after_s == wait_s


# -- what its silences mean ------------------------------------------------------------------------------------------


def says_nothing(talk: Talk) -> None:
    talk.hear()
    talk.hung_up()


def drips(talk: Talk) -> None:
    """Send the head byte by byte, for seven times as long as the caller has time."""
    talk.hear()
    talk.say(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    for _ in range(110):
        if talk.hung_up(SHORT_S / 15):
            return
        talk.say(b"x")


def time_of(call: Callable[[], None]) -> tuple[TransientError, float]:
    """Return how a call failed, and after how many seconds."""
    started = time.monotonic()
    with pytest.raises(TransientError) as caught:
        call()
    return caught.value, time.monotonic() - started


@pytest.mark.parametrize("silence", [says_nothing, drips])
def test_a_system_that_takes_its_time_is_left(silence: Callable[[Talk], object]):
    with peer(silence) as system:
        error, took_s = time_of(lambda: post(system.port, within_s=SHORT_S))

    assert error.code == "ticket_webhook_timeout"
    assert SHORT_S / 2 < took_s < SHORT_S * 6


def test_a_system_that_hangs_up_may_be_back_later():
    def hangs_up(talk: Talk) -> None:
        talk.hear()

    error = error_of(hangs_up)

    assert (type(error), error.code) == (TransientError, "ticket_webhook_unreachable")


def test_a_system_that_speaks_no_http_may_do_so_later():
    def babbles(talk: Talk) -> None:
        talk.hear()
        talk.say(b"220 mail.example.com ESMTP\r\n")

    error = error_of(babbles)

    assert (type(error), error.code) == (TransientError, "ticket_webhook_unreachable")


def test_a_system_that_is_not_there_may_be_later():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(TransientError) as caught:
        post(port)

    assert caught.value.code == "ticket_webhook_unreachable"
    assert "MarkedKey" not in str(caught.value)


def test_nothing_of_a_call_is_logged(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    with peer(answering("200 OK")) as system:
        post(system.port)

    assert not [each for each in (SECRET, "MarkedKey", WORDS) if each in caplog.text]
