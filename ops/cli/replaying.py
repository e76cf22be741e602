"""Asks an app what a customer asked once, and tells how far its answers differ from those that were given.

The app gets what the model gets: personal data as placeholders, in a chat of its own that belongs to no customer.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

from frontdesk.conversation.pauses import Abandoned, StillPending, resolve
from frontdesk.conversation.session import TAKEN_BACK
from frontdesk.conversation.trail import Trail
from frontdesk.errors import FrontdeskError
from frontdesk.messages import Question
from frontdesk.records import Pending

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from frontdesk.conversation.guarding import Guard
    from frontdesk.messages import ModelAnswer, Placeholders
    from frontdesk.records import Turn

CUSTOMER = "replay"
ANSWER_S = 120.0
# What the model was asked, whatever became of its answer; beside these whatever it gave a name to.
_ASKED = frozenset({"answer", "choices", "clarify", "fallback", "withheld"})


class Model(Protocol):
    """The app that is asked."""

    identity: str

    def ask(self, question: Question, *, deadline: float, on_first_words: Callable[[], None]) -> ModelAnswer:
        """Return its answer by ``deadline``, or raise `FrontdeskError`."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One turn: what was asked, as the app got it, and both answers, personal data masked in all of them.

    ``similarity`` is 1 for the same words and 0 for none in common, None where there is no new answer. ``before_ms`` is
    from the callback to the answer, ``after_ms`` the app's own time. ``code`` tells why there is no new answer:
    ``not_asked`` when a rule of today, or a question that the app asks back, takes the customer's words.
    """

    question: str
    before: str
    after: str
    kind: str
    similarity: float | None
    confidence_before: float | None
    confidence_after: float | None
    before_ms: int
    after_ms: int | None
    code: str = ""

    @property
    def failed(self) -> bool:
        """Whether the app was asked and did not answer."""
        return self.code not in {"", "not_asked"}


class Replaying:
    """Replays sessions to one app."""

    def __init__(self, model: Model, *, guard: Guard, monotonic: Callable[[], float]) -> None:
        """``guard`` masks what the app gets; ``monotonic`` is the clock of the model's deadlines."""
        self._model = model
        self._guard = guard
        self._monotonic = monotonic
        self._chat_id = ""
        self._pending: Pending | None = None

    def replay(self, turns: Sequence[Turn], known: Placeholders) -> Iterator[Compared]:
        """Yield what comes of each turn that was a question to the model, in order, in one chat between two resets.

        ``known`` are the session's placeholders. After an answer that failed the next question is asked all the same.
        """
        self._begin()
        for turn in turns:
            if turn.kind == "reset":
                self._begin()
            elif turn.question not in {"", TAKEN_BACK} and (turn.kind in _ASKED or turn.attempt_id):
                compared, known = self._once(turn, known)
                yield compared

    def _begin(self) -> None:
        self._chat_id = f"replay-{uuid4().hex}"
        self._pending = None

    def _once(self, turn: Turn, known: Placeholders) -> tuple[Compared, Placeholders]:
        heard = self._guard.hear(turn.question, known, Trail(turn.question_id, lambda: 0))
        known = heard.placeholders
        text = "" if heard.stopped else self._meant(heard.text)
        answer, code = self._ask(text) if text else (None, "not_asked")
        before = self._guard.cover(turn.answer, known)
        known = before.placeholders
        after = self._guard.cover(self._guard.uncover(_words_of(answer), known), known) if answer else None
        compared = Compared(
            # A rule's sentence stands where the rule masks, the customer's words nowhere.
            question=self._guard.cover(turn.question, known).text if heard.stopped else heard.text,
            before=before.text,
            after=after.text if after else "",
            kind=turn.kind,
            similarity=similarity(before.text, after.text) if after else None,
            confidence_before=turn.confidence,
            confidence_after=answer.confidence if answer else None,
            before_ms=max(0, turn.answered_at_ms - turn.asked_at_ms),
            after_ms=answer.total_ms if answer else None,
            code=code,
        )
        return compared, known

    def _meant(self, text: str) -> str:
        """Return what the app wants to hear for ``text``; empty while a form it put is not filled in."""
        if self._pending is None:
            return text
        resolved = resolve(self._pending, text)
        if isinstance(resolved, StillPending):
            self._pending = resolved.pending
            return ""
        if isinstance(resolved, Abandoned):
            self._begin()
            return text
        return resolved.text

    def _ask(self, text: str) -> tuple[ModelAnswer | None, str]:
        question = Question(self._chat_id, attempt_id=uuid4().hex, customer=CUSTOMER, text=text)
        self._pending = None
        try:
            answer = self._model.ask(question, deadline=self._monotonic() + ANSWER_S, on_first_words=lambda: None)
        except FrontdeskError as error:
            return None, error.code
        self._pending = Pending(answer.pause) if answer.pause else None
        return answer, ""


def _words_of(answer: ModelAnswer) -> str:
    if answer.pause is None:
        return answer.text
    choices = [choice.label for choice in answer.pause.choices] + [blank.label for blank in answer.pause.fields]
    return "\n".join(part for part in (answer.text, answer.pause.prompt, *choices) if part)


def similarity(one: str, other: str) -> float:
    """Return how alike two texts are, from 0 to 1: twice what they share in order over what they are long together.

    Letters and digits count, each a unit, full-width ones and capitals as plain ones (difflib's ratio, Ratcliff and
    Obershelp); layout and punctuation do not. It compares words, not what they mean.
    """
    return SequenceMatcher(None, _bare(one), _bare(other), autojunk=False).ratio()


def _bare(text: str) -> str:
    return "".join(each for each in unicodedata.normalize("NFKC", text).casefold() if each.isalnum())
