"""What became of each message, read from what its customer was shown.

An answer says the marks of the texts that it answers, so it is known whose it is, however many were taken together.
What has no mark is known by its words, where they were named: `Phrases`.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from simulators.traffic.plan import MARK, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from simulators.traffic.sending import Sent

_MARK = re.compile(MARK)
_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff"


class Fate(StrEnum):
    """What became of a message.

    `ANSWERED`: an answer with its mark, or for media the sentence about media, was shown. `APOLOGISED`: an apology was
    shown after it. `TOLD`: something else was, such as that a colleague goes on. `PERSON`: that had been said before,
    so it is the colleague's to answer. `LOST`: it was acknowledged, and nothing came. `REFUSED`: it was never
    acknowledged, so WeCom would have given up. `EVENT`: nothing is owed.
    """

    ANSWERED = "answered"
    APOLOGISED = "apologised"
    TOLD = "told something else"
    PERSON = "with a person"
    LOST = "lost"
    REFUSED = "never acknowledged"
    EVENT = "event, nothing owed"


@dataclass(frozen=True, slots=True)
class Phrases:
    """The bot's own sentences. ``passing`` ones answer nothing: "one moment, please", a welcome.

    ``person`` are parts of those that say that a colleague goes on.
    """

    passing: frozenset[str] = frozenset()
    apology: frozenset[str] = frozenset()
    media: frozenset[str] = frozenset()
    person: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Shown:
    """One message of the bot that a customer could read; ``at_ms`` is epoch milliseconds.

    ``text`` is without the invisible characters by which a bot may tell equal messages apart, which WeCom would
    suppress as repetitions (developer docs, path 90236).
    """

    at_ms: float
    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", self.text.rstrip(_INVISIBLE))

    @property
    def marks(self) -> list[str]:
        """The marks that it says."""
        return _MARK.findall(self.text)


@dataclass(slots=True)
class Verdict:
    """The findings.

    From the moment a message was due, ``first_ms`` is until anything was shown, ``answer_ms`` until its answer was.
    ``lost``, ``doubled`` and ``out_of_order`` name marks, or customer and kind of what has none;
    ``waiting`` are the customers of what is lost so far.
    """

    fates: Counter[Fate] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    waiting: set[str] = field(default_factory=set)
    doubled: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    first_ms: list[tuple[float, float]] = field(default_factory=list)
    answer_ms: list[tuple[float, float]] = field(default_factory=list)

    @property
    def broken(self) -> bool:
        """Tell whether a promise was broken."""
        return bool(self.lost or self.doubled or self.out_of_order)


def judge(sent: Iterable[Sent], shown: Mapping[str, Sequence[Shown]], phrases: Phrases) -> Verdict:
    """Return what became of everything ``sent``; ``shown`` has each customer's chat, in order.

    The moments in ``first_ms`` and ``answer_ms`` are pairs: when the message was due (seconds after the start), and
    how long it took (milliseconds).
    """
    verdict = Verdict()
    by_customer: dict[str, list[Sent]] = defaultdict(list)
    for each in sent:
        by_customer[each.act.customer].append(each)
    for customer, messages in by_customer.items():
        _Chat(messages, shown.get(customer, ()), phrases).judge(verdict)
    return verdict


class _Chat:
    """One customer's chat."""

    def __init__(self, messages: Sequence[Sent], shown: Sequence[Shown], phrases: Phrases) -> None:
        self._messages = sorted(messages, key=lambda each: each.due_ms)
        self._shown = shown
        self._phrases = phrases
        self._answers: dict[str, list[Shown]] = defaultdict(list)
        for entry in shown:
            for mark in dict.fromkeys(entry.marks):
                self._answers[mark].append(entry)

    def judge(self, verdict: Verdict) -> None:
        for sent in self._messages:
            fate, answer = self._fate(sent)
            verdict.fates[fate] += 1
            if fate is Fate.LOST:
                verdict.lost.append(_name(sent))
                verdict.waiting.add(sent.act.customer)
            if answer is not None:
                if fate is Fate.ANSWERED:
                    verdict.answer_ms.append((sent.act.at_s, answer.at_ms - sent.due_ms))
                first = next(entry for entry in self._shown if entry is answer or self._consoles(entry, sent))
                verdict.first_ms.append((sent.act.at_s, first.at_ms - sent.due_ms))
        verdict.doubled += [mark for mark, answers in self._answers.items() if len(answers) > 1]
        verdict.doubled += self._repeated_sentences()
        verdict.out_of_order += self._out_of_order()

    def _fate(self, sent: Sent) -> tuple[Fate, Shown | None]:
        if sent.act.kind is Kind.EVENT:
            return Fate.EVENT, None
        if answers := self._answers.get(sent.act.mark):
            return Fate.ANSWERED, answers[0]
        if not sent.acknowledged:
            return Fate.REFUSED, None
        for fate, entry in self._unmarked(sent):
            return fate, entry
        return (Fate.PERSON if self._is_with_a_person(sent) else Fate.LOST), None

    def _unmarked(self, sent: Sent) -> Iterator[tuple[Fate, Shown]]:
        """Yield what was said after the message and is no marked answer, with what it means; what means most first."""
        said = [
            entry
            for entry in self._shown
            if entry.at_ms >= sent.due_ms and not entry.marks and entry.text not in self._phrases.passing
        ]
        about_media = [entry for entry in said if entry.text in self._phrases.media]
        others = [entry for entry in said if entry.text not in self._phrases.media]
        if sent.act.kind is Kind.MEDIA:
            yield from ((Fate.ANSWERED, entry) for entry in (about_media if self._phrases.media else others))
        yield from ((Fate.APOLOGISED, entry) for entry in others if entry.text in self._phrases.apology)
        yield from ((Fate.TOLD, entry) for entry in others)

    def _is_with_a_person(self, sent: Sent) -> bool:
        """Tell whether the last that was said before the message is that a colleague goes on."""
        before = [entry.text for entry in self._shown if entry.at_ms < sent.due_ms]
        return bool(before) and any(part in before[-1] for part in self._phrases.person)

    def _consoles(self, entry: Shown, sent: Sent) -> bool:
        return entry.at_ms >= sent.due_ms and entry.text in self._phrases.passing

    def _repeated_sentences(self) -> list[str]:
        """Return the media sentences that outnumber the media before them: a copy was taken for a message of its own.

        Apologies are judged likewise, by the texts that nothing with a mark was said to.
        """
        owed = {
            "media": [each.due_ms for each in self._messages if each.act.kind is Kind.MEDIA],
            "apology": [
                each.due_ms
                for each in self._messages
                if each.act.kind is Kind.TEXT and each.act.mark not in self._answers
            ],
        }
        return [
            f"{self._messages[0].act.customer}, {kind}"
            for kind, sentences in (("media", self._phrases.media), ("apology", self._phrases.apology))
            for number, entry in enumerate((each for each in self._shown if each.text in sentences), start=1)
            if number > sum(due_ms <= entry.at_ms for due_ms in owed[kind])
        ]

    def _out_of_order(self) -> list[str]:
        """Return the texts that were answered before one that had been acknowledged when they were due."""
        answered = [
            (each, self._answers[each.act.mark][0].at_ms) for each in self._messages if each.act.mark in self._answers
        ]
        return [
            later.act.mark
            for place, (later, later_ms) in enumerate(answered)
            if any(
                earlier.acknowledged_at_ms is not None
                and earlier.acknowledged_at_ms <= later.due_ms
                and earlier_ms > later_ms
                for earlier, earlier_ms in answered[:place]
            )
        ]


def _name(sent: Sent) -> str:
    return sent.act.mark or f"{sent.act.customer}, {sent.act.what}"
