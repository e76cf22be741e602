"""A model that says what the test's script says, and keeps what is said of its answers."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from frontdesk.messages import ModelAnswer

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontdesk.messages import Question

NOT_RECORDED = "NO_RECORD_HISTORIES"  # the chat id whose answers FastGPT does not keep


@dataclass(frozen=True, slots=True)
class Feedback:
    """What was said of one answer."""

    chat_id: str
    attempt_id: str
    good: bool


class ScriptedModel:
    """Gives the scripted answers in turn, and an echo of the question when the script is at its end.

    An entry is an answer, an error to raise, or a function from the question to an answer. ``questions`` and
    ``deadlines`` hold what was asked. An answer that names no ``attempt_id`` gets that of its question, as FastGPT's
    does. Feedback raises the errors of ``feedback_script`` in turn, an entry of None raises nothing; ``feedbacks`` and
    ``feedback_deadlines`` hold what was taken.
    """

    identity = "fastgpt:6650a1b2c3d4e5f6a7b8c9d0@fastgpt.example.com"

    def __init__(self, *script: ModelAnswer | BaseException | Callable[[Question], ModelAnswer]) -> None:
        self.script = deque(script)
        self.questions: list[Question] = []
        self.deadlines: list[float] = []
        self.feedback_script: deque[BaseException | None] = deque()
        self.feedbacks: list[Feedback] = []
        self.feedback_deadlines: list[float] = []

    def ask(self, question: Question, *, deadline: float, on_first_words: Callable[[], None]) -> ModelAnswer:
        """Answer the next question as scripted."""
        self.questions.append(question)
        self.deadlines.append(deadline)
        entry = self.script.popleft() if self.script else echo
        if isinstance(entry, BaseException):
            raise entry
        answer = entry if isinstance(entry, ModelAnswer) else entry(question)
        on_first_words()
        kept_as = "" if question.chat_id == NOT_RECORDED else answer.attempt_id or question.attempt_id
        return replace(answer, attempt_id=kept_as)

    def feedback(self, chat_id: str, attempt_id: str, *, good: bool, deadline: float) -> None:
        """Keep what is said of an answer, unless the script has an error for it."""
        error = self.feedback_script.popleft() if self.feedback_script else None
        if error is not None:
            raise error
        self.feedbacks.append(Feedback(chat_id, attempt_id, good))
        self.feedback_deadlines.append(deadline)


def echo(question: Question) -> ModelAnswer:
    """Return an answer that tells which question it answers."""
    return ModelAnswer(text=f"答：{question.text}", first_words_ms=300, total_ms=900)


def calls_a_person(question: Question) -> ModelAnswer:
    """Return an answer of an app that wants a person to go on; it did not search, so nothing tells how sure it is."""
    return replace(echo(question), wants_person=True)


def is_unsure(question: Question) -> ModelAnswer:
    """Return an answer of which the app is not sure."""
    return replace(echo(question), confidence=0.35)
