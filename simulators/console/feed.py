"""What the page shows, numbered by change, so that a browser is told only what is new to it.

One feed belongs to one event loop. A browser that has seen up to a revision asks for what changed after it; one that
has seen nothing asks for what changed after 0, which is everything.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any
from uuid import uuid4

_KEPT = 2000  # of each topic; what changed longest ago is forgotten first


class Feed:
    """The latest value of everything, by topic and key."""

    def __init__(self) -> None:
        self.run = uuid4().hex[:12]
        self.revision = 0
        self.closed = False
        self._topics: dict[str, dict[str, tuple[int, dict[str, Any]]]] = defaultdict(dict)
        self._changed = asyncio.Event()

    def put(self, topic: str, key: str, value: dict[str, Any]) -> None:
        """Set a value; an equal one is no change."""
        values = self._topics[topic]
        held = values.pop(key, None)
        if held is not None and held[1] == value:
            values[key] = held
            return
        self.revision += 1
        values[key] = (self.revision, value)
        while len(values) > _KEPT:
            del values[next(iter(values))]
        self._wake()

    def since(self, revision: int) -> dict[str, list[dict[str, Any]]]:
        """Return the values that changed after ``revision``, by topic, in the order of their change."""
        found = {
            topic: [value for changed, value in sorted(values.values(), key=_revision) if changed > revision]
            for topic, values in self._topics.items()
        }
        return {topic: values for topic, values in found.items() if values}

    async def wait(self, revision: int, timeout_s: float) -> None:
        """Return when something changed after ``revision``, when the feed is closed, or after ``timeout_s``."""
        changed = self._changed
        if self.revision > revision or self.closed:
            return
        try:
            async with asyncio.timeout(timeout_s):
                await changed.wait()
        except TimeoutError:
            return

    def close(self) -> None:
        """End the waits of all browsers."""
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _revision(held: tuple[int, dict[str, Any]]) -> int:
    return held[0]
