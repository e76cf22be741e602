"""/_control: how a test or a person scripts the server and looks at what it was asked. Not part of FastGPT's API."""

import json
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulators.fastgpt.answers import read_answer
from simulators.fastgpt.errors import json_response
from simulators.fastgpt.faults import read_fault, read_outage
from simulators.fastgpt.server import Server


class Control:
    """These endpoints over one server."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def routes(self) -> list[Route]:
        """Return them, under /_control."""
        return [
            Route("/_control/faults", self.faults, methods=["GET", "POST", "DELETE"]),
            Route("/_control/outage", self.outage, methods=["GET", "POST", "DELETE"]),
            Route("/_control/answers", self.answers, methods=["GET", "POST", "DELETE"]),
            Route("/_control/runs", self.runs, methods=["GET", "DELETE"]),
            Route("/_control/feedback", self.feedback, methods=["GET", "DELETE"]),
            Route("/_control/reset", self.reset, methods=["POST"]),
            Route("/_control/", self.reset, methods=["DELETE"]),
            Route("/_control", self.reset, methods=["DELETE"]),
        ]

    async def faults(self, request: Request) -> Response:
        """Add one fault or a list of them, show those that wait, or drop them all."""
        book = self._server.faults
        if request.method == "POST":
            return await _added(request, lambda raw: book.add(read_fault(raw)))
        if request.method == "DELETE":
            book.clear()
        return json_response({"faults": book.as_json()})

    async def outage(self, request: Request) -> Response:
        """Let the whole server be out of order, show how it is, or end that."""
        book = self._server.faults
        if request.method == "POST":

            def begin(raw: Any) -> None:
                book.outage = read_outage(raw)

            return await _added(request, begin)
        if request.method == "DELETE":
            book.outage = None
        return json_response({"outage": book.outage.as_json() if book.outage else None})

    async def answers(self, request: Request) -> Response:
        """Add one scripted answer or a list of them, show them, or drop them all."""
        book = self._server.answers
        if request.method == "POST":
            return await _added(request, lambda raw: book.add(read_answer(raw)))
        if request.method == "DELETE":
            book.clear()
        return json_response({"answers": book.as_json()})

    async def runs(self, request: Request) -> Response:
        """Show the calls, oldest first (`?appId=`, `?chatId=`, `?state=` choose), or forget them."""
        log = self._server.runs
        if request.method == "DELETE":
            log.clear()
        return json_response({"runs": log.as_json(request.query_params)})

    async def feedback(self, request: Request) -> Response:
        """Show the users' feedback, oldest first (`?appId=`, `?chatId=` choose), or forget it."""
        log = self._server.feedback
        if request.method == "DELETE":
            log.clear()
        return json_response({"feedback": log.as_json(request.query_params)})

    async def reset(self, request: Request) -> Response:  # noqa: ARG002  (as every endpoint)
        """Forget everything: chats, runs, feedback, faults, answers, the rate window."""
        self._server.reset()
        return json_response({"reset": True})


async def _added(request: Request, add: Callable[[Any], None]) -> Response:
    try:
        given = json.loads(await request.body())
        wishes = given if isinstance(given, list) else [given]
        for wish in wishes:
            add(wish)
    except (ValueError, TypeError) as exc:
        return json_response({"error": str(exc)}, 400)
    return json_response({"added": len(wishes)})
