"""The callback function: what HTTP answer, what metric and what log line each callback gets."""

from __future__ import annotations

import base64
import json
import runpy
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk import bootstrap
from frontdesk.channels.envelope import Envelope
from frontdesk.channels.wecom_callback import WecomCallback
from frontdesk.conversation.reception import Reception
from frontdesk.errors import MisconfiguredError, SettingsError, TransientError
from frontdesk.messages import Pull
from frontdesk.protection.identity import Pseudonyms
from frontdesk.storage.inbox import SqsInbox
from frontdesk.storage.inbox_records import read_record
from frontdesk.storage.pull_records import read_pull
from frontdesk.storage.pulls import PullQueue
from functions.callback import handler
from functions.callback.handler import lambda_handler
from tests.factories import CHANNEL, CORP_ID, CUSTOMER, MESSAGE_ID, NOW, NOW_MS, WORDS, gateway_event, sqs_record
from tests.fakes.queue import QUEUE_URL, InMemoryQueue
from tests.fakes.seals import FakeRing
from tests.vendor_side import App, event_xml, message_xml

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping

    from frontdesk.messages import Inbound

APP = App()
PSEUDONYMS = Pseudonyms("a-key-of-at-least-thirty-two-characters")
JSON_TYPE, TEXT_TYPE = {"content-type": "application/json"}, {"content-type": "text/plain"}
PULLS_URL = QUEUE_URL.replace("inbox", "pulls")
LIMIT_S = 10
REAL_COMPOSITION = bootstrap.reception
Answer = dict[str, Any]


def composed(queue: InMemoryQueue) -> Reception:
    """Return the callback's use case, real up to the queue."""
    envelope = Envelope(
        token=APP.token, encoding_aes_key=APP.encoding_aes_key, receive_id=APP.receive_id, clock=lambda: NOW
    )
    return Reception(
        callback=WecomCallback(
            [envelope], conversation_of=lambda sender: PSEUDONYMS.conversation(CHANNEL, CORP_ID, sender)
        ),
        inbox=SqsInbox(queue, QUEUE_URL, seals=FakeRing()),
        pulls=PullQueue(queue, PULLS_URL, seals=FakeRing()),
        clock=lambda: NOW,
    )


def opened(body: str) -> Inbound:
    """Return the message that a queue body holds."""
    return read_record(sqs_record(body), max_receives=5, seals=FakeRing()).inbound


@pytest.fixture
def queue() -> InMemoryQueue:
    return InMemoryQueue()


