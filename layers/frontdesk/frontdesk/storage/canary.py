"""Whether the trial of a new app was stopped: one item of the Ledger table an app, and the alarm that writes it.

The item ``canary#<app id>`` has no end: an app that was stopped stays so until an operator resumes it, or another app
is deployed as the canary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from frontdesk.storage.aws import translated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef as Value

_ASKING = Config(connect_timeout=1, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 3})


def cloudwatch() -> Any:
    """Return a CloudWatch client."""
    return boto3.client("cloudwatch", config=_ASKING)


class DynamoCanaryStops:
    """Keeps which canaries were stopped. Every method raises `TransientError` or `MisconfiguredError`."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        """``table`` is the ledger."""
        self._client = client
        self._table = table

    def stopped_by(self, app_id: str) -> str:
        """Return what or who stopped the canary ``app_id``, "" where nobody did."""
        with translated("ledger"):
            answer = self._client.get_item(TableName=self._table, Key=_key(app_id))
        return answer.get("Item", {}).get("by", {}).get("S", "")

    def stop(self, app_id: str, by: str, *, now: float) -> None:
        """Stop the canary ``app_id`` in the name of ``by`` at ``now`` (epoch seconds)."""
        with translated("ledger"):
            self._client.put_item(
                TableName=self._table,
                Item={**_key(app_id), "by": {"S": by}, "stopped_at": {"N": str(int(now))}},
            )

    def resume(self, app_id: str) -> None:
        """Let the canary ``app_id`` go on."""
        with translated("ledger"):
            self._client.delete_item(TableName=self._table, Key=_key(app_id))


class AlarmedCanary:
    """Stops the canary when one of its alarms is up."""

    def __init__(
        self,
        cloudwatch: Any,
        stops: DynamoCanaryStops,
        *,
        alarms: Sequence[str],
        app_id: str,
        clock: Callable[[], float],
    ) -> None:
        """``cloudwatch`` is a client; ``alarms`` are their names; ``clock`` returns epoch seconds."""
        self._cloudwatch = cloudwatch
        self._stops = stops
        self._alarms = list(alarms)
        self._app_id = app_id
        self._clock = clock

    def stop_if_alarmed(self) -> bool:
        """Return whether the canary was stopped just now; raises `TransientError` or `MisconfiguredError`."""
        with translated("cloudwatch"):
            found = self._cloudwatch.describe_alarms(AlarmNames=self._alarms)["MetricAlarms"]
        if not any(each["StateValue"] == "ALARM" for each in found) or self._stops.stopped_by(self._app_id):
            return False
        self._stops.stop(self._app_id, "alarm", now=self._clock())
        return True


def _key(app_id: str) -> dict[str, Value]:
    return {"key": {"S": f"canary#{app_id}"}}
