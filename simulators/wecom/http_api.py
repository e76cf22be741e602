"""`/cgi-bin/…` over HTTP: records each call, applies the scripted faults, and answers."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse, Response

from simulators.wecom.api import ApiCall
from simulators.wecom.calls import Call
from simulators.wecom.cut import CutConnection

if TYPE_CHECKING:
    from starlette.requests import Request

    from simulators.wecom.faults import Fault
    from simulators.wecom.simulator import WecomSimulator

_GARBAGE = "<html><head><title>502</title></head><body>upstream"


class CgiBin:
    """The endpoint under which every API path of one simulator is served."""

    def __init__(self, simulator: WecomSimulator) -> None:
        self._simulator = simulator

    async def answer(self, request: Request) -> Response:
        """Answer one HTTP request to `/cgi-bin/{path}`."""
        call = ApiCall(
            method=request.method,
            path=request.path_params["path"],
            query=dict(request.query_params),
            body=await request.body(),
            from_ip=request.client.host if request.client else "127.0.0.1",
        )
        state = self._simulator.state
        record = Call(
            seq=0,
            method=call.method,
            path=call.path,
            at_ms=state.now_ms(),
            userids=call.userids,
            msgtype=call.msgtype,
            token=state.tokens.number(call.query.get("access_token", "")),
        )
        hit = state.faults.take(call.path, call.userids)
        if hit is None:
            return self._usual(call, record)
        number, fault = hit
        await asyncio.sleep(fault.delay_ms / 1000)
        return self._faulty(call, replace(record, fault=number), fault)

    def _usual(self, call: ApiCall, record: Call) -> Response:
        if not self._simulator.api.knows(call.path):
            self._simulator.state.calls.record(replace(record, status=404, processed=False))
            return PlainTextResponse("404 page not found", status_code=404)
        document = self._simulator.api.answer(call)
        self._simulator.announce()
        self._record(record, document)
        return _json(document)

    def _faulty(self, call: ApiCall, record: Call, fault: Fault) -> Response:
        if not fault.replaces_answer:
            return self._usual(call, record)
        processed = fault.takes_effect and self._simulator.api.knows(call.path)
        if processed:
            self._simulator.api.answer(call)
            self._simulator.announce()
        record = replace(record, processed=processed)
        if fault.drop is not None:
            self._simulator.state.calls.record(replace(record, status=None))
            return CutConnection()
        if fault.errcode is not None:
            document = self._simulator.api.refusal(fault.errcode, call.from_ip)
            self._record(record, document)
            return _json(document)
        status = fault.status or 200
        self._simulator.state.calls.record(replace(record, status=status))
        return Response(_GARBAGE, status_code=status, media_type="text/html")

    def _record(self, record: Call, document: dict[str, object]) -> None:
        errcode = document.get("errcode")
        self._simulator.state.calls.record(replace(record, errcode=errcode if isinstance(errcode, int) else None))


def _json(document: dict[str, object]) -> Response:
    text = json.dumps(document, ensure_ascii=False)
    return Response(text, media_type="application/json; charset=UTF-8")
