"""Days as the audit and the archive count them: in UTC, and over only some time after midnight."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_OVER_AFTER_S = 3_600  # a writer's clock may be behind, and so may an index


def day_of(at_s: float) -> date:
    """Return the day of a moment; ``at_s`` is epoch seconds."""
    return datetime.fromtimestamp(at_s, UTC).date()


def last_finished_day(now: float) -> date:
    """Return the newest day of which nothing more is to be expected; ``now`` is epoch seconds."""
    return day_of(now - _OVER_AFTER_S) - timedelta(days=1)


def days_from(first: date, last: date) -> Iterator[date]:
    """Yield the days from ``first`` to ``last``, both included; none when ``last`` is before ``first``."""
    for n in range((last - first).days + 1):
        yield first + timedelta(days=n)
