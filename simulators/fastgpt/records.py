"""The endpoints beside completions that a key may call: chats, records, feedback and the probes.

Source: labring/FastGPT `projects/app/src/pages/api/core/chat/**`, `.../common/system`, `.../support/openapi`.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from simulators.fastgpt.access import authorised_app
from simulators.fastgpt.chats import Chat, Item
from simulators.fastgpt.errors import ApiError, failed, refused_body, succeeded
from simulators.fastgpt.feedback import Feedback
from simulators.fastgpt.knowledge import object_id
from simulators.fastgpt.nodes import CHAT_MODEL
from simulators.fastgpt.schema import allow_text, require
from simulators.fastgpt.server import Server

Fields = Mapping[str, Any]
Handler = Callable[[Request, Fields], Any]

_PAGE_SIZE = 10


class _Severed(Response):
    """A response that ends with its headers, before the body they announce."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  (as every response)
        """Send no more than that: the server closes the connection then."""
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"512")]})


class Records:
    """These endpoints over one server."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def routes(self) -> list[Route]:
        """Return them, under the path of the API."""
        chat = "/api/core/chat"
        return [
            Route("/api/common/system/getInitData", self._by_query(self._system), methods=["GET"]),
            Route("/api/support/openapi/health", self._by_query(self._health), methods=["GET"]),
            Route(f"{chat}/init", self._by_query(self._init), methods=["GET"]),
            Route(f"{chat}/record/getPaginationRecords", self._by_body(self._page), methods=["POST"]),
            Route(f"{chat}/getPaginationRecords", self._by_body(self._page), methods=["POST"]),
            Route(f"{chat}/record/getResData", self._by_query(self._node_results), methods=["GET"]),
            Route(f"{chat}/getResData", self._by_query(self._node_results), methods=["GET"]),
            Route(f"{chat}/feedback/updateUserFeedback", self._by_body(self._feedback), methods=["POST"]),
            Route(f"{chat}/history/getHistories", self._by_body(self._histories), methods=["POST"]),
            Route(f"{chat}/getHistories", self._by_body(self._histories), methods=["POST"]),
        ]

    def _by_query(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            return await self._answer(request, handler, dict(request.query_params))

        return endpoint

    def _by_body(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                fields = json.loads(await request.body() or b"{}")
            except ValueError:
                return Response("Invalid JSON", 400)
            return await self._answer(request, handler, fields if isinstance(fields, dict) else {})

        return endpoint

    async def _answer(self, request: Request, handler: Handler, fields: Fields) -> Response:
        """Answer with the handler's data, or as a fault meant for this path asks."""
        dialect = self._server.dialect
        app = self._server.settings.app_name(str(fields.get("appId", "")))
        fault = self._server.faults.take(request.url.path, (str(fields.get("chatId", "")),), app)
        if fault:
            await asyncio.sleep(fault.headers_ms / 1000)
            if fault.kind == "silence":
                await _silence(request, fault.seconds)
            if fault.kind == "cut":
                return _Severed()
            if (refusal := fault.response(dialect, stream=False)) is not None:
                return refusal
        try:
            return succeeded(handler(request, fields))
        except ApiError as error:
            return failed(error, dialect)

    def _app_of(self, request: Request, fields: Fields, *required: str) -> str:
        if self._server.dialect.call_names_app:
            require(fields, ("appId", *required))
        return authorised_app(self._server, request.headers.get("authorization"), fields.get("appId"))

    def _chat_of(self, request: Request, fields: Fields, *required: str) -> Chat:
        """Return the chat, an empty one if nobody has spoken in it."""
        app_id = self._app_of(request, fields, "chatId", *required)
        chat_id = str(fields.get("chatId", ""))
        return self._server.chats.find(app_id, chat_id) or Chat(app_id, chat_id)

    def _system(self, request: Request, fields: Fields) -> dict[str, Any]:  # noqa: ARG002  (as every handler)
        """Say that the process is up. The version is only told to a web session."""
        return {
            "feConfigs": {"systemTitle": "FastGPT", "isPlus": False, "show_git": True},
            "subPlans": None,
            "defaultModels": {},
            "activeModelList": [],
        }

    def _health(self, request: Request, fields: Fields) -> dict[str, Any]:  # noqa: ARG002  (as every handler)
        """Tell whether the key in the query exists."""
        apps = self._server.settings.apps_of(str(fields.get("apiKey", "")))
        if not apps:
            raise ApiError("APIKey invalid")
        data: dict[str, Any] = {"valid": True, "usagePoints": 0, "maxUsagePoints": -1}
        if self._server.settings.key_is_bound:
            data["appId"] = apps[0]
        return data

    def _init(self, request: Request, fields: Fields) -> dict[str, Any]:
        chat = self._chat_of(request, fields)
        is_tool = chat.app_id == self._server.settings.tool_app_id
        return {
            "chatId": chat.chat_id,
            "appId": chat.app_id,
            "title": chat.title,
            "variables": chat.variables,
            "app": {
                "name": f"{self._server.company}客服",
                "avatar": "/imgs/app/avatar/workflow.svg",
                "intro": "",
                "type": "workflowTool" if is_tool else "advanced",
                "chatModels": [CHAT_MODEL],
                "pluginInputs": [{"key": "query", "label": "query", "valueType": "string"}] if is_tool else [],
                "chatConfig": {
                    "welcomeText": "您好，请问有什么可以帮您？",
                    "variables": [],
                    "questionGuide": {"open": False},
                    "ttsConfig": {"type": "web"},
                    "whisperConfig": {"open": False, "autoSend": False, "autoTTSResponse": False},
                    "chatInputGuide": {"open": False, "textList": [], "customUrl": ""},
                    "fileSelectConfig": {"canSelectFile": False, "canSelectImg": False, "maxFiles": 10},
                    "instruction": "",
                },
            },
        }

    def _page(self, request: Request, fields: Fields) -> dict[str, Any]:
        items = self._chat_of(request, fields).items
        start, size = _paging(fields)
        end = len(items) - start
        return {"list": [_record(item) for item in items[max(0, end - size) : max(0, end)]], "total": len(items)}

    def _node_results(self, request: Request, fields: Fields) -> list[dict[str, Any]]:
        item = self._chat_of(request, fields, "dataId").answer(str(fields.get("dataId", "")))
        return item.node_results if item else []

    def _feedback(self, request: Request, fields: Fields) -> None:
        """Set one feedback; what is not sent is cleared."""
        chat = self._chat_of(request, fields, "dataId")
        if self._server.dialect.checks_body:
            allow_text(fields, ("userGoodFeedback", "userBadFeedback"))
        item = chat.answer(str(fields.get("dataId", "")))
        if item is None:
            raise ApiError("Chat item not found")
        item.good_feedback = fields.get("userGoodFeedback")
        item.bad_feedback = fields.get("userBadFeedback")
        self._server.feedback.add(
            Feedback(chat.app_id, chat.chat_id, item.data_id, item.good_feedback, item.bad_feedback)
        )

    def _histories(self, request: Request, fields: Fields) -> dict[str, Any]:
        app_id = self._app_of(request, fields)
        chats = list(self._server.chats.of_app(app_id))
        if fields.get("source") not in {None, "api"}:
            chats = []
        start, size = _paging(fields)
        return {
            "list": [
                {
                    "chatId": chat.chat_id,
                    "updateTime": _iso(chat.updated_at),
                    "appId": chat.app_id,
                    "customTitle": "",
                    "title": chat.title,
                    "top": False,
                    "chatGenerateStatus": chat.generate_status,
                    "hasBeenRead": True,
                }
                for chat in chats[start : start + size]
            ],
            "total": len(chats),
        }


