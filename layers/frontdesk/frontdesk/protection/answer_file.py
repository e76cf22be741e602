"""The company's approved answers to frequent questions: what stands in when no application answers.

A question is met by its very words, and by nothing that resembles them: width, case, blanks and punctuation make no
difference, every other character does. So no answer is given to a question that nobody had in mind when approving it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING

from frontdesk.messages import ModelAnswer
from frontdesk.protection.current_file import CurrentFile
from frontdesk.protection.written_file import Reading, WrittenFileError, tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontdesk.errors import FrontdeskError
    from frontdesk.protection.current_file import Files
    from frontdesk.protection.written_file import Node

_MOST_ANSWERS = 2_000
_MOST_WORDINGS = 50
_LONGEST_QUESTION = 200
_LONGEST_ANSWER = 4_000
_FILE_KEYS = ("version", "answers")
_ANSWER_KEYS = ("id", "questions", "answer", "valid_until", "approved_by")
_REQUIRED = ("id", "questions", "answer", "approved_by")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_NAME = re.compile(r"\S(?:.{0,98}\S)?")
_CHINA = timezone(timedelta(hours=8))


class AnswersError(WrittenFileError):
    """A file of answers cannot be used."""

    code = "answers_invalid"
    what = "answers file"


@dataclass(frozen=True, slots=True)
class ApprovedAnswer:
    """One answer, in Markdown. ``valid_until`` is its last day in China, ``None`` for no last one."""

    id: str
    questions: tuple[str, ...]
    answer: str
    approved_by: str
    valid_until: date | None = None


class AnswerSet:
    """One version of the answers."""

    def __init__(self, version: str = "", answers: tuple[ApprovedAnswer, ...] = ()) -> None:
        self.version = version
        self.answers = answers
        self._by_words = {met(each): answer for answer in answers for each in answer.questions}

    @classmethod
    def read(cls, text: str) -> AnswerSet:
        """Return the answers that ``text`` writes down. Raises `AnswersError` with every problem."""
        reading = _Reading()
        try:
            answers = reading.file(tree(text))
        except WrittenFileError as error:
            raise AnswersError(error.problems) from None
        if reading.problems:
            raise AnswersError(reading.problems)
        return answers

    def find(self, words: str, *, now: float) -> ApprovedAnswer | None:
        """Return the answer to ``words`` that is valid at ``now`` (epoch seconds), if there is one."""
        answer = self._by_words.get(met(words))
        if answer is None or (answer.valid_until and datetime.fromtimestamp(now, _CHINA).date() > answer.valid_until):
            return None
        return answer


def met(words: str) -> str:
    """Return what two wordings have in common that are one question.

    Between two Latin letters or digits everything counts: ``1-2`` is not ``12``, and ``3.5`` is not ``35``.
    """
    text = " ".join(unicodedata.normalize("NFKC", words).casefold().split())
    kept = [
        character
        for place, character in enumerate(text)
        if unicodedata.category(character)[0] not in "PZ"
        or (_is_latin(text[place - 1 : place]) and _is_latin(text[place + 1 : place + 2]))
    ]
    return "".join(kept)


def _is_latin(character: str) -> bool:
    return character.isascii() and character.isalnum()


class CurrentAnswers(CurrentFile[AnswerSet]):
    """The answers in force. Many threads may use it."""

    def __init__(
        self, *, files: Files, clock: Callable[[], float], on_broken: Callable[[FrontdeskError, str], None]
    ) -> None:
        """``clock`` returns epoch seconds; ``on_broken`` is as in `CurrentFile`. Without a file there are none."""
        super().__init__(files=files, read=AnswerSet.read, default=AnswerSet, clock=clock, on_broken=on_broken)

    def find(self, words: str) -> ModelAnswer | None:
        """Return the answer to these very words as a model's, if there is one."""
        answers = self.current()
        answer = answers.find(words, now=self._clock())
        if answer is None:
            return None
        return ModelAnswer(
            text=answer.answer,
            attempt_id=f"cached/{answer.id}",
            identity=f"answers:{answer.id}@{answers.version}",
        )


class _Reading(Reading):
    """Reads nodes into answers."""

    def file(self, node: Node) -> AnswerSet:
        entries = self._mapping(node, _FILE_KEYS, required=_FILE_KEYS)
        version = self._text(entries.get("version"), _VERSION, "letters, digits, dots and dashes, at most 64")
        nodes = self._list(entries.get("answers"))
        if len(nodes) > _MOST_ANSWERS:
            self._note(nodes[_MOST_ANSWERS], f"there are more than {_MOST_ANSWERS} answers")
        ids: set[str] = set()
        wordings: set[str] = set()
        answers: list[ApprovedAnswer] = []
        for place, each in enumerate(nodes[:_MOST_ANSWERS], start=1):
            self._where = f"answer {place}"
            answer = self._answer(each, wordings)
            if answer.id in ids:
                self._note(each, "another answer has the same id")
            ids.update({answer.id} - {""})
            answers.append(answer)
        return AnswerSet(version, tuple(answers))

    def _answer(self, node: Node, wordings: set[str]) -> ApprovedAnswer:
        named = node.value.get("id") if isinstance(node.value, dict) else None
        answer_id = self._text(named, _ID, "the id: small letters, digits and dashes, at most 64")
        if answer_id:
            self._where = f"answer {answer_id}"
        entries = self._mapping(node, _ANSWER_KEYS, required=_REQUIRED)
        questions = self._list(entries.get("questions"))
        if len(questions) > _MOST_WORDINGS:
            self._note(questions[_MOST_WORDINGS], f"a question has more than {_MOST_WORDINGS} wordings")
        return ApprovedAnswer(
            id=answer_id,
            questions=tuple(self._question(each, wordings) for each in questions[:_MOST_WORDINGS]),
            answer=self._words(entries.get("answer"), _LONGEST_ANSWER, "an answer"),
            approved_by=self._text(entries.get("approved_by"), _NAME, "who approved it, at most 100 characters"),
            valid_until=self._day(entries.get("valid_until")),
        )

    def _question(self, node: Node, wordings: set[str]) -> str:
        question = self._words(node, _LONGEST_QUESTION, "a question")
        words = met(question)
        if question and not words:
            self._note(node, "a question needs a letter or a digit")
        elif words in wordings:
            self._note(node, "the same question is there already")
        wordings.update({words} - {""})
        return question

    def _words(self, node: Node | None, longest: int, what: str) -> str:
        if node is None:
            return ""  # its absence is noted already
        text = node.value.strip() if isinstance(node.value, str) else ""
        if not 0 < len(text) <= longest:
            self._note(node, f"{what} is a text of 1 to {longest} characters")
        return text

    def _day(self, node: Node | None) -> date | None:
        written = self._text(node, _DAY, "the last day, as 2026-12-31")
        try:
            return date.fromisoformat(written) if written else None
        except ValueError:
            assert node is not None  # noqa: S101  # for the type checker: nothing was written without it
            self._note(node, "there is no such day")
            return None
