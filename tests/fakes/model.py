"""A model that says what the test's script says."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from frontdesk.messages import ModelAnswer

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontdesk.messages import Question


class ScriptedModel:
    """Gives the scripted answers in turn, and an echo of the question when the script is at its end.

    An entry is an answer, an error to raise, or a function from the question to an answer. ``questions`` and
    ``deadlines`` hold what was asked.
    """

    identity = "fastgpt:6650a1b2c3d4e5f6a7b8c9d0@fastgpt.example.com"

    def __init__(self, *script: ModelAnswer | BaseException | Callable[[Question], ModelAnswer]) -> None:
        self.script = deque(script)
        self.questions: list[Question] = []
        self.deadlines: list[float] = []

    def ask(self, question: Question, *, deadline: float, on_first_words: Callable[[], None]) -> ModelAnswer:
        """Answer the next question as scripted."""
        self.questions.append(question)
        self.deadlines.append(deadline)
        entry = self.script.popleft() if self.script else echo
        if isinstance(entry, BaseException):
            raise entry
        answer = entry if isinstance(entry, ModelAnswer) else entry(question)
        on_first_words()
        return answer


def echo(question: Question) -> ModelAnswer:
    """Return an answer that tells which question it answers."""
    return ModelAnswer(text=f"答：{question.text}", first_words_ms=300, total_ms=900)
