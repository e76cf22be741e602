"""Access tokens: issued by gettoken, each valid on its own until it expires or is withdrawn.

Whether an older token survives a new gettoken is not documented; here it does, as the permissive reading.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_LENGTH = 214


class Rights(Enum):
    """What a token may call: everything, the app's API only, or kf/* only (WeCom developer docs, path 94638)."""

    ALL = auto()
    APP = auto()
    KF = auto()


class TokenState(Enum):
    """What the platform thinks of a token that a caller shows."""

    VALID = auto()
    EXPIRED = auto()
    UNKNOWN = auto()


@dataclass(slots=True)
class _Issued:
    number: int
    expires_at: float
    rights: Rights


class TokenDesk:
    """Issues and judges tokens; times are epoch seconds."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._lock = threading.Lock()
        self._issued: dict[str, _Issued] = {}
        self._count = 0

    def issue(self, now: float, lifetime_s: int, rights: Rights = Rights.ALL) -> str:
        """Return a new token, valid for `lifetime_s`."""
        token = "".join(self._rng.choices(_ALPHABET, k=_LENGTH))
        with self._lock:
            self._count += 1
            self._issued[token] = _Issued(self._count, now + lifetime_s, rights)
        return token

    def judge(self, token: str, now: float) -> TokenState:
        """Tell whether `token` is valid, expired, or unknown (never issued, or revoked)."""
        with self._lock:
            issued = self._issued.get(token)
        if issued is None:
            return TokenState.UNKNOWN
        return TokenState.VALID if now < issued.expires_at else TokenState.EXPIRED

    def rights(self, token: str) -> Rights:
        """Return what `token` may call; an unknown one is refused elsewhere."""
        with self._lock:
            issued = self._issued.get(token)
        return issued.rights if issued else Rights.ALL

    def number(self, token: str) -> int | None:
        """Return which token it is, counted from 1, or `None` for an unknown one."""
        with self._lock:
            issued = self._issued.get(token)
        return issued.number if issued else None

    def expire_all(self, now: float) -> int:
        """End every valid token early (they answer 42001 from now on); return how many there were."""
        with self._lock:
            valid = [issued for issued in self._issued.values() if issued.expires_at > now]
            for issued in valid:
                issued.expires_at = now
            return len(valid)

    def revoke_all(self) -> int:
        """Withdraw every token (they answer 40014 from now on); return how many there were."""
        with self._lock:
            count = len(self._issued)
            self._issued.clear()
            return count
