"""Ten thousand keywords on a text of a thousand characters, against the two ways that need no library.

Ours does more than the baselines, which search the text as it is: it undoes disguises, looks at what stands between
the characters, and makes a verdict. The last row is how long it takes to make a file of that size ready.
"""

from __future__ import annotations

import random
import re
import time
from typing import TYPE_CHECKING, TypeVar

from bench.sampling import MeasurementError, in_turns, median
from bench.table import Goal, Row
from frontdesk.protection.rules import RuleSet, packaged_rules

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.lab import Lab

_T = TypeVar("_T")

_KEYWORDS = 10_000
_CHARACTERS = 1_000
_HITS = 10
_ROUNDS = 15
_TEXTS = 5
_GOAL_MS = 1.0
_FIRST, _LAST = 0x4E00, 0x4E00 + 3_500  # as many different characters as a newspaper uses
_TALK = "您好，您的订单已经发出，预计明天下午送到，请保持电话畅通。Thank you for your order! 退货请在七天内申请。"


def measure(_lab: Lab) -> list[Row]:
    """Return the rows; one sample is the mean of five texts, in milliseconds of processor time."""
    chance = random.Random(20261122)
    words = _words(chance)
    texts = [_text(chance, words) for _ in range(_TEXTS)]
    file = _file(words)
    ours = RuleSet.read(file)
    expression = re.compile("|".join(re.escape(word) for word in words))

    def judged(text: str) -> object:
        return ours.judge_answer(text)

    def loop(text: str) -> object:
        return [word for word in words if word in text]

    def one_expression(text: str) -> object:
        return [found.group() for found in expression.finditer(text)]

    if not all(len(ours.judge_answer(text).findings) >= _HITS // 2 and loop(text) for text in texts):
        raise MeasurementError("the words that were put into the texts were not found")
    talk = [(_TALK * 20)[:_CHARACTERS]]
    packaged = packaged_rules()
    if packaged.judge_answer(talk[0]).findings:
        raise MeasurementError("ordinary talk was found fault with")
    samples = in_turns(
        {
            "ours": lambda: _each_ms(judged, texts),
            "loop": lambda: _each_ms(loop, texts),
            "expression": lambda: _each_ms(one_expression, texts),
            "packaged": lambda: _each_ms(packaged.judge_answer, talk),
            "read": lambda: _each_ms(RuleSet.read, [file]),
            "compile": lambda: _each_ms(_compiled, [words]),
        },
        rounds=_ROUNDS,
    )

    def row(figure: str, subject: str, baseline: str, note: str, goal: float | None = None) -> Row:
        return Row(
            figure=figure,
            ours=median(samples[subject]),
            baseline=median(samples[baseline]) if baseline else None,
            unit="ms",
            goals=(Goal(goal),) if goal else (),
            note=note,
            ours_samples=samples[subject],
            baseline_samples=samples[baseline] if baseline else (),
        )

    return [
        row(
            f"rules: {_KEYWORDS:,} keywords, {_CHARACTERS:,} characters",
            "ours",
            "loop",
            "baseline: `word in text` for each word, on the text as it is",
            _GOAL_MS,
        ),
        row("  the same", "ours", "expression", "baseline: one regular expression of all words (re), text as it is"),
        row(
            "  ordinary talk, the packaged rules",
            "packaged",
            "",
            "with their regular expressions, each tried on three forms",
        ),
        row(
            "  making them ready",
            "read",
            "compile",
            "baseline: compiling that regular expression, without reading YAML",
        ),
    ]


def _words(chance: random.Random) -> list[str]:
    words: set[str] = set()
    while len(words) < _KEYWORDS:
        words.add(_characters(chance, chance.randint(2, 5)))
    return sorted(words)


def _text(chance: random.Random, words: list[str]) -> str:
    """Return a text with some of ``words`` in it."""
    room = _CHARACTERS // _HITS
    pieces = [(chance.choice(words) + _characters(chance, room))[:room] for _ in range(_HITS)]
    return "".join(pieces)


def _characters(chance: random.Random, number: int) -> str:
    return "".join(chr(chance.randrange(_FIRST, _LAST)) for _ in range(number))


def _file(words: list[str]) -> str:
    listed = "".join(f"      - {word}\n" for word in words)
    return (
        "version: bench\nrules:\n"
        f"  - id: words\n    applies_to: [question, answer]\n    action: tag\n    keywords:\n{listed}"
    )


def _compiled(words: list[str]) -> re.Pattern[str]:
    re.purge()
    return re.compile("|".join(re.escape(word) for word in words))


def _each_ms(work: Callable[[_T], object], subjects: list[_T]) -> float:
    start = time.process_time()
    for each in subjects:
        work(each)
    return (time.process_time() - start) / len(subjects) * 1000
