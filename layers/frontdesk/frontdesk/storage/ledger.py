"""The Ledger table: what was answered and what of it was sent, for long enough to outlive any repetition.

A reply is one item under its first message; each further message it answers has an item that points there.
What the audit keeps of a reply or a claim is written in the same transaction, so neither is there without the other.
Everything in the table ends by TTL.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from frontdesk.errors import ConflictError, TransientError, UnopenableError
from frontdesk.storage.audit import ChainHeads
from frontdesk.storage.aws import translated
from frontdesk.storage.items import from_reply, to_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef as Value
    from mypy_boto3_dynamodb.type_defs import PutTypeDef as Put
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef as Write

    from frontdesk.records import Happening, Reply
    from frontdesk.storage.audit import DynamoAudit, Head
    from frontdesk.storage.seals import DigestingSeals

# Dead letters are kept for 14 days, and a redrive must still find what had been sent.
KEEP_REPLIES_S = 15 * 86_400
# As long as the vendor may take one text for the repetition of another, and some.
KEEP_REPETITIONS_S = 2 * 3_600
_ABSENT = "attribute_not_exists(#key)"
_NAMES = {"#key": "key"}
_BATCH_TRIES = 3


class DynamoLedger:
    """Reads and writes the ledger."""

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        *,
        seals: DigestingSeals,
        audit: DynamoAudit,
        clock: Callable[[], float] = time.time,
        submit: Callable[..., Future[Head]] | None = None,
    ) -> None:
        """``clock`` returns epoch seconds; ``submit`` is an executor's, by default one of the ledger's own."""
        self._client = client
        self._table = table
        self._seals = seals
        self._audit = audit
        self._clock = clock
        self._heads = ChainHeads(audit.head, submit=submit)

    def find(self, conversation: str, message_ids: Iterable[str]) -> dict[str, Reply]:
        """Return the replies on record, by the id of each of the messages that they answer.

        Raises `UnopenableError` when a reply's words do not open.
        """
        keys = {_reply_key(conversation, message_id): message_id for message_id in message_ids}
        if keys:
            # Whoever looks for a reply will record one if there is none: meanwhile the head of the chain is read.
            self._heads.expect(conversation)
        items = self._batch_get(keys)
        leaders = {item["leader"]["S"] for item in items.values() if "leader" in item}
        replies = {key: to_reply(item, self._seals) for key, item in items.items() if "leader" not in item}
        absent = self._batch_get(leaders - replies.keys())
        replies |= {key: to_reply(item, self._seals) for key, item in absent.items()}
        found: dict[str, Reply] = {}
        for key, item in items.items():
            reply = replies.get(item["leader"]["S"] if "leader" in item else key)
            if reply is None:
                continue
            if reply.conversation != conversation or keys[key] not in reply.message_ids:
                # It opens by what it says of itself, so a whole item copied under another key would open, too.
                raise UnopenableError("a reply is kept where it does not belong", key_id="")
            found[keys[key]] = reply
        return found

    def record(self, reply: Reply, trail: Sequence[Happening]) -> None:
        """Write ``reply`` for all its messages, and its ``trail``, or nothing.

        Raises `ConflictError` when one of the messages has a reply already.
        """
        leader, *followers = (_reply_key(reply.conversation, message_id) for message_id in reply.message_ids)
        expires: dict[str, Value] = {"expires_at": self._in(KEEP_REPLIES_S)}
        items: list[dict[str, Value]] = [{"key": {"S": leader}, **from_reply(reply, self._seals), **expires}]
        items += [{"key": {"S": key}, "leader": {"S": leader}, **expires} for key in followers]
        self._put_if_absent(reply.conversation, items, trail)

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

    def first_time(self, conversation: str, what: str, trail: Sequence[Happening]) -> bool:
        """Return whether ``what`` is claimed for the first time in this conversation; then ``trail`` is written."""
        item: dict[str, Value] = {"key": {"S": f"once#{conversation}#{what}"}, "expires_at": self._in(KEEP_REPLIES_S)}
        try:
            self._put_if_absent(conversation, [item], trail)
        except ConflictError:
            return False
        return True

    def repetitions(self, conversation: str, text: str) -> int:
        """Return how often ``text`` was counted for this customer before, and count it once more."""
        digest = self._seals.digest(conversation, text)
        with translated("ledger"):
            answer = self._client.update_item(
                TableName=self._table,
                Key={"key": {"S": f"said#{conversation}#{digest}"}},
                UpdateExpression="ADD times :one SET expires_at = :expires",
                ExpressionAttributeValues={":one": {"N": "1"}, ":expires": self._in(KEEP_REPETITIONS_S)},
                ReturnValues="UPDATED_NEW",
            )
        return int(answer["Attributes"]["times"]["N"]) - 1

    def _put_if_absent(self, conversation: str, items: Sequence[dict[str, Value]], trail: Sequence[Happening]) -> None:
        """Write ``items`` and ``trail``, all or nothing; raises `ConflictError` when one of the items is there."""
        puts: list[Put] = [
            {
                "TableName": self._table,
                "Item": item,
                "ConditionExpression": _ABSENT,
                "ExpressionAttributeNames": _NAMES,
            }
            for item in items
        ]
        writes: list[Write] = [{"Put": put} for put in puts]
        if trail:
            known = self._heads.take(conversation)
            head = self._audit.append(conversation, trail, along_with=writes, head=known, service="ledger")
            self._heads.keep(conversation, head)
            return
        with translated("ledger"):
            if len(writes) > 1:
                self._client.transact_write_items(TransactItems=writes)
            else:
                self._client.put_item(**puts[0])

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
