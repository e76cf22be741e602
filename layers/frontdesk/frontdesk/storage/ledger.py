"""The Ledger table: what was answered and what of it was sent, for long enough to outlive any repetition.

A reply is one item under its first message; each further message it answers has an item that points there.
Everything in the table ends by TTL.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any

from frontdesk.errors import ConflictError, TransientError
from frontdesk.storage.aws import translated
from frontdesk.storage.items import from_reply, to_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef as Value

    from frontdesk.records import Reply

# Dead letters are kept for 14 days, and a redrive must still find what had been sent.
KEEP_REPLIES_S = 15 * 86_400
# As long as the vendor may take one text for the repetition of another, and some.
KEEP_REPETITIONS_S = 2 * 3_600
_ABSENT = "attribute_not_exists(#key)"
_NAMES = {"#key": "key"}
_BATCH_TRIES = 3


class DynamoLedger:
    """Reads and writes the ledger."""

    def __init__(self, client: DynamoDBClient, table: str, *, clock: Callable[[], float] = time.time) -> None:
        """``clock`` returns epoch seconds."""
        self._client = client
        self._table = table
        self._clock = clock

    def find(self, conversation: str, message_ids: Iterable[str]) -> dict[str, Reply]:
        """Return the replies on record, by the id of each of the messages that they answer."""
        keys = {_reply_key(conversation, message_id): message_id for message_id in message_ids}
        items = self._batch_get(keys)
        leaders = {item["leader"]["S"] for item in items.values() if "leader" in item}
        replies = {key: to_reply(item) for key, item in items.items() if "leader" not in item}
        replies |= {key: to_reply(item) for key, item in self._batch_get(leaders - replies.keys()).items()}
        found: dict[str, Reply] = {}
        for key, item in items.items():
            reply = replies.get(item["leader"]["S"] if "leader" in item else key)
            if reply:
                found[keys[key]] = reply
        return found

    def record(self, reply: Reply) -> None:
        """Write ``reply`` for all its messages or for none; raises `ConflictError` when one has a reply already."""
        leader, *followers = (_reply_key(reply.conversation, message_id) for message_id in reply.message_ids)
        expires: dict[str, Value] = {"expires_at": self._in(KEEP_REPLIES_S)}
        items: list[dict[str, Value]] = [{"key": {"S": leader}, **from_reply(reply), **expires}]
        items += [{"key": {"S": key}, "leader": {"S": leader}, **expires} for key in followers]
        with translated("ledger"):
            if followers:
                self._client.transact_write_items(
                    TransactItems=[
                        {
                            "Put": {
                                "TableName": self._table,
                                "Item": item,
                                "ConditionExpression": _ABSENT,
                                "ExpressionAttributeNames": _NAMES,
                            }
                        }
                        for item in items
                    ]
                )
            else:
                self._put_if_absent(items[0])

    def mark_sent(self, reply: Reply, sent: int) -> None:
        """Remember that the first ``sent`` segments of ``reply`` are sent."""
        with translated("ledger"):
            self._client.update_item(
                TableName=self._table,
                Key={"key": {"S": _reply_key(reply.conversation, reply.question_id)}},
                UpdateExpression="SET sent = :sent",
                ConditionExpression="attribute_exists(#key)",
                ExpressionAttributeNames=_NAMES,
                ExpressionAttributeValues={":sent": {"N": str(sent)}},
            )

    def first_time(self, conversation: str, what: str) -> bool:
        """Return whether ``what`` is claimed for the first time in this conversation."""
        item: dict[str, Value] = {"key": {"S": f"once#{conversation}#{what}"}, "expires_at": self._in(KEEP_REPLIES_S)}
        try:
            with translated("ledger"):
                self._put_if_absent(item)
        except ConflictError:
            return False
        return True

    def repetitions(self, conversation: str, text: str) -> int:
        """Return how often ``text`` was counted for this customer before, and count it once more."""
        digest = hashlib.blake2b(text.encode(), key=conversation.encode(), digest_size=16).hexdigest()
        with translated("ledger"):
            answer = self._client.update_item(
                TableName=self._table,
                Key={"key": {"S": f"said#{conversation}#{digest}"}},
                UpdateExpression="ADD times :one SET expires_at = :expires",
                ExpressionAttributeValues={":one": {"N": "1"}, ":expires": self._in(KEEP_REPETITIONS_S)},
                ReturnValues="UPDATED_NEW",
            )
        return int(answer["Attributes"]["times"]["N"]) - 1

    def _put_if_absent(self, item: dict[str, Value]) -> None:
        self._client.put_item(
            TableName=self._table, Item=item, ConditionExpression=_ABSENT, ExpressionAttributeNames=_NAMES
        )

    def _batch_get(self, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the items under ``keys`` (at most 100), by key, read consistently."""
        wanted: list[dict[str, Value]] = [{"key": {"S": key}} for key in keys]
        found: dict[str, dict[str, Any]] = {}
        for _ in range(_BATCH_TRIES):
            if not wanted:
                return found
            with translated("ledger"):
                answer = self._client.batch_get_item(
                    RequestItems={self._table: {"Keys": wanted, "ConsistentRead": True}}
                )
            found |= {item["key"]["S"]: item for item in answer["Responses"].get(self._table, [])}
            unread = answer["UnprocessedKeys"].get(self._table)
            wanted = [dict(key) for key in unread["Keys"]] if unread else []
        if wanted:
            raise TransientError("the ledger left keys unread", code="ledger_failed")
        return found

    def _in(self, seconds: int) -> Value:
        return {"N": str(int(self._clock()) + seconds)}


def _reply_key(conversation: str, message_id: str) -> str:
    return f"reply#{conversation}#{message_id}"
