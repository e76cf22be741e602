"""An allowance in memory: the fake that stands for the claims kept in the ledger's table."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from frontdesk.records import Claim

if TYPE_CHECKING:
    from collections.abc import Callable

MOST = 5
LASTS_S = 48 * 3600


@dataclass(slots=True)
class _Counted:
    customer_at: int = 0
    claimed_at: dict[str, float] = field(default_factory=dict)


class InMemoryAllowance:
    """Five messages since the customer's newest one, for 48 hours (WeCom developer docs, path 94677)."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._conversations: dict[str, _Counted] = {}

    def left(self, conversation: str, *, customer_at: int) -> int:
        """Return how many messages are left; ``customer_at`` is noted when it is the customer's newest message."""
        with self._lock:
            counted = self._of(conversation)
            counted.customer_at = max(counted.customer_at, customer_at)
            return self._left(counted)

    def claim(self, conversation: str, message_id: str, *, keep: int) -> Claim:
        """Take one message, unless no more than ``keep`` are left. One claimed before is granted, and counts once."""
        with self._lock:
            counted = self._of(conversation)
            if counted.claimed_at.get(message_id, 0) > self._clock() - LASTS_S:
                counted.claimed_at[message_id] = max(self._clock(), counted.customer_at)  # it may be sent only now
                return Claim(granted=True, repeated=True)
            if self._left(counted) <= keep:
                return Claim(granted=False, repeated=False)
            # A clock that is behind WeCom's must not make a message older than the one that it answers.
            counted.claimed_at[message_id] = max(self._clock(), counted.customer_at)
            return Claim(granted=True, repeated=False)

    def give_back(self, conversation: str, message_id: str) -> None:
        """Undo the claim for ``message_id``: it was not sent."""
        with self._lock:
            self._of(conversation).claimed_at.pop(message_id, None)

    def _of(self, conversation: str) -> _Counted:
        return self._conversations.setdefault(conversation, _Counted())

    def _left(self, counted: _Counted) -> int:
        if self._clock() >= counted.customer_at + LASTS_S:
            return 0
        # A claim of the very second in which the customer wrote counts: it may have come after that message.
        return max(0, MOST - sum(at >= counted.customer_at for at in counted.claimed_at.values()))
