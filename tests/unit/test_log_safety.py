"""Marked words, people and secrets are sent through everything at the door: no line and no error shows one of them."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk import bootstrap
from frontdesk.channels.envelope import Envelope
from frontdesk.channels.ticket_webhook import TicketWebhook
from frontdesk.channels.wecom_callback import WecomCallback
from frontdesk.channels.wecom_kf import parts_of
from frontdesk.conversation.reception import Reception
from frontdesk.errors import FrontdeskError, MalformedMessageError, SettingsError, TransientError
from frontdesk.protection.identity import Pseudonyms
from frontdesk.settings import CallbackSecrets, CollectorSecrets, ResponderSecrets, TicketsSecrets
from frontdesk.storage.inbox import SqsInbox
from frontdesk.storage.inbox_records import read_record
from frontdesk.storage.pull_records import read_pull
from frontdesk.storage.pulls import PullQueue
from frontdesk.storage.secrets import read_secret
from frontdesk.storage.ticket_requests import read_ticket_request
from functions.callback.handler import lambda_handler
from tests.factories import NOW, gateway_event, inbound, sqs_record
from tests.fakes.queue import QUEUE_URL, InMemoryQueue
from tests.fakes.seals import FakeRing
from tests.vendor_side import App, card_event_xml, event_xml, kf_notice_xml, message_xml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from frontdesk.messages import Pull, Received
    from frontdesk.records import TicketRequest

WORDS, PERSON, URL = "MarkedWords", "marked.person", "https://marked.invalid/media"
TOKEN, AES_KEY, KEY = (
    "MarkedToken",
    "MarkedAesKeyMarkedAesKeyMarkedAesKeyMarkedA",
    "MarkedKeyMarkedKeyMarkedKeyMarkedKey",
)
# Invented: the county does not exist, and nobody has issued the card.
PHONE, IDENTITY, CARD, EMAIL = "13812345678", "110199199003071212", "6222021234567890128", "person@example.com"
PRIVATE = (PHONE, IDENTITY, CARD, EMAIL)
MARKS = ("marked", "Marked", *PRIVATE)
APP = App(token=TOKEN, encoding_aes_key=AES_KEY, receive_id="ww0a1b2c3d4e5f6a7b")
MESSAGES = [
    message_xml(FromUserName=PERSON, Content=WORDS),
    message_xml(FromUserName=PERSON, MsgType="image", PicUrl=URL, MediaId=WORDS),
    message_xml(FromUserName=PERSON, MsgType="location", Label=WORDS),
    message_xml(FromUserName=PERSON, MsgType="link", Title=WORDS, Url=URL),
    message_xml(FromUserName=PERSON, MsgType=WORDS, Content=WORDS),
    message_xml(FromUserName=PERSON, CreateTime=WORDS),
    message_xml(FromUserName=PERSON, MsgId=WORDS, Content=WORDS),
    message_xml(FromUserName=PERSON, MsgId=None, Content=WORDS),
    *(message_xml(FromUserName=each, Content=f"{WORDS}{each}") for each in PRIVATE),
    *(message_xml(FromUserName=PERSON, MsgType=each, Content=each) for each in PRIVATE),
    event_xml("enter_agent", FromUserName=PERSON, EventKey=WORDS),
    event_xml(WORDS, FromUserName=PERSON),
    card_event_xml(FromUserName=PERSON, EventKey=WORDS, TaskId=WORDS, ResponseCode=WORDS),
    kf_notice_xml(Token=WORDS),
    kf_notice_xml(Token=WORDS, OpenKfId=f"{WORDS} {PHONE}"),
    kf_notice_xml(Event="kf_account_auth_change", AuthAddOpenKfId=PERSON),
    f"<xml><Content>{WORDS}&{WORDS};</Content></xml>",
    WORDS,
]


class TalkativeQueue(InMemoryQueue):
    """A queue that fails with all it was given in its text."""

    def call(self, target: str, request: Mapping[str, Any]) -> dict[str, Any]:
        raise RuntimeError(target, request)


class RefusingQueue(InMemoryQueue):
    """A queue that fails as a real one does after a foreign failure full of content."""

    def call(self, target: str, request: Mapping[str, Any]) -> dict[str, Any]:
        failure = RuntimeError(target, request)
        failure.add_note(str(request))
        raise TransientError("sqs could not be reached") from failure


@pytest.mark.parametrize("queue", [InMemoryQueue, TalkativeQueue, RefusingQueue])
@pytest.mark.parametrize("base64", [False, True])
def test_nothing_of_a_callback_is_shown(
    queue: type[InMemoryQueue],
    base64: bool,  # noqa: FBT001  # pytest passes parameters by name
    monkeypatch: pytest.MonkeyPatch,
    log_lines: Callable[[], list[dict[str, Any]]],
    capfd: pytest.CaptureFixture[str],
) -> None:
    envelope = Envelope(token=TOKEN, encoding_aes_key=AES_KEY, receive_id=APP.receive_id, clock=lambda: NOW)
    names = Pseudonyms(KEY)
    reception = Reception(
        callback=WecomCallback([envelope], conversation_of=names.conversation),
        inbox=SqsInbox(queue(), QUEUE_URL, seals=FakeRing()),
        pulls=PullQueue(queue(), QUEUE_URL, seals=FakeRing()),
        clock=lambda: NOW,
    )
    monkeypatch.setattr(bootstrap, "reception", lambda: reception)
    for message in MESSAGES:
        query, body = APP.post(message)
        for raw in (query, f"{query}&{WORDS}=1&{WORDS}=2", query.replace("msg_signature", WORDS)):
            lambda_handler(gateway_event("POST", query=raw, body=body.decode(), encoded=base64), None)
    lambda_handler(gateway_event("GET", query=f"msg_signature={WORDS}&echostr={WORDS}"), None)
    lambda_handler(gateway_event("GET", query=APP.check_query(WORDS.encode())), None)
    shown = str(log_lines()) + "".join(capfd.readouterr())
    assert log_lines()
    assert not [mark for mark in MARKS if mark in shown]


# A body as the release before sealing wrote it.
V1 = json.dumps({"v": 1, **asdict(inbound(details={WORDS: "x"}))}, ensure_ascii=False)


def read(body: str) -> Received:
    return read_record(sqs_record(body), max_receives=1, seals=FakeRing())


PULL = json.dumps({"v": 1, "account": "wk1", "noticed_at_ms": 1})
REQUEST = json.dumps({"v": 1, "what": "open", "request_id": "1", "channel": "wecom_kf", "reason": "asked"})


def pull(body: str) -> Pull:
    return read_pull(sqs_record(body), seals=FakeRing())


def request(body: str) -> TicketRequest:
    return read_ticket_request(sqs_record(body), seals=FakeRing())


class CarelessError(FrontdeskError):
    """One of ours whose text says too much: it would be logged as it is."""


def leak() -> None:
    raise CarelessError(f"{PRIVATE} with secret=MarkedSecret")


@pytest.mark.parametrize("mark", [*PRIVATE, "access_token=MarkedToken", "Bearer MarkedBearer", "fastgpt-MarkedKey"])
def test_a_careless_line_shows_nothing_either(
    mark: str, log_lines: Callable[[], list[dict[str, Any]]], capfd: pytest.CaptureFixture[str]
) -> None:
    log = logging.getLogger("frontdesk.careless")
    log.info("said %s", mark)
    log.info("failed", extra={"said": mark, "more": {"said": [mark, {mark: mark}]}, "error": ValueError(mark)})
    log.info({"said": mark})
    try:
        leak()
    except CarelessError:
        log.exception("failed with %s", mark)
    shown = str(log_lines()) + "".join(capfd.readouterr())
    assert len(log_lines()) == 4
    assert not [each for each in MARKS if each in shown]


def text_of(attempt: Callable[[], object]) -> str:
    with pytest.raises(FrontdeskError) as caught:
        attempt()
    return f"{caught.value} {caught.value!r} {vars(caught.value)}"


class Vault:
    """A secret with this text in it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def call(self, _target: str, _request: Mapping[str, Any]) -> dict[str, Any]:
        return {"SecretString": self._text}


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: read(f'{{"text": "{WORDS}"}}'),
        lambda: read(V1.replace('"x"', "5")),
        lambda: read(WORDS),
        lambda: read_secret(Vault(WORDS), "arn", "WeCom"),
        lambda: CallbackSecrets.read({"WECOM_TOKEN": "-" + TOKEN, "WECOM_ENCODING_AES_KEY": AES_KEY + "!"}, {}),
        lambda: CallbackSecrets.read({}, {"CONVERSATION_KEY": KEY[:31]}),
        lambda: ResponderSecrets.read({"WECOM_SECRET": f"{KEY} {KEY}"}, {"FASTGPT_API_KEY": f"{KEY}\n{KEY}"}),
        lambda: CallbackSecrets.read({"WECOM_KF_TOKEN": "-" + TOKEN, "WECOM_KF_ENCODING_AES_KEY": AES_KEY + "!"}, {}),
        lambda: CollectorSecrets.read({"WECOM_KF_SECRET": f"{KEY} {KEY}"}, {"CONVERSATION_KEY": KEY[:31]}),
        lambda: TicketsSecrets.read({"WECOM_SECRET": f"{KEY} {KEY}"}, {"TICKET_WEBHOOK_SECRET": ""}),
        lambda: TicketWebhook(f"http://{TOKEN}.example.com/{KEY}", KEY),
        lambda: pull(WORDS),
        lambda: pull(PULL.replace('"wk1"', f'["{WORDS}"]')),
        lambda: request(WORDS),
        lambda: request(REQUEST.replace('"open"', f'"{WORDS}"')),
        lambda: request(REQUEST.replace("}", f', "question": "{WORDS}"}}')),
        lambda: parts_of(f"{PERSON}:{PHONE} {WORDS}"),
    ],
)
def test_no_error_text_shows_what_was_wrong_with_it(attempt: Callable[[], object]) -> None:
    shown = text_of(attempt)
    assert not [mark for mark in MARKS if mark in shown]


def test_errors_that_hold_no_content_say_what_is_wrong() -> None:
    with pytest.raises(MalformedMessageError, match="unreadable: details"):
        read(V1.replace('"x"', "5"))
    with pytest.raises(SettingsError, match="CONVERSATION_KEY"):
        CallbackSecrets.read({}, {"CONVERSATION_KEY": KEY[:31]})
