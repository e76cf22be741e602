"""What people of the company are doing, kept beside the attendances: one item a person, with plain ids only.

Its key is ``duty#`` and the conversation that the person has with the application. It is in no index.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from frontdesk.records import Duty
from frontdesk.storage.aws import translated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef as Value

KEPT_S = 2 * 86_400
_TEXTS = ("kind", "about", "begun_by", "ended_by", "response_code")


class DynamoDuties:
    """Reads and writes duties. Every method raises `TransientError` or `MisconfiguredError`."""

    def __init__(self, client: DynamoDBClient, table: str, *, clock: Callable[[], float] = time.time) -> None:
        """``table`` is that of the attendances; ``clock`` returns epoch seconds."""
        self._client = client
        self._table = table
        self._clock = clock

    def get(self, conversation: str) -> Duty | None:
        """Return the duty of the person with this conversation; it is forgotten two days after `set`."""
        with translated("attendances"):
            answer = self._client.get_item(TableName=self._table, Key=_key(conversation), ConsistentRead=True)
        item = answer.get("Item")
        # The table's TTL can be days late.
        if item is None or int(item["expires_at"]["N"]) <= self._clock():
            return None
        return _to_duty(conversation, item)

    def set(self, duty: Duty) -> None:
        """Keep ``duty`` in place of the one before."""
        item: dict[str, Value] = {name: {"S": getattr(duty, name)} for name in _TEXTS}
        item["begun_at_ms"] = {"N": str(duty.begun_at_ms)}
        item["expires_at"] = {"N": str(int(self._clock()) + KEPT_S)}
        with translated("attendances"):
            self._client.put_item(TableName=self._table, Item=item | _key(duty.conversation))

    def clear(self, conversation: str) -> None:
        """Forget the duty of this person, if there is one."""
        with translated("attendances"):
            self._client.delete_item(TableName=self._table, Key=_key(conversation))


def _key(conversation: str) -> dict[str, Value]:
    return {"conversation": {"S": f"duty#{conversation}"}}


def _to_duty(conversation: str, item: Mapping[str, Any]) -> Duty:
    texts = {name: item[name]["S"] for name in _TEXTS if name in item}
    return Duty(conversation=conversation, begun_at_ms=int(item["begun_at_ms"]["N"]), **texts)
