"""The traffic over real HTTP: an honest bot passes, and one that loses, doubles, reverses or refuses is found out."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from simulators.traffic import doors
from simulators.traffic.__main__ import main
from simulators.traffic.plan import Copy
from simulators.wecom import envelope
from simulators.wecom.xmltext import read_document
from tests.integration.simulators.wecom_platform import (
    AGENT_ID,
    CORP_ID,
    ENCODING_AES_KEY,
    KEY,
    LIMIT_S,
    SECRET,
    TOKEN,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TRAFFIC = ("--rate", "40", "--seconds", "1.5", "--customers", "8", "--drain", "1", "--events", "0", "--kf", "0")


@dataclass
class Bot:
    """A bot for the application: says the words of each new message back, or else does as its ``vice`` tells."""

    wecom: str
    vice: str = ""
    seen: list[str] = field(default_factory=list)
    held: str = ""
    refused: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=LIMIT_S))
    token: str = ""

    def take(self, query: str, body: bytes) -> int:
        """Return the status that the callback is answered with; whoever wrote is answered before."""
        given = dict(parse_qsl(query))
        encrypted = read_document(body).findtext("Encrypt") or ""
        envelope.check_signature(
            given["msg_signature"],
            token=TOKEN,
            timestamp=given["timestamp"],
            nonce=given["nonce"],
            encrypted=encrypted,
        )
        inner = read_document(envelope.open_sealed(KEY, encrypted, CORP_ID))
        msgid, who = inner.findtext("MsgId") or "", inner.findtext("FromUserName") or ""
        with self.lock:
            if self.vice == "refuses once" and not self.refused:
                self.refused += 1
                return 500
            if self.vice == "refuses" or (msgid in self.seen and self.vice != "forgets"):
                return 500 if self.vice == "refuses" else 200
            self.seen.append(msgid)
            number = len(self.seen)
            self.answer(number, who, inner.findtext("Content") or f"({inner.findtext('MsgType')})")
        return 200

    def answer(self, number: int, who: str, words: str) -> None:
        if self.vice == "loses" and number == 5:
            return
        if self.vice == "reverses" and number == 1:
            self.held = words
            return
        self.say(who, words)
        if self.vice == "repeats" and number == 5:
            self.say(who, f"{words}!")
        if self.held and number == 6:
            self.say(who, self.held)

    def say(self, who: str, words: str) -> None:
        base = f"{self.wecom}/cgi-bin"
        asked = {"corpid": CORP_ID, "corpsecret": SECRET}
        self.token = self.token or self.http.get(f"{base}/gettoken", params=asked).json()["access_token"]
        message = {"touser": who, "msgtype": "text", "agentid": AGENT_ID, "text": {"content": words}}
        content = json.dumps(message, ensure_ascii=False).encode()
        self.http.post(f"{base}/message/send", params={"access_token": self.token}, content=content)


@contextlib.contextmanager
def listening(bot: Bot) -> Iterator[str]:
    """Let the bot listen, and return its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(bot.take(urlsplit(self.path).query, body))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/callback"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(LIMIT_S)
        bot.http.close()


@pytest.fixture
def port() -> int:
    """Return a port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
        return found


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # no .env, and no local run
    monkeypatch.setattr("simulators.traffic.__main__._LOOK_EVERY_S", 0.1)
    monkeypatch.setattr("simulators.traffic.__main__._SETTLE_S", 0.3)
    monkeypatch.setitem(doors._LEAVES_AFTER_S, Copy.LATER, (0.0, 0.5))
    for name, value in {
        "WECOM_CORP_ID": CORP_ID,
        "WECOM_AGENT_ID": str(AGENT_ID),
        "WECOM_SECRET": SECRET,
        "WECOM_TOKEN": TOKEN,
        "WECOM_ENCODING_AES_KEY": ENCODING_AES_KEY,
    }.items():
        monkeypatch.setenv(name, value)


def sent_to(vice: str, port: int, *options: str) -> tuple[int, dict[str, Any], Bot]:
    """Return the exit status, the report and the bot after a little traffic."""
    bot = Bot(f"http://127.0.0.1:{port}", vice)
    with listening(bot) as url:
        status = main(["--callback-url", url, "--serve", str(port), "--json", "report.json", *TRAFFIC, *options])
    with open("report.json", encoding="utf-8") as file:  # noqa: PTH123
        return status, json.load(file), bot


def test_an_honest_bot_passes_with_duplicates_and_media(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    status, report, bot = sent_to("", port, "--duplicates", "0.3", "--media", "0.1")
    assert status == 0, report["summary"]
    assert (report["lost"], report["doubled"], report["out_of_order"]) == ([], [], [])
    assert report["passed"]
    assert len(report["acknowledge_ms"]) == len(bot.seen) > 30
    assert all(took > 0 for _, took in report["first_response_ms"])
    assert "delivered twice" in capsys.readouterr().out


def test_a_lost_message_is_found_and_fails_the_run(port: int) -> None:
    status, report, _ = sent_to("loses", port)
    assert (status, report["passed"], len(report["lost"])) == (1, False, 1)
    assert report["doubled"] == []


def test_a_repeated_answer_is_found_and_fails_the_run(port: int) -> None:
    status, report, _ = sent_to("repeats", port, "--media", "0")
    assert (status, len(report["doubled"]), report["lost"]) == (1, 1, [])


def test_a_bot_that_takes_a_copy_for_another_message_is_found(port: int) -> None:
    status, report, _ = sent_to("forgets", port, "--duplicates", "0.5", "--media", "0")
    assert status == 1
    assert len(report["doubled"]) > 3


def test_an_answer_that_comes_after_a_later_ones_is_found(port: int) -> None:
    # Fewer than the 30 a minute that WeCom shows to one member.
    status, report, _ = sent_to(
        "reverses", port, "--rate", "12", "--customers", "1", "--media", "0", "--duplicates", "0"
    )
    assert (status, report["lost"], report["doubled"]) == (1, [], [])
    assert len(report["out_of_order"]) >= 1


def test_what_is_refused_once_comes_again_and_is_no_loss(port: int) -> None:
    status, report, _ = sent_to("refuses once", port)
    assert status == 0, report["summary"]
    assert report["summary"]["  at the first request"].endswith("1 not (WeCom repeats those)")


def test_a_bot_that_refuses_everything_fails_the_run_and_has_lost_nothing(port: int) -> None:
    status, report, _ = sent_to("refuses", port)
    assert (status, report["lost"], report["passed"]) == (1, [], False)


def test_without_a_simulated_wecom_only_acknowledgements_are_measured(port: int) -> None:
    bot = Bot(f"http://127.0.0.1:{port}", "loses")
    bot.say = lambda *_: None  # type: ignore[method-assign]  # nobody would hear it
    with listening(bot) as url:
        assert main(["--callback-url", url, "--json", "report.json", *TRAFFIC]) == 0
    with open("report.json", encoding="utf-8") as file:  # noqa: PTH123
        report = json.load(file)
    assert report["lost"] is None
    assert len(report["acknowledge_ms"]) == len(bot.seen) > 30


def test_without_an_address_and_a_local_run_nothing_is_sent(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "no local run is up" in capsys.readouterr().err


def test_secrets_are_taken_from_the_environment_and_named_when_they_are_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WECOM_TOKEN", "not a token!")
    assert main(["--callback-url", "http://127.0.0.1:9/"]) == 2
    told = capsys.readouterr().err
    assert "token" in told
    assert "not a token" not in told
