"""How every figure is taken: its subjects in turns (A B A B …), so that a busy moment hits all of them alike."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["MeasurementError", "in_turns", "median", "milliseconds"]


class MeasurementError(Exception):
    """What was measured did not do its work, so that its time means nothing; the message says what was missing."""


def in_turns(
    subjects: Mapping[str, Callable[[], float]], *, rounds: int, warm_ups: int = 1
) -> dict[str, tuple[float, ...]]:
    """Return what each subject measured in ``rounds`` rounds, after rounds that do not count."""
    samples: dict[str, list[float]] = {name: [] for name in subjects}
    for number in range(-warm_ups, rounds):
        for name, measure in subjects.items():
            value = measure()
            if number >= 0:
                samples[name].append(value)
    return {name: tuple(values) for name, values in samples.items()}


def milliseconds(work: Callable[[], object]) -> float:
    """Return how long ``work`` takes, in milliseconds of the wall clock."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000
