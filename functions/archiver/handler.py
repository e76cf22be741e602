"""The archiver function: each minute, what has been quiet for a while goes to the archive."""

from __future__ import annotations

from typing import Any

from frontdesk import bootstrap, telemetry
from frontdesk.errors import TransientError

_log = telemetry.build_logger()
if bootstrap.in_lambda():
    bootstrap.archiver()


def lambda_handler(_event: dict[str, Any], context: Any) -> None:
    """Archive what is idle now. What does not fit into the time left is found again by the next run."""
    tally = bootstrap.archiver().sweep(time_left=lambda: context.get_remaining_time_in_millis() / 1000)
    _log.info(
        "sweep done",
        extra={
            "archived": tally.archived.total(),
            "superseded": tally.superseded,
            "failed_shards": tally.failed,
            "unfinished": tally.unfinished,
        },
    )
    for channel, archived in tally.archived.items():
        telemetry.emit_metrics(channel, {"Archived": [archived]})
    if tally.lag_s is not None:
        telemetry.emit_metrics("system", {"ArchiveLag": [tally.lag_s]})
    if tally.failed:
        # Fail the run, so that the alarm on the archiver's errors sees it.
        raise TransientError("some shards could not be archived", code="archive_incomplete")
