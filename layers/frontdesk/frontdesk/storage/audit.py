"""The Audit table: one item a record, under its conversation, in the order of its chain. Nothing is ever changed in it.

A record is only put where none is, so of two writers at the end of a chain one is first, and the other links its
record anew. The index ``day`` has each day's records in `SHARDS` parts, by a hash of the conversation. Words are
sealed as a JSON object of before and after; a record without words has no seal.

What is read back is taken as it is, whatever somebody made of it: a record that was tampered with has to reach the
check that finds it.
"""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum, auto
from random import uniform
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from zlib import crc32

from frontdesk.errors import FrontdeskError, TransientError
from frontdesk.records import AuditRecord
from frontdesk.storage.aws import translated
from frontdesk.storage.compact_json import compact_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef as Value
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef as Write

    from frontdesk.records import Happening
    from frontdesk.storage.seals import Seals

SHARDS = 16
RESUMES = "resumes"
# The export is kept for the retention; the table for longer, so that nothing is missing between the two.
KEPT_BEYOND_RETENTION_DAYS = 30
# In JSON. Before and after, sealed and in base64, are 270 kB then, of the 400 that an item may have.
LONGEST_WORDS_BYTES = 100_000
# A transaction has 4 MB: this many records of the greatest size, and a reply.
MOST_AT_ONCE = 12
_TEXTS = ("conversation", "day", "kind", "actor", "about", "sealed", "previous", "hash")
_PAGE = 500
_TRIES = 8
_SHORTEST_PAUSE_S = 0.02
_PASSING = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})
_READERS = 10  # as many as one batch has conversations


class _Outcome(Enum):
    """What became of a transaction."""

    WRITTEN = auto()
    LATE = auto()  # somebody else is the chain's end now
    REFUSED = auto()  # DynamoDB was busy, with the same items or in all


class Chain(Protocol):
    """How records are linked: `frontdesk.protection.chain`."""

    def genesis(self, conversation: str) -> str:
        """Return what stands for the hash of the record before the first."""

    def link(
        self, conversation: str, seq: int, previous: str, happening: Happening, *, sealed: str, day: str
    ) -> AuditRecord:
        """Return ``happening`` as the ``seq``-th record, after the one whose hash is ``previous``."""

    def sm3(self, data: bytes) -> str:
        """Return the SM3 of ``data`` in hex digits."""


class Head(NamedTuple):
    """The end of a conversation's chain: its last record's number, hash and day; 0 and no day before the first."""

    seq: int
    hash: str
    day: str = ""


def shard_of(conversation: str) -> int:
    """Return the part of a day's index that a conversation belongs to."""
    return crc32(conversation.encode()) % SHARDS


class DynamoAuditRecords:
    """Reads the audit, without any key. Every method raises `TransientError` or `MisconfiguredError`."""

    shards = SHARDS

    def __init__(self, client: DynamoDBClient, table: str, *, day_index: str = "day") -> None:
        """``day_index`` is the name of the index by day."""
        self._client = client
        self._table = table
        self._day_index = day_index

    def get(self, conversation: str, seq: int) -> AuditRecord | None:
        """Return one record."""
        with translated("audit"):
            answer = self._client.get_item(
                TableName=self._table,
                Key={"conversation": {"S": conversation}, "seq": {"N": str(seq)}},
                ConsistentRead=True,
            )
        return to_record(answer["Item"]) if "Item" in answer else None

    def of(self, conversation: str) -> Iterator[AuditRecord]:
        """Yield the records of one conversation, in the order of their chain."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="conversation = :conversation",
            ExpressionAttributeValues={":conversation": {"S": conversation}},
            ConsistentRead=True,
            PaginationConfig={"PageSize": _PAGE},
        )
        with translated("audit"):
            for page in pages:
                yield from map(to_record, page["Items"])

    def of_day(self, day: str, shard: int) -> Iterator[AuditRecord]:
        """Yield the records written on ``day`` (UTC) in one of the `shards`, by their time."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            IndexName=self._day_index,
            KeyConditionExpression="day_shard = :shard",
            ExpressionAttributeValues={":shard": {"S": f"{day}#{shard}"}},
            PaginationConfig={"PageSize": _PAGE},
        )
        with translated("audit"):
            for page in pages:
                yield from map(to_record, page["Items"])


