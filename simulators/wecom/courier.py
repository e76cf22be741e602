"""Carry one HTTP request to the bot within the platform's time limit, and say what came of it.

One connection per request and no proxy from the environment, as the bot must be reached where it says it is.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from simulators.wecom.callback import CallbackRequest

# The user agent that field reports show for the platform's callbacks.
_USER_AGENT = "Mozilla/4.0"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one request met.

    `status` is `None` when no answer came in time; then `error` is "timeout", "connection" or "protocol".
    `milliseconds` is the time until the answer was complete or the wait was given up. `reply` tells what the body
    of a 200 answer was: "empty", "success", "passive" (a message for the member), "ignored" (something where nothing is
    read, as with notifications of 微信客服) or "unreadable".
    """

    number: int
    copy: int
    at_ms: int
    milliseconds: int
    status: int | None = None
    error: str | None = None
    reply: str | None = None

    def to_json(self) -> dict[str, object]:
        """Return the attempt as the control API shows it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Answer:
    """The bot's answer to one request, or why there is none."""

    milliseconds: int
    status: int | None = None
    body: bytes = b""
    error: str | None = None


class Courier:
    """Sends requests; `transport` replaces the network in tests that stay inside one process."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._transport = transport
        # Building the trust store takes tens of milliseconds, which must not be charged to the bot.
        self._tls = ssl.create_default_context()

    async def get(self, request: CallbackRequest, timeout_s: float) -> Answer:
        """Send the check of the address and return its answer."""
        return await self._send("GET", request, timeout_s, {})

    async def post(self, request: CallbackRequest, timeout_s: float, content_type: str) -> Answer:
        """Send a callback and return its answer; `timeout_s` covers the connection and the whole answer."""
        return await self._send("POST", request, timeout_s, {"content-type": content_type})

    async def _send(self, method: str, request: CallbackRequest, timeout_s: float, headers: dict[str, str]) -> Answer:
        client = httpx.AsyncClient(
            transport=self._transport,
            verify=self._tls,
            trust_env=False,
            timeout=None,  # nosec B113  # noqa: S113 - the limit below covers the request as a whole, httpx's only its parts
            headers={"user-agent": _USER_AGENT, "connection": "close"},
        )
        started = time.perf_counter()
        try:
            async with asyncio.timeout(timeout_s):
                answer = await client.request(method, request.url, content=request.body, headers=headers)
        except TimeoutError:
            return Answer(_milliseconds_since(started), error="timeout")
        except httpx.NetworkError:
            return Answer(_milliseconds_since(started), error="connection")
        except (httpx.ProtocolError, httpx.UnsupportedProtocol, httpx.DecodingError):
            return Answer(_milliseconds_since(started), error="protocol")
        else:
            return Answer(_milliseconds_since(started), answer.status_code, answer.content)
        finally:
            if self._transport is None:
                await client.aclose()


def _milliseconds_since(started: float) -> int:
    return round((time.perf_counter() - started) * 1000)
