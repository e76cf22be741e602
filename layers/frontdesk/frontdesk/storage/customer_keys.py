"""The CustomerKeys table: one item a conversation, with its data keys as the keyring wrapped them.

Nothing here can open a key. One more item, under `KEYRING`, has a check token for each key of the ring, by which
a function that starts finds out whether it was given the right ones. An item changes under a version check only,
so that no key is ever lost to a write that did not know of it.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from frontdesk.errors import ConflictError, TransientError
from frontdesk.records import CustomerKey
from frontdesk.storage.aws import translated
from frontdesk.storage.compact_json import compact_json
from frontdesk.storage.keyring_checks import KEYRING, checks_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef as Value

# No conversation's digest begins so.
# Functions that start together mostly add the same check, so the first of them ends the race for all.
_TRIES = 10


class DynamoCustomerKeys:
    """Reads and saves wrapped keys. Every method raises `TransientError` or `MisconfiguredError` for its faults."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        """``table`` is the customers' keys' own."""
        self._client = client
        self._table = table

    def read(self, conversation: str) -> CustomerKey | None:
        """Return the keys of ``conversation`` as last saved."""
        item = self._item(conversation)
        return _to_key(item) if item else None

    def create(self, key: CustomerKey) -> CustomerKey:
        """Return ``key`` as saved, version 1, or the stored one when somebody was first."""
        created = replace(key, version=1)
        with suppress(ConflictError):
            self._put(_from_key(created), over=None)
            return created
        stored = self.read(key.conversation)
        if stored is None:
            raise TransientError("a customer's key was there and is gone", code="customer_keys_failed")
        return stored

    def replace(self, key: CustomerKey) -> CustomerKey:
        """Return ``key`` as saved, one version on; raises `ConflictError` when another version is stored."""
        saved = replace(key, version=key.version + 1)
        self._put(_from_key(saved), over=key.version)
        return saved

    def every(self) -> Iterator[CustomerKey]:
        """Yield the keys of every conversation, as they are when their page is read."""
        pages = self._client.get_paginator("scan").paginate(TableName=self._table, ConsistentRead=True)
        with translated("customer_keys"):
            for page in pages:
                yield from (_to_key(item) for item in page["Items"] if item["conversation"]["S"] != KEYRING)

    def checks(self) -> dict[str, str]:
        """Return the check token of each ring key id that has one."""
        return checks_in(self._item(KEYRING))

    def add_check(self, key_id: str, token: str) -> str:
        """Return the check that is stored for ``key_id``: ``token``, or the earlier one when somebody was first."""
        return self._change_checks(lambda checks: {key_id: token} | checks)[key_id]

    def remove_check(self, key_id: str) -> None:
        """Forget the check of ``key_id``, if there is one: the ring is about to lose that key."""
        self._change_checks(lambda checks: {each: token for each, token in checks.items() if each != key_id})

    def _change_checks(self, change: Callable[[dict[str, str]], dict[str, str]]) -> dict[str, str]:
        for _ in range(_TRIES):
            item = self._item(KEYRING)
            before = checks_in(item)
            after = change(before)
            if after == before:
                return after
            version = int(item["version"]["N"]) if item else None
            with suppress(ConflictError):
                self._put(
                    {
                        "conversation": {"S": KEYRING},
                        "checks": {"S": compact_json(after)},
                        "version": {"N": str((version or 0) + 1)},
                    },
                    over=version,
                )
                return after
        raise TransientError("the keyring's checks kept changing", code="customer_keys_contended")

    def _item(self, conversation: str) -> dict[str, Any]:
        with translated("customer_keys"):
            answer = self._client.get_item(
                TableName=self._table, Key={"conversation": {"S": conversation}}, ConsistentRead=True
            )
        item: dict[str, Any] = answer.get("Item", {})
        return item

    def _put(self, item: dict[str, Value], *, over: int | None) -> None:
        """Write ``item`` over version ``over``, over nothing for ``None``; raises `ConflictError` for another."""
        with translated("customer_keys"):
            if over is not None:
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


def _from_key(key: CustomerKey) -> dict[str, Value]:
    item: dict[str, Value] = {
        "conversation": {"S": key.conversation},
        "current": {"S": key.current},
        "wrapped": {"S": compact_json(dict(key.wrapped))},
        "destroyed": {"S": compact_json(key.destroyed)},
        "version": {"N": str(key.version)},
    }
    if key.retired_at is not None:
        item["retired_at"] = {"N": str(key.retired_at)}
    return item


def _to_key(item: Mapping[str, Any]) -> CustomerKey:
    return CustomerKey(
        conversation=item["conversation"]["S"],
        current=item["current"]["S"],
        wrapped=json.loads(item["wrapped"]["S"]),
        retired_at=int(item["retired_at"]["N"]) if "retired_at" in item else None,
        destroyed=tuple((key_id, at, by) for key_id, at, by in json.loads(item["destroyed"]["S"])),
        version=int(item["version"]["N"]),
    )
