"""A model that can be told apart by its answers: each names the questions it answers, segment by segment."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

from frontdesk.conversation.briefs import _CONTEXT_END
from frontdesk.errors import PermanentError, TransientError
from frontdesk.messages import Choice, ModelAnswer, Pause

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontdesk.messages import Question
    from tests.chaos.plan import Plan

MARK = re.compile(r"#\d{4,}")
ANSWERED = "答"
_FILLER = "这一段说明我们的服务，内容仅供演示。"
_FIRST_WORDS_S = (0.4, 3.0)
_SLOW_S = (7.0, 20.0)
_LENGTHS = (1,) * 12 + (2, 3, 3, 4, 9)  # segments


def answer_to(text: str, segments: int) -> str:
    """Return an answer of so many messages to the questions with marks in ``text``."""
    marks = "".join(dict.fromkeys(MARK.findall(text)))
    if segments == 1:
        return f"{ANSWERED}{marks}：可以的，请放心。"
    # A message of customer service has 2048 bytes, so 600 characters of Chinese do not share one.
    return "\n\n".join(
        f"{ANSWERED if not number else '续'}{marks}·{number + 1}。{(_FILLER * 40)[:600]}" for number in range(segments)
    )


class ChaosModel:
    """Answers as the seed has it: short or long, slowly, not surely, with a choice, after failures, or never.

    ``sleep`` lets kept time pass, ``midway`` is called with the customer's digest and the question in the middle of it.
    """

    identity = "fastgpt:6650a1b2c3d4e5f6a7b8c9d0@fastgpt.example.com"

    def __init__(self, plan: Plan, *, sleep: Callable[[float], None], midway: Callable[[str, str], None]) -> None:
        self._plan = plan
        self._sleep = sleep
        self._midway = midway
        self._lock = threading.Lock()
        self._failed: dict[str, int] = {}
        self.asked = self.failures = 0

    def ask(self, question: Question, *, deadline: float, on_first_words: Callable[[], None]) -> ModelAnswer:
        """Return the answer; raises `TransientError` and `PermanentError` as the seed has it."""
        text = question.text.rpartition(_CONTEXT_END)[2]  # what was said to a person is not asked again
        marks = MARK.findall(text)
        rng = self._plan.rng("model", *marks[-1:])
        with self._lock:
            self.asked += 1
            failed = self._failed.get(marks[-1] if marks else "", 0)
        takes_s = rng.uniform(*(_SLOW_S if rng.random() < 0.05 else _FIRST_WORDS_S))
        self._sleep(takes_s / 2)
        self._midway(question.customer, marks[-1] if marks else "")
        self._sleep(takes_s / 2)
        draw = rng.random()
        if draw < self._plan.model_permanent:
            self.failures += 1
            raise PermanentError("the app cannot answer this", code="fastgpt_refused")
        if draw < self._plan.model_permanent + self._plan.model_transient and failed < rng.choice((1, 1, 2, 9)):
            with self._lock:
                self.failures += 1
                self._failed[marks[-1] if marks else ""] = failed + 1
            raise TransientError("the app is busy", code="fastgpt_busy", retry_after_s=rng.choice((0.0, 2.0)))
        on_first_words()
        text = answer_to(text, rng.choice(_LENGTHS))
        kind = rng.random()
        if kind < 0.02:
            return ModelAnswer(text, confidence=0.3, total_ms=int(takes_s * 1000))
        if kind < 0.03:
            return ModelAnswer(text, wants_person=True, total_ms=int(takes_s * 1000))
        pause = (
            Pause("要办什么？", choices=(Choice("退货", "return"), Choice("换货", "exchange"))) if kind < 0.05 else None
        )
        return ModelAnswer(text, pause=pause, confidence=0.95, total_ms=int(takes_s * 1000))

    def recover(self) -> None:
        """Fail no more."""
        with self._lock:
            self._failed.clear()
            self._plan = self._plan.calm()

    def feedback(self, chat_id: str, attempt_id: str, *, good: bool, deadline: float) -> None:
        """Take what a customer thinks of an answer."""
