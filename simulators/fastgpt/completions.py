"""POST /api/v1/chat/completions: runs a round and sends it, as a stream or in one piece.

The caller's leaving ends the run at once, as version 1 of the endpoint does.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from simulators.fastgpt import sse
from simulators.fastgpt.answers import Answer
from simulators.fastgpt.errors import ApiError, failed, json_response
from simulators.fastgpt.rounds import Round, open_round
from simulators.fastgpt.runs import Run, State
from simulators.fastgpt.schema import lenient_ask, read_ask
from simulators.fastgpt.server import Server
from simulators.fastgpt.steps import Breaks, Cuts, FallsSilent, Pauses, Spills, Step, VariablesChange, Words
from simulators.fastgpt.transcript import completion

if TYPE_CHECKING:
    from simulators.fastgpt.faults import Fault

MOST_BYTES = 10 * 1024 * 1024


class _Ended(Exception):  # noqa: N818  (not an error: a fault that was asked for)
    """The answer ends early, with these last bytes; None drops the connection."""

    def __init__(self, reason: str, last: bytes | None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.last = last


@dataclass(frozen=True, slots=True)
class Pace:
    """The delays of one call, in seconds, and the size of its writes."""

    first: float
    between: float
    split_bytes: int | None


class Completions:
    """The endpoint over one server."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def answer(self, request: Request) -> Response:
        """Return a response that runs the round while it is sent."""
        raw = await request.body()
        if len(raw) > MOST_BYTES:
            return Response("Body exceeded 10mb limit", 413)
        try:
            body = json.loads(raw) if raw.strip() else {}
        except ValueError:
            # what Next.js answers before the handler runs
            return Response("Invalid JSON", 400)
        return _Call(self._server, body, request)


