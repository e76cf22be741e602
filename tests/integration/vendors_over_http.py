"""The simulated WeCom and FastGPT on one socket, with an ear on every request, and errors that quote what they like."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from simulators.fastgpt.app import FastgptSettings
from simulators.fastgpt.app import create_app as create_fastgpt
from simulators.wecom.app import Behaviour, WecomSettings, WecomSimulator
from simulators.wecom.app import serve as serve_wecom
from tests.factories import AGENT_ID, CORP_ID
from tests.integration.simulators.wecom_platform import LIMIT_S, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send


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
    calls: list[VendorCall] = field(default_factory=list)

    def script(self, path: str, wish: dict[str, Any]) -> None:
        answer = self.control.post(path, json=wish)
        assert answer.is_success, answer.text

    def forget(self) -> None:
        """Drop what was scripted."""
        for path in ("/wecom/_control/faults", "/fastgpt/_control/faults", "/fastgpt/_control/answers"):
            assert self.control.delete(path).is_success

    def read(self, customer: str) -> list[str]:
        """Return what a customer got to read."""
        entries = self.control.get(f"/wecom/_control/members/{customer}/timeline", params={"after": 0}).json()
        return [each["content"] for each in entries["entries"] if each["direction"] == "outbound" and each["visible"]]

    def asked(self) -> list[str]:
        """Return what the model was asked so far."""
        return [run["question"] for run in self.control.get("/fastgpt/_control/runs").json()["runs"]]


class _Ear:
    """Notes each request of a vendor's API, and lets WeCom's refusals quote ``quoted``."""

    def __init__(self, app: ASGIApp, heard: list[VendorCall], quoted: str) -> None:
        self._app, self._heard, self._quoted = app, heard, quoted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or "/_control" in scope["path"]:
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
                refused = False
            if refused:
                answer = json.dumps(document | {"errmsg": f"{document['errmsg']} {self._quoted}"}).encode()
            for start in began:
                kept = [(name, value) for name, value in start["headers"] if name != b"content-length"]
                await send({**start, "headers": [*kept, (b"content-length", str(len(answer)).encode())]})
            began.clear()
            await send({**message, "body": answer})

        return out


@contextmanager
def vendors_over_http(
    *, secret: str, token: str, encoding_aes_key: str, fastgpt_key: str, quoted: str
) -> Iterator[Vendors]:
    """Serve both until left."""
    wecom = WecomSimulator(
        WecomSettings(CORP_ID, AGENT_ID, secret, token, encoding_aes_key),
        # A test sends more within a minute than a real member may get.
        behaviour=Behaviour(sends_per_minute=10_000, sends_per_hour=10_000),
    )
    fastgpt = FastgptSettings(api_key=fastgpt_key, model_delay=0.0, chunk_delay=0.0)
    heard: list[VendorCall] = []
    routes = [Mount("/wecom", serve_wecom(wecom)), Mount("/fastgpt", create_fastgpt(fastgpt))]
    # With the protocol named, asyncio turns Nagle's algorithm off; otherwise each answer takes 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        app = _Ear(Starlette(routes=routes), heard, quoted)
        config = uvicorn.Config(
            app, log_level="critical", access_log=False, lifespan="off", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        eventually(lambda: server.started)
        try:
            with httpx.Client(base_url=url, trust_env=False, timeout=LIMIT_S) as control:
                yield Vendors(url, wecom, control, heard)
        finally:
            server.should_exit = True
            thread.join(LIMIT_S)
            assert not thread.is_alive()
