"""Makes the checks one after the other."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from simulators.conformance.catalogue import CHECKS
from simulators.conformance.findings import FailedError, NotApplicableError, Result, Status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from simulators.conformance.catalogue import Check
    from simulators.conformance.stage import Stage

_NOT_MADE = "not made: a check before it has to pass"


async def examine(stage: Stage, only: Collection[str] = ()) -> AsyncIterator[Result]:
    """Make all checks, or those named and the vital ones, and give each result as soon as it is there."""
    halted = False
    for check in CHECKS:
        if only and check.name not in only and not check.vital:
            continue
        result = _result(check, _NOT_MADE, Status.FAIL, 0.0) if halted else await _make(check, stage)
        halted = halted or (check.vital and result.status is Status.FAIL)
        yield result


async def _make(check: Check, stage: Stage) -> Result:
    started = time.monotonic()
    try:
        seen, status = await check.run(stage), Status.OK
    except FailedError as failure:
        seen, status = str(failure), Status.FAIL
    except NotApplicableError as reason:
        seen, status = str(reason), Status.NOT_APPLICABLE
    finally:
        stage.clear()
    return _result(check, seen, status, time.monotonic() - started)


def _result(check: Check, seen: str, status: Status, seconds: float) -> Result:
    return Result(check.name, check.happens, check.expected, seen, status, round(seconds, 2))
