"""Attendances in memory. tests/contract holds them to what the real ones do."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING
from zlib import crc32

from frontdesk.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from frontdesk.records import Attendance


class InMemoryAttendances:
    """Attendances by conversation. What of ``erased`` conversations was saved is gone, and may be saved anew."""

    def __init__(self, *, shards: int = 8) -> None:
        self.shards = shards
        self._lock = threading.Lock()
        self.kept: dict[str, Attendance] = {}
        self.erased: set[str] = set()

    def get(self, conversation: str) -> Attendance | None:
        """Return what is kept of ``conversation``."""
        with self._lock:
            return None if conversation in self.erased else self.kept.get(conversation)

    def save(self, attendance: Attendance) -> Attendance:
        """Return it as saved, one version on; raises `ConflictError` when another version is stored."""
        with self._lock:
            conversation = attendance.conversation
            stored = self.kept[conversation].version if conversation in self.kept else 0
            anew = conversation in self.erased and not attendance.version
            if attendance.version != stored and not anew:
                raise ConflictError("attendances: somebody else was first", code="attendances_conflict")
            self.erased.discard(conversation)
            self.kept[conversation] = replace(attendance, version=stored + 1)
            return self.kept[conversation]

    def due(self, shard: int, *, by: int) -> Iterator[tuple[str, str, int]]:
        """Yield conversation, channel and ``due_at`` of what is due by ``by``, the oldest first."""
        with self._lock:
            kept = list(self.kept.values())
        due = [
            (each.due_at, each.conversation, each.channel)
            for each in kept
            if each.due_at is not None and each.due_at <= by and self._shard_of(each.conversation) == shard
        ]
        for due_at, conversation, channel in sorted(due):
            yield conversation, channel, due_at

    def _shard_of(self, conversation: str) -> int:
        return crc32(conversation.encode()) % self.shards
