"""What becomes of a message, and what one attempt at it has reached so far."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from frontdesk.messages import Kind, rung_of

if TYPE_CHECKING:
    from frontdesk.conversation.trail import Trail
    from frontdesk.messages import Received
    from frontdesk.records import Reply, Session


class Result(StrEnum):
    """What became of a message."""

    ANSWERED = "answered"
    FALLBACK = "fallback"  # the model cannot answer this; the customer was told so
    BLOCKED = "blocked"  # a rule said its own sentence instead
    HANDOFF = "handoff"  # a person is to go on; the customer was told so
    RECORDED = "recorded"  # it is for people, or tells of them: noted, and nothing is said
    WITHHELD = "withheld"  # a person took over before it was said
    UNSENT = "unsent"  # the vendor takes no more messages until the customer writes again
    SILENT = "silent"  # nothing was due, e.g. a second welcome
    DUPLICATE = "duplicate"  # everything had been sent before
    UNDELIVERABLE = "undeliverable"  # this customer cannot be written to
    RETRY = "retry"  # the queue shall hand it out again
    DEAD = "dead"  # no attempt is left: the queue moves it to the dead letters


_FROM_CUSTOMERS = frozenset(Kind) - {
    *(Kind.ENTERED, Kind.PERSON, Kind.RECALLED, Kind.UNDELIVERED, Kind.STATE, Kind.DUE, Kind.TICKET)
}
_SERVED = frozenset(
    {Result.ANSWERED, Result.FALLBACK, Result.BLOCKED, Result.HANDOFF, Result.RECORDED, Result.WITHHELD}
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one attempt at one message. Times in milliseconds, ``None`` where it never came so far.

    ``first_response_ms`` and ``response_ms`` count from the callback to the first and the last visible message.
    ``counted`` names further things that happened, as the metrics call them. ``rung`` tells which of the model's
    endpoints gave the answer, "" where none did; ``variant`` which version of the app the customer's questions go to:
    primary or canary, "" where there is one version, or nothing was asked. ``served`` tells whether the customer was
    answered, honestly apologised to, or is with a person; ``None`` where nobody waits for an answer, where it is not
    decided yet, and where the vendor alone takes no more messages. ``confidence`` is
    the answer's own.
    """

    received: Received
    result: Result
    code: str = ""
    retry_after_s: float = 0.0
    misconfigured: bool = False  # a person must change something before this can go well again
    first_response_ms: int | None = None
    response_ms: int | None = None
    model_ms: int | None = None
    counted: tuple[str, ...] = ()
    rung: str = ""
    variant: str = ""
    served: bool | None = None
    confidence: float | None = None

    @property
    def handled(self) -> bool:
        """Whether the queue may forget the message."""
        return self.result not in {Result.RETRY, Result.DEAD}


@dataclass(slots=True)
class Progress:
    """What one attempt at one step has reached; for the audit and the outcome's figures.

    ``notice`` is what was kept for the customer and now stands before the reply, ``None`` where another attempt
    composed it. ``told`` tells that the customer has read the apology, or is with a person.
    """

    trail: Trail
    reply: Reply | None = None
    session: Session | None = None
    notice: str | None = None
    first_visible_ms: int | None = None
    last_visible_ms: int | None = None
    model_ms: int | None = None
    misconfigured: bool = False
    variant: str = ""
    told: bool = False
    counted: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def seen(self, at_ms: int) -> None:
        """Note that the customer got something to read."""
        with self.lock:
            self.first_visible_ms = self.first_visible_ms or at_ms
            self.last_visible_ms = at_ms

    def outcome(self, received: Received, result: Result, code: str = "") -> Outcome:
        """Return the end of this attempt for one of its messages."""
        start = received.inbound.received_at_ms
        first, last = self.first_visible_ms, self.last_visible_ms
        return Outcome(
            received,
            result,
            code=code,
            misconfigured=self.misconfigured,
            first_response_ms=None if first is None else max(0, first - start),
            response_ms=None if last is None else max(0, last - start),
            model_ms=self.model_ms,
            counted=tuple(self.counted),
            rung=rung_of(self.reply.attempt_id) if self.reply else "",
            variant=self.variant,
            served=self._served(received, result),
            confidence=self.reply.confidence if self.reply else None,
        )

    def _served(self, received: Received, result: Result) -> bool | None:
        if received.inbound.kind not in _FROM_CUSTOMERS:
            return None
        if result is Result.DEAD:
            return self.told
        return True if result in _SERVED else False if result is Result.UNDELIVERABLE else None
