"""The reader of the sessions table's stream: what TTL removed before the sweep had its last version is archived."""

from __future__ import annotations

from typing import Any

from frontdesk import bootstrap, telemetry

# How DynamoDB signs a removal of its own (developer guide, "DynamoDB Streams and Time to Live").
_TTL_SERVICE = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
_log = telemetry.build_logger()
if bootstrap.in_lambda():
    bootstrap.rescuer()


def lambda_handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
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
