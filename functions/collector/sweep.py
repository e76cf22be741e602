"""The sweep function: each minute, what nobody calls for is put into the queues of those who do it."""

from __future__ import annotations

from typing import Any

from frontdesk import bootstrap, telemetry
from frontdesk.errors import TransientError

_log = telemetry.build_logger()
if bootstrap.in_lambda():
    bootstrap.sweeper()


def lambda_handler(_event: dict[str, Any], context: Any) -> None:
    """Put in what is to be done now. What does not fit into the time left is found again by the next run."""
    swept = bootstrap.sweeper().sweep(time_left=lambda: context.get_remaining_time_in_millis() / 1000)
    counts = {name: swept.put[name] for name in ("accounts", "attendances", "tickets")}
    _log.info("sweep done", extra={**counts, "failed_parts": swept.failed, "unfinished": swept.unfinished})
    metrics = {"Swept": [swept.put.total()]}
    if swept.open is not None:
        metrics["BusinessOpen"] = [int(swept.open)]
    telemetry.emit_metrics("system", metrics)
    if swept.failed:
        # Fail the run, so that the alarm on the sweep's errors sees it.
        raise TransientError("some parts could not be swept", code="sweep_incomplete")
