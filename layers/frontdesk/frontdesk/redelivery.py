"""What the functions behind queues have in common: which records of a batch come again, and after how long."""

from __future__ import annotations

import logging
from math import ceil
from typing import TYPE_CHECKING, Any

from frontdesk.errors import FrontdeskError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)

_BACKOFF_S = (5, 15, 45, 120)  # after the first, second, third … failed attempt


def attempt_of(record: dict[str, Any]) -> int:
    """Return how often SQS has handed ``record`` out, 1 for the first time."""
    return int(record["attributes"]["ApproximateReceiveCount"])


def wait_s(attempt: int, *, last: bool, at_least_s: float = 0.0) -> int:
    """Return after how many seconds the queue shall hand out again what failed at ``attempt``.

    Nothing after the ``last`` one: the sooner it is among the dead letters, the sooner people know.
    """
    return 0 if last else max(_BACKOFF_S[min(attempt, len(_BACKOFF_S)) - 1], ceil(at_least_s))


def partial_response(
    failed: Sequence[tuple[dict[str, Any], int]], retry_later: Callable[[list[tuple[str, int]]], None]
) -> dict[str, Any]:
    """Return the partial batch response for the ``failed`` records, each of which comes again after its seconds."""
    if failed:
        try:
            retry_later([(record["receiptHandle"], seconds) for record, seconds in failed])
        except FrontdeskError as error:
            # They come back all the same, only later: when the queue's visibility time-out has passed.
            log.warning("visibility not shortened", exc_info=error, extra={"code": error.code})
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record, _ in failed]}
