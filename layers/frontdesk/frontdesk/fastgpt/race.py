"""Two endpoints asked at the same time, for when the first is slow: whoever has the whole answer first has won."""

from __future__ import annotations

from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from frontdesk.fastgpt.watched import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontdesk.fastgpt.breaker import Pass
    from frontdesk.fastgpt.ladder import Endpoint
    from frontdesk.messages import ModelAnswer, Question


@dataclass(frozen=True, slots=True, eq=False)
class Runner:
    """An endpoint that is asked ``question`` with leave of its breaker, within ``share_s`` seconds.

    ``afresh`` tells that the talk goes on from there in the chat of this question; ``relieved`` that others below it
    may be asked instead.
    """

    endpoint: Endpoint
    leave: Pass
    question: Question
    afresh: bool
    share_s: float
    relieved: bool = False
    watch: Watch = field(default_factory=Watch)


News = tuple[Runner, "ModelAnswer | Exception | None"]
"""What became of a runner; ``None`` are its first words."""


class Race:
    """Runs each runner in a thread of its own."""

    def __init__(self, submit: Callable[[Callable[[], None]], object]) -> None:
        """``submit`` is an executor's."""
        self._submit = submit
        self._news: SimpleQueue[News] = SimpleQueue()

    def start(self, runner: Runner, deadline: float) -> None:
        """Let one more take part, until ``deadline`` of its client's clock."""

        def run() -> None:
            try:
                answer = runner.endpoint.client.ask(
                    runner.question,
                    deadline=deadline,
                    on_first_words=lambda: self._news.put((runner, None)),
                    watch=runner.watch,
                )
            except Exception as error:  # noqa: BLE001  # the outermost line of this thread: who waits gets to know it
                self._news.put((runner, error))
            else:
                self._news.put((runner, answer))

        self._submit(run)

    def next(self, within_s: float | None) -> News | None:
        """Return the next news, or nothing when there are none ``within_s`` seconds."""
        try:
            return self._news.get(timeout=within_s)
        except Empty:
            return None