class DynamoAudit(DynamoAuditRecords):
    """Reads the audit, and adds to it."""

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        *,
        seals: Seals,
        chain: Chain,
        clock: Callable[[], float] = time.time,
        day_index: str = "day",
        retention_days: int = 180,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """``clock`` returns epoch seconds; ``retention_days`` is how long the export is kept; ``pause`` waits."""
        super().__init__(client, table, day_index=day_index)
        self._seals = seals
        self._chain = chain
        self._clock = clock
        self._retention_days = retention_days
        self._pause = pause

    def head(self, conversation: str) -> Head:
        """Return the end of the conversation's chain as it is now."""
        with translated("audit"):
            answer = self._client.query(
                TableName=self._table,
                KeyConditionExpression="conversation = :conversation",
                ExpressionAttributeValues={":conversation": {"S": conversation}},
                ProjectionExpression="seq, #hash, #day",
                ExpressionAttributeNames={"#hash": "hash", "#day": "day"},
                ScanIndexForward=False,
                Limit=1,
                ConsistentRead=True,
            )
        if not answer["Items"]:
            return Head(0, self._chain.genesis(conversation))
        last = to_record(answer["Items"][0])
        return Head(last.seq, last.hash, last.day)

    def puts(self, conversation: str, happenings: Sequence[Happening], head: Head) -> tuple[list[Write], Head]:
        """Return the writes that add ``happenings`` after ``head``, for one transaction, and the end they lead to.

        The transaction is cancelled, by a condition of one of these writes, when ``head`` is the end no more.
        """
        writes: list[Write] = []
        for happening in happenings:
            record = self._linked(conversation, happening, head)
            expires_at = record.at_ms // 1000 + (self._retention_days + KEPT_BEYOND_RETENTION_DAYS) * 86_400
            writes.append(
                {
                    "Put": {
                        "TableName": self._table,
                        "Item": from_record(record) | {"expires_at": {"N": str(expires_at)}},
                        "ConditionExpression": "attribute_not_exists(seq)",
                    }
                }
            )
            head = Head(record.seq, record.hash, record.day)
        return writes, head

    def append(
        self,
        conversation: str,
        happenings: Sequence[Happening],
        *,
        along_with: Sequence[Write] = (),
        head: Head | None = None,
        service: str = "audit",
    ) -> Head:
        """Add ``happenings`` in one transaction with the writes ``along_with``; return the end of the chain then.

        ``head`` is what the end is believed to be. ``service`` is who asks, for the errors' codes. Of more than
        `MOST_AT_ONCE` happenings only the last ones are in that transaction, the others go before it. Raises
        `ConflictError` when a condition of ``along_with`` does not hold: then nothing of the transaction is written.
        """
        while len(happenings) > MOST_AT_ONCE:
            head = self.append(conversation, happenings[:MOST_AT_ONCE], head=head, service=service)
            happenings = happenings[MOST_AT_ONCE:]
        for attempt in range(_TRIES):
            writes, end = self.puts(conversation, happenings, head or self.head(conversation))
            outcome = self._write([*along_with, *writes], first=len(along_with), service=service)
            if outcome is _Outcome.WRITTEN:
                return end
            if outcome is _Outcome.REFUSED:
                # botocore does not repeat a cancelled transaction, and an answer that was paid for hangs on it.
                longest_s = _SHORTEST_PAUSE_S * 2**attempt
                self._pause(uniform(_SHORTEST_PAUSE_S, longest_s))  # noqa: S311  # jitter
            head = None
        raise TransientError("the transaction never came through", code="audit_contended")

    def _write(self, writes: Sequence[Write], *, first: int, service: str) -> _Outcome:
        """Return what became of ``writes``, those of the audit from ``first`` on.

        A transaction whose answer got lost is repeated by botocore under the same token, and done once.
        """
        with translated(service):
            try:
                self._client.transact_write_items(TransactItems=writes)
            except self._client.exceptions.TransactionCanceledException as error:
                reasons = [reason.get("Code") for reason in error.response.get("CancellationReasons", [])]
                if "ConditionalCheckFailed" in reasons[:first]:
                    raise
                if "ConditionalCheckFailed" in reasons[first:]:
                    return _Outcome.LATE
                if _PASSING.intersection(reasons):
                    return _Outcome.REFUSED
                raise
        return _Outcome.WRITTEN

    def opened(self, record: AuditRecord) -> tuple[str, str]:
        """Return the words before and after; raises `UnopenableError`, or `ErasedError` after an erasure."""
        if not record.sealed:
            return "", ""
        place = _place(record.conversation, record.seq)
        words = json.loads(self._seals.open(record.conversation, record.sealed, *place))
        return words["before"], words["after"]

    def _linked(self, conversation: str, happening: Happening, head: Head) -> AuditRecord:
        now = datetime.fromtimestamp(self._clock(), UTC)
        seq = head.seq + 1
        before, cut_before = self._bounded("before", happening.before)
        after, cut_after = self._bounded("after", happening.after)
        details = {**happening.details, **cut_before, **cut_after}
        if head.day and head.day < (now - timedelta(days=self._retention_days)).date().isoformat():
            # TTL may take the record before this one at any moment: then nobody shall think that it was removed.
            details[RESUMES] = head.day
        sealed = ""
        if before or after:
            words = compact_json({"before": before, "after": after})
            sealed = self._seals.seal(conversation, words, *_place(conversation, seq))
        return self._chain.link(
            conversation,
            seq,
            head.hash,
            replace(happening, details=details),
            sealed=sealed,
            day=now.date().isoformat(),
        )

    def _bounded(self, name: str, text: str) -> tuple[str, dict[str, str]]:
        """Return ``text``, and nothing; or as much of it as an item can hold, and details that tell of the whole."""
        kept = text
        while (size := len(_bytes(compact_json(kept)))) > LONGEST_WORDS_BYTES:
            kept = kept[: len(kept) * LONGEST_WORDS_BYTES // size]
        if kept == text:
            return text, {}
        whole = _bytes(text)
        return kept, {f"{name}_bytes": str(len(whole)), f"{name}_sm3": self._chain.sm3(whole)}


class ChainHeads:
    """The heads of chains, read before they are needed, so that nobody has to wait for them.

    A head that is no more the end of its chain costs its user another try, nothing else.
    """

    def __init__(
        self, read: Callable[[str], Head], *, submit: Callable[..., Future[Head]] | None = None, most: int = 1000
    ) -> None:
        """``submit`` has a call made and returns its future, as an executor does; ``most`` heads are remembered."""
        self._read = read
        self._submit = submit or ThreadPoolExecutor(max_workers=_READERS, thread_name_prefix="chain-head").submit
        self._most = most
        self._lock = threading.Lock()
        self._heads: dict[str, Future[Head]] = {}

    def expect(self, conversation: str) -> None:
        """Begin to read a head that will be needed soon."""
        self._remember(conversation, self._submit(self._read, conversation))

    def keep(self, conversation: str, head: Head) -> None:
        """Remember a head that is known."""
        known: Future[Head] = Future()
        known.set_result(head)
        self._remember(conversation, known)

    def take(self, conversation: str) -> Head | None:
        """Return the head as far as it is known, and forget it. When it could not be read, whoever needs it reads."""
        with self._lock:
            known = self._heads.pop(conversation, None)
        try:
            return known.result() if known else None
        except FrontdeskError:
            return None

    def _remember(self, conversation: str, head: Future[Head]) -> None:
        with self._lock:
            self._heads.pop(conversation, None)
            self._heads[conversation] = head
            while len(self._heads) > self._most:
                del self._heads[next(iter(self._heads))]


def from_record(record: AuditRecord) -> dict[str, Value]:
    """Return the item that holds ``record``, without the moment at which TTL may take it."""
    item: dict[str, Value] = {name: {"S": getattr(record, name)} for name in _TEXTS}
    item |= {"seq": {"N": str(record.seq)}, "at_ms": {"N": str(record.at_ms)}}
    item["details"] = {"M": {name: {"S": value} for name, value in record.details.items()}}
    item["day_shard"] = {"S": f"{record.day}#{shard_of(record.conversation)}"}
    return item


def to_record(item: Mapping[str, Any]) -> AuditRecord:
    """Return the record in ``item``. What is missing or of another type is not as it was hashed, and no error here."""
    values: dict[str, Any] = {name: _text(item.get(name, {"S": ""})) for name in _TEXTS}
    values |= {name: int(Decimal(item.get(name, {}).get("N", 0))) for name in ("seq", "at_ms")}
    details = {name: _text(value) for name, value in item.get("details", {}).get("M", {}).items()}
    return AuditRecord(**values, details=details)


def _place(conversation: str, seq: int) -> tuple[str, ...]:
    """Return the place at which a record's words are sealed."""
    return "audit", conversation, str(seq)


def _text(value: Mapping[str, Any]) -> str:
    return value["S"] if "S" in value else str(value)


def _bytes(text: str) -> bytes:
    """Return ``text`` in UTF-8, also where it has half a surrogate pair, which JSON from outside can hold."""
    return text.encode(errors="surrogatepass")
