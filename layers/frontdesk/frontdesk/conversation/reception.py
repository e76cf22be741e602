"""At the door: prove who sent it, read it, put it into the inbox, and only then say yes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from frontdesk.conversation.journey import log, reached
from frontdesk.messages import Inbound

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontdesk.messages import Pull


class Callback(Protocol):
    """One channel's callback."""

    channel: str

    def check_url(self, raw_query: str) -> bytes:
        """Return the answer to the vendor's check of the URL; raises `RejectedCallbackError`."""

    def open(self, raw_query: str, body: bytes) -> bytes:
        """Return the authentic message inside ``body``; raises `RejectedCallbackError`."""

    def read(self, message: bytes, *, received_at_ms: int) -> tuple[Inbound | Pull, ...]:
        """Return the message, or the accounts with messages to fetch; nothing when it has no effect.

        Raises `MalformedCallbackError`.
        """


class Inbox(Protocol):
    """The queue in front of the responder."""

    def put(self, inbound: Inbound) -> None:
        """Return when the queue has it. A message put twice within minutes is there once. Raises `TransientError`."""


class Pulls(Protocol):
    """The queue in front of the collector."""

    def put(self, pull: Pull) -> None:
        """Return when the queue has it, each time anew. Raises `TransientError`."""


class Reception:
    """Takes callbacks of one address."""

    def __init__(self, *, callback: Callback, inbox: Inbox, pulls: Pulls, clock: Callable[[], float]) -> None:
        """``clock`` returns epoch seconds."""
        self.channel = callback.channel
        self._callback = callback
        self._inbox = inbox
        self._pulls = pulls
        self._clock = clock

    def check_url(self, raw_query: str) -> bytes:
        """Return the answer to the vendor's check of the URL; raises `RejectedCallbackError`."""
        return self._callback.check_url(raw_query)

    def accept(self, raw_query: str, body: bytes, *, received_at_ms: int) -> tuple[Inbound | Pull, ...]:
        """Return what is safe in the queues, nothing when there was nothing to act on.

        Raises `RejectedCallbackError` when it must not be acted on, `TransientError` or `MisconfiguredError`
        when a queue did not take it: then the vendor must come again.
        """
        message = self._callback.open(raw_query, body)
        verified_at_ms = int(self._clock() * 1000)
        read = self._callback.read(message, received_at_ms=received_at_ms)
        if not read:
            log.info("callback acknowledged without an effect", extra={"channel": self.channel})
        for each in read:
            if not isinstance(each, Inbound):
                self._pulls.put(each)
                log.info("pull queued", extra={"at_ms": int(self._clock() * 1000), "received_at_ms": received_at_ms})
                continue
            self._inbox.put(each)
            reached(
                "queued",
                int(self._clock() * 1000),
                each,
                kind=each.kind,
                received_at_ms=received_at_ms,
                verified_at_ms=verified_at_ms,
            )
        return read
