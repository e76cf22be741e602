"""The Accounts table: one item a customer-service account, with how far its messages are fetched and who does it now.

There are as many items as the company has accounts: a handful.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from frontdesk.errors import ConflictError, TransientError
from frontdesk.records import Account
from frontdesk.storage.aws import translated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef as Value

# CURSOR is a reserved word of DynamoDB's expressions.
_CURSOR: Mapping[str, str] = {"#cursor": "cursor"}
_NUMBERS = ("answer_from", "complete_from_ms", "leased_until_ms")


class DynamoAccounts:
    """Reads and changes accounts. Every method raises `TransientError` or `MisconfiguredError` for its faults."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        """``table`` is the accounts' own."""
        self._client = client
        self._table = table

    def get_or_add(self, account: str, *, answer_from: int) -> Account:
        """Return what is kept of ``account``; one never seen is kept with ``answer_from`` from now on."""
        found = self._get(account)
        if found is not None:
            return found
        with suppress(ConflictError), translated("accounts"):
            self._client.put_item(
                TableName=self._table,
                Item={**_key(account), "answer_from": {"N": str(answer_from)}},
                ConditionExpression="attribute_not_exists(account)",
            )
        added = self._get(account)
        if added is None:
            raise TransientError("an account was there and is gone", code="accounts_failed")
        return added

    def lease(self, account: str, lease: str, *, now_ms: int, until_ms: int) -> Account:
        """Return the account, now leased to ``lease``; raises `ConflictError` while somebody else has it."""
        with translated("accounts"):
            answer = self._client.update_item(
                TableName=self._table,
                Key=_key(account),
                UpdateExpression="SET lease = :lease, leased_until_ms = :until",
                ConditionExpression=(
                    "attribute_exists(account) AND "
                    "(attribute_not_exists(leased_until_ms) OR leased_until_ms <= :now OR lease = :lease)"
                ),
                ExpressionAttributeValues={
                    ":lease": {"S": lease},
                    ":now": {"N": str(now_ms)},
                    ":until": {"N": str(until_ms)},
                },
                ReturnValues="ALL_NEW",
            )
        return _to_account(answer["Attributes"])

    def advance(self, account: str, lease: str, cursor: str) -> None:
        """Store ``cursor``; an account that gave a page is withdrawn no more.

        Raises `ConflictError` when the lease is somebody else's by now.
        """
        with translated("accounts"):
            self._client.update_item(
                TableName=self._table,
                Key=_key(account),
                UpdateExpression="SET #cursor = :cursor REMOVE withdrawn",
                ConditionExpression="lease = :lease",
                ExpressionAttributeNames=_CURSOR,
                ExpressionAttributeValues={":lease": {"S": lease}, ":cursor": {"S": cursor}},
            )

    def release(self, account: str, lease: str, *, complete_from_ms: int | None, withdrawn: bool = False) -> None:
        """End the lease, if ``lease`` still has it.

        With ``complete_from_ms`` note that a pull begun then reached the end, and that the account is withdrawn no
        more; with ``withdrawn`` that it is; with neither nothing else changes.
        """
        expression = "REMOVE lease, leased_until_ms"
        values: dict[str, Value] = {":lease": {"S": lease}}
        if complete_from_ms is not None:
            expression = f"SET complete_from_ms = :from {expression}, withdrawn"
            values[":from"] = {"N": str(complete_from_ms)}
        elif withdrawn:
            expression = f"SET withdrawn = :withdrawn {expression}"
            values[":withdrawn"] = {"BOOL": True}
        with suppress(ConflictError), translated("accounts"):
            self._client.update_item(
                TableName=self._table,
                Key=_key(account),
                UpdateExpression=expression,
                ConditionExpression="lease = :lease",
                ExpressionAttributeValues=values,
            )

    def all(self) -> Iterator[Account]:
        """Yield every account that is not withdrawn."""
        pages = self._client.get_paginator("scan").paginate(TableName=self._table, ConsistentRead=True)
        with translated("accounts"):
            for page in pages:
                yield from (found for found in map(_to_account, page["Items"]) if not found.withdrawn)

    def _get(self, account: str) -> Account | None:
        with translated("accounts"):
            answer = self._client.get_item(TableName=self._table, Key=_key(account), ConsistentRead=True)
        return _to_account(answer["Item"]) if "Item" in answer else None


def _key(account: str) -> dict[str, Value]:
    return {"account": {"S": account}}


def _to_account(item: Mapping[str, Any]) -> Account:
    texts = {name: item[name]["S"] for name in ("cursor", "lease") if name in item}
    numbers: dict[str, Any] = {name: int(item[name]["N"]) for name in _NUMBERS if name in item}
    withdrawn = "withdrawn" in item and item["withdrawn"]["BOOL"]
    return Account(account=item["account"]["S"], **texts, **numbers, withdrawn=withdrawn)