class _Call(Response):
    """One call of the endpoint, from its first byte to its last."""

    def __init__(self, server: Server, body: Any, request: Request) -> None:
        super().__init__()
        self._server = server
        self._body = body
        self._authorization = request.headers.get("authorization")
        self._seen = lenient_ask(body)
        self._run: Run = server.runs.begin(self._seen)
        self._round: Round | None = None
        self._app = server.settings.app_name(self._seen.app_id)
        self._fault: Fault | None = server.faults.take(
            request.url.path, (self._seen.question, self._seen.chat_id), self._app
        )
        self._run.fault = self._fault.kind if self._fault else ""
        self._request_id = {"x-request-id": str(uuid4())} if server.dialect.request_ids else {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        work = asyncio.ensure_future(self._work(scope, receive, send))
        left = asyncio.ensure_future(_caller_leaves(receive))
        try:
            await asyncio.wait({work, left}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (work, left):
                task.cancel()
            await asyncio.gather(work, left, return_exceptions=True)
            self._settle("aborted" if work.cancelled() else "failed")
        if not work.cancelled():
            work.result()

    def _settle(self, state: State, error: str = "") -> None:
        """Note how the run ended, store what it said and free the chat; only the first time counts.

        Done before the last bytes leave, so that a caller who has read them can ask again at once.
        """
        self._run.end(state, error)
        if self._round is not None:
            self._run.answer = self._round.transcript.text
            self._round.close(error=self._run.error)

    async def _work(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault, dialect = self._fault, self._server.dialect
        await asyncio.sleep((fault.headers_ms if fault else 0) / 1000)
        if fault and fault.kind == "silence" and fault.before == "headers":
            await _silence(fault.seconds)
        refusal = fault.response(dialect, stream=self._seen.stream) if fault else None
        if fault and refusal is not None:
            self._settle("failed", fault.statusText or fault.message or f"{fault.kind} {refusal.status_code}")
            await self._respond(refusal, scope, receive, send)
            return
        try:
            ask = read_ask(self._body, strict=dialect.checks_body)
            scripted = self._server.answers.take(ask.question, ask.chat_id, self._app)
            self._round = open_round(self._server, ask, self._authorization, scripted=scripted, fault=fault)
        except ApiError as error:
            self._settle("failed", error.name)
            await self._respond(failed(error, dialect, stream=self._seen.stream), scope, receive, send)
            return
        self._run.chat_id = self._round.chat.chat_id
        pace = self._pace(scripted)
        if ask.stream:
            stream = _Stream(self._server, self._round, self._run, pace, send, settle=self._settle)
            await stream.send(self._request_id)
            return
        try:
            response = await self._in_one_piece(self._round, pace)
        except ApiError as error:
            self._settle("failed", error.name)
            response = failed(error, dialect)
        await self._respond(response, scope, receive, send)

    async def _respond(self, response: Response, scope: Scope, receive: Receive, send: Send) -> None:
        for name, value in self._request_id.items():
            response.headers[name] = value
        await response(scope, receive, send)

    def _pace(self, scripted: Answer | None) -> Pace:
        settings = self._server.settings
        pace = Pace(settings.model_delay, settings.chunk_delay, None)
        for wish in (scripted, self._fault):
            if wish and wish.delay_s is not None:
                pace = replace(pace, first=wish.delay_s)
            if wish and wish.between_ms is not None:
                pace = replace(pace, between=wish.between_ms / 1000)
        return replace(pace, split_bytes=self._fault.split_bytes if self._fault else None)

    async def _in_one_piece(self, round_: Round, pace: Pace) -> Response:
        """Run to the end and return the JSON, or a broken body as a fault asks. Raises ApiError."""
        transcript, server = round_.transcript, self._server
        cut: Cuts | None = None
        async for step in _played(round_.steps, pace):
            if isinstance(step, Breaks):
                raise step.error
            if isinstance(step, Spills):
                self._settle("failed", "garbage")
                return Response(step.body, media_type="application/json")
            if isinstance(step, FallsSilent):
                await _silence(step.seconds)
            if isinstance(step, Words):
                self._run.words_seen()
            if isinstance(step, Cuts):
                cut = step
            transcript.take(step)
        title = await _titled(round_, server.settings.title_delay)
        error = transcript.error
        message = transcript.message(
            detail=round_.detail,
            retain_citations=round_.ask.retain_citations,
            reasoning=server.dialect.reasoning_in_json,
        )
        extra: list[tuple[str, Any]] = [
            ("responseData", transcript.node_results if round_.detail else None),
            ("newVariables", transcript.variables if round_.detail else None),
            ("title", title),
            ("error", error["message"] if error and server.dialect.error_is_text else error),
        ]
        response = json_response(completion(round_.chat.chat_id, message, extra), headers=round_.headers)
        if cut is None:
            self._settle("finished")
            return response
        self._settle("failed", "cut")
        return _Truncated(response, clean=cut.clean)


class _Truncated(Response):
    """Half of a response."""

    def __init__(self, whole: Response, *, clean: bool) -> None:
        half = bytes(whole.body)[: len(whole.body) // 2]
        super().__init__(half, headers={"content-type": whole.headers["content-type"]})
        if not clean:
            self.headers["content-length"] = str(len(whole.body))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  (the interface)
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        promised = int(self.headers["content-length"]) > len(self.body)
        # A server drops the connection of an app that returns before it has sent all it announced.
        await send({"type": "http.response.body", "body": self.body, "more_body": promised})


class _Stream:
    """Sends a round as events, with heartbeats beside them."""

    def __init__(
        self, server: Server, round_: Round, run: Run, pace: Pace, send: Send, *, settle: Callable[[State, str], None]
    ) -> None:
        self._server = server
        self._round = round_
        self._run = run
        self._pace = pace
        self._send = send
        self._settle = settle
        self._framer = sse.Framer(server.dialect, detail=round_.detail)
        self._writing = asyncio.Lock()
        self._mute = False

    async def send(self, more_headers: dict[str, str]) -> None:
        """Send all of it; a fault may drop the connection."""
        named = {**sse.HEADERS, **self._round.headers, **more_headers}
        headers = [(name.lower().encode(), value.encode()) for name, value in named.items()]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        # Sending nothing makes the server write the headers now, so that the caller sees the stream begin.
        await self._send({"type": "http.response.body", "body": b"", "more_body": True})
        beating = asyncio.ensure_future(self._beat())
        try:
            last = await self._outcome()
        finally:
            async with self._writing:  # never in the middle of an event
                beating.cancel()
            with suppress(asyncio.CancelledError):
                await beating
        if last is None:
            return  # the server drops the connection of an app that returns before its last bytes
        for event in last:
            await self._write(event)
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _outcome(self) -> list[bytes] | None:
        """Send everything but the last events, and return those; None if the connection is to drop."""
        try:
            async for step in _played(self._round.steps, self._pace):
                await self._show(step)
            title = await _titled(self._round, self._server.settings.title_delay)
        except ApiError as error:
            self._settle("failed", error.name)
            return [sse.frame(error.event(), "error")]
        except _Ended as end:
            self._settle("failed", end.reason)
            return None if end.last is None else [end.last]
        self._settle("finished", "")
        return self._framer.end(self._round.transcript.node_results, title, self._round.seconds)

    async def _show(self, step: Step) -> None:
        if isinstance(step, Breaks):
            raise step.error
        if isinstance(step, Cuts):
            raise _Ended("cut", b"" if step.clean else None)
        if isinstance(step, Spills):
            raise _Ended("garbage", step.body)
        if isinstance(step, FallsSilent):
            self._mute = not step.heartbeats
            await _silence(step.seconds)
            self._mute = False
        if isinstance(step, Words):
            self._run.words_seen()
        self._round.transcript.take(step)
        if isinstance(step, VariablesChange):
            step = VariablesChange(dict(self._round.transcript.variables))  # a stream tells all of them each time
        for event in self._framer.step(step):
            await self._write(event)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._server.settings.heartbeat_interval)
            if not self._mute:
                await self._write(self._framer.heartbeat())

    async def _write(self, event: bytes) -> None:
        size = self._pace.split_bytes or max(1, len(event))
        async with self._writing:
            for place in range(0, len(event), size):
                piece = event[place : place + size]
                await self._send({"type": "http.response.body", "body": piece, "more_body": True})
                if self._pace.split_bytes:
                    # lets the loop hand the piece to the socket, so that pieces travel apart
                    await asyncio.sleep(0)


async def _played(steps: list[Step], pace: Pace) -> AsyncIterator[Step]:
    """Yield the steps in their time: the model's delay once, before whatever it does first."""
    waited = False
    for step in steps:
        if not waited and isinstance(step, Words | Pauses | Breaks | FallsSilent):
            await asyncio.sleep(pace.first)
            waited = True
        elif isinstance(step, Words):
            await asyncio.sleep(pace.between)
        yield step
    if not waited:
        await asyncio.sleep(pace.first)


async def _titled(round_: Round, delay: float) -> str | None:
    """Wait for the chat's title, on its first round."""
    if round_.title is not None:
        await asyncio.sleep(delay)
    return round_.title


async def _silence(seconds: float | None) -> None:
    """Wait that long, or until the call is cancelled because its caller left."""
    if seconds is None:
        await asyncio.Event().wait()
    else:
        await asyncio.sleep(seconds)


async def _caller_leaves(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
