"""The ways in: the application's callbacks, signed and sent from here, and 微信客服 through the simulated WeCom."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import httpx

from simulators.traffic.plan import AGAIN_AFTER_S, Copy, Kind
from simulators.traffic.sending import Try
from simulators.wecom.callback import CallbackWriter
from simulators.wecom.courier import Courier
from simulators.wecom.jsonfields import Fields
from simulators.wecom.messages import read_message

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from simulators.traffic.control import WecomControl
    from simulators.traffic.plan import Act
    from simulators.wecom.settings import WecomSettings
    from simulators.wecom.xmltext import Elements

# Developer docs, path 90930: five seconds, three requests. When the next one comes is not documented.
_ANSWER_LIMIT_S = 5.0
_MOST_REQUESTS = 3
_REPEAT_AFTER_S = 1.0
_LEAVES_AFTER_S = {Copy.NONE: (0.0,), Copy.AT_ONCE: (0.0, 0.0), Copy.LATER: (0.0, AGAIN_AFTER_S)}


class AppDoor:
    """Sends members' messages to the callback address as WeCom does: encrypted and signed anew for each request."""

    def __init__(self, settings: WecomSettings, rng: Random, courier: Courier | None = None) -> None:
        """Send to the callback address of ``settings``; ``rng`` decides what the protocol leaves open."""
        self._settings = settings
        self._writer = CallbackWriter(rng)
        self._courier = courier or Courier()
        self._next_msgid = rng.randrange(10**18, 9 * 10**18)

    async def deliver(self, act: Act, note: Callable[[Try], None]) -> None:
        """Deliver ``act`` with its copies; what is repeated is the same message, with the same MsgId."""
        elements = self._elements(act)
        await asyncio.gather(*(self._carry(elements, note, after_s) for after_s in _LEAVES_AFTER_S[act.copy]))

    async def _carry(self, elements: Elements, note: Callable[[Try], None], after_s: float) -> None:
        await asyncio.sleep(after_s)
        for number in range(_MOST_REQUESTS):
            if number:
                await asyncio.sleep(_REPEAT_AFTER_S)
            request = self._writer.write_post(self._settings, elements, time.time())
            answer = await self._courier.post(request, _ANSWER_LIMIT_S, "text/xml")
            note(Try(answer.status, time.time() * 1000))
            if answer.status == 200:
                return

    def _elements(self, act: Act) -> Elements:
        told = {"msgtype": "event", "event": act.what} if act.kind is Kind.EVENT else {"msgtype": act.what}
        message = read_message(Fields({"msgtype": "text", "content": act.what} if act.kind is Kind.TEXT else told))
        self._next_msgid += 1
        return [
            ("ToUserName", self._settings.corp_id),
            ("FromUserName", act.customer),
            ("CreateTime", int(time.time())),
            ("MsgType", message.msgtype),
            *message.elements,
            *([("MsgId", self._next_msgid)] if message.has_msgid else []),
            ("AgentID", self._settings.agent_id),
        ]


class KfDoor:
    """Lets customers of 微信客服 write at the simulated WeCom, which tells the bot of it."""

    def __init__(self, control: WecomControl) -> None:
        self._control = control

    async def deliver(self, act: Act, note: Callable[[Try], None]) -> None:
        """Deliver ``act``; a copy is a second notification of the same message."""
        message: dict[str, object] = {"content": act.what} if act.kind is Kind.TEXT else {"msgtype": act.what}
        if act.copy is not Copy.NONE:
            message["copies"] = 2
        try:
            attempts = await self._control.writes(act.customer, message)
        except httpx.HTTPError:
            # The simulated WeCom itself is too busy: the message may be there, but nobody has acknowledged it.
            note(Try(None, time.time() * 1000))
            return
        for attempt in attempts:
            note(Try(attempt["status"], attempt["at_ms"] + attempt["milliseconds"]))
