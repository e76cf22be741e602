"""The audit's table and its export, in memory, where a test can tamper with them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from frontdesk.protection import chain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from frontdesk.records import AuditRecord, Happening


class InMemoryAuditRecords:
    """Records by conversation and number."""

    def __init__(self, *, shards: int = 4) -> None:
        self.shards = shards
        self.kept: dict[tuple[str, int], AuditRecord] = {}

    def add(self, conversation: str, *happenings: Happening, day: str, sealed: str = "s1.c.words") -> None:
        """Link ``happenings`` to the conversation's chain, as written on ``day``."""
        for happening in happenings:
            seq = max((number for owner, number in self.kept if owner == conversation), default=0) + 1
            previous = self.kept[conversation, seq - 1].hash if seq > 1 else chain.genesis(conversation)
            self.kept[conversation, seq] = chain.link(conversation, seq, previous, happening, sealed=sealed, day=day)

    def get(self, conversation: str, seq: int) -> AuditRecord | None:
        """Return one record."""
        return self.kept.get((conversation, seq))

    def of_day(self, day: str, shard: int) -> Iterator[AuditRecord]:
        """Yield the records of a day in one shard, by their time."""
        mine = [
            record
            for (conversation, _), record in self.kept.items()
            if record.day == day and crc32(conversation.encode()) % self.shards == shard
        ]
        yield from sorted(mine, key=lambda record: record.at_ms)


class InMemoryAuditStore:
    """Objects by name. ``writes`` holds the names of what was taken, in order."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.writes: list[str] = []

    def put(self, name: str, body: bytes) -> bool:
        """Store ``body``, unless something is there."""
        if name in self.objects:
            return False
        self.objects[name] = body
        self.writes.append(name)
        return True

    def read(self, name: str) -> bytes | None:
        """Return what is stored."""
        return self.objects.get(name)

    def names(self, prefix: str) -> Iterator[str]:
        """Yield names in their order."""
        yield from sorted(name for name in self.objects if name.startswith(prefix))
