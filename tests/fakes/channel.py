"""A way out that writes down what arrives, and shows a repetition only once, as WeCom does."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from frontdesk.errors import AllowanceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontdesk.messages import Inbound, Outbound

CUT = "\f"
"""Where `RecordingChannel.split` cuts an answer into segments."""
BOLD = "**"
"""The only Markdown that `RecordingChannel.render` knows."""
TWIN_MARK = "\u200b"


class RecordingChannel:
    """``requests`` holds every delivery that was tried, ``shown`` what the customers see, in order.

    An identical message to the same customer within ``window_s`` is accepted and not shown (WeCom developer docs,
    path 90236: enable_duplicate_check). ``failures`` are raised in turn, one a delivery; ``None`` lets one pass.

    With ``left``, which a test may set again at any time, the vendor counts (path 94677): so many messages are still
    taken, the last one only from who may spend it, and a code makes one that is not counted. Then a repetition is told
    by its id, not by its words, and the vendor hosts the talk.
    """

    def __init__(self, *, clock: Callable[[], float], window_s: float = 3600, left: int | None = None) -> None:
        self._clock = clock
        self._window_s = window_s
        self._shown_at: dict[tuple[str, str], float] = {}
        self.left = left
        self.hosted = left is not None
        self.requests: list[Outbound] = []
        self.shown: list[Outbound] = []
        self.failures: deque[Exception | None] = deque()

    def render(self, markdown: str) -> str:
        """Return ``markdown`` without its `BOLD` marks."""
        return markdown.replace(BOLD, "")

    def split(self, text: str) -> tuple[str, ...]:
        """Return ``text`` cut at each `CUT`, blank segments left out."""
        return tuple(segment for segment in text.split(CUT) if segment.strip())

    def distinct(self, text: str, n: int) -> str:
        """Return ``text`` with ``n`` invisible marks, where they are what tells twins apart."""
        return text if self.left is not None else text + TWIN_MARK * n

    def room(self, inbound: Inbound) -> int | None:
        """Return how many messages are left."""
        return self.left

    def deliver(self, outbound: Outbound, *, deadline: float) -> None:
        """Show the message, unless it was shown just before."""
        self.requests.append(outbound)
        failure = self.failures.popleft() if self.failures else None
        if failure is not None:
            raise failure
        key = (outbound.recipient, outbound.text if self.left is None else outbound.message_id)
        now = self._clock()
        if key in self._shown_at and now < self._shown_at[key] + self._window_s:
            return
        if self.left is not None and not outbound.code:
            if self.left <= (0 if outbound.last else 1):
                raise AllowanceError("no message is left")
            self.left -= 1
        self._shown_at[key] = now
        self.shown.append(outbound)

    def read_by(self, customer: str) -> list[str]:
        """Return what ``customer`` reads, without the marks that nobody sees."""
        return [each.text.rstrip(TWIN_MARK) for each in self.shown if each.recipient == customer]
