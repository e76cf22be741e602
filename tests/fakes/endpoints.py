"""Endpoints of the model in memory: each is well, slow, silent or broken as a test says, and takes its time for it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from frontdesk.errors import FrontdeskError, TransientError
from frontdesk.fastgpt.breaker import Breaker
from frontdesk.fastgpt.ladder import SILENCE_ABOVE_S, Endpoint
from frontdesk.fastgpt.transport import SILENCE_S, DeadlineError
from frontdesk.messages import ModelAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from frontdesk.fastgpt.watched import Watch
    from frontdesk.messages import Question
    from tests.fakes.circuits import InMemoryCircuits
    from tests.fakes.clock import FakeClock


@dataclass
class FakeClient:
    """One app. ``is_silent`` servers accept a call and never say anything; ``takes_s`` is how long an answer takes.

    ``error`` is raised in place of an answer, ``pause`` is what an answer waits for. Questions and how long each was
    given are kept.
    """

    rung: str
    clock: FakeClock
    silence_s: float
    takes_s: float = 1.0
    is_silent: bool = False
    error: FrontdeskError | None = None
    questions: list[Question] = field(default_factory=list)
    given_s: list[float] = field(default_factory=list)
    feedbacks: list[tuple[str, str, bool]] = field(default_factory=list)
    answering: Callable[[Question], ModelAnswer] = lambda question: ModelAnswer(text=f"答：{question.text}")

    @property
    def identity(self) -> str:
        """Who it is to the audit."""
        return f"fastgpt:{self.rung}@fastgpt.example.com"

    def ask(
        self,
        question: Question,
        *,
        deadline: float,
        on_first_words: Callable[[], None],
        watch: Watch | None = None,  # as the port has it
    ) -> ModelAnswer:
        """Answer, or fail, at the time it is due."""
        now = self.clock.monotonic()
        self.questions.append(question)
        self.given_s.append(deadline - now)
        takes_s = self.silence_s if self.is_silent else self.takes_s
        self.clock.advance(max(0.0, min(takes_s, deadline - now)))
        if now + takes_s > deadline:
            raise DeadlineError
        if self.is_silent:
            raise TransientError("silent", code="fastgpt_silent")
        if self.error:
            raise self.error
        on_first_words()
        answer = self.answering(question)
        return replace(answer, attempt_id=question.attempt_id, total_ms=round(takes_s * 1000))

    def feedback(self, chat_id: str, attempt_id: str, *, good: bool, deadline: float) -> None:  # as above
        """Keep what is said of an answer."""
        self.feedbacks.append((chat_id, attempt_id, good))

    def probe(self, _within_s: float) -> None:
        """Tell whether it answers."""
        if self.is_silent:
            raise TransientError("silent", code="fastgpt_silent")
        if self.error:
            raise self.error


def endpoints_of(
    clients: Sequence[FakeClient],
    *,
    circuits: InMemoryCircuits,
    clock: FakeClock,
    teams: dict[str, str] | None = None,
    happened: Callable[[str], None] = lambda _what: None,
) -> list[Endpoint]:
    """Return the rungs of a new instance, as it knows them from its start; ``teams`` by rung."""
    endpoints = []
    for client in clients:
        breaker = Breaker(
            client.rung,
            circuits=circuits,
            probe=client.probe,
            on_opened=lambda: happened("opened"),
            submit=lambda job: job(),
            clock=clock,
        )
        breaker.refresh()
        endpoints.append(Endpoint(client.rung, client, breaker, (teams or {}).get(client.rung, client.rung)))
    return endpoints


def clients_of(*rungs: str, clock: FakeClock) -> list[FakeClient]:
    """Return a client for each of ``rungs``, the last of which has nobody below it."""
    return [FakeClient(rung, clock, SILENCE_S if rung == rungs[-1] else SILENCE_ABOVE_S) for rung in rungs]
