"""The auditor function: each night, the finished days of the audit are exported and signed."""

from __future__ import annotations

from typing import Any

from frontdesk import bootstrap, telemetry
from frontdesk.errors import TransientError

_log = telemetry.build_logger()
if bootstrap.in_lambda():
    bootstrap.auditor()


def lambda_handler(_event: dict[str, Any], context: Any) -> None:
    """Export what is due. What does not fit into the time left is done by the next run."""
    tally = bootstrap.auditor().export(time_left=lambda: context.get_remaining_time_in_millis() / 1000)
    _log.info(
        "audit exported",
        extra={"days": tally.days, "records": tally.records, "flaws": tally.flaws, "unfinished": tally.unfinished},
    )
    telemetry.emit_metrics("system", {"AuditExported": [tally.records], "AuditBroken": [tally.flaws]})
    if tally.unfinished:
        # Fail the run, so that it is repeated at once and the alarm sees it.
        raise TransientError("time was too short for all days", code="audit_unfinished")
