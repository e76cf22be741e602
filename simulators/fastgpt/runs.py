"""What was asked of the server, for tests and people to look at afterwards."""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from simulators.fastgpt.schema import Ask

State = Literal["running", "finished", "aborted", "failed"]

_KEPT = 10_000


@dataclass(slots=True)
class Run:
    """One call of completions. `at_ms` is epoch milliseconds; the other times are milliseconds since then."""

    number: int
    ask: Ask
    at_ms: int
    state: State = "running"
    error: str = ""
    fault: str = ""
    chat_id: str = ""
    answer: str = ""
    first_words_ms: int | None = None
    milliseconds: int | None = None
    _started: float = field(default_factory=time.monotonic)

    def words_seen(self) -> None:
        """Note the time of the first words."""
        if self.first_words_ms is None:
            self.first_words_ms = self._elapsed_ms()

    def end(self, state: State, error: str = "") -> None:
        """Note how it ended; only the first end counts."""
        if self.state == "running":
            self.state = state
            self.error = error
            self.milliseconds = self._elapsed_ms()

    def as_json(self) -> dict[str, Any]:
        """Return what /_control/runs shows."""
        return {
            "run": self.number,
            "appId": self.ask.app_id,
            "chatId": self.chat_id or self.ask.chat_id,
            "responseChatItemId": self.ask.item_id,
            "customUid": self.ask.custom_uid,
            "question": self.ask.question,
            "messages": len(self.ask.messages),
            "variables": dict(self.ask.variables),
            "stream": self.ask.stream,
            "detail": self.ask.detail,
            "at_ms": self.at_ms,
            "first_words_ms": self.first_words_ms,
            "milliseconds": self.milliseconds,
            "state": self.state,
            "error": self.error,
            "fault": self.fault,
            "answer": self.answer,
        }

    def _elapsed_ms(self) -> int:
        return round((time.monotonic() - self._started) * 1000)


class RunLog:
    """The newest calls, oldest first."""

    def __init__(self) -> None:
        self._runs: deque[Run] = deque(maxlen=_KEPT)
        self._count = 0

    def begin(self, ask: Ask) -> Run:
        """Add a call that has just come in."""
        self._count += 1
        run = Run(self._count, ask, at_ms=time.time_ns() // 1_000_000)
        self._runs.append(run)
        return run

    def as_json(self, chosen: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return the calls, those of one `appId`, `chatId` or `state` if chosen."""
        wanted = {name: chosen[name] for name in ("appId", "chatId", "state") if name in chosen}
        shown = (run.as_json() for run in self._runs)
        return [run for run in shown if all(run[name] == value for name, value in wanted.items())]

    def clear(self) -> None:
        """Forget all calls; numbering goes on."""
        self._runs.clear()
