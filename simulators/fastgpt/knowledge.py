"""The dataset behind the simulated app: reads a FAQ file and finds what shares characters with a question.

No model: likeness is counted over pairs of neighbouring Chinese characters and over Latin words. Scores are then bent
into the ranges that embedding and rerank models usually give, so that thresholds meant for those still make sense: what
the FAQ really answers scores 0.8 and more.
"""

import hashlib
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_STOP = re.compile(
    r"请问一下|请问|麻烦|怎么办|怎么样|怎么|如何|什么时候|什么|哪里|多少钱|多少|你们|我们|您好|可以|能不能|能否|是不是|"
    r"有没有|一下|知道|告诉|想|吗|呢|啊|呀|吧|的|了|是|我|你|您|在|有"
)
_RUNS = re.compile(r"[\u4e00-\u9fff]+|[a-z0-9]+")
_POINTS_BACK = re.compile(r"它|这个|那个|这款|那款|\b(?:it|this one|that one)\b", re.IGNORECASE)
_ENGLISH_STOP = frozenset({"a", "an", "the", "do", "does", "is", "are", "you", "i", "to", "can", "of", "me", "my"})
_MOST_HITS = 5
_LEAST_LIKENESS = 0.05


@dataclass(frozen=True, slots=True)
class Entry:
    """One piece of the dataset."""

    id: str
    questions: tuple[str, ...]
    answer: str

    @property
    def data_id(self) -> str:
        """Its 24-hex id, the same in every run."""
        return object_id("data", self.id)


@dataclass(frozen=True, slots=True)
class Facet:
    """A detail of a subject, and the words that ask for it."""

    words: tuple[str, ...]
    answer: str


@dataclass(frozen=True, slots=True)
class Subject:
    """Something that "it" can point back to."""

    name: str
    also: tuple[str, ...]
    facets: tuple[Facet, ...]

    def last_mention(self, text: str) -> int:
        """Return where the text names it last, -1 if it does not."""
        lowered = text.lower()
        return max(lowered.rfind(name.lower()) for name in (self.name, *self.also))


@dataclass(frozen=True, slots=True)
class Hit:
    """An entry with its likeness to the question, 0 to 1."""

    entry: Entry
    answer: str
    likeness: float

    @property
    def embedding(self) -> float:
        """The likeness on the scale of an embedding model."""
        return round(0.95 * math.sqrt(self.likeness), 4)

    @property
    def rerank(self) -> float:
        """The likeness on the scale of a rerank model."""
        return round(0.99 * math.sqrt(self.likeness), 4)


class Faq:
    """A FAQ file, searchable."""

    def __init__(self, company: str, source: str, entries: Iterable[Entry], subjects: Iterable[Subject]) -> None:
        self.company = company
        self.source = source
        self._entries = tuple(entries)
        self._subjects = tuple(subjects)
        self._tokens = {
            entry.id: [tokens for question in entry.questions if (tokens := _tokens(question))]
            for entry in self._entries
        }

    def search(self, question: str) -> list[Hit]:
        """Return the entries most like any line of the question, best first; unlike ones are left out."""
        lines = [_tokens(line) for line in question.splitlines() or [question]]
        hits = [
            Hit(entry, entry.answer, max(_likeness(line, form) for line in lines for form in forms))
            for entry in self._entries
            if (forms := self._tokens[entry.id])
        ]
        hits = [hit for hit in hits if hit.likeness >= _LEAST_LIKENESS]
        return sorted(hits, key=lambda hit: -hit.likeness)[:_MOST_HITS]

    def follow_up(self, question: str, said_before: Sequence[str]) -> Hit | None:
        """Return the detail asked of a subject, named in the question or, for "it", last named before.

        `said_before` is the conversation, oldest first. None when the question is not of that kind.
        """
        facet_words = question.lower()
        subject = self._latest([question])
        if subject is None and _POINTS_BACK.search(question):
            subject = self._latest(said_before)
        if subject is None:
            return None
        for facet in subject.facets:
            if any(word in facet_words for word in facet.words):
                entry = Entry(f"{subject.name}/{facet.words[0]}", (subject.name + facet.words[0],), facet.answer)
                return Hit(entry, facet.answer, 0.9)
        return None

    def points_back(self, question: str) -> bool:
        """Return whether the question needs something said before."""
        return bool(_POINTS_BACK.search(question))

    def _latest(self, texts: Sequence[str]) -> Subject | None:
        for text in reversed(texts):
            mentions = [(subject.last_mention(text), subject) for subject in self._subjects]
            place, subject = max(mentions, key=lambda each: each[0], default=(-1, None))
            if place >= 0:
                return subject
        return None


def load_faq(path: Path) -> Faq:
    """Read a FAQ file. Raises OSError, yaml.YAMLError, or ValueError naming what the file lacks."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    try:
        return Faq(
            str(document["company"]),
            str(document["source"]),
            [Entry(str(raw["id"]), _texts(raw["questions"]), str(raw["answer"])) for raw in document["entries"]],
            [
                Subject(
                    str(raw["name"]),
                    _texts(raw.get("also", ())),
                    tuple(Facet(_texts(facet["words"]), str(facet["answer"])) for facet in raw["facets"]),
                )
                for raw in document.get("subjects", ())
            ],
        )
    except (KeyError, TypeError) as exc:
        raise ValueError(f"{path.name} is no FAQ file: {exc}") from exc


def object_id(*parts: str) -> str:
    """Return a 24-hex id that depends on the parts alone."""
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:24]


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(str(value) for value in values)


def _tokens(text: str) -> frozenset[str]:
    tokens: set[str] = set()
    for run in _RUNS.findall(_STOP.sub(" ", text.lower())):
        if run.isascii():
            tokens.update({run} - _ENGLISH_STOP)
        elif len(run) == 1:
            tokens.add(run)
        else:
            tokens.update(run[place : place + 2] for place in range(len(run) - 1))
    return frozenset(tokens)


def _likeness(asked: frozenset[str], known: frozenset[str]) -> float:
    shared = len(asked & known)
    if not shared:
        return 0.0
    dice = 2 * shared / (len(asked) + len(known))
    contained = shared / min(len(asked), len(known))
    return 0.5 * dice + 0.5 * contained
