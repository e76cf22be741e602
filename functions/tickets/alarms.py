"""The function behind the topic of alarms that open a ticket for the company's own people."""

from __future__ import annotations

import json
from typing import Any

from frontdesk import bootstrap, telemetry

telemetry.build_logger()
if bootstrap.in_lambda():
    bootstrap.alarming()


def lambda_handler(event: dict[str, Any], _context: object) -> None:
    """Have a ticket opened for each alarm of an SNS event that was raised; an alarm's end opens none.

    What fails is raised: Lambda calls again, and what was asked for before is asked for once.
    """
    for record in event["Records"]:
        # CloudWatch's notification: AlarmName, AlarmDescription, NewStateValue and more (CloudWatch user guide).
        told = json.loads(record["Sns"]["Message"])
        if told["NewStateValue"] == "ALARM":
            bootstrap.alarming().raised(told["AlarmName"], told.get("AlarmDescription") or "")
