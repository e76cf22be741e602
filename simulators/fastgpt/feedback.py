"""The users' feedback as it came in, for tests and people to look at afterwards."""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Feedback:
    """One call that set or cleared the feedback of an answer. `at_ms` is epoch milliseconds."""

    app_id: str
    chat_id: str
    data_id: str
    good: str | None
    bad: str | None
    at_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)

    def as_json(self) -> dict[str, Any]:
        """Return what /_control/feedback shows, with the names of the call."""
        return {
            "appId": self.app_id,
            "chatId": self.chat_id,
            "dataId": self.data_id,
            "userGoodFeedback": self.good,
            "userBadFeedback": self.bad,
            "at_ms": self.at_ms,
        }


class FeedbackLog:
    """The newest feedback, oldest first."""

    def __init__(self) -> None:
        self._given: deque[Feedback] = deque(maxlen=_KEPT)

    def add(self, feedback: Feedback) -> None:
        """Keep a call that was accepted."""
        self._given.append(feedback)

    def as_json(self, chosen: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return the calls, those of one `appId` or `chatId` if chosen."""
        wanted = {name: chosen[name] for name in ("appId", "chatId") if name in chosen}
        shown = (feedback.as_json() for feedback in self._given)
        return [each for each in shown if all(each[name] == value for name, value in wanted.items())]

    def clear(self) -> None:
        """Forget all of it."""
        self._given.clear()
