"""What people are doing, in memory. tests/contract holds it to what the real one does."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontdesk.records import Duty

KEPT_S = 2 * 86_400


class InMemoryDuties:
    """Duties by conversation, each forgotten two days after it was set. ``clock`` returns epoch seconds."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.kept: dict[str, tuple[Duty, int]] = {}

    def get(self, conversation: str) -> Duty | None:
        """Return the duty of the person with this conversation."""
        duty, expires_at = self.kept.get(conversation, (None, 0))
        return duty if self._clock() < expires_at else None

    def set(self, duty: Duty) -> None:
        """Keep ``duty`` in place of the one before."""
        self.kept[duty.conversation] = (duty, int(self._clock()) + KEPT_S)

    def clear(self, conversation: str) -> None:
        """Forget the duty of this person, if there is one."""
        self.kept.pop(conversation, None)
