"""Sends what was planned at the moment it was planned for, whatever has become of what was sent before: an open loop.

Times are taken from the moment a message was due, so that a bot that stalls is charged for all who wait meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from simulators.traffic.plan import Act, Channel


@dataclass(frozen=True, slots=True)
class Try:
    """One request to the bot: the status of its answer, or ``None`` when none came in time, and when it was over."""

    status: int | None
    ended_at_ms: float


@dataclass(slots=True)
class Sent:
    """A message that was sent. ``due_ms`` is when it was to leave, ``late_ms`` how much later it left.

    ``first`` is how the first request of its first copy ended, ``acknowledged_at_ms`` when the bot first answered 200;
    moments are epoch milliseconds. ``requests`` counts all of them.
    """

    act: Act
    due_ms: float
    late_ms: float
    first: Try | None = None
    acknowledged_at_ms: float | None = None
    requests: int = 0

    @property
    def acknowledged(self) -> bool:
        """Tell whether the bot has taken it."""
        return self.acknowledged_at_ms is not None

    def note(self, tried: Try) -> None:
        """Keep how a request ended."""
        self.requests += 1
        if self.first is None:
            self.first = tried
        if tried.status == 200 and (self.acknowledged_at_ms is None or tried.ended_at_ms < self.acknowledged_at_ms):
            self.acknowledged_at_ms = tried.ended_at_ms


class Door(Protocol):
    """A way in."""

    async def deliver(self, act: Act, note: Callable[[Try], None]) -> None:
        """Deliver ``act``, its copies and the platform's own repetitions; ``note`` is told how each request ended."""


async def send_all(acts: Sequence[Act], doors: Mapping[Channel, Door]) -> list[Sent]:
    """Send each of ``acts`` through its door when it is due, counted from now; return what became of it at the end."""
    started, started_ms = time.monotonic(), time.time() * 1000
    sent: list[Sent] = []
    async with asyncio.TaskGroup() as group:
        for act in acts:
            # Also with nothing to wait for, so that the requests of what has left can go on meanwhile.
            await asyncio.sleep(max(0.0, started + act.at_s - time.monotonic()))
            each = Sent(act, started_ms + act.at_s * 1000, (time.monotonic() - started - act.at_s) * 1000)
            sent.append(each)
            group.create_task(doors[act.channel].deliver(act, each.note))
    return sent
