"""Customer-service accounts in memory. tests/contract holds them to what the real ones do."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from frontdesk.errors import ConflictError
from frontdesk.records import Account

if TYPE_CHECKING:
    from collections.abc import Iterator


class InMemoryAccounts:
    """Accounts by their ids."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.kept: dict[str, Account] = {}

    def get_or_add(self, account: str, *, answer_from: int) -> Account:
        """Return what is kept of ``account``; one never seen is kept with ``answer_from`` from now on."""
        with self._lock:
            return self.kept.setdefault(account, Account(account=account, answer_from=answer_from))

    def lease(self, account: str, lease: str, *, now_ms: int, until_ms: int) -> Account:
        """Return the account, now leased to ``lease``; raises `ConflictError` while somebody else has it."""
        with self._lock:
            stored = self.kept.get(account)
            if stored is None or (stored.leased_until_ms > now_ms and stored.lease != lease):
                raise _conflict()
            self.kept[account] = replace(stored, lease=lease, leased_until_ms=until_ms)
            return self.kept[account]

    def advance(self, account: str, lease: str, cursor: str) -> None:
        """Store ``cursor``; raises `ConflictError` when the lease is somebody else's by now."""
        with self._lock:
            stored = self.kept.get(account)
            if stored is None or stored.lease != lease:
                raise _conflict()
            self.kept[account] = replace(stored, cursor=cursor, withdrawn=False)

    def release(self, account: str, lease: str, *, complete_from_ms: int | None, withdrawn: bool = False) -> None:
        """End the lease, if ``lease`` still has it."""
        with self._lock:
            stored = self.kept.get(account)
            if stored is None or stored.lease != lease:
                return
            stored = replace(stored, lease="", leased_until_ms=0)
            if complete_from_ms is not None:
                stored = replace(stored, complete_from_ms=complete_from_ms, withdrawn=False)
            elif withdrawn:
                stored = replace(stored, withdrawn=True)
            self.kept[account] = stored

    def all(self) -> Iterator[Account]:
        """Yield every account that is not withdrawn."""
        with self._lock:
            kept = list(self.kept.values())
        yield from (each for each in kept if not each.withdrawn)


def _conflict() -> ConflictError:
    return ConflictError("accounts: somebody else was first", code="accounts_conflict")
