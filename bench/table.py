"""The rows that a benchmark ends in, and the one table they are printed as."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_HEADINGS = ("figure", "ours", "baseline", "ratio", "goal", "met?")
_NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Goal:
    """A limit that a row is held against: on our own value in the row's unit, or on its ratio to the baseline.

    Without ``inclusive`` the limit itself is a miss already.
    """

    limit: float
    of: Literal["ours", "ratio"] = "ours"
    inclusive: bool = False

    def text(self, unit: str) -> str:
        """Return the goal for people."""
        sign = "≤" if self.inclusive else "<"
        return f"{sign} {self.limit:g}×" if self.of == "ratio" else f"{sign} {self.limit:g} {unit}"

    def is_met(self, row: Row) -> bool:
        """Return whether ``row`` keeps to it; a row without the number it is about does not."""
        value = row.ratio if self.of == "ratio" else row.ours
        if value is None:
            return False
        return value < self.limit or (self.inclusive and value == self.limit)


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: our median and the baseline's, in ``unit``. ``note`` says what the baseline is, and what limits it.

    ``ours_samples`` and ``baseline_samples`` are the single runs behind the medians, in the order they were made.
    """

    figure: str
    ours: float
    unit: str
    baseline: float | None = None
    goals: tuple[Goal, ...] = ()
    note: str = ""
    ours_samples: tuple[float, ...] = ()
    baseline_samples: tuple[float, ...] = ()

    @property
    def ratio(self) -> float | None:
        """Ours over the baseline's; none where there is no baseline, or one of nothing."""
        return self.ours / self.baseline if self.baseline else None

    @property
    def met(self) -> bool | None:
        """Whether every goal is met; none where there is no goal."""
        return all(goal.is_met(self) for goal in self.goals) if self.goals else None

    def as_json(self) -> dict[str, Any]:
        """Return the row for the file, with its samples."""
        return {
            "figure": self.figure,
            "unit": self.unit,
            "ours": self.ours,
            "baseline": self.baseline,
            "ratio": self.ratio,
            "goal": [goal.text(self.unit) for goal in self.goals],
            "met": self.met,
            "note": self.note,
            "ours_samples": list(self.ours_samples),
            "baseline_samples": list(self.baseline_samples),
        }


def number(value: float) -> str:
    """Return ``value`` with about three digits, never as a power of ten."""
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _cells(row: Row, mark: str) -> tuple[str, ...]:
    return (
        f"{row.figure}{mark}",
        f"{number(row.ours)} {row.unit}",
        _NOTHING if row.baseline is None else f"{number(row.baseline)} {row.unit}",
        _NOTHING if row.ratio is None else f"{row.ratio:.2f}×",
        " and ".join(goal.text(row.unit) for goal in row.goals) or _NOTHING,
        _NOTHING if row.met is None else ("yes" if row.met else "NO"),
    )


def _width(text: str) -> int:
    """Return how many columns of a terminal ``text`` takes."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _line(cells: Iterable[str], widths: Sequence[int]) -> str:
    padded = (cell + " " * (width - _width(cell)) for cell, width in zip(cells, widths, strict=True))
    return " | ".join(padded).rstrip()


def table(rows: Sequence[Row]) -> str:
    """Return ``rows`` as one table, and under it the notes they refer to; equal notes are written once."""
    notes = list(dict.fromkeys(row.note for row in rows if row.note))
    marked = [(row, f" [{notes.index(row.note) + 1}]" if row.note else "") for row in rows]
    lines = [_HEADINGS, *(_cells(row, mark) for row, mark in marked)]
    widths = [max(_width(line[column]) for line in lines) for column in range(len(_HEADINGS))]
    rule = "-+-".join("-" * width for width in widths)
    told = [f"[{place}] {note}" for place, note in enumerate(notes, start=1)]
    body = [_line(line, widths) for line in lines]
    return "\n".join([body[0], rule, *body[1:], *([""] if told else []), *told])
