"""A running simulator with a scripted bot beside it, on one real server with a free port.

The simulator is mounted under `/wecom`, as it is when it shares a server with others.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from random import SystemRandom
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount, Route

from simulators.wecom import envelope
from simulators.wecom.app import Behaviour, WecomSettings, WecomSimulator, serve
from simulators.wecom.kf.accounts import FIRST_ACCOUNT
from simulators.wecom.settings import aes_key_bytes
from simulators.wecom.xmltext import read_document

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from starlette.requests import Request

CORP_ID = "ww0a1b2c3d4e5f6a7b"
AGENT_ID = 1000002
SECRET = "an-invented-secret-of-the-app"
TOKEN = "QDG6eK"
ENCODING_AES_KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
KEY = aes_key_bytes(ENCODING_AES_KEY)
ACCOUNT = FIRST_ACCOUNT
CUSTOMER = "wmCustomer0001"
LIMIT_S = 10.0
START = 1_790_000_000.0


class MovableClock:
    """Epoch seconds that only move when a test moves them."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@dataclass
class Received:
    """One request that the bot got, as it was on the wire."""

    method: str
    raw_query: str
    body: bytes
    content_type: str

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.raw_query, strict_parsing=True).items()}

    @property
    def encrypted(self) -> str:
        text = read_document(self.body).findtext("Encrypt")
        assert text is not None
        return text

    def check_signature(self) -> None:
        query = self.query
        encrypted = query["echostr"] if self.method == "GET" else self.encrypted
        envelope.check_signature(
            query["msg_signature"],
            token=TOKEN,
            timestamp=query["timestamp"],
            nonce=query["nonce"],
            encrypted=encrypted,
        )

    def document(self) -> Element:
        """Verify and decrypt by the strictest reading, and return the inner document."""
        self.check_signature()
        return read_document(envelope.open_sealed(KEY, self.encrypted, CORP_ID))

    def names(self) -> list[str]:
        return [child.tag for child in self.document()]

    def text(self, name: str) -> str | None:
        return self.document().findtext(name)


@dataclass
class Script:
    """How the bot answers one request; a late answer comes after 0.6 s."""

    status: int = 200
    body: bytes = b""
    late: bool = False


@dataclass
class Bot:
    """Answers callbacks by its script, then with an empty 200; answers checks of its address correctly."""

    received: list[Received] = field(default_factory=list)
    script: deque[Script] = field(default_factory=deque)
    echo: Script | None = None
    echo_around: tuple[bytes, bytes] = (b"", b"")

    def forget(self) -> None:
        self.received.clear()
        self.script.clear()
        self.echo, self.echo_around = None, (b"", b"")

    async def answer(self, request: Request) -> Response:
        got = Received(
            request.method,
            request.url.query,
            await request.body(),
            request.headers.get("content-type", ""),
        )
        self.received.append(got)
        if request.method == "GET":
            step = self.echo
            if step is None:
                before, after = self.echo_around
                plain = envelope.open_sealed(KEY, got.query["echostr"], CORP_ID)
                return Response(before + plain + after, media_type="text/plain")
        else:
            step = self.script.popleft() if self.script else Script()
        if step.late:
            await asyncio.sleep(0.6)
        return Response(step.body, status_code=step.status)


