"""What sync_msg reads: one log an account, in the order of what happened, and the cursors that point into it.

Source: WeCom developer docs, path 94670. Messages sent through the API are not in it; the staff's are.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from dataclasses import dataclass
from enum import IntEnum

KEPT_S = 3 * 24 * 3600


class Origin(IntEnum):
    """Who caused an entry."""

    CUSTOMER = 3
    SYSTEM = 4
    SERVICER = 5


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One message or event; `document` is what sync_msg returns of it, `position` grows over all accounts."""

    position: int
    open_kfid: str
    msgid: str
    send_time: int
    document: dict[str, object]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a log, and where the next one begins."""

    entries: tuple[LogEntry, ...]
    next_cursor: str
    has_more: bool


class CursorError(ValueError):
    """A cursor was never given out for this account."""


class KfLog:
    """The logs of all accounts. Positions go on after a reset, so cursors that a bot has kept stay good.

    They begin after `first`. A simulator that is started again begins with a higher number, so that a cursor which the
    bot has kept from the one before is no unknown one, and stands before all that is new.
    """

    def __init__(self, first: int = 0) -> None:
        self._logs: dict[str, list[LogEntry]] = {}
        self._last = first

    def append(self, open_kfid: str, msgid: str, send_time: int, document: dict[str, object]) -> LogEntry:
        """Put an entry at the end of an account's log."""
        self._last += 1
        entry = LogEntry(self._last, open_kfid, msgid, send_time, document)
        self._logs.setdefault(open_kfid, []).append(entry)
        return entry

    def page(self, open_kfid: str, cursor: str, limit: int, now: float, *, empty: bool = False) -> Page:
        """Return up to `limit` entries after `cursor`, or from the oldest of the last three days for "".

        `empty` leaves the entries for the next page. Raises `CursorError`. That a cursor does not bring back what is
        older than three days is this simulator's reading: the documentation has the three days for "" only.
        """
        log = self._logs.get(open_kfid, [])
        position = self._position(open_kfid, cursor) if cursor else 0
        first = bisect_right(log, position, key=lambda entry: entry.position)
        due = [entry for entry in log[first:] if now - entry.send_time <= KEPT_S]
        if empty and due and not cursor.startswith("e"):
            return Page((), _cursor(open_kfid, position, "e"), has_more=True)
        shown = tuple(due[:limit])
        position = shown[-1].position if shown else position
        return Page(shown, _cursor(open_kfid, position, "c"), has_more=len(due) > limit)

    def _position(self, open_kfid: str, cursor: str) -> int:
        kind, number = cursor[:1], cursor[1:].partition("-")[0]
        position = int(number) if number.isascii() and number.isdecimal() and len(number) < 20 else self._last + 1
        if position > self._last or cursor != _cursor(open_kfid, position, kind) or kind not in {"c", "e"}:
            raise CursorError("an unknown cursor")
        return position

    def clear(self) -> None:
        """Forget every entry."""
        self._logs.clear()


def _cursor(open_kfid: str, position: int, kind: str) -> str:
    # The digest makes it the cursor of one account; nothing about it is secret.
    digest = hashlib.sha256(f"{open_kfid} {position} {kind}".encode()).hexdigest()
    return f"{kind}{position}-{digest[:24]}"
