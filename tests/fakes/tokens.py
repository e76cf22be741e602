"""A token store in memory: the fake that stands for the shared table."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class KeptToken:
    """A token as saved; times are epoch seconds."""

    value: str = field(repr=False)
    version: str
    refresh_at: float
    expires_at: float


@dataclass(slots=True)
class _Lease:
    owner: str
    until: float


class InMemoryTokenStore:
    """Shares tokens between all who hold this object."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokens: dict[str, KeptToken] = {}
        self._leases: dict[str, _Lease] = {}

    def read(self, name: str) -> KeptToken | None:
        """Return the token called ``name`` as last saved, expired or not."""
        with self._lock:
            return self._tokens.get(name)

    def lease(self, name: str, owner: str, *, now: float, until: float) -> bool:
        """Return whether ``owner`` alone may fetch the token, until it saves, releases, or ``until`` has come."""
        with self._lock:
            lease = self._leases.get(name)
            if lease and lease.owner != owner and now < lease.until:
                return False
            self._leases[name] = _Lease(owner, until)
            return True

    def save(self, name: str, owner: str, *, value: str, version: str, refresh_at: float, expires_at: float) -> bool:
        """Share a token and end the lease; return whether ``owner`` still had it, otherwise nothing is changed."""
        with self._lock:
            if not self._end_lease(name, owner):
                return False
            self._tokens[name] = KeptToken(value, version, refresh_at, expires_at)
            return True

    def release(self, name: str, owner: str) -> None:
        """End the lease of ``owner``, if it still has it, without a token."""
        with self._lock:
            self._end_lease(name, owner)

    def discard(self, name: str, version: str) -> None:
        """Forget the token if it is still ``version``."""
        with self._lock:
            token = self._tokens.get(name)
            if token and token.version == version:
                del self._tokens[name]

    def _end_lease(self, name: str, owner: str) -> bool:
        lease = self._leases.get(name)
        if lease is None or lease.owner != owner:
            return False
        del self._leases[name]
        return True