@pytest.fixture(autouse=True)
def composition(queue: InMemoryQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose with the queue in memory in place of the real one."""
    reception = composed(queue)
    monkeypatch.setattr(bootstrap, "reception", lambda: reception)


def post(query: str, body: bytes | str, *, encoded: bool = False) -> Answer:
    raw = body if isinstance(body, bytes) else body.encode()
    text = base64.b64encode(raw).decode() if encoded else raw.decode()
    return lambda_handler(gateway_event("POST", query=query, body=text, encoded=encoded), None)


def get(query: str) -> Answer:
    return lambda_handler(gateway_event("GET", query=query), None)


def metrics(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, Any]]:
    """Return (name, samples) of every metric that was written, having checked the whole of each line."""
    found = []
    for line in map(json.loads, capsys.readouterr().out.splitlines()):
        (group,) = line["_aws"]["CloudWatchMetrics"]
        ((name, unit),) = [(each["Name"], each["Unit"]) for each in group["Metrics"]]
        assert (group["Namespace"], group["Dimensions"], unit) == ("Frontdesk", [["channel"]], "Count")
        assert set(line) == {"_aws", "channel", name}
        assert line["channel"] == "wecom_app"
        found.append((name, line[name]))
    return found


ACCEPTED, IGNORED, REJECTED = [("Accepted", [1.0])], [("Ignored", [1.0])], [("Rejected", [1.0])]


class TestUrlCheck:
    def test_the_answer_is_the_plain_text_inside_and_nothing_else(self, capsys: pytest.CaptureFixture[str]):
        assert get(APP.check_query(b"1616140317555161061")) == {
            "statusCode": 200,
            "headers": TEXT_TYPE,
            "body": "1616140317555161061",
        }
        assert metrics(capsys) == []

    @pytest.mark.parametrize("written", ["%2B", "+", "%20", " "])
    def test_every_way_to_write_a_plus_is_understood(self, written: str):
        echo = next(e for e in (str(n).encode() for n in range(1000)) if "+" in APP.encrypt(e))
        answer = get(APP.check_query(echo).replace("%2B", written))
        assert (answer["statusCode"], answer["body"]) == (200, echo.decode())

    @pytest.mark.parametrize("query", ["", "echostr=AAAA", "msg_signature=1&timestamp=1790000000&nonce=1&echostr=AAAA"])
    def test_an_unsigned_check_is_forbidden(self, query: str, capsys: pytest.CaptureFixture[str]):
        assert get(query) == {"statusCode": 403, "headers": JSON_TYPE, "body": "{}"}
        assert metrics(capsys) == REJECTED

    def test_a_signed_check_that_cannot_be_decrypted_is_malformed(self):
        assert get(f"{APP.query('AAAA')}&echostr=AAAA") == {"statusCode": 400, "headers": JSON_TYPE, "body": "{}"}

    def test_a_check_for_another_company_is_forbidden(self):
        assert get(App(receive_id="ww0000000000000000").check_query(b"1"))["statusCode"] == 403

    def test_a_check_queues_nothing(self, queue: InMemoryQueue):
        get(APP.check_query(b"1"))
        assert queue.bodies == []


class TestAccepting:
    def test_a_message_is_queued_and_acknowledged_with_nothing(
        self, queue: InMemoryQueue, capsys: pytest.CaptureFixture[str]
    ):
        assert post(*APP.post(message_xml())) == {"statusCode": 200, "headers": JSON_TYPE, "body": ""}
        (queued,) = map(opened, queue.bodies)
        assert (queued.text, queued.sender, queued.message_id) == (WORDS, CUSTOMER, MESSAGE_ID)
        assert queued.received_at_ms == NOW_MS + 250
        assert not any(words in queue.bodies[0] for words in (WORDS, CUSTOMER))
        assert metrics(capsys) == ACCEPTED

    def test_news_of_customer_service_are_queued_for_their_account_each_time_anew(
        self, queue: InMemoryQueue, capsys: pytest.CaptureFixture[str]
    ):
        queue.url = PULLS_URL
        news = event_xml("kf_msg_or_event", FromUserName=None, AgentID=None, Token="a-token", OpenKfId="wkAbCdEf0001")
        for _ in range(2):
            assert post(*APP.post(news)) == {"statusCode": 200, "headers": JSON_TYPE, "body": ""}
        pulls = [read_pull(sqs_record(body), seals=FakeRing()) for body in queue.bodies]
        assert pulls == [Pull("wkAbCdEf0001", NOW_MS + 250, "a-token")] * 2
        assert not any("a-token" in body for body in queue.bodies)
        assert metrics(capsys) == [("Notified", [1.0])] * 2

    def test_a_body_may_arrive_as_base64(self, queue: InMemoryQueue):
        query, body = APP.post(message_xml(Content="你好 🙂"))
        assert post(query, body, encoded=True)["statusCode"] == 200
        assert opened(queue.bodies[0]).text == "你好 🙂"

    def test_a_repeated_callback_is_acknowledged_and_queued_once(self, queue: InMemoryQueue):
        callback = APP.post(message_xml())
        assert [post(*callback)["statusCode"] for _ in range(4)] == [200] * 4
        assert len(queue.bodies) == 1

    def test_messages_of_one_writer_share_a_group_however_the_name_is_written(self, queue: InMemoryQueue):
        post(*APP.post(message_xml(FromUserName="Lin.Mei", MsgId="1")))
        post(*APP.post(message_xml(FromUserName="lin.mei", MsgId="2")))
        assert len(queue.bodies) == 2
        assert len(set(queue.groups)) == 1

    @pytest.mark.parametrize(
        "message",
        [
            event_xml("click"),
            event_xml("of_a_later_year"),
            event_xml("enter_agent", FromUserName="sys"),
            message_xml(MsgType="file"),
            message_xml(FromUserName=None),
        ],
    )
    def test_what_needs_no_answer_is_acknowledged_and_counted(
        self, message: str, queue: InMemoryQueue, capsys: pytest.CaptureFixture[str]
    ):
        assert post(*APP.post(message)) == {"statusCode": 200, "headers": JSON_TYPE, "body": ""}
        assert queue.bodies == []
        assert metrics(capsys) == IGNORED

    def test_it_is_acknowledged_only_after_the_queue_has_it(self, monkeypatch: pytest.MonkeyPatch):
        taking, taken = threading.Event(), threading.Event()

        class SlowQueue(InMemoryQueue):
            def call(self, target: str, request: Mapping[str, Any]) -> dict[str, Any]:
                taking.set()
                assert taken.wait(LIMIT_S)
                return super().call(target, request)

        slow = SlowQueue()
        reception = composed(slow)
        monkeypatch.setattr(bootstrap, "reception", lambda: reception)
        with ThreadPoolExecutor(1) as worker:
            answer = worker.submit(post, *APP.post(message_xml()))
            assert taking.wait(LIMIT_S)
            answered_early = answer.done()
            taken.set()
            assert answer.result(LIMIT_S)["statusCode"] == 200
        assert not answered_early
        assert len(slow.bodies) == 1


def a_body(**differently: Any) -> Callable[[], Answer]:
    """Return a call whose body is signed but different from what it should be."""
    encrypted = differently.get("encrypted", APP.encrypt(message_xml().encode()))
    return lambda: post(APP.query(encrypted), differently.get("body", APP.body(encrypted)))


PADDED = 32 * b"\x00"
BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><xml><Encrypt>&b;</Encrypt></xml>'
FORBIDDEN: dict[str, Callable[[], Answer]] = {
    "no signature": lambda: post(f"timestamp={NOW}&nonce=1", APP.body(APP.encrypt(b"x"))),
    "no query": lambda: post("", APP.body(APP.encrypt(b"x"))),
    "a wrong signature": lambda: post(f"msg_signature={'0' * 40}&timestamp={NOW}&nonce=1", APP.body(APP.encrypt(b"x"))),
    "another token's signature": lambda: post(App(token="x").query("AAAA"), APP.body("AAAA")),
    "a stale timestamp": lambda: post(*APP.post(message_xml(), timestamp=str(NOW - 301))),
    "a future timestamp": lambda: post(*APP.post(message_xml(), timestamp=str(NOW + 301))),
    "another company": lambda: post(*App(receive_id="ww0000000000000000").post(message_xml())),
    "a parameter twice": lambda: post(APP.post(message_xml())[0] + "&nonce=2", APP.post(message_xml())[1]),
}
MALFORMED: dict[str, Callable[[], Answer]] = {
    "broken base64": a_body(encrypted="%%%"),
    "half a ciphertext": a_body(encrypted=APP.encrypt(b"x")[:24]),
    "broken padding": a_body(encrypted=APP.encrypt_blocks(PADDED)),
    "an envelope of no length": a_body(encrypted=APP.encrypt_blocks(16 * b"\x10" + 16 * b"\x10")),
    "an envelope of a wrong length": a_body(encrypted=APP.encrypt_blocks(31 * b"\xff" + b"\x01")),
    "over one mebibyte": a_body(body=b"<xml>" + b" " * 1_048_576 + b"</xml>"),
    "nothing": lambda: post("", ""),
    "no XML": a_body(body="hello"),
    "JSON": a_body(body='{"encrypt": "AAAA"}'),
    "a document type": a_body(body="<!DOCTYPE xml><xml/>"),
    "many laughs": a_body(body=BOMB),
    "an external entity": a_body(body="<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><xml>&e;</xml>"),
    "nothing encrypted": a_body(body="<xml><ToUserName>ww</ToUserName></xml>"),
    "no XML inside": lambda: post(*APP.post("hello")),
    "a document type inside": lambda: post(*APP.post("<!DOCTYPE xml>" + message_xml())),
    "no time inside": lambda: post(*APP.post(message_xml(CreateTime=None))),
    "the gateway's base64 broken": lambda: lambda_handler(gateway_event(body="A", encoded=True), None),
    "half a surrogate pair": lambda: lambda_handler(gateway_event(body="<xml>\ud800</xml>"), None),
}


class TestRejecting:
    @pytest.mark.parametrize("attempt", FORBIDDEN.values(), ids=FORBIDDEN)
    def test_forbidden(self, attempt: Callable[[], Any], queue: InMemoryQueue, capsys: pytest.CaptureFixture[str]):
        assert attempt() == {"statusCode": 403, "headers": JSON_TYPE, "body": "{}"}
        assert queue.bodies == []
        assert metrics(capsys) == REJECTED

    @pytest.mark.parametrize("attempt", MALFORMED.values(), ids=MALFORMED)
    def test_malformed(self, attempt: Callable[[], Any], queue: InMemoryQueue, capsys: pytest.CaptureFixture[str]):
        assert attempt() == {"statusCode": 400, "headers": JSON_TYPE, "body": "{}"}
        assert queue.bodies == []
        assert metrics(capsys) == REJECTED

    @pytest.mark.parametrize("attempt", [*FORBIDDEN.values(), *MALFORMED.values()], ids=[*FORBIDDEN, *MALFORMED])
    def test_each_leaves_one_line_with_a_code_and_no_content(
        self, attempt: Callable[[], Any], log_lines: Callable[[], Any]
    ):
        attempt()
        (line,) = log_lines()
        assert (line["message"], line["level"], line["channel"]) == ("callback rejected", "WARNING", "wecom_app")
        assert set(line) <= {
            *("level", "location", "message", "timestamp", "service", "name", "build", "code", "channel")
        }
        assert line["code"] in {
            *("signature_mismatch", "timestamp_stale", "receiver_mismatch", "callback_forbidden"),
            *("base64_broken", "ciphertext_length", "padding_broken", "envelope_short", "envelope_length"),
            *("body_too_large", "xml_broken", "xml_forbidden", "encrypt_missing", "create_time_broken"),
        }

    def test_half_a_surrogate_pair_in_the_query_is_forbidden(self):
        assert get("echostr=\ud800&msg_signature=\ud800")["statusCode"] == 403


class TestFailing:
    @pytest.mark.parametrize(
        "error", [TransientError("down", code="sqs_unreachable"), MisconfiguredError("no", code="sqs_refused")]
    )
    def test_wecom_is_asked_to_come_again_when_the_queue_does_not_take_it(
        self, error: Any, queue: InMemoryQueue, capsys: pytest.CaptureFixture[str], log_lines: Callable[[], Any]
    ):
        queue.failure = error
        assert post(*APP.post(message_xml())) == {"statusCode": 500, "headers": JSON_TYPE, "body": "{}"}
        assert metrics(capsys) == []
        (line,) = log_lines()
        assert (line["message"], line["code"]) == ("callback not queued", error.code)

    def test_so_it_is_when_anything_unexpected_happens(self, queue: InMemoryQueue, log_lines: Callable[[], Any]):
        queue.failure = RuntimeError(f"about {WORDS} of {CUSTOMER}")
        assert post(*APP.post(message_xml()))["statusCode"] == 500
        (line,) = log_lines()
        assert (line["message"], line["code"]) == ("callback failed", "unexpected")
        assert line["exception"].endswith("builtins.RuntimeError")
        assert WORDS not in json.dumps(line, ensure_ascii=False)
        assert CUSTOMER not in json.dumps(line)

    def test_the_message_is_queued_when_wecom_comes_again(self, queue: InMemoryQueue):
        queue.failure = TransientError("down")
        callback = APP.post(message_xml())
        assert post(*callback)["statusCode"] == 500
        queue.failure = None
        assert post(*callback)["statusCode"] == 200
        assert len(queue.bodies) == 1


class TestStarting:
    def test_in_lambda_it_is_built_while_the_function_initialises_and_refuses_to_start_without_settings(
        self, monkeypatch: pytest.MonkeyPatch, fresh_logger: logging.Logger
    ):
        monkeypatch.setattr(bootstrap, "reception", REAL_COMPOSITION)
        monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "callback")
        with pytest.raises(SettingsError, match="INBOX_URL is missing"):
            runpy.run_path(str(handler.__file__))

    def test_elsewhere_it_is_built_when_it_is_first_needed(
        self, monkeypatch: pytest.MonkeyPatch, fresh_logger: logging.Logger
    ):
        monkeypatch.setattr(bootstrap, "reception", None)
        assert runpy.run_path(str(handler.__file__))["lambda_handler"]
