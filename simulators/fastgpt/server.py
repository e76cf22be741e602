"""The state of one simulated server: what its endpoints share."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from simulators.fastgpt.answers import AnswerBook
from simulators.fastgpt.chats import ChatStore
from simulators.fastgpt.dialect import Dialect, dialect_of
from simulators.fastgpt.errors import team_limit
from simulators.fastgpt.faults import FaultBook
from simulators.fastgpt.feedback import FeedbackLog
from simulators.fastgpt.knowledge import load_faq
from simulators.fastgpt.runs import RunLog
from simulators.fastgpt.settings import FastgptSettings
from simulators.fastgpt.workflow import SampleApp

_WINDOW_S = 60


class TeamLimit:
    """The team's completions in fixed windows of 60 seconds."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.time) -> None:
        self._limit = limit
        self._clock = clock
        self._ends = 0.0
        self._count = 0

    def count(self) -> dict[str, str]:
        """Count a call and return the headers of its success. Raises ApiError over the limit.

        `X-RateLimit-Reset` is now + 60 s in milliseconds, whatever the window's true end, as on a real server.
        """
        now = self._clock()
        if now >= self._ends:
            self._ends, self._count = now + _WINDOW_S, 0
        self._count += 1
        if self._count > self._limit:
            raise team_limit(self._limit, max(1, round(self._ends - now)))
        return {
            "X-RateLimit-Limit": str(self._limit),
            "X-RateLimit-Remaining": str(self._limit - self._count),
            "X-RateLimit-Reset": str(round((now + _WINDOW_S) * 1000)),
        }


@dataclass(slots=True)
class Server:
    """Settings, knowledge, chats, and what tests asked for and look at."""

    settings: FastgptSettings
    dialect: Dialect
    app: SampleApp
    company: str
    limit: TeamLimit
    chats: ChatStore = field(default_factory=ChatStore)
    runs: RunLog = field(default_factory=RunLog)
    faults: FaultBook = field(default_factory=FaultBook)
    answers: AnswerBook = field(default_factory=AnswerBook)
    feedback: FeedbackLog = field(default_factory=FeedbackLog)

    def reset(self) -> None:
        """Forget chats, runs, faults, scripted answers, feedback and the team's count."""
        for part in (self.chats, self.runs, self.faults, self.answers, self.feedback):
            part.clear()
        self.limit = TeamLimit(self.settings.requests_per_minute)


def start_server(settings: FastgptSettings) -> Server:
    """Return a server with an empty memory. Raises what `load_faq` raises."""
    dialect = dialect_of(settings.version)
    faq = load_faq(settings.faq)
    return Server(
        settings=settings,
        dialect=dialect,
        app=SampleApp(faq, settings, scores_are_lists=dialect.scores_are_lists),
        company=faq.company,
        limit=TeamLimit(settings.requests_per_minute),
    )
