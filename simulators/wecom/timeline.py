"""The chats of the platform: each in the order in which it was written, with a way to wait for what comes next.

`Entry` is what stands in a member's chat with the app; the customers' chats of 微信客服 have entries of their own.
Safe to use from several threads and several event loops at once.
"""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, ClassVar, Generic, Protocol, TypeVar


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
    damage of a forged callback. `body` holds the kind's own object as it was sent, and of a card that was updated the
    one that stands there now (`updated`). `recalled`: withdrawn by message/recall, gone from the chat.
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
    updated: bool = False
    recalled: bool = False
    seq: int = 0

    @property
    def chat(self) -> str:
        """The chat that the entry belongs to: the member's."""
        return self.userid

    @property
    def visible(self) -> bool:
        """Tell whether the entry stands in the member's chat window."""
        return not (self.dropped or self.suppressed or self.tampered or self.recalled)

    def to_json(self) -> dict[str, object]:
        """Return the entry as the control API shows it."""
        return {**asdict(self), "visible": self.visible}


class Said(Protocol):
    """What a timeline can hold: a dataclass with the name of its chat and a number."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def chat(self) -> str:
        """The chat that the entry belongs to."""

    @property
    def seq(self) -> int:
        """The number that the timeline gave it."""


EntryT = TypeVar("EntryT", bound=Said)


@dataclass(eq=False, slots=True)
class _Waiter:
    chat: str
    loop: asyncio.AbstractEventLoop
    woken: asyncio.Event = field(default_factory=asyncio.Event)


class Timeline(Generic[EntryT]):
    """All entries of all chats."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, list[EntryT]] = {}
        self._seq = 0
        self._changes = 0
        self._waiters: list[_Waiter] = []

    @property
    def last_seq(self) -> int:
        """The number of the newest entry of any chat; 0 before the first."""
        with self._lock:
            return self._seq

    @property
    def changes(self) -> int:
        """Grows with every entry and with every change of one, so that an observer sees that it has to look again."""
        with self._lock:
            return self._changes

    def append(self, entry: EntryT) -> EntryT:
        """Put `entry` at the end of its chat, wake who waits for it, and return it with its number."""
        with self._lock:
            self._seq += 1
            self._changes += 1
            numbered = replace(entry, seq=self._seq)
            self._entries.setdefault(entry.chat, []).append(numbered)
            # Inside the lock: a waiter leaves the list before its loop can close, so its loop is open here.
            for waiter in self._waiters:
                if waiter.chat == entry.chat:
                    waiter.loop.call_soon_threadsafe(waiter.woken.set)
        return numbered

    def amend(self, entry: EntryT, **changes: object) -> EntryT:
        """Change fields of an entry where it stands and return it as it is now; one that is forgotten stays so."""
        with self._lock:
            chat = self._entries.get(entry.chat, [])
            for place, held in enumerate(chat):
                if held.seq == entry.seq:
                    self._changes += 1
                    chat[place] = replace(held, **changes)
                    return chat[place]
        return entry

    def entries(self, chat: str, after: int = 0) -> list[EntryT]:
        """Return the chat's entries with a number above `after`, oldest first."""
        with self._lock:
            return [entry for entry in self._entries.get(chat, ()) if entry.seq > after]

    def all(self) -> list[EntryT]:
        """Return the entries of every chat, those of one chat in their order."""
        with self._lock:
            return [entry for chat in self._entries.values() for entry in chat]

    async def wait(self, chat: str, after: int, seconds: float) -> list[EntryT]:
        """Return the chat's entries above `after`, waiting up to `seconds` until there is one."""
        deadline = time.monotonic() + seconds
        waiter = _Waiter(chat, asyncio.get_running_loop())
        with self._lock:
            self._waiters.append(waiter)
        try:
            while not (found := self.entries(chat, after)):
                waiter.woken.clear()
                # An entry can come between the look above and the clear: look once more before sleeping.
                if found := self.entries(chat, after):
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