def _paging(fields: Fields) -> tuple[int, int]:
    """Return the first place and the page's size; pages are only read when `pageSize` is there."""
    if "pageSize" not in fields:
        return 0, _PAGE_SIZE
    try:
        size = int(fields["pageSize"])
        start = int(fields.get("offset", (int(fields.get("pageNum", 1)) - 1) * size))
    except (TypeError, ValueError) as exc:
        issue = {"code": "invalid_type", "expected": "number", "path": ["pageSize"], "message": "Invalid input"}
        raise refused_body([issue]) from exc
    return max(0, start), max(0, size)


def _record(item: Item) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "_id": object_id(item.data_id, item.speaker),
        "dataId": item.data_id,
        "obj": item.speaker,
        "value": item.parts,
        "time": _iso(item.at),
        "customFeedbacks": [],
    }
    if item.speaker == "AI":
        quotes = [quote for result in item.node_results for quote in result.get("quoteList", ())]
        compact = ("id", "chunkIndex", "datasetId", "collectionId", "sourceId", "sourceName", "score")
        shown["totalQuoteList"] = [{key: quote[key] for key in compact if key in quote} for quote in quotes]
        shown["durationSeconds"] = item.duration_s
        extra = {
            "errorMsg": item.error or None,
            "userGoodFeedback": item.good_feedback,
            "userBadFeedback": item.bad_feedback,
        }
        shown.update({key: value for key, value in extra.items() if value is not None})
    return shown


async def _silence(request: Request, seconds: float | None) -> None:
    """Wait that long, or until the caller leaves."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while (await request.receive())["type"] != "http.disconnect":
                pass


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
