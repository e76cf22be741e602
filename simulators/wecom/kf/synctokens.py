"""The tokens in notifications: each good for ten minutes of sync_msg of one account.

Source: WeCom developer docs, path 94670. Without one the call is under a strict limit, of which no number is published.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

LIFETIME_S = 600
_MINUTE_S = 60


class SyncTokens:
    """Gives out and judges the tokens, and counts calls without one."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._issued: dict[str, tuple[str, float]] = {}
        self._untokened: dict[str, deque[float]] = {}

    def issue(self, open_kfid: str, now: float) -> str:
        """Return a new token for `open_kfid`."""
        token = f"ENC{self._rng.getrandbits(192):048x}"
        self._issued[token] = (open_kfid, now)
        return token

    def good(self, token: str, open_kfid: str, now: float) -> bool:
        """Tell whether `token` may be used for `open_kfid`."""
        held = self._issued.get(token)
        return held is not None and held[0] == open_kfid and now - held[1] < LIFETIME_S

    def admit_without(self, open_kfid: str, now: float, per_minute: int) -> bool:
        """Tell whether a call without a token is within `per_minute` (0: no limit), and count it if so."""
        times = self._untokened.setdefault(open_kfid, deque())
        while times and times[0] <= now - _MINUTE_S:
            times.popleft()
        if per_minute and len(times) >= per_minute:
            return False
        times.append(now)
        return True

    def clear(self) -> None:
        """Forget every token and call."""
        self._issued.clear()
        self._untokened.clear()
