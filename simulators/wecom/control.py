"""The control API: scripts the simulated platform over HTTP, under `/_control/` of wherever the app is mounted.

All bodies are JSON; a mistake in one is HTTP 400 with `{"error": "…"}`, and a delivery without a callback address is
409. README.md beside this file shows every call with curl.

    GET|POST /_control/config                      settings (secrets redacted) and behaviour · change some of them
    POST     /_control/verify                      {ok, status, milliseconds, reason} of the check of the address
    GET|POST /_control/members                     the members · add or replace one
    DELETE   /_control/members/{userid}            forget one
    POST     /_control/members/{userid}/messages   a member writes; answers the delivery with its attempts
    POST     /_control/members/{userid}/press      a member presses a card's button; answers the same
    POST     /_control/batch                       several messages, reordered or all at once
    GET      /_control/members/{userid}/timeline   ?after=SEQ&wait=SECONDS: {entries, last_seq}, both directions
    GET      /_control/deliveries                  ?msgid=: what became of messages, also of those not waited for
    GET      /_control/calls                       ?path=&after=SEQ: API calls received
    GET|POST|DELETE /_control/faults               list · add one · remove all
    POST     /_control/tokens/expire | revoke      every access token answers 42001 | 40014 from now on
    POST     /_control/clock                       puts the platform's clock forward
    POST     /_control/reset                       forget everything but the settings

The calls of 微信客服 are in the module `kf.control`.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulators.wecom.deliveries import Delivery, read_options
from simulators.wecom.faults import read_fault
from simulators.wecom.jsonfields import FieldError, Fields
from simulators.wecom.kf.control import KfControl
from simulators.wecom.members import Member, MemberError
from simulators.wecom.messages import read_message
from simulators.wecom.pressing import read_press
from simulators.wecom.requests import number, read_json
from simulators.wecom.settings import SettingsError
from simulators.wecom.simulator import NoCallbackError
from simulators.wecom.xmltext import XmlTextError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from simulators.wecom.simulator import WecomSimulator

_LONGEST_WAIT_S = 30.0
_LONGEST_LEAP_S = 366 * 24 * 3600.0
_ORDERS = ("given", "reversed", "shuffled")


class Control:
    """The control endpoints of one simulator."""

    def __init__(self, simulator: WecomSimulator) -> None:
        self._simulator = simulator

    def routes(self) -> list[Route]:
        """Return the routes, with paths relative to `/_control`."""
        table: list[tuple[str, str, Callable[[Request], Awaitable[Response]]]] = [
            ("GET", "/config", self._show_config),
            ("POST", "/config", self._change_config),
            ("POST", "/verify", self._verify),
            ("GET", "/members", self._list_members),
            ("POST", "/members", self._add_member),
            ("DELETE", "/members/{userid}", self._remove_member),
            ("POST", "/members/{userid}/messages", self._write_message),
            ("POST", "/members/{userid}/press", self._press),
            ("GET", "/members/{userid}/timeline", self._show_timeline),
            ("POST", "/batch", self._write_batch),
            ("GET", "/deliveries", self._list_deliveries),
            ("GET", "/calls", self._list_calls),
            ("GET", "/faults", self._list_faults),
            ("POST", "/faults", self._add_fault),
            ("DELETE", "/faults", self._clear_faults),
            ("POST", "/tokens/expire", self._expire_tokens),
            ("POST", "/tokens/revoke", self._revoke_tokens),
            ("POST", "/clock", self._advance_clock),
            ("POST", "/reset", self._reset),
            *KfControl(self._simulator).table(),
        ]
        return [Route(path, _explaining(endpoint), methods=[method]) for method, path, endpoint in table]

    async def _show_config(self, _request: Request) -> Response:
        state = self._simulator.state
        return JSONResponse({**state.settings.redacted(), **asdict(state.behaviour)})

    async def _change_config(self, request: Request) -> Response:
        document = await read_json(request)
        if not isinstance(document, dict):
            raise FieldError("a JSON object is expected")
        self._simulator.configure(document)
        return await self._show_config(request)

    async def _verify(self, _request: Request) -> Response:
        return JSONResponse(asdict(await self._simulator.verify()))

    async def _list_members(self, _request: Request) -> Response:
        return JSONResponse({"members": [asdict(member) for member in self._simulator.state.members.all()]})

    async def _add_member(self, request: Request) -> Response:
        fields = Fields(await read_json(request))
        departments = fields.take("department", [1])
        if not isinstance(departments, list) or not all(type(item) is int for item in departments):
            raise FieldError("department: a list of integers is expected")
        member = Member(
            userid=fields.text("userid"),
            name=fields.text("name", ""),
            department=tuple(departments),
            position=fields.text("position", ""),
            status=fields.whole("status", 1, least=1),
            visible=fields.flag("visible", default=True),
        )
        fields.finish()
        self._simulator.add_member(member)
        return JSONResponse(asdict(member), status_code=201)

    async def _remove_member(self, request: Request) -> Response:
        removed = self._simulator.state.members.remove(request.path_params["userid"])
        return JSONResponse({"removed": removed})

    async def _write_message(self, request: Request) -> Response:
        fields = Fields(await read_json(request))
        wait = fields.flag("wait", default=True)
        delivery = self._write(request.path_params["userid"], fields)
        return await self._carry([delivery], delivery.to_json, wait=wait)

    async def _write_batch(self, request: Request) -> Response:
        fields = Fields(await read_json(request))
        wait = fields.flag("wait", default=True)
        concurrent = fields.flag("concurrent", default=False)
        gap_ms = fields.whole("gap_ms", 0)
        order = fields.choice("order", _ORDERS, "given")
        messages = [Fields(item) for item in fields.sequence("messages")]
        fields.finish()
        # Written in the order given, whatever the order of delivery: that is what reordering means.
        written = [self._write(item.text("userid"), item) for item in messages]
        sent = list(written)
        if order == "reversed":
            sent.reverse()
        elif order == "shuffled":
            self._simulator.state.rng.shuffle(sent)

        def report() -> dict[str, object]:
            places = [written.index(delivery) for delivery in sent]
            return {"results": [delivery.to_json() for delivery in written], "order": places}

        return await self._carry(sent, report, wait=wait, concurrent=concurrent, gap_ms=gap_ms)

    async def _show_timeline(self, request: Request) -> Response:
        userid = request.path_params["userid"].lower()
        after = int(number(request, "after"))
        seconds = min(number(request, "wait"), _LONGEST_WAIT_S)
        try:
            entries = await self._simulator.state.timeline.wait(userid, after, seconds)
        except asyncio.CancelledError:
            # The server is stopping and will not wait for the poll: nothing has come, and that is the answer.
            entries = []
        last = entries[-1].seq if entries else after
        return JSONResponse({"entries": [entry.to_json() for entry in entries], "last_seq": last})

    async def _list_deliveries(self, request: Request) -> Response:
        found = self._simulator.deliveries(request.query_params.get("msgid"))
        return JSONResponse({"deliveries": [delivery.to_json() for delivery in found]})

    async def _list_calls(self, request: Request) -> Response:
        path = request.query_params.get("path")
        calls = self._simulator.state.calls.all(path, int(number(request, "after")))
        return JSONResponse({"calls": [call.to_json() for call in calls]})

    async def _list_faults(self, _request: Request) -> Response:
        return JSONResponse({"faults": self._simulator.state.faults.to_json()})

    async def _add_fault(self, request: Request) -> Response:
        number = self._simulator.state.faults.add(read_fault(Fields(await read_json(request))))
        return JSONResponse({"number": number}, status_code=201)

    async def _clear_faults(self, _request: Request) -> Response:
        self._simulator.state.faults.clear()
        return JSONResponse({"faults": []})

    async def _expire_tokens(self, _request: Request) -> Response:
        state = self._simulator.state
        return JSONResponse({"tokens": state.tokens.expire_all(state.clock())})

    async def _revoke_tokens(self, _request: Request) -> Response:
        return JSONResponse({"tokens": self._simulator.state.tokens.revoke_all()})

    async def _press(self, request: Request) -> Response:
        fields = Fields(await read_json(request))
        wait = fields.flag("wait", default=True)
        press = read_press(fields)
        fields.finish()
        delivery = self._simulator.press(request.path_params["userid"], press)
        return await self._carry([delivery], delivery.to_json, wait=wait)

    async def _advance_clock(self, request: Request) -> Response:
        fields = Fields(await read_json(request))
        seconds = fields.number("advance_s", 0)
        fields.finish()
        if not 0 <= seconds <= _LONGEST_LEAP_S:
            raise FieldError(f"advance_s: a number from 0 to {_LONGEST_LEAP_S:.0f} is expected")
        clock = self._simulator.state.clock
        clock.advance(seconds)
        return JSONResponse({"ahead_s": clock.ahead_s, "now": clock()})

    async def _reset(self, _request: Request) -> Response:
        await self._simulator.reset()
        return JSONResponse({})

    def _write(self, userid: str, fields: Fields) -> Delivery:
        options = read_options(fields)
        message = read_message(fields)
        fields.finish()
        return self._simulator.write(userid, message, options)

    async def _carry(
        self,
        deliveries: list[Delivery],
        report: Callable[[], dict[str, object]],
        *,
        wait: bool,
        concurrent: bool = False,
        gap_ms: int = 0,
    ) -> Response:
        work = self._simulator.deliver_all(deliveries, concurrent=concurrent, gap_ms=gap_ms)
        if wait:
            await work
            return JSONResponse(report())
        self._simulator.in_background(work)
        return JSONResponse(report(), status_code=202)


def _explaining(
    endpoint: Callable[[Request], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """Return `endpoint` with the mistakes of its caller turned into answers."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except (FieldError, MemberError, SettingsError, XmlTextError) as exc:
            return JSONResponse({"error": str(exc)}, status_code=400)
        except NoCallbackError as exc:
            return JSONResponse({"error": str(exc)}, status_code=409)

    return answer
