"""Customers' wrapped keys, and the checks of the keyring, in memory: the fake that stands for the table of keys."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from frontdesk.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from frontdesk.records import CustomerKey


class InMemoryCustomerKeys:
    """Keys by conversation, checks by ring key id. ``reads`` counts the readings of each conversation."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._checks: dict[str, str] = {}
        self.kept: dict[str, CustomerKey] = {}
        self.reads: dict[str, int] = {}

    def read(self, conversation: str) -> CustomerKey | None:
        """Return the keys of ``conversation`` as last saved."""
        with self._lock:
            self.reads[conversation] = self.reads.get(conversation, 0) + 1
            return self.kept.get(conversation)

    def create(self, key: CustomerKey) -> CustomerKey:
        """Return ``key`` as saved, version 1, or the stored one when somebody was first."""
        with self._lock:
            return self.kept.setdefault(key.conversation, replace(key, version=1))

    def replace(self, key: CustomerKey) -> CustomerKey:
        """Return ``key`` as saved, one version on; raises `ConflictError` when another version is stored."""
        with self._lock:
            stored = self.kept.get(key.conversation)
            if stored is None or stored.version != key.version:
                raise ConflictError("customer_keys: somebody else was first", code="customer_keys_conflict")
            self.kept[key.conversation] = replace(key, version=key.version + 1)
            return self.kept[key.conversation]

    def every(self) -> Iterator[CustomerKey]:
        """Yield the keys of every conversation."""
        with self._lock:
            kept = list(self.kept.values())
        yield from kept

    def checks(self) -> dict[str, str]:
        """Return the check token of each ring key id that has one."""
        with self._lock:
            return dict(self._checks)

    def add_check(self, key_id: str, token: str) -> str:
        """Return the check that is stored for ``key_id``: ``token``, or the earlier one when somebody was first."""
        with self._lock:
            return self._checks.setdefault(key_id, token)

    def remove_check(self, key_id: str) -> None:
        """Forget the check of ``key_id``, if there is one: the ring is about to lose that key."""
        with self._lock:
            self._checks.pop(key_id, None)
