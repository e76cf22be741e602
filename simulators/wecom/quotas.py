"""The two ways in which a send that was answered with errcode 0 still does not reach the member.

Source: WeCom developer docs, paths 90312 (frequency) and 90236 (duplicate check).
"""

from __future__ import annotations

import hashlib
from collections import deque

_MINUTE_S = 60
_HOUR_S = 3600
DEFAULT_INTERVAL_S = 1800
LONGEST_INTERVAL_S = 4 * 3600


class SendQuota:
    """Counts what each member received in sliding windows of a minute and an hour."""

    def __init__(self) -> None:
        self._delivered: dict[str, deque[float]] = {}

    def admit(self, userid: str, now: float, per_minute: int, per_hour: int) -> bool:
        """Tell whether the member may receive one more message at `now`, and count it if so."""
        times = self._delivered.setdefault(userid, deque())
        while times and times[0] <= now - _HOUR_S:
            times.popleft()
        in_last_minute = sum(1 for at in times if at > now - _MINUTE_S)
        if in_last_minute >= per_minute or len(times) >= per_hour:
            return False
        times.append(now)
        return True

    def clear(self) -> None:
        """Forget every count."""
        self._delivered.clear()


class DuplicateGuard:
    """Remembers request bodies that asked for the duplicate check. Bodies are kept as digests."""

    def __init__(self) -> None:
        self._seen: dict[bytes, tuple[float, dict[str, object]]] = {}

    def earlier_answer(self, body: bytes, now: float, interval_s: int) -> dict[str, object] | None:
        """Return the answer that an identical body got less than `interval_s` before `now`."""
        seen = self._seen.get(hashlib.sha256(body).digest())
        if seen is None or now - seen[0] >= min(interval_s, LONGEST_INTERVAL_S):
            return None
        return seen[1]

    def remember(self, body: bytes, now: float, answer: dict[str, object]) -> None:
        """Keep the answer of a body that was delivered at `now`."""
        self._seen[hashlib.sha256(body).digest()] = (now, answer)

    def clear(self) -> None:
        """Forget every body."""
        self._seen.clear()
