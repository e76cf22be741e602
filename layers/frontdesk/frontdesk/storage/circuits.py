"""The circuits of the model's endpoints, shared by all instances: one item of the Ledger table an endpoint.

The item ``circuit#<endpoint>`` holds a `Circuit`, changed against the version that was read. Failures are counted
beside it by one atomic update, a number a window, ``w<window>``; the present window's and the one before count. An
endpoint without an item is closed.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from frontdesk.errors import ConflictError
from frontdesk.records import Circuit
from frontdesk.storage.aws import translated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef as Value

WINDOW_S = 60
KEPT_S = 86_400
"""For how long an item outlives its last change: much longer than any pause of a circuit."""


class DynamoCircuits:
    """Shares circuits. Every method raises `TransientError` or `MisconfiguredError` for the table's faults."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        """``table`` is the ledger."""
        self._client = client
        self._table = table

    def read(self, endpoint: str, *, now: float) -> Circuit:
        """Return the circuit of ``endpoint`` at ``now`` (epoch seconds)."""
        with translated("ledger"):
            answer = self._client.get_item(TableName=self._table, Key=_key(endpoint))
        return _circuit(answer.get("Item", {}), now)

    def count(self, endpoint: str, failures: int, *, now: float) -> Circuit:
        """Return the circuit after ``failures`` more, or fewer when it is below zero, in one round trip."""
        with translated("ledger"):
            answer = self._client.update_item(
                TableName=self._table,
                Key=_key(endpoint),
                UpdateExpression="ADD #window :failures SET expires_at = :ttl",
                ExpressionAttributeNames={"#window": _window(now)},
                ExpressionAttributeValues={":failures": {"N": str(failures)}, ":ttl": _ttl(now)},
                ReturnValues="ALL_NEW",
            )
        return _circuit(answer["Attributes"], now)

    def save(self, endpoint: str, circuit: Circuit, *, now: float) -> bool:
        """Keep ``circuit``, its counted failures forgotten; return whether nobody else changed it since its version."""
        with suppress(ConflictError), translated("ledger"):
            self._client.put_item(
                TableName=self._table,
                Item={
                    **_key(endpoint),
                    "openings": {"N": str(circuit.openings)},
                    "code": {"S": circuit.code},
                    "retry_at": {"N": f"{circuit.retry_at:.3f}"},
                    "probed": {"BOOL": circuit.probed},
                    "taken_until": {"N": f"{circuit.taken_until:.3f}"},
                    "version": {"N": str(circuit.version)},
                    "expires_at": _ttl(now),
                },
                ConditionExpression="attribute_not_exists(version) OR version = :before",
                ExpressionAttributeValues={":before": {"N": str(circuit.version - 1)}},
            )
            return True
        return False


def _circuit(item: Mapping[str, Any], now: float) -> Circuit:
    windows = (_window(now), _window(now - WINDOW_S))
    failures = max(0, sum(int(item[window]["N"]) for window in windows if window in item))
    if "version" not in item:
        return Circuit(failures=failures)
    return Circuit(
        failures=failures,
        openings=int(item["openings"]["N"]),
        code=item["code"]["S"],
        retry_at=float(item["retry_at"]["N"]),
        probed=item["probed"]["BOOL"],
        taken_until=float(item["taken_until"]["N"]),
        version=int(item["version"]["N"]),
    )


def _key(endpoint: str) -> dict[str, Value]:
    return {"key": {"S": f"circuit#{endpoint}"}}


def _window(now: float) -> str:
    return f"w{int(now // WINDOW_S)}"


def _ttl(now: float) -> Value:
    return {"N": str(int(now) + KEPT_S)}
