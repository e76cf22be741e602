"""The control APIs of the simulated vendors, as the traffic uses them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

import httpx

from simulators.traffic.plan import Channel
from simulators.traffic.verdict import Shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

_LIMIT_S = 60.0
_AT_ONCE = 8


class Control:
    """One control API, at ``base``. Use it as a context manager."""

    def __init__(self, base: str) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=_AT_ONCE)
        self._http = httpx.AsyncClient(base_url=f"{base}/_control", timeout=_LIMIT_S, limits=limits, trust_env=False)

    async def __aenter__(self) -> Self:
        """Nothing is opened before it is needed."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def post(self, path: str, document: object = None) -> dict[str, Any]:
        """Return the answer to a POST. Raises `httpx.HTTPError`."""
        answer = await self._http.post(path, json={} if document is None else document)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    async def get(self, path: str, **query: str | int) -> dict[str, Any]:
        """Return the answer to a GET. Raises `httpx.HTTPError`."""
        answer = await self._http.get(path, params=query)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    async def delete(self, path: str) -> None:
        """Remove what is there. Raises `httpx.HTTPError`."""
        (await self._http.delete(path)).raise_for_status()


class WecomControl(Control):
    """The simulated WeCom's."""

    async def introduce(self, userids: Iterable[str]) -> None:
        """Make members known, so that the bot can write to them though they write to it from here."""
        for userid in userids:
            await self.post("/members", {"userid": userid})

    async def writes(self, customer: str, message: Mapping[str, object]) -> list[dict[str, Any]]:
        """Let a customer of 微信客服 write; return how the notifications of it were taken."""
        written = await self.post(f"/kf/customers/{customer}/messages", dict(message))
        attempts: list[dict[str, Any]] = written["attempts"]
        return attempts

    async def shown(self, customers: Mapping[str, Channel]) -> dict[str, list[Shown]]:
        """Return what each customer could read of the bot, in order."""
        places = asyncio.Semaphore(_AT_ONCE)

        async def chat(customer: str, channel: Channel) -> list[Shown]:
            folder = "kf/customers" if channel is Channel.KF else "members"
            async with places:
                entries = (await self.get(f"/{folder}/{customer}/timeline"))["entries"]
            return [Shown(entry["at_ms"], entry["content"]) for entry in entries if _is_readable(entry)]

        found = await asyncio.gather(*(chat(*each) for each in customers.items()))
        return dict(zip(customers, found, strict=True))


def _is_readable(entry: Mapping[str, Any]) -> bool:
    """Tell whether the bot wrote the entry of a member's or a customer's chat, and it stands there."""
    if entry["direction"] != "outbound" or entry.get("by") == "servicer":
        return False
    return bool(entry.get("visible", not (entry.get("failed") or entry.get("recalled"))))
