"""An alarm about the service itself becomes a ticket for the company's own people: one an alarm and day."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from frontdesk.conversation.hours import CHINA
from frontdesk.conversation.journey import log

if TYPE_CHECKING:
    from collections.abc import Callable


class AlarmRequests(Protocol):
    """The queue in front of the tickets. Raises `TransientError` or `MisconfiguredError`."""

    def put_alarm(self, alarm: str, description: str, *, day: str, at: int) -> None:
        """Ask for a ticket about ``alarm``, raised at ``at`` (epoch seconds); one a ``day`` is opened."""


class Alarming:
    """Asks for tickets; what is done with them is done as with any other."""

    def __init__(self, *, requests: AlarmRequests, clock: Callable[[], float]) -> None:
        """``clock`` returns epoch seconds."""
        self._requests = requests
        self._clock = clock

    def raised(self, alarm: str, description: str) -> None:
        """Ask for the ticket of the day, China's, about ``alarm``; what asks again that day opens no other."""
        now = self._clock()
        day = datetime.fromtimestamp(now, CHINA).date().isoformat()
        self._requests.put_alarm(alarm, description, day=day, at=int(now))
        log.info("ticket asked for", extra={"alarm": alarm})
