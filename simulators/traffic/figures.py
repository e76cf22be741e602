"""The numbers that a distribution is told by."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Spread:
    """How ``count`` samples are spread, in their own unit; all 0 without samples."""

    count: int
    p50: float
    p95: float
    p99: float
    longest: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Spread:
        """Return the spread of ``samples``."""
        return cls(len(samples), *(percentile(samples, share) for share in (0.5, 0.95, 0.99, 1.0)))

    def to_json(self) -> dict[str, float]:
        """Return the spread for a program to read."""
        return asdict(self)


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the smallest sample that ``share`` (0 to 1) of all are not above: the nearest rank; 0 without samples."""
    if not samples:
        return 0.0
    # The product of two fractions that are none in binary may end a little above the rank that is meant.
    rank = math.ceil(round(share * len(samples), 9))
    return sorted(samples)[max(rank, 1) - 1]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return how much y grows with each unit of x, by least squares; 0 for fewer than two different x."""
    if len(points) < 2:
        return 0.0
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0
