"""The archiver's two functions: the sweep of each minute, and the reader of the table's stream."""

from __future__ import annotations

import os
from typing import Any

from frontdesk import bootstrap, telemetry
from frontdesk.errors import TransientError

_TTL_SERVICE = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
_log = telemetry.build_logger()
if bootstrap.in_lambda():
    # Two functions share this module; each builds what its own entry needs.
    if os.environ.get("_HANDLER", "").endswith("stream_handler"):
        bootstrap.rescuer()
    else:
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
    if tally.failed:
        # Fail the run, so that the alarm on the archiver's errors sees it.
        raise TransientError("some shards could not be archived", code="archive_incomplete")


def stream_handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Archive what TTL removed unarchived; return from which record on the stream must be read again."""
    rescuer = bootstrap.rescuer()
    for record in event["Records"]:
        change = record["dynamodb"]
        if record["eventName"] != "REMOVE" or record.get("userIdentity") != _TTL_SERVICE:
            continue
        try:
            session = rescuer.read(change["OldImage"])
            if rescuer.archiving.rescue(session):
                telemetry.emit_metrics(session.channel, {"Archived": [1]})
        except Exception:
            # The stream hands it out again, from here on; after its last try it goes to the dead letters.
            _log.exception("removed session not archived", extra={"code": "rescue_failed"})
            return {"batchItemFailures": [{"itemIdentifier": change["SequenceNumber"]}]}
    return {"batchItemFailures": []}
