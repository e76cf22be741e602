"""Who writes what and when: drawn before the first message leaves, so that nothing that is measured can slow it down.

Customers come by as a Poisson process, each with one to four questions, some of which they type as several short
messages in a row; on top of that come bursts, in which many write within a second. Every text has a mark of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MARK = "问[A-Z]{7}"
"""A pattern for the mark of a text. No digits: what looks like a number might be taken for personal data."""
QUESTIONS = (
    "多久能发货",
    "运费怎么算",
    "怎么修改收货地址",
    "怎么开发票",
    "怎么退货",
    "退款多久到账",
    "几点开门",
    "门店在哪里",
    "保修多久",
    "会员积分怎么用",
    "手冲壶有什么功能",
    "怎么清洗保养",
)
IN_A_ROW = ("你好", "我上周买的那个", "想问一下")
MEDIA = ("image", "voice", "location")
AGAIN_AFTER_S = 5.0
"""WeCom repeats a callback that was not answered for so long (developer docs, path 90930)."""

_MORE_QUESTIONS = (0.5, 0.3, 0.15, 0.05)  # one, two, three, four
_IN_A_ROW_SHARE = 0.2
_THINKS_S = 12.0  # on average, between two questions of one visit
_TYPES_S = (0.4, 1.5)  # between two messages in a row
_BURST_S = 1.0
_VISIT_S = 120.0  # hardly any visit takes longer


class Channel(StrEnum):
    """Where a customer writes: the self-built application, or 微信客服."""

    APP = "app"
    KF = "kf"


class Kind(StrEnum):
    """What a customer does; all but `EVENT` is owed an answer."""

    TEXT = "text"
    MEDIA = "media"
    EVENT = "event"


class Copy(StrEnum):
    """How often a message is delivered: once, twice at once, or again after WeCom's own five seconds."""

    NONE = "once"
    AT_ONCE = "at once"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Mix:
    """What the traffic is made of. ``rate`` is messages a second without the bursts; shares are from 0 to 1.

    Every ``burst_every_s`` seconds ``burst`` customers write within one second; 0 for never.
    """

    rate: float
    seconds: float
    customers: int
    kf: float = 0.0
    duplicates: float = 0.02
    media: float = 0.05
    events: float = 0.02
    burst: int = 0
    burst_every_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that a customer does, ``at_s`` seconds after the start.

    ``what`` is the text with its ``mark``, the kind of media, or the event's name.
    """

    at_s: float
    channel: Channel
    customer: str
    kind: Kind
    what: str
    mark: str = ""
    copy: Copy = Copy.NONE


def messages_a_visit() -> float:
    """Return how many messages a visit has on average, over many of them."""
    questions = sum(count * share for count, share in enumerate(_MORE_QUESTIONS, start=1))
    return questions * (1 + _IN_A_ROW_SHARE * (1 + len(IN_A_ROW)) / 2)


def drawn(mix: Mix, seed: int, run: str) -> list[Act]:
    """Return all that happens, in order of time; ``run`` tells this run's customers and marks from another's.

    The same ``mix``, ``seed`` and ``run`` give the same acts.
    """
    draw = _Draw(mix, Random(seed), run)
    return sorted((act for act in draw.acts() if 0 <= act.at_s < mix.seconds), key=lambda act: act.at_s)


class _Draw:
    def __init__(self, mix: Mix, rng: Random, run: str) -> None:
        self._mix = mix
        self._rng = rng
        self._run = run
        self._marks: set[str] = set()
        self._asked: dict[str, int] = {}

    def acts(self) -> Iterator[Act]:
        for at_s in self._arrivals(self._mix.rate / messages_a_visit()):
            yield from self._visit(at_s)
        if self._mix.burst:
            for number in range(1, int(self._mix.seconds / self._mix.burst_every_s) + 1):
                yield from self._burst(number * self._mix.burst_every_s)

    def _arrivals(self, rate: float) -> Iterator[float]:
        # From before the start, so that the first minute has as many who are in the middle of it as any other.
        at_s = self._rng.expovariate(rate) - _VISIT_S
        while at_s < self._mix.seconds:
            yield at_s
            at_s += self._rng.expovariate(rate)

    def _visit(self, at_s: float) -> Iterator[Act]:
        channel, customer = self._customer()
        (questions,) = self._rng.choices(range(1, len(_MORE_QUESTIONS) + 1), _MORE_QUESTIONS)
        for _ in range(questions):
            if self._rng.random() < _IN_A_ROW_SHARE:
                for words in IN_A_ROW[: self._rng.randint(1, len(IN_A_ROW))]:
                    yield self._text(at_s, channel, customer, words)
                    at_s += self._rng.uniform(*_TYPES_S)
            yield self._message(at_s, channel, customer)
            at_s += self._rng.expovariate(1 / _THINKS_S)

    def _burst(self, at_s: float) -> Iterator[Act]:
        for _ in range(self._mix.burst):
            yield self._message(at_s + self._rng.uniform(0, _BURST_S), *self._customer())

    def _customer(self) -> tuple[Channel, str]:
        number = self._rng.randrange(self._mix.customers)
        # A customer is on one channel, so that the shares are those of customers as much as of messages.
        channel = Channel.KF if number < self._mix.kf * self._mix.customers else Channel.APP
        return channel, f"{'wm' if channel is Channel.KF else 'traffic'}{self._run}{number:05d}"

    def _message(self, at_s: float, channel: Channel, customer: str) -> Act:
        drawn = self._rng.random()
        if drawn < self._mix.media:
            return Act(at_s, channel, customer, Kind.MEDIA, self._rng.choice(MEDIA), copy=self._copy())
        if drawn < self._mix.media + self._mix.events and channel is Channel.APP:
            return Act(at_s, channel, customer, Kind.EVENT, "enter_agent", copy=self._copy())
        # Each customer asks in an order of their own and comes to the same question only after all others: who asks
        # once more what was just answered is asking for a person.
        number = self._asked.setdefault(customer, self._rng.randrange(len(QUESTIONS)))
        self._asked[customer] = number + 1
        return self._text(at_s, channel, customer, QUESTIONS[number % len(QUESTIONS)])

    def _text(self, at_s: float, channel: Channel, customer: str, words: str) -> Act:
        mark = self._mark()
        return Act(at_s, channel, customer, Kind.TEXT, f"{words} {mark}", mark, self._copy())

    def _copy(self) -> Copy:
        if self._rng.random() >= self._mix.duplicates:
            return Copy.NONE
        return self._rng.choice((Copy.AT_ONCE, Copy.LATER))

    def _mark(self) -> str:
        while True:
            mark = "问" + "".join(self._rng.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=7))
            if mark not in self._marks:
                self._marks.add(mark)
                return mark