@dataclass
class Platform:
    """The running pair and a client to speak to it."""

    base: str
    simulator: WecomSimulator
    bot: Bot
    clock: MovableClock
    client: httpx.Client

    def renewed(self, **behaviour: Any) -> Platform:
        """Return the platform as if just started; retries follow at once unless `behaviour` says otherwise."""
        state = self.simulator.state
        state.settings = settings(f"{self.base}/bot/callback")
        state.behaviour = Behaviour(**{"retry_interval_s": 0.0, **behaviour})
        state.rng = SystemRandom()
        self.clock.now = START
        self.control("POST", "/reset")
        self.bot.forget()
        return self

    def control(self, method: str, path: str, document: object = None, /, **query: Any) -> Any:
        answer = self.client.request(method, f"{self.base}/wecom/_control{path}", json=document, params=query)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def refused(self, method: str, path: str, document: object = None) -> httpx.Response:
        return self.client.request(method, f"{self.base}/wecom/_control{path}", json=document)

    def write(self, userid: str = "lin.mei", **message: Any) -> Any:
        return self.control("POST", f"/members/{userid}/messages", message)

    def timeline(self, userid: str = "lin.mei", after: int = 0, wait: float = 0) -> list[dict[str, Any]]:
        answer = self.control("GET", f"/members/{userid}/timeline", after=after, wait=wait)
        entries: list[dict[str, Any]] = answer["entries"]
        return entries

    def calls(self, **query: Any) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = self.control("GET", "/calls", **query)["calls"]
        return calls

    def add_members(self, *userids: str) -> None:
        for userid in userids:
            self.control("POST", "/members", {"userid": userid})

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(f"{self.base}/wecom/cgi-bin/{path}", params=query).json()

    def token(self) -> str:
        answer = self.get("gettoken", corpid=CORP_ID, corpsecret=SECRET)
        assert answer["errcode"] == 0
        return str(answer["access_token"])

    def post_send(self, body: bytes, token: str | None = None) -> httpx.Response:
        url = f"{self.base}/wecom/cgi-bin/message/send"
        return self.client.post(url, params={"access_token": token or self.token()}, content=body)

    def call(self, path: str, token: str = "", /, **document: Any) -> Any:
        """Return what the API says to a POST, with a token of the application unless another is given."""
        url = f"{self.base}/wecom/cgi-bin/{path}"
        return self.client.post(url, params={"access_token": token or self.token()}, json=document).json()

    def kf(self, path: str, /, **document: Any) -> Any:
        """Let somebody do something in 微信客服."""
        return self.control("POST", f"/kf/{path}", document)

    def says(self, content: str = "可以开发票吗", /, customer: str = CUSTOMER, **message: Any) -> str:
        """Let a customer of 微信客服 write without the bot being told; return the msgid."""
        written = self.kf(f"customers/{customer}/messages", content=content, notify=False, **message)
        return str(written["msgid"])

    def sync(self, token: str = "", /, **document: Any) -> Any:
        return self.call("kf/sync_msg", token, **{"open_kfid": ACCOUNT, **document})

    def answer(self, content: str = "可以的。", /, **message: Any) -> Any:
        """Return what kf/send_msg says to a text for the customer."""
        usual = {"touser": CUSTOMER, "open_kfid": ACCOUNT, "msgtype": "text", "text": {"content": content}}
        return self.call("kf/send_msg", **{**usual, **message})

    def chat(self, customer: str = CUSTOMER, **query: Any) -> list[dict[str, Any]]:
        """Return what stands between the customer and the first account."""
        entries: list[dict[str, Any]] = self.control("GET", f"/kf/customers/{customer}/timeline", **query)["entries"]
        return entries

    def state(self, customer: str = CUSTOMER) -> Any:
        return self.call("kf/service_state/get", open_kfid=ACCOUNT, external_userid=customer)

    def change(self, state: int, servicer: str | None = None) -> Any:
        document = {"open_kfid": ACCOUNT, "external_userid": CUSTOMER, "service_state": state}
        if servicer is not None:
            document["servicer_userid"] = servicer
        return self.call("kf/service_state/trans", **document)

    def send(self, token: str | None = None, **changes: Any) -> Any:
        document: dict[str, Any] = {
            "touser": "lin.mei",
            "msgtype": "text",
            "agentid": AGENT_ID,
            "text": {"content": "您好"},
            **changes,
        }
        # httpx writes JSON as raw UTF-8, which the platform insists on.
        return self.post_send(httpx.Request("POST", "http://a", json=document).content, token).json()


def settings(callback_url: str = "") -> WecomSettings:
    return WecomSettings(
        corp_id=CORP_ID,
        agent_id=AGENT_ID,
        secret=SECRET,
        token=TOKEN,
        encoding_aes_key=ENCODING_AES_KEY,
        callback_url=callback_url,
    )


@contextlib.contextmanager
def running() -> Iterator[Platform]:
    """Run a simulator and a bot; `Platform.renewed` makes them fit for the next test."""
    # With the protocol named, asyncio turns Nagle's algorithm off; otherwise each answer takes 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{listening.getsockname()[1]}"
        clock, bot = MovableClock(), Bot()
        simulator = WecomSimulator(settings(), clock=clock)
        routes = [Mount("/wecom", serve(simulator)), Route("/bot/callback", bot.answer, methods=["GET", "POST"])]
        config = uvicorn.Config(Starlette(routes=routes), log_level="critical", access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        eventually(lambda: server.started)
        try:
            with httpx.Client(trust_env=False, timeout=LIMIT_S) as client:
                yield Platform(base, simulator, bot, clock, client)
        finally:
            server.should_exit = True
            thread.join(LIMIT_S)
            assert not thread.is_alive()


def eventually(condition: Any) -> Any:
    """Return the first true value of `condition`, or fail after ten seconds."""
    deadline = time.monotonic() + LIMIT_S
    while not (value := condition()):
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.005)
    return value
