"""The Tickets table: one item a ticket, one for each request that opened one, and one for each day that counts them.

Their keys are the ticket's number, ``request#<conversation>#<request id>`` and ``counter#<day>``. A ticket is in the
index ``offer`` while it is open and to be offered to somebody, and only then, spread over `SHARDS` by a hash of its
number. Words are sealed under the customer's key.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from zlib import crc32

from frontdesk.errors import ConflictError, ErasedError, TransientError
from frontdesk.records import Ticket
from frontdesk.storage.aws import translated
from frontdesk.storage.compact_json import compact_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef as Value

    from frontdesk.storage.seals import Seals

SHARDS = 4
KEPT_AFTER_CLOSING_S = 400 * 86_400
# Dead letters are kept for 14 days, and a redrive must still find which ticket a request opened.
KEPT_REQUEST_S = 31 * 86_400
OPEN = "open"
CLOSED = "closed"
ENDED = frozenset({"answered", CLOSED})
# A number as `_number` makes it: nothing else in the table is a ticket, whatever a card of somebody's says.
_NUMBER = re.compile(r"T[0-9]{8}-[0-9]{4,}")
# NUMBER and COUNTER are reserved words of DynamoDB's expressions.
_NAMES: Mapping[str, str] = {"#number": "number"}
_ABSENT = "attribute_not_exists(#number)"
_TEXTS = ("number", "request_id", "conversation", "channel", "reason", "state", "assignee")
_NUMBERS = ("opened_at", "version")
_OPTIONAL_NUMBERS = ("offer_at", "closed_at")
_WORDS = ("customer", "question", "brief", "answer")
_PAGE = 100


def shard_of(number: str) -> int:
    """Return the shard of the index that a ticket belongs to."""
    return crc32(number.encode()) % SHARDS


class DynamoTicketsToOffer:
    """Finds the tickets that are to be offered, without any key. Raises `TransientError` or `MisconfiguredError`."""

    def __init__(self, client: DynamoDBClient, table: str, *, offer_index: str = "offer") -> None:
        """``offer_index`` is the name of the index of what is to be offered."""
        self._client = client
        self._table = table
        self._offer_index = offer_index

    def to_offer(self, *, by: int) -> Iterator[str]:
        """Yield the numbers of the open tickets that are to be offered (again) by ``by`` (epoch seconds).

        The index follows the table by moments, so what was just offered may be told once more.
        """
        for shard in range(SHARDS):
            pages = self._client.get_paginator("query").paginate(
                TableName=self._table,
                IndexName=self._offer_index,
                KeyConditionExpression="offer_shard = :shard AND offer_at <= :by",
                ExpressionAttributeValues={":shard": {"S": str(shard)}, ":by": {"N": str(by)}},
                PaginationConfig={"PageSize": _PAGE},
            )
            with translated("tickets"):
                for page in pages:
                    yield from (item["number"]["S"] for item in page["Items"])


class DynamoTickets(DynamoTicketsToOffer):
    """Opens, reads and saves tickets."""

    def __init__(self, client: DynamoDBClient, table: str, *, seals: Seals, offer_index: str = "offer") -> None:
        """``seals`` seals each ticket's words under its customer's key."""
        super().__init__(client, table, offer_index=offer_index)
        self._seals = seals

    def open(self, ticket: Ticket, *, day: str) -> Ticket:
        """Return the ticket with its number, new or as opened before by the same request of the same conversation.

        ``day`` is the date in the number, as ISO 8601 has it. The numbers of a day count up; one may be left out, when
        whoever took it did not get to its ticket. Raises `TransientError` also when an earlier one is no longer there.
        """
        earlier = self._opened_by(ticket)
        if earlier:
            return earlier
        expires: Value = {"N": str(ticket.opened_at + KEPT_REQUEST_S)}
        opened = replace(ticket, number=_number(day, self._count(day, expires)), version=1)
        request: dict[str, Value] = {
            "number": {"S": _request_key(ticket)},
            "conversation": {"S": ticket.conversation},
            "ticket": {"S": opened.number},
            "expires_at": expires,
        }
        with suppress(ConflictError), translated("tickets"):
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
                    for item in (request, self._sealed(opened))
                ]
            )
            return opened
        # Somebody else opened it between the two.
        earlier = self._opened_by(ticket)
        if earlier is None:
            raise TransientError("a ticket was there and is gone", code="tickets_failed")
        return earlier

    def get(self, number: str) -> Ticket | None:
        """Return one ticket, nothing once its customer was erased.

        Raises `UnopenableError` when its words do not open.
        """
        item = self._item(number) if _NUMBER.fullmatch(number) else {}
        try:
            return self._unsealed(item) if item else None
        except ErasedError:
            return None

    def save(self, ticket: Ticket) -> Ticket:
        """Return it as saved, one version on; raises `ConflictError` when another version is stored."""
        saved = replace(ticket, version=ticket.version + 1)
        with translated("tickets"):
            self._client.put_item(
                TableName=self._table,
                Item=self._sealed(saved),
                ConditionExpression="version = :version",
                ExpressionAttributeValues={":version": {"N": str(ticket.version)}},
            )
        return saved

    def _opened_by(self, ticket: Ticket) -> Ticket | None:
        request = self._item(_request_key(ticket))
        return self.get(request["ticket"]["S"]) if request else None

    def _count(self, day: str, expires: Value) -> int:
        """Return the next count of ``day``, which nobody else gets."""
        with translated("tickets"):
            answer = self._client.update_item(
                TableName=self._table,
                Key=_key(f"counter#{day}"),
                UpdateExpression="ADD tickets :one SET expires_at = :expires",
                ExpressionAttributeValues={":one": {"N": "1"}, ":expires": expires},
                ReturnValues="UPDATED_NEW",
            )
        return int(answer["Attributes"]["tickets"]["N"])

    def _item(self, key: str) -> Mapping[str, Any]:
        with translated("tickets"):
            answer = self._client.get_item(TableName=self._table, Key=_key(key), ConsistentRead=True)
        return answer.get("Item", {})

    def _sealed(self, ticket: Ticket) -> dict[str, Value]:
        item: dict[str, Value] = {name: {"S": getattr(ticket, name)} for name in _TEXTS}
        item |= {name: {"N": str(getattr(ticket, name))} for name in _NUMBERS}
        item |= {name: {"N": str(value)} for name in _OPTIONAL_NUMBERS if (value := getattr(ticket, name)) is not None}
        item["done"] = {"S": compact_json(ticket.done)}
        if ticket.state == OPEN and ticket.offer_at is not None:
            item["offer_shard"] = {"S": str(shard_of(ticket.number))}
        if ticket.state in ENDED and ticket.closed_at is not None:
            item["expires_at"] = {"N": str(ticket.closed_at + KEPT_AFTER_CLOSING_S)}
        words = {name: getattr(ticket, name) for name in _WORDS}
        item["sealed"] = {
            "S": self._seals.seal(ticket.conversation, compact_json(words), *_place(ticket.conversation, ticket.number))
        }
        return item

    def _unsealed(self, item: Mapping[str, Any]) -> Ticket:
        conversation, number = item["conversation"]["S"], item["number"]["S"]
        opened = json.loads(self._seals.open(conversation, item["sealed"]["S"], *_place(conversation, number)))
        texts = {name: item[name]["S"] for name in _TEXTS if name in item}
        numbers: dict[str, Any] = {
            name: int(item[name]["N"]) for name in (*_NUMBERS, *_OPTIONAL_NUMBERS) if name in item
        }
        words = {name: opened[name] for name in _WORDS if name in opened}
        done = json.loads(item["done"]["S"]) if "done" in item else ()
        return Ticket(**texts, **numbers, **words, done=tuple(done))


def _number(day: str, count: int) -> str:
    return f"T{day.replace('-', '')}-{count:04d}"


def _key(number: str) -> dict[str, Value]:
    return {"number": {"S": number}}


def _request_key(ticket: Ticket) -> str:
    # A request is named by a message, and those are told apart within a conversation only.
    return f"request#{ticket.conversation}#{ticket.request_id}"


def _place(conversation: str, number: str) -> tuple[str, ...]:
    return "ticket", conversation, number
