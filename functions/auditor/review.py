"""The reviewer function: each night, what was said on the days that are over is judged by the rules of today."""

from __future__ import annotations

from typing import Any

from frontdesk import bootstrap, telemetry
from frontdesk.errors import UnopenableError

_log = telemetry.build_logger()
if bootstrap.in_lambda():
    bootstrap.reviewer()


def lambda_handler(_event: dict[str, Any], context: Any) -> None:
    """Review the days that are due. A run that is cut short is made good by the next one."""
    outcome = bootstrap.reviewer().run(time_left=lambda: context.get_remaining_time_in_millis() / 1000)
    unopened = sum(outcome.unopened.values())
    _log.info(
        "review done",
        extra={
            "days": outcome.days,
            "records": outcome.records,
            "texts": outcome.texts,
            "suspicious": outcome.suspicious,
            "waiting": outcome.waiting,
            "erased": outcome.erased,
            "unopened": unopened,
        },
    )
    # All that waits for a decision, 0 included: the alarm stays until people have decided, whichever run found it.
    telemetry.emit_metrics("system", {"Suspicious": [outcome.waiting], "Unopened": [unopened] if unopened else []})
    if unopened:
        # Fail the run, so that the alarm on the reviewer's errors sees it; the reports are written.
        key_id = min(outcome.unopened)
        raise UnopenableError(f"records of the audit did not open: key {key_id or 'unknown'}", key_id=key_id)
