"""Masking: how long a 500-character message takes, and how much of the labelled set is found, and rightly.

The baseline does the least that could be called masking: one expression that replaces every run of six digits or more.
It finds neither a spaced number nor an e-mail address, and masks every amount, date and tracking number.

The labelled set is `tests/vectors/private-data.jsonl`. Its held-out part was written after the rules and never used to
change them; the figures are of that part only.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.sampling import MeasurementError, in_turns, median
from bench.table import Goal, Row
from frontdesk.protection.masking import Masker
from frontdesk.protection.private_data import KINDS, find_private_data, same_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bench.lab import Lab

LABELLED = Path(__file__).parents[2] / "tests" / "vectors" / "private-data.jsonl"
HELD_OUT = "held-out"
STRICT_KINDS = ("手机号", "身份证号", "银行卡号", "邮箱")
RECALL_GOAL, PRECISION_GOAL = 0.98, 0.97

_ROUNDS = 15
_REPETITIONS = 100
_CHARACTERS = 500
_PLAIN = "您好，我上周在你们店里买了一个空气炸锅，用了三天就不加热了，订单是2024-05-01下的，付了399.00元，能不能退换？"
_PRIVATE = "我叫陈晓，电话138 1234 5678，邮箱chen.xiao@example.com，车牌京A·12345，寄到文三路138号3栋2单元501室。"
_NAIVE = re.compile(r"\d{6,}")
_TIMED = "baseline: one expression that replaces each run of six digits or more"
_COUNTED = "percent of the labelled set's held-out part; a value counts when kind and value are both right"


@dataclass(frozen=True, slots=True)
class Score:
    """How one kind fared: right, wrongly taken, and missed values."""

    right: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float:
        """The share of what was taken that is right."""
        return self.right / (self.right + self.wrong) if self.right else 0.0

    @property
    def recall(self) -> float:
        """The share of what there is that was taken."""
        return self.right / (self.right + self.missed) if self.right else 0.0


def labelled(part: str = "") -> list[dict[str, Any]]:
    """Return the labelled lines, those of one part where it is named."""
    lines = [json.loads(line) for line in LABELLED.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if part in {"", line["part"]}]


def scores(lines: Iterable[dict[str, Any]]) -> dict[str, Score]:
    """Return how each kind fares on ``lines``."""
    right: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    for line in lines:
        text = line["text"]
        there = Counter((span["kind"], same_value(span["kind"], span["text"])) for span in line["spans"])
        taken = Counter(
            (each.kind, same_value(each.kind, text[each.start : each.end])) for each in find_private_data(text)
        )
        for counter, values in ((right, there & taken), (wrong, taken - there), (missed, there - taken)):
            counter.update(kind for kind, _ in values.elements())
    return {kind: Score(right[kind], wrong[kind], missed[kind]) for kind in KINDS}


def measure(_lab: Lab) -> list[Row]:
    """Return the time for a message without and with personal data, and precision and recall of each kind."""
    masker = Masker()
    texts = {
        "without personal data": (_PLAIN * _CHARACTERS)[:_CHARACTERS],
        "with personal data": ((_PRIVATE + _PLAIN) * _CHARACTERS)[:_CHARACTERS],
    }
    if [bool(masker.mask(text, ()).placeholders) for text in texts.values()] != [False, True]:
        raise MeasurementError("the messages are not what they are called: the comparison would mean nothing")
    rows = [_timed(name, text, masker) for name, text in texts.items()]
    for kind, score in scores(labelled(HELD_OUT)).items():
        strict = kind in STRICT_KINDS
        rows += [
            _counted(f"masking: {kind}, recall {score.recall:.3f}: missed", score.recall, RECALL_GOAL * strict),
            _counted(
                f"masking: {kind}, precision {score.precision:.3f}: wrong", score.precision, PRECISION_GOAL * strict
            ),
        ]
    return rows


def _timed(name: str, text: str, masker: Masker) -> Row:
    samples = in_turns(
        {
            "ours": lambda: _milliseconds(lambda: masker.mask(text, ())),
            "naive": lambda: _milliseconds(lambda: _NAIVE.sub("[number]", text)),
        },
        rounds=_ROUNDS,
    )
    return Row(
        figure=f"masking: {len(text)} characters {name}",
        ours=median(samples["ours"]),
        baseline=median(samples["naive"]),
        unit="ms",
        goals=(Goal(1),),
        note=_TIMED,
        ours_samples=samples["ours"],
        baseline_samples=samples["naive"],
    )


def _milliseconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    for _ in range(_REPETITIONS):
        work()
    return (time.process_time() - start) / _REPETITIONS * 1000


def _counted(figure: str, share: float, least: float) -> Row:
    """Return what is missing from ``share`` to all of it, because goals are upper limits; none where ``least`` is 0."""
    goals = (Goal(round(100 - 100 * least, 3), inclusive=True),) if least else ()
    return Row(figure=figure, ours=100 - 100 * share, unit="%", goals=goals, note=_COUNTED)
