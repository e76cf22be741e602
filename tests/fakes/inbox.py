"""The inbox in memory, as those put into it who are no callback."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from frontdesk.messages import Inbound


class InMemoryInbox:
    """An inbox that drops what it has seen of the same conversation. ``taken`` holds the rest, in order.

    ``failure`` is raised by every call while it is set.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: set[tuple[str, str]] = set()
        self.failure: Exception | None = None
        self.taken: list[Inbound] = []

    def put(self, inbound: Inbound) -> None:
        """Take a message, or fail as told."""
        if self.failure is not None:
            raise self.failure
        with self._lock:
            identity = (inbound.conversation, inbound.message_id)
            if identity not in self._seen:
                self._seen.add(identity)
                self.taken.append(inbound)

    def put_all(self, inbounds: Sequence[Inbound]) -> None:
        """Take all of them, or fail as told."""
        for inbound in inbounds:
            self.put(inbound)

    def ids(self, conversation: str) -> list[str]:
        """Return the ids of what was taken of one conversation, in order."""
        return [each.message_id for each in self.taken if each.conversation == conversation]
