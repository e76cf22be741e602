"""The page's own HTTP: its files, the state, the stream of changes, the archived documents.

- `GET /`: the page; its files are under `/console/static/`
- `GET /console/api/state`: what does not change during a run: what is simulated, suggestions, where AWS is
- `GET /console/api/events`: Server-Sent Events `{run, revision, <topic>: [values]}`, first everything, then changes
- `GET /console/api/archive?conversation=&session_id=&channel=&near=<epoch seconds>`: `{name, document}` of an archived
  session, as it is stored: sealed
- `GET /healthz`: 200 when it serves
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from simulators.console.deployment import UnreachableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from simulators.console.deployment import Window
    from simulators.console.feed import Feed

_STATIC = Path(__file__).with_name("static")
_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
_HEARTBEAT_S = 15.0
# Nothing from elsewhere, nothing inline: what customers write must never become part of the page.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


class Console:
    """The page's endpoints."""

    def __init__(self, feed: Feed, window: Window, facts: dict[str, Any]) -> None:
        """``facts`` is what `/console/api/state` answers beside the feed's run and revision."""
        self._feed = feed
        self._window = window
        self._facts = facts

    def routes(self) -> list[BaseRoute]:
        """Return the routes."""
        return [
            Route("/", _page),
            Route("/healthz", _healthy),
            Route("/console/api/state", self._state),
            Route("/console/api/events", self._events),
            Route("/console/api/archive", self._archived),
            Mount("/console/static", StaticFiles(directory=_STATIC)),
        ]

    async def _state(self, _request: Request) -> Response:
        return JSONResponse({**self._facts, "run": self._feed.run, "revision": self._feed.revision})

    async def _events(self, request: Request) -> Response:
        # A browser that comes back tells what it has seen; of another run that says nothing.
        run, _, seen = request.headers.get("last-event-id", "").partition(":")
        revision = int(seen) if run == self._feed.run and seen.isdecimal() else 0
        return StreamingResponse(self._changes(revision), media_type="text/event-stream")

    async def _changes(self, revision: int) -> AsyncIterator[str]:
        feed = self._feed
        yield "retry: 1000\n\n"
        while not feed.closed:
            if feed.revision > revision:
                changes = {"run": feed.run, "revision": feed.revision, **feed.since(revision)}
                revision = feed.revision
                yield f"id: {feed.run}:{revision}\ndata: {json.dumps(changes, ensure_ascii=False)}\n\n"
            else:
                yield ": still here\n\n"
            await feed.wait(revision, _HEARTBEAT_S)

    async def _archived(self, request: Request) -> Response:
        query = request.query_params
        near = [int(text) for text in query.getlist("near") if text.isascii() and text.isdecimal() and len(text) < 12]
        conversation, session_id, channel = (query.get(name, "") for name in ("conversation", "session_id", "channel"))
        if not near or not all(map(_is_name, (conversation, session_id, channel))):
            return JSONResponse({"error": "conversation, session_id, channel and near are expected"}, 400)
        try:
            found = await asyncio.to_thread(self._window.archived, conversation, session_id, channel, near)
        except UnreachableError as error:
            return JSONResponse({"error": str(error)}, 502)
        if found is None:
            return JSONResponse({"error": "not archived"}, 404)
        return JSONResponse({"name": found[0], "document": found[1]})


class OnlyFromHere:
    """Keeps other web sites out of a server on the developer's own machine, and puts the page's headers on.

    A page of another site may neither send requests here (its `Origin` is another one) nor reach it under a name of
    its own (`Host` must be this machine).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 403."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        origin = headers.get("origin", f"http://{host}")
        if _name_in(host) not in _NAMES or origin != f"http://{host}":
            await PlainTextResponse("only from this machine", 403)(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        of_the_page = scope["path"] == "/" or scope["path"].startswith("/console/")
        await self._app(scope, receive, send_with_headers if of_the_page else send)


async def _page(_request: Request) -> Response:
    return FileResponse(_STATIC / "index.html")


async def _healthy(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


def _name_in(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_name(text: str) -> bool:
    return bool(text) and all(character.isascii() and (character.isalnum() or character in "-_") for character in text)
