"""The chat of each member with the app, both directions in one order, with a way to wait for what comes next.

Safe to use from several threads and several event loops at once.
"""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum


class Direction(StrEnum):
    """`INBOUND` is from the member to the app, `OUTBOUND` from the app to the member."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing said.

    `userid` is in lower case, `at_ms` is epoch milliseconds, `seq` grows over all members and never restarts.

    `via` is "callback" (written by the member), "send" (message/send) or "passive" (reply in a callback's answer).
    `truncated`: the platform cut the text at 2048 bytes. `dropped`: over the rate limit, the member never saw it.
    `suppressed`: an identical request inside its duplicate-check interval, not shown again. `tampered` names the
    damage of a forged callback. `body` holds the kind's own object as it was sent.
    """

    userid: str
    direction: Direction
    msgtype: str
    content: str
    at_ms: int
    msgid: str | None
    via: str
    body: object = None
    truncated: bool = False
    dropped: bool = False
    suppressed: bool = False
    tampered: str | None = None
    seq: int = 0

    @property
    def visible(self) -> bool:
        """Tell whether the entry stands in the member's chat window."""
        return not (self.dropped or self.suppressed or self.tampered)

    def to_json(self) -> dict[str, object]:
        """Return the entry as the control API shows it."""
        return {**asdict(self), "visible": self.visible}


@dataclass(eq=False, slots=True)
class _Waiter:
    userid: str
    loop: asyncio.AbstractEventLoop
    woken: asyncio.Event = field(default_factory=asyncio.Event)


class Timeline:
    """All entries of all members."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, list[Entry]] = {}
        self._seq = 0
        self._waiters: list[_Waiter] = []

    @property
    def last_seq(self) -> int:
        """The number of the newest entry of any member; 0 before the first."""
        with self._lock:
            return self._seq

    def append(self, entry: Entry) -> Entry:
        """Put `entry` at the end of its member's chat, wake who waits for it, and return it with its number."""
        with self._lock:
            self._seq += 1
            numbered = replace(entry, seq=self._seq)
            self._entries.setdefault(entry.userid, []).append(numbered)
            # Inside the lock: a waiter leaves the list before its loop can close, so its loop is open here.
            for waiter in self._waiters:
                if waiter.userid == entry.userid:
                    waiter.loop.call_soon_threadsafe(waiter.woken.set)
        return numbered

    def entries(self, userid: str, after: int = 0) -> list[Entry]:
        """Return the member's entries with a number above `after`, oldest first."""
        with self._lock:
            return [entry for entry in self._entries.get(userid, ()) if entry.seq > after]

    async def wait(self, userid: str, after: int, seconds: float) -> list[Entry]:
        """Return the member's entries above `after`, waiting up to `seconds` until there is one."""
        deadline = time.monotonic() + seconds
        waiter = _Waiter(userid, asyncio.get_running_loop())
        with self._lock:
            self._waiters.append(waiter)
        try:
            while not (found := self.entries(userid, after)):
                waiter.woken.clear()
                # An entry can come between the look above and the clear: look once more before sleeping.
                if found := self.entries(userid, after):
                    break
                async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                    await waiter.woken.wait()
        except TimeoutError:
            return []
        else:
            return found
        finally:
            with self._lock:
                self._waiters.remove(waiter)

    def clear(self) -> None:
        """Forget every entry; numbers go on where they are, so that nobody's `after` skips new ones."""
        with self._lock:
            self._entries.clear()
