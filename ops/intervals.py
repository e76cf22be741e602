"""Two samples and what can be said of them: shares and quantiles with their intervals. Pure, but for a seed.

What is sampled are customers, not questions: a customer's questions are answered alike. So an observation is a customer
with what happened to all of their questions, and customers are what is drawn again.

- A share has Wilson's score interval (1927), over the questions divided by the design effect: by how much the variance
  between customers is larger than that of as many independent questions (Korn and Graubard, 1998).
- A difference of shares has Newcombe's hybrid interval (1998, method 10), made of the two.
- A quantile, and a difference of quantiles, has the percentiles of 1,000 samples of as many customers, drawn with
  replacement (Efron's percentile bootstrap).

All intervals are of 95 %. None is corrected for there being several of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_Z = 1.959963984540054
_DRAWS = 1000
_TAIL = 0.025


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with the interval around it; all ``None`` where nothing was seen."""

    value: float | None
    low: float | None
    high: float | None


NOTHING = Estimate(None, None, None)


def wilson(hits: float, total: float) -> Estimate:
    """Return the share ``hits / total`` with Wilson's interval; both may be effective sizes, not whole."""
    if total <= 0:
        return NOTHING
    share = hits / total
    centre = (share + _Z**2 / (2 * total)) / (1 + _Z**2 / total)
    half = _Z / (1 + _Z**2 / total) * math.sqrt(share * (1 - share) / total + _Z**2 / (4 * total**2))
    # Rounding must not put the interval beside its share, nor beyond what a share can be.
    return Estimate(share, max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half)))


def design_effect(customers: Sequence[tuple[int, int]]) -> float:
    """Return by how much more a share varies than that of independent questions, at least 1.

    ``customers`` are (hits, questions) of each.
    """
    asked = sum(total for _, total in customers)
    share = sum(hits for hits, _ in customers) / asked if asked else 0.0
    if len(customers) < 2 or share in {0.0, 1.0}:
        return max(1.0, asked / len(customers)) if customers else 1.0
    spread = sum((hits - share * total) ** 2 for hits, total in customers)
    between = len(customers) / (len(customers) - 1) * spread / asked**2
    return max(1.0, between / (share * (1 - share) / asked))


def share_of(customers: Sequence[tuple[int, int]]) -> Estimate:
    """Return the share of hits among the questions of ``customers``, (hits, questions) of each, with its interval."""
    asked = [each for each in customers if each[1]]
    effect = design_effect(asked)
    return wilson(sum(hits for hits, _ in asked) / effect, sum(total for _, total in asked) / effect)


def difference(first: Estimate, second: Estimate) -> Estimate:
    """Return ``second - first`` of two independent shares, with Newcombe's interval."""
    values = (first.value, first.low, first.high, second.value, second.low, second.high)
    if any(value is None for value in values):
        return NOTHING
    p, p_low, p_high, q, q_low, q_high = (float(value or 0) for value in values)
    low = q - p - math.hypot(q - q_low, p_high - p)
    return Estimate(q - p, max(-1.0, low), min(1.0, q - p + math.hypot(q_high - q, p - p_low)))


def quantile(values: Sequence[float], at: float) -> float:
    """Return the quantile ``at`` (0 to 1) of ``values``, between two of them in proportion."""
    ordered = sorted(values)
    place = at * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def quantile_of(customers: Sequence[Sequence[float]], at: float, *, seed: int = 0) -> Estimate:
    """Return the quantile ``at`` of all values of ``customers``, with its interval."""
    drawn = _drawn(customers, at, Random(seed))  # noqa: S311  # repeatable, no secret
    return _estimate(_pooled(customers, at), drawn)


def quantile_difference(
    first: Sequence[Sequence[float]], second: Sequence[Sequence[float]], at: float, *, seed: int = 0
) -> Estimate:
    """Return by how much the quantile ``at`` of ``second`` is larger than that of ``first``, with its interval."""
    p, q = _pooled(first, at), _pooled(second, at)
    if p is None or q is None:
        return NOTHING
    chance = Random(seed)  # noqa: S311  # repeatable, no secret
    pairs = zip(_drawn(first, at, chance), _drawn(second, at, chance), strict=True)
    return _estimate(q - p, [after - before for before, after in pairs])


def _pooled(customers: Sequence[Sequence[float]], at: float) -> float | None:
    values = [value for each in customers for value in each]
    return quantile(values, at) if values else None


def _drawn(customers: Sequence[Sequence[float]], at: float, chance: Random) -> list[float]:
    having = [each for each in customers if each]
    if not having:
        return []
    return [
        quantile([value for each in chance.choices(having, k=len(having)) for value in each], at) for _ in range(_DRAWS)
    ]


def _estimate(value: float | None, drawn: Sequence[float]) -> Estimate:
    if value is None or not drawn:
        return NOTHING
    low, high = quantile(drawn, _TAIL), quantile(drawn, 1 - _TAIL)
    return Estimate(value, min(low, value), max(high, value))
