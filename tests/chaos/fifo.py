"""A FIFO queue of SQS as its consumers see it: groups, deduplication, visibility, receive counts, dead letters.

Source: Amazon SQS Developer Guide, "FIFO queue delivery logic" and "Exactly-once processing": a message with the same
deduplication id is dropped for five minutes; of a group of which a message is in flight nothing more is handed out; what
is received with others of its group comes in order. High-throughput mode: deduplication is the group's own.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

DEDUPLICATION_S = 300.0
MOST_AT_ONCE = 10


def _alone(method: Any) -> Any:
    @wraps(method)
    def locked(self: Any, *args: Any, **kwargs: Any) -> Any:
        with self._lock:
            return method(self, *args, **kwargs)

    return locked


@dataclass(frozen=True, slots=True)
class Taken:
    """A message as handed out for the ``attempt``-th time. ``receipt`` is this time's own."""

    receipt: str
    group: str
    body: Any
    attempt: int


@dataclass(slots=True)
class _Message:
    number: int
    group: str
    body: Any
    receives: int = 0
    receipt: str = ""
    hidden_until: float = 0.0


class FifoQueue:
    """One queue. ``put_in``, ``dropped``, ``handed_out`` and ``redelivered`` count; ``dead`` are the dead letters."""

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        visibility_s: float,
        max_receives: int = 5,
        on_put: Callable[[], None] = lambda: None,
    ) -> None:
        """``on_put`` is called when something new is there."""
        self.visibility_s = visibility_s
        self.max_receives = max_receives
        self._clock = clock
        self._on_put = on_put
        self._lock = threading.RLock()
        self._groups: dict[str, list[_Message]] = {}
        self._seen: dict[tuple[str, str], float] = {}
        self._count = 0
        self._receipts = 0
        self.dead: list[tuple[str, Any]] = []
        self.put_in = self.dropped = self.handed_out = self.redelivered = 0

    def put(self, group: str, deduplication_id: str, body: Any) -> bool:
        """Return whether the message is new; one seen in the last five minutes is dropped."""
        with self._lock:
            now = self._clock()
            if now - self._seen.get((group, deduplication_id), -DEDUPLICATION_S) < DEDUPLICATION_S:
                self.dropped += 1
                return False
            self._seen[group, deduplication_id] = now
            self._append(group, body)
            self.put_in += 1
        self._on_put()
        return True

    @_alone
    def receive(self, most: int = MOST_AT_ONCE) -> list[Taken]:
        """Return what is to be worked on, the longest waiting groups first, and hide it from others."""
        now = self._clock()
        taken: list[Taken] = []
        for messages in sorted(self._groups.values(), key=lambda group: group[0].number):
            if any(message.hidden_until > now for message in messages):
                continue
            for message in list(messages):
                if message.receives >= self.max_receives:
                    self.dead.append((message.group, message.body))
                    messages.remove(message)
                elif len(taken) < most:
                    taken.append(self._hand_out(message, now))
        self._forget_empty()
        return taken

    @_alone
    def delete(self, receipt: str) -> bool:
        """Return whether the message is gone; a receipt of an earlier time is of no use."""
        message = self._held(receipt)
        if message is None:
            return False
        self._groups[message.group].remove(message)
        self._forget_empty()
        return True

    @_alone
    def change_visibility(self, receipt: str, seconds: float) -> None:
        """Let the message be handed out again after ``seconds``."""
        message = self._held(receipt)
        if message is not None:
            message.hidden_until = self._clock() + seconds

    @_alone
    def next_at(self) -> float | None:
        """Return when there will be something to hand out if nothing else happens, ``None`` for an empty queue."""
        return min((max(each.hidden_until for each in group) for group in self._groups.values()), default=None)

    def redrive(self) -> list[Any]:
        """Put the dead letters back, as an operator does when the cause is gone; return their bodies."""
        with self._lock:
            letters, self.dead = self.dead, []
            for group, body in letters:
                self._append(group, body)
        if letters:
            self._on_put()
        return [body for _, body in letters]

    @property
    def depth(self) -> int:
        """How many messages wait or are in flight."""
        return sum(map(len, self._groups.values()))

    def _append(self, group: str, body: Any) -> None:
        self._count += 1
        self._groups.setdefault(group, []).append(_Message(self._count, group, body))

    def _hand_out(self, message: _Message, now: float) -> Taken:
        self._receipts += 1
        self.handed_out += 1
        self.redelivered += message.receives > 0
        message.receives += 1
        message.receipt = f"receipt-{self._receipts}"
        message.hidden_until = now + self.visibility_s
        return Taken(message.receipt, message.group, message.body, message.receives)

    def _held(self, receipt: str) -> _Message | None:
        for messages in self._groups.values():
            for message in messages:
                if message.receipt == receipt and message.hidden_until > self._clock():
                    return message
        return None

    def _forget_empty(self) -> None:
        self._groups = {group: messages for group, messages in self._groups.items() if messages}
