"""Stands between a function and the AWS emulator, and adds up what AWS would ask money for.

DynamoDB tells the units that a call consumed when it is asked to; the emulator reckons them from the items' sizes, as
AWS's rules have it.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from bench.relay import Relay, aws_operation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.loopback import Reply

_READS = frozenset({"GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems"})
_DYNAMODB = "dynamodb_"
_SQS = "amazonsqs"


class Meter(Relay):
    """A relay to the emulator at ``port`` that counts, by the units of the price table."""

    def __init__(self, port: int) -> None:
        super().__init__(port, named=aws_operation)
        self._used: Counter[str] = Counter()

    def used(self) -> dict[str, float]:
        """Return what was used since the last time this was asked."""
        used, self._used = self._used, Counter()
        return dict(used)

    def respond(self, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Return the emulator's answer, adding up what it cost."""
        service = headers.get("x-amz-target", "").partition("_")[0].partition(".")[0].lower()
        operation = aws_operation(path, headers)
        if service != "dynamodb":
            self._used[{_SQS: "sqs_fifo_requests"}.get(service, f"{service}_calls")] += 1
            return super().respond(path, headers, body)
        asked = json.dumps({**json.loads(body), "ReturnConsumedCapacity": "TOTAL"}).encode()
        reply = super().respond(path, {**headers, "content-length": str(len(asked))}, asked)
        unit = "dynamodb_read_units" if operation in _READS else "dynamodb_write_units"
        self._used[unit] += units_in(json.loads(reply.body or b"{}"))  # type: ignore[assignment]  # halves
        return reply


def units_in(answer: Mapping[str, Any]) -> float:
    """Return the capacity units that a call of DynamoDB consumed; a refused condition tells none."""
    told = answer.get("ConsumedCapacity", [])
    return sum(float(each["CapacityUnits"]) for each in (told if isinstance(told, list) else [told]))
