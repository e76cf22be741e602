"""The Sessions table: one item a session, under its conversation, in the order of opening.

The responder reads and saves sessions with their words; the archiver sees them sealed, and has no key.

An item that is not archived in its present version is in the index ``idle``, and only then: the index holds what
the archiver still has to do, so finding it never reads the table. The index's key is one of `SHARDS`, by a hash
of the session id: no key is hot, however many sessions end in the same minute.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from zlib import crc32

from frontdesk.errors import ErasedError
from frontdesk.storage.aws import translated
from frontdesk.storage.items import from_session, to_sealed_session, to_session

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef as Value

    from frontdesk.records import SealedSession, Session
    from frontdesk.storage.seals import Seals

SHARDS = 16
_PAGE = 100


def shard_of(session_id: str) -> int:
    """Return the shard of the idle index that a session belongs to."""
    return crc32(session_id.encode()) % SHARDS


class DynamoSessions:
    """Reads and saves sessions. Reading raises `UnopenableError` where a session's words do not open."""

    def __init__(self, client: DynamoDBClient, table: str, *, seals: Seals) -> None:
        """``seals`` seals each session's words under its customer's key."""
        self._client = client
        self._table = table
        self._seals = seals

    def latest(self, conversation: str) -> Session | None:
        """Return the newest session of ``conversation``, alive or not, as last saved."""
        with translated("sessions"):
            answer = self._client.query(
                TableName=self._table,
                KeyConditionExpression="conversation = :conversation",
                ExpressionAttributeValues={":conversation": {"S": conversation}},
                ScanIndexForward=False,
                Limit=1,
                ConsistentRead=True,
            )
        return self._opened(answer["Items"][0]) if answer["Items"] else None

    def get(self, conversation: str, session_id: str) -> Session | None:
        """Return one session as last saved."""
        with translated("sessions"):
            answer = self._client.get_item(
                TableName=self._table, Key=_key(conversation, session_id), ConsistentRead=True
            )
        return self._opened(answer["Item"]) if "Item" in answer else None

    def save(self, session: Session) -> Session:
        """Return the session as saved, one version on; raises `ConflictError` when it was changed meanwhile."""
        saved = replace(session, version=session.version + 1)
        item = from_session(saved, self._seals) | {"idle_shard": {"S": str(shard_of(session.session_id))}}
        with translated("sessions"):
            if session.version:
                self._client.put_item(
                    TableName=self._table,
                    Item=item,
                    ConditionExpression="version = :version",
                    ExpressionAttributeValues={":version": {"N": str(session.version)}},
                )
            else:
                self._client.put_item(
                    TableName=self._table, Item=item, ConditionExpression="attribute_not_exists(session_id)"
                )
        return saved

    def _opened(self, item: Mapping[str, Any]) -> Session | None:
        try:
            return to_session(item, self._seals)
        except ErasedError:
            # What was erased is gone; only its item waits for the table's TTL, which can take days. The customer
            # must be able to write again, and gets a new session.
            return None


class DynamoIdleSessions:
    """Finds what is to be archived, and marks it when it is. Words are neither needed nor opened."""

    shards = SHARDS

    def __init__(self, client: DynamoDBClient, table: str, *, idle_index: str = "idle") -> None:
        """``idle_index`` is the name of the index that holds what is not archived yet."""
        self._client = client
        self._table = table
        self._idle_index = idle_index

    def idle(self, shard: int, *, before: int) -> Iterator[SealedSession]:
        """Yield the unarchived sessions of ``shard`` with no activity after ``before``, the oldest first.

        The index follows the table by moments, so a session may be seen in an older state, or once more after it
        was archived: `mark_archived` finds that out.
        """
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            IndexName=self._idle_index,
            KeyConditionExpression="idle_shard = :shard AND last_activity_at <= :before",
            ExpressionAttributeValues={":shard": {"S": str(shard)}, ":before": {"N": str(before)}},
            PaginationConfig={"PageSize": _PAGE},
        )
        with translated("sessions"):
            for page in pages:
                yield from map(to_sealed_session, page["Items"])

    def mark_archived(self, session: SealedSession) -> None:
        """Note that this version is archived, which takes it out of the index.

        Raises `ConflictError` when the session has changed since, or is gone.
        """
        with translated("sessions"):
            self._client.update_item(
                TableName=self._table,
                Key=_key(session.conversation, session.session_id),
                UpdateExpression="SET archived_version = :version REMOVE idle_shard",
                ConditionExpression="version = :version",
                ExpressionAttributeValues={":version": {"N": str(session.version)}},
            )


def _key(conversation: str, session_id: str) -> dict[str, Value]:
    return {"conversation": {"S": conversation}, "session_id": {"S": session_id}}
