"""The Attendance table: one item a conversation, which tells who attends to the customer and what is due there.

An item is in the index ``due`` while something is due, and only then: it holds what a sweep has to look at, spread
over `SHARDS` by a hash of the conversation. The index has keys and channels only, so a sweep needs no key of anybody.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from zlib import crc32

from frontdesk.errors import ConflictError, ErasedError
from frontdesk.records import Attendance
from frontdesk.storage.aws import translated
from frontdesk.storage.compact_json import compact_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef as Value

    from frontdesk.storage.seals import Seals

SHARDS = 8
# Longer than anything that it remembers matters: a session of WeCom's ends, and a message may be sent, within 48 h.
KEPT_S = 8 * 86_400
_TEXTS = ("conversation", "channel", "state", "reason", "question_id", "session_id", "agent")
_NUMBERS = ("called_at", "reminders", "welcomed_at", "rating_asked_at", "version")
_WORDS = ("customer", "brief", "notice", "rated")
_PAGE = 100


def shard_of(conversation: str) -> int:
    """Return the shard of the index that a conversation belongs to."""
    return crc32(conversation.encode()) % SHARDS


class DynamoDueAttendances:
    """Finds where something is due, without any key. Raises `TransientError` or `MisconfiguredError`."""

    shards = SHARDS

    def __init__(self, client: DynamoDBClient, table: str, *, due_index: str = "due") -> None:
        """``due_index`` is the name of the index of what is due."""
        self._client = client
        self._table = table
        self._due_index = due_index

    def due(self, shard: int, *, by: int) -> Iterator[tuple[str, str, int]]:
        """Yield conversation, channel and ``due_at`` of what of ``shard`` is due by ``by``, the oldest first.

        The index follows the table by moments, so what was just seen to may be told once more.
        """
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            IndexName=self._due_index,
            KeyConditionExpression="due_shard = :shard AND due_at <= :by",
            ExpressionAttributeValues={":shard": {"S": str(shard)}, ":by": {"N": str(by)}},
            PaginationConfig={"PageSize": _PAGE},
        )
        with translated("attendances"):
            for page in pages:
                for item in page["Items"]:
                    yield item["conversation"]["S"], item["channel"]["S"], int(item["due_at"]["N"])


class DynamoAttendances(DynamoDueAttendances):
    """Reads and saves attendances."""

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        *,
        seals: Seals,
        due_index: str = "due",
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``seals`` seals what is said of each customer under the customer's key; ``clock`` returns epoch seconds."""
        super().__init__(client, table, due_index=due_index)
        self._seals = seals
        self._clock = clock

    def get(self, conversation: str) -> Attendance | None:
        """Return what is kept of ``conversation``, nothing once it was erased.

        Raises `UnopenableError` when its words do not open.
        """
        item = self._item(conversation)
        try:
            return self._opened(item) if item else None
        except ErasedError:
            # Its item may still be there, but the customer may write again: `save` lets the new one take its place.
            return None

    def save(self, attendance: Attendance) -> Attendance:
        """Return it as saved, one version on; raises `ConflictError` when another version is stored."""
        saved = replace(attendance, version=attendance.version + 1)
        try:
            self._put(saved, over=attendance.version)
        except ConflictError:
            erased = None if attendance.version else self._erased_version(attendance.conversation)
            if erased is None:
                raise
            saved = replace(attendance, version=erased + 1)
            self._put(saved, over=erased)
        return saved

    def _put(self, attendance: Attendance, *, over: int) -> None:
        """Write ``attendance`` over version ``over``, over nothing for 0."""
        item = self._sealed(attendance)
        with translated("attendances"):
            if over:
                self._client.put_item(
                    TableName=self._table,
                    Item=item,
                    ConditionExpression="version = :version",
                    ExpressionAttributeValues={":version": {"N": str(over)}},
                )
            else:
                self._client.put_item(
                    TableName=self._table, Item=item, ConditionExpression="attribute_not_exists(conversation)"
                )

    def _erased_version(self, conversation: str) -> int | None:
        """Return the version of what is stored when nobody can open it any more, otherwise nothing."""
        item = self._item(conversation)
        try:
            self._opened(item) if item else None
        except ErasedError:
            return int(item["version"]["N"])
        return None

    def _item(self, conversation: str) -> Mapping[str, Any]:
        with translated("attendances"):
            answer = self._client.get_item(
                TableName=self._table, Key={"conversation": {"S": conversation}}, ConsistentRead=True
            )
        return answer.get("Item", {})

    def _sealed(self, attendance: Attendance) -> dict[str, Value]:
        item: dict[str, Value] = {name: {"S": getattr(attendance, name)} for name in _TEXTS}
        item |= {name: {"N": str(getattr(attendance, name))} for name in _NUMBERS}
        item["expires_at"] = {"N": str(int(self._clock()) + KEPT_S)}
        if attendance.due_at is not None:
            item["due_at"] = {"N": str(attendance.due_at)}
            item["due_shard"] = {"S": str(shard_of(attendance.conversation))}
        words = {name: getattr(attendance, name) for name in _WORDS}
        place = _place(attendance.conversation)
        item["sealed"] = {"S": self._seals.seal(attendance.conversation, compact_json(words), *place)}
        return item

    def _opened(self, item: Mapping[str, Any]) -> Attendance:
        conversation = item["conversation"]["S"]
        words = json.loads(self._seals.open(conversation, item["sealed"]["S"], *_place(conversation)))
        texts = {name: item[name]["S"] for name in _TEXTS if name in item}
        numbers: dict[str, Any] = {name: int(item[name]["N"]) for name in _NUMBERS if name in item}
        session_id, question, answer = words.get("rated", ("", "", ""))
        return Attendance(
            **texts,
            **numbers,
            customer=words["customer"],
            brief=words.get("brief", ""),
            notice=words.get("notice", ""),
            rated=(session_id, question, answer),
            due_at=int(item["due_at"]["N"]) if "due_at" in item else None,
        )


def _place(conversation: str) -> tuple[str, ...]:
    return "attendance", conversation
