"""WeCom, FastGPT and a company's ticket system on one socket, with an ear on every request.

The first two are simulated; the third takes whatever is told to it, unless a test scripts it. Refusals quote what they
like, and so can an HTTP head that no server would send.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount, Route

from simulators.fastgpt.app import create_app as create_fastgpt
from simulators.wecom.app import Behaviour, WecomSimulator
from simulators.wecom.app import serve as serve_wecom
from tests.integration.simulators.wecom_platform import LIMIT_S, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from simulators.fastgpt.app import FastgptSettings
    from simulators.wecom.app import WecomSettings

# What an answer of WeCom's may hold that opens something, and what a test calls it.
_GIVEN = {"welcome_code": "welcome code", "msg_code": "message code", "response_code": "response code"}
_NOWHERE = "/nowhere"


@dataclass(frozen=True)
class VendorCall:
    """One request: to which vendor's path, and its parts."""

    vendor: str
    path: str
    query: str
    authorization: str
    headers: str
    body: bytes


@dataclass
class Vendors:
    """The running simulators. A test scripts them over `control`."""

    url: str
    wecom: WecomSimulator
    control: httpx.Client
    tickets: TicketSystem
    calls: list[VendorCall] = field(default_factory=list)
    given: set[tuple[str, str]] = field(default_factory=set)
    """Name and value of each code that WeCom gave out."""

    def script(self, path: str, wish: dict[str, Any]) -> None:
        answer = self.control.post(path, json=wish)
        assert answer.is_success, answer.text

    def forget(self) -> None:
        """Drop what was scripted."""
        self.tickets.script.clear()
        for path in ("/wecom/_control/faults", "/fastgpt/_control/faults", "/fastgpt/_control/answers"):
            assert self.control.delete(path).is_success

    def kf(self, path: str, **wish: Any) -> Any:
        """Let somebody do something in 微信客服."""
        answer = self.control.post(f"/wecom/_control/kf/{path}", json=wish)
        assert answer.is_success, answer.text
        return answer.json()

    def open_account(self, open_kfid: str, *servicers: str) -> None:
        """Grant an account, with servicers who receive customers."""
        self.kf("accounts", open_kfid=open_kfid)
        for userid in servicers:
            self.kf(f"accounts/{open_kfid}/servicers", userid=userid)

    def notice_token(self, open_kfid: str) -> str:
        """Return a token as a notification of the account's brings it."""
        state = self.wecom.state
        token = state.kf.sync_tokens.issue(open_kfid, time.time())
        self.given.add(("sync token", token))
        return token

    def receives(self, open_kfid: str, document: Mapping[str, Any]) -> None:
        """Let the account have received any entry, as documented or not."""
        state = self.wecom.state
        with state.lock:
            state.kf.log.append(open_kfid, str(document.get("msgid")), int(time.time()), dict(document))

    def card(self, member: str, key: str) -> tuple[str, str]:
        """Return task id and response code of the newest card before ``member`` that has a button with ``key``."""
        entries = self.control.get(f"/wecom/_control/members/{member}/timeline", params={"after": 0}).json()["entries"]
        cards = [each for each in entries if each["msgtype"] == "template_card" and key in json.dumps(each["body"])]
        state = self.wecom.state
        with state.lock:
            found = state.cards.find(member, task_id="", msgid=cards[-1]["msgid"])
            assert found is not None
            code = state.cards.code_of(found, time.time())
        self.given.add(("response code", code))
        return str(cards[-1]["body"]["task_id"]), code

    def read_in_kf(self, open_kfid: str, customer: str) -> list[str]:
        """Return what a customer of 微信客服 got to read of the machine and of its staff."""
        path, query = f"/wecom/_control/kf/customers/{customer}/timeline", {"open_kfid": open_kfid, "after": 0}
        entries = self.control.get(path, params=query).json()["entries"]
        return [each["content"] for each in entries if each["direction"] == "outbound" and not each["failed"]]

    def read(self, customer: str) -> list[str]:
        """Return what a customer got to read."""
        entries = self.control.get(f"/wecom/_control/members/{customer}/timeline", params={"after": 0}).json()
        return [each["content"] for each in entries["entries"] if each["direction"] == "outbound" and each["visible"]]

    def asked(self) -> list[str]:
        """Return what the model was asked so far."""
        return [run["question"] for run in self.control.get("/fastgpt/_control/runs").json()["runs"]]


