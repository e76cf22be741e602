"""At the door: prove who sent it, read it, put it into the inbox, and only then say yes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from frontdesk.conversation.journey import log, reached

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontdesk.messages import Inbound


class Callback(Protocol):
    """One channel's callback."""

    channel: str

    def check_url(self, raw_query: str) -> bytes:
        """Return the answer to the vendor's check of the URL; raises `RejectedCallbackError`."""

    def open(self, raw_query: str, body: bytes) -> bytes:
        """Return the authentic message inside ``body``; raises `RejectedCallbackError`."""

    def read(self, message: bytes, *, received_at_ms: int) -> Inbound | None:
        """Return the message, ``None`` when there is nothing to answer; raises `MalformedCallbackError`."""


class Inbox(Protocol):
    """The queue in front of the responder."""

    def put(self, inbound: Inbound) -> None:
        """Return when the queue has it. A message put twice within minutes is there once. Raises `TransientError`."""


class Reception:
    """Takes callbacks of one channel."""

    def __init__(self, *, callback: Callback, inbox: Inbox, clock: Callable[[], float]) -> None:
        """``clock`` returns epoch seconds."""
        self.channel = callback.channel
        self._callback = callback
        self._inbox = inbox
        self._clock = clock

    def check_url(self, raw_query: str) -> bytes:
        """Return the answer to the vendor's check of the URL; raises `RejectedCallbackError`."""
        return self._callback.check_url(raw_query)

    def accept(self, raw_query: str, body: bytes, *, received_at_ms: int) -> Inbound | None:
        """Return the message when it is safe in the inbox, ``None`` when there was nothing to answer.

        Raises `RejectedCallbackError` when it must not be acted on, `TransientError` or `MisconfiguredError`
        when the inbox did not take it: then the vendor must come again.
        """
        message = self._callback.open(raw_query, body)
        verified_at_ms = int(self._clock() * 1000)
        inbound = self._callback.read(message, received_at_ms=received_at_ms)
        if inbound is None:
            log.info("callback acknowledged without an effect", extra={"channel": self.channel})
            return None
        self._inbox.put(inbound)
        reached(
            "queued",
            int(self._clock() * 1000),
            inbound,
            kind=inbound.kind,
            received_at_ms=received_at_ms,
            verified_at_ms=verified_at_ms,
        )
        return inbound
