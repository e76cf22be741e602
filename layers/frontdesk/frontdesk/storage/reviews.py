"""The Reviews table: one item for each audit record that a review found, under its conversation.

An item is opened once and decided once. The index ``state`` lists what is open, and what was decided.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from frontdesk.errors import ConflictError
from frontdesk.records import ReviewItem
from frontdesk.storage.aws import translated
from frontdesk.storage.compact_json import compact_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef as Value

OPEN = "open"
DECISIONS = ("upheld", "dismissed")
_STATE_INDEX = "state"
_NAMES = {"#state": "state"}
_PAGE = 100


class DynamoReviews:
    """Reads and writes review items. Every method raises `TransientError` or `MisconfiguredError`."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        """``table`` is the reviews' own."""
        self._client = client
        self._table = table

    def open(self, item: ReviewItem) -> bool:
        """Keep ``item`` unless there is one of this record already, decided or not; return whether it was new."""
        try:
            with translated("reviews"):
                self._client.put_item(
                    TableName=self._table, Item=_from_item(item), ConditionExpression="attribute_not_exists(seq)"
                )
        except ConflictError:
            return False
        return True

    def get(self, conversation: str, seq: int) -> ReviewItem | None:
        """Return the item of one record."""
        with translated("reviews"):
            answer = self._client.get_item(TableName=self._table, Key=_key(conversation, seq), ConsistentRead=True)
        return _to_item(answer["Item"]) if "Item" in answer else None

    def list(self, state: str) -> Iterator[ReviewItem]:
        """Yield the items in ``state``, the oldest first; the index follows the table by moments."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            IndexName=_STATE_INDEX,
            KeyConditionExpression="#state = :state",
            ExpressionAttributeNames=_NAMES,
            ExpressionAttributeValues={":state": {"S": state}},
            PaginationConfig={"PageSize": _PAGE},
        )
        with translated("reviews"):
            for page in pages:
                yield from map(_to_item, page["Items"])

    def decide(self, conversation: str, seq: int, state: str, *, by: str, at: int, note: str = "") -> ReviewItem:
        """Return the item as decided: upheld or dismissed, ``by`` whom, ``at`` epoch seconds.

        Raises `ConflictError` when it is not open, or not there, and ValueError for another state.
        """
        if state not in DECISIONS:
            raise ValueError("an item is upheld or dismissed")
        with translated("reviews"):
            answer = self._client.update_item(
                TableName=self._table,
                Key=_key(conversation, seq),
                UpdateExpression="SET #state = :state, decided_by = :by, decided_at = :at, note = :note",
                ConditionExpression="#state = :open",
                ExpressionAttributeNames=_NAMES,
                ExpressionAttributeValues={
                    ":state": {"S": state},
                    ":open": {"S": OPEN},
                    ":by": {"S": by},
                    ":at": {"N": str(at)},
                    ":note": {"S": note},
                },
                ReturnValues="ALL_NEW",
            )
        return _to_item(answer["Attributes"])


def _key(conversation: str, seq: int) -> dict[str, Value]:
    return {"conversation": {"S": conversation}, "seq": {"N": str(seq)}}


def _from_item(item: ReviewItem) -> dict[str, Value]:
    written: dict[str, Value] = {
        **_key(item.conversation, item.seq),
        "day": {"S": item.day},
        "rule_ids": {"S": compact_json(item.rule_ids)},
        "rules_version": {"S": item.rules_version},
        "found_at": {"N": str(item.found_at)},
        "state": {"S": item.state},
        "decided_by": {"S": item.decided_by},
        "note": {"S": item.note},
    }
    if item.decided_at is not None:
        written["decided_at"] = {"N": str(item.decided_at)}
    return written


def _to_item(item: Mapping[str, Any]) -> ReviewItem:
    return ReviewItem(
        conversation=item["conversation"]["S"],
        seq=int(item["seq"]["N"]),
        day=item["day"]["S"],
        rule_ids=tuple(json.loads(item["rule_ids"]["S"])),
        rules_version=item["rules_version"]["S"],
        found_at=int(item["found_at"]["N"]),
        state=item["state"]["S"],
        decided_by=item["decided_by"]["S"],
        decided_at=int(item["decided_at"]["N"]) if "decided_at" in item else None,
        note=item["note"]["S"],
    )