@dataclass
class TicketSystem:
    """The company's own: answers by its script, then with 200. A step is a status and how long it takes, in seconds."""

    quoted: str
    script: deque[tuple[int, float]] = field(default_factory=deque)

    async def answer(self, _request: Request) -> Response:
        """Take what is told, or refuse it in the words of whoever told it."""
        status, delay_s = self.script.popleft() if self.script else (200, 0.0)
        await asyncio.sleep(delay_s)
        # A redirect leads nowhere: what would follow it is heard as a call of its own.
        return Response(self.quoted, status, headers={"location": "/tickets/elsewhere"})


class _Ear:
    """Notes each request of a vendor's API and the codes in its answers; WeCom's refusals quote ``quoted``."""

    def __init__(self, app: ASGIApp, heard: list[VendorCall], given: set[tuple[str, str]], quoted: str) -> None:
        self._app, self._heard, self._given, self._quoted = app, heard, given, quoted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or "/_control" in scope["path"] or scope["path"] == _NOWHERE:
            await self._app(scope, receive, send)
            return
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        _, vendor, path = scope["path"].split("/", 2)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        authorization = headers.pop("authorization", "")
        query = scope["query_string"].decode()
        self._heard.append(VendorCall(vendor, path, unquote(query) + query, authorization, json.dumps(headers), body))
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, again, self._quoting(send) if vendor == "wecom" else send)

    def _quoting(self, send: Send) -> Send:
        began: list[Message] = []

        async def out(message: Message) -> None:
            if message["type"] == "http.response.start":
                began.append(message)
                return
            answer = message.get("body", b"")
            try:
                document = json.loads(answer)
                refused = bool(document.get("errcode"))
            except (ValueError, AttributeError):
                document, refused = None, False
            self._given |= _codes_in(document)
            if refused:
                answer = json.dumps(document | {"errmsg": f"{document['errmsg']} {self._quoted}"}).encode()
            for start in began:
                kept = [(name, value) for name, value in start["headers"] if name != b"content-length"]
                await send({**start, "headers": [*kept, (b"content-length", str(len(answer)).encode())]})
            began.clear()
            await send({**message, "body": answer})

        return out


def _codes_in(document: Any) -> set[tuple[str, str]]:
    """Return name and value of each code in a JSON document, at whatever depth."""
    if isinstance(document, list):
        return {code for each in document for code in _codes_in(each)}
    if not isinstance(document, dict):
        return set()
    own = {(_GIVEN[name], str(value)) for name, value in document.items() if name in _GIVEN and value}
    return own | {code for value in document.values() for code in _codes_in(value)}


@contextmanager
def vendors_over_http(*, enterprise: WecomSettings, apps: FastgptSettings, quoted: str) -> Iterator[Vendors]:
    """Serve all three until left."""
    tickets = TicketSystem(quoted)
    heard: list[VendorCall] = []
    given: set[tuple[str, str]] = set()
    # With the protocol named, asyncio turns Nagle's algorithm off; otherwise each answer takes 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        wecom = WecomSimulator(
            # WeCom takes no card with buttons of an application that has no callback. Here a test brings them itself.
            replace(enterprise, callback_url=f"{url}{_NOWHERE}"),
            # A test sends more within a minute than a real member may get.
            behaviour=Behaviour(sends_per_minute=10_000, sends_per_hour=10_000),
        )
        routes = [
            Mount("/wecom", serve_wecom(wecom)),
            Mount("/fastgpt", create_fastgpt(apps)),
            Route("/tickets/{path:path}", tickets.answer, methods=["GET", "POST"]),
            Route(_NOWHERE, lambda _request: Response(), methods=["POST"]),
        ]
        app = _Ear(Starlette(routes=routes), heard, given, quoted)
        config = uvicorn.Config(
            app, log_level="critical", access_log=False, lifespan="off", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        eventually(lambda: server.started)
        try:
            with httpx.Client(base_url=url, trust_env=False, timeout=LIMIT_S) as control:
                yield Vendors(url, wecom, control, tickets, heard, given)
        finally:
            server.should_exit = True
            thread.join(LIMIT_S)
            assert not thread.is_alive()
