"""Where the deployment keeps what belongs to one person, found and deleted place by place.

Nothing here needs a key: an item is found by the digest in its name. Only archive documents of a release that did not
put it there have to be read. Every method raises `TransientError` or `MisconfiguredError` when AWS does.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from frontdesk.errors import ConflictError, TransientError
from frontdesk.storage.aws import code_of, translated
from frontdesk.storage.tickets import CLOSED, KEPT_AFTER_CLOSING_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

ARCHIVE = "sessions/"
_MOST_OBJECTS_AT_ONCE = 1000  # S3 API reference, DeleteObjects
_NAME = re.compile(r"(sessions/dt=[^/]+/channel=[^/]+/)(?:conversation=([^/]+)/)?([^/]+)\.json")
_GONE = frozenset({"NoSuchKey", "NoSuchVersion"})
_HIDDEN_S = 300


class SessionItems:
    """The sessions of one person in the Sessions table."""

    name = "sessions"

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        """``table`` is the Sessions table."""
        self._client = client
        self._table = table

    def find(self, conversation: str) -> list[dict[str, Any]]:
        """Return the items, in the order of opening."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="conversation = :conversation",
            ExpressionAttributeValues={":conversation": {"S": conversation}},
            ConsistentRead=True,
        )
        with translated("sessions"):
            return [dict(item) for page in pages for item in page["Items"]]

    def delete(self, conversation: str, found: Sequence[dict[str, Any]]) -> None:
        """Delete ``found``. The stream's reader archives only what TTL removes, so nothing of it comes back."""
        for item in found:
            key = {"conversation": {"S": conversation}, "session_id": item["session_id"]}
            with translated("sessions"):
                self._client.delete_item(TableName=self._table, Key=key)


class LedgerItems:
    """Replies, claims, counts and the allowance of one person in the Ledger table."""

    name = "ledger_items"

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        """``table`` is the Ledger table."""
        self._client = client
        self._table = table

    def find(self, conversation: str) -> list[dict[str, Any]]:
        """Return the items. The table has no order by person, so all of it is read: it holds fifteen days."""
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._table,
            FilterExpression="contains(#key, :part)",
            ExpressionAttributeNames={"#key": "key"},
            ExpressionAttributeValues={":part": {"S": f"#{conversation}#"}},
            ConsistentRead=True,
        )
        with translated("ledger"):
            items = [dict(item) for page in pages for item in page["Items"]]
        # Keys are a kind, a conversation and what it is about; the last may hold anything, another digest too.
        return [item for item in items if item["key"]["S"].split("#")[1] == conversation]

    def delete(self, conversation: str, found: Sequence[dict[str, Any]]) -> None:  # noqa: ARG002  # as all have it
        """Delete ``found``."""
        for item in found:
            with translated("ledger"):
                self._client.delete_item(TableName=self._table, Key={"key": item["key"]})


class AttendanceItems:
    """Who attends to one person, in the Attendance table; and, of one who works here, what they are doing."""

    name = "attendance_items"

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        """``table`` is the Attendance table."""
        self._client = client
        self._table = table

    def find(self, conversation: str) -> list[dict[str, Any]]:
        """Return the items: one at most of each kind."""
        items = []
        for key in (conversation, f"duty#{conversation}"):
            with translated("attendances"):
                answer = self._client.get_item(
                    TableName=self._table, Key={"conversation": {"S": key}}, ConsistentRead=True
                )
            if "Item" in answer:
                items.append(dict(answer["Item"]))
        return items

    def delete(self, conversation: str, found: Sequence[dict[str, Any]]) -> None:  # noqa: ARG002  # as all have it
        """Delete ``found``. A colleague who has the customer finds that they have not, when they type the next line."""
        for item in found:
            with translated("attendances"):
                self._client.delete_item(TableName=self._table, Key={"conversation": item["conversation"]})


@dataclass(frozen=True, slots=True)
class TicketItem:
    """One ticket: its number, its sealed words, and whether it stays until somebody closes it."""

    number: str
    sealed: str
    open: bool


class TicketItems:
    """The tickets of one person in the Tickets table. They are kept, and closed, so that nobody works on them."""

    def __init__(self, client: DynamoDBClient, table: str, *, clock: Callable[[], float]) -> None:
        """``table`` is the Tickets table; ``clock`` returns epoch seconds."""
        self._client = client
        self._table = table
        self._clock = clock

    def find(self, conversation: str) -> list[TicketItem]:
        """Return them in the order of their numbers. The table has no order by person, so all of it is read."""
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._table,
            # What a request opened is remembered beside the tickets, without words.
            FilterExpression="conversation = :conversation AND attribute_exists(sealed)",
            ExpressionAttributeValues={":conversation": {"S": conversation}},
            ConsistentRead=True,
        )
        with translated("tickets"):
            found = [
                TicketItem(item["number"]["S"], item["sealed"]["S"], open="expires_at" not in item)
                for page in pages
                for item in page["Items"]
            ]
        return sorted(found, key=lambda each: each.number)

    def close(self, found: Sequence[TicketItem]) -> int:
        """Close those of ``found`` that are open; return how many there were."""
        unended = [each for each in found if each.open]
        now = int(self._clock())
        for ticket in unended:
            with suppress(ConflictError), translated("tickets"):  # gone meanwhile
                self._client.update_item(
                    TableName=self._table,
                    Key={"number": {"S": ticket.number}},
                    UpdateExpression=(
                        "SET #state = :closed, closed_at = if_not_exists(closed_at, :now), expires_at = :expires "
                        "REMOVE offer_shard, offer_at ADD version :one"
                    ),
                    ConditionExpression="attribute_exists(#number)",
                    ExpressionAttributeNames={"#state": "state", "#number": "number"},
                    ExpressionAttributeValues={
                        ":closed": {"S": CLOSED},
                        ":now": {"N": str(now)},
                        ":expires": {"N": str(now + KEPT_AFTER_CLOSING_S)},
                        ":one": {"N": "1"},
                    },
                )
        return len(unended)


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """One version of one object, or the marker that a deletion left in its place."""

    key: str
    version_id: str
    latest: bool = True
    marker: bool = False


@dataclass(frozen=True, slots=True)
class ArchiveName:
    """What the name of an archive document tells. A release before sealing left ``conversation`` out: empty."""

    folder: str
    conversation: str
    session_id: str

    def of(self, conversation: str) -> str:
        """Return the name that the archiver gives to this document of ``conversation`` today."""
        return f"{self.folder}conversation={conversation}/{self.session_id}.json"


def archive_name(key: str) -> ArchiveName | None:
    """Return what ``key`` tells; None for an object that the archiver did not write."""
    match = _NAME.fullmatch(key)
    return ArchiveName(match[1], match[2] or "", match[3]) if match else None


class ArchiveObjects:
    """The documents of one person in the archive, every version of them."""

    name = "archive_versions"

    def __init__(self, client: S3Client, bucket: str) -> None:
        """``bucket`` is the archive's own."""
        self._client = client
        self._bucket = bucket

    def versions(self, prefix: str = ARCHIVE) -> Iterator[ObjectVersion]:
        """Yield every version of every object, and the markers of deleted ones, in the order of their names."""
        pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=prefix)
        with translated("archive"):
            for page in pages:
                kinds = ((page.get("Versions", []), False), (page.get("DeleteMarkers", []), True))
                found = [
                    ObjectVersion(each["Key"], each["VersionId"], latest=each["IsLatest"], marker=marker)
                    for entries, marker in kinds
                    for each in entries
                ]
                yield from sorted(found, key=lambda each: each.key)

    def find(self, conversation: str) -> list[ObjectVersion]:
        """Return what is this person's: by the name, or for names without a person in them by the document."""
        found: list[ObjectVersion] = []
        unnamed: dict[str, list[ObjectVersion]] = {}
        for version in self.versions():
            name = archive_name(version.key)
            if name and not name.conversation:
                unnamed.setdefault(version.key, []).append(version)
            elif name and name.conversation == conversation:
                found.append(version)
        for versions in unnamed.values():
            # Every version is looked at: none may stay because another one under its name is somebody else's.
            theirs = [each for each in versions if not each.marker and self._is_of(each, conversation)]
            if theirs:
                found += theirs + [each for each in versions if each.marker]
        return found

    def _is_of(self, version: ObjectVersion, conversation: str) -> bool:
        document = self.read(version)
        return document is not None and document.get("conversation") == conversation

    def read(self, version: ObjectVersion) -> dict[str, Any] | None:
        """Return the document in ``version``; None when it is gone or is no JSON object."""
        with translated("archive"):
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=version.key, VersionId=version.version_id)
            except ClientError as error:
                if code_of(error) in _GONE:
                    return None
                raise
            body = answer["Body"].read()
        try:
            document = json.loads(body)
        except ValueError:
            return None
        return document if isinstance(document, dict) else None

    def delete(self, conversation: str, found: Sequence[ObjectVersion]) -> None:  # noqa: ARG002  # as all have it
        """Delete ``found`` for good: versions, not names, so that no earlier one comes to light."""
        for start in range(0, len(found), _MOST_OBJECTS_AT_ONCE):
            some = found[start : start + _MOST_OBJECTS_AT_ONCE]
            with translated("archive"):
                answer = self._client.delete_objects(
                    Bucket=self._bucket,
                    Delete={
                        "Objects": [{"Key": each.key, "VersionId": each.version_id} for each in some],
                        "Quiet": True,
                    },
                )
            if answer.get("Errors"):
                raise TransientError(f"{len(answer['Errors'])} versions were not deleted", code="archive_failed")


class DeadLetters:
    """The messages of one person in a dead-letter queue in which their group is the conversation."""

    def __init__(self, client: SQSClient, queue_url: str, *, name: str = "dead_letters", wait_s: int = 2) -> None:
        """``queue_url`` is that of the dead letters; after ``wait_s`` seconds of silence there are no more."""
        self.name = name
        self._client = client
        self._queue_url = queue_url
        self._wait_s = wait_s

    def find(self, conversation: str) -> list[str]:
        """Return the ids of their messages; of one person's, SQS shows ten at a time."""
        seen = self._received()
        self._put_back(seen.values())
        return [message["MessageId"] for message in seen.values() if _group(message) == conversation]

    def delete(self, conversation: str, found: Sequence[str]) -> None:
        """Delete their messages, those behind ``found`` too. Others' messages are hidden meanwhile, for seconds."""
        while found:
            seen = self._received()
            theirs = [message for message in seen.values() if _group(message) == conversation]
            for message in theirs:
                with translated("dead_letters"):
                    self._client.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"])
            self._put_back(message for message in seen.values() if _group(message) != conversation)
            found = [message["MessageId"] for message in theirs]

    def _received(self) -> dict[str, Any]:
        """Return what can be received, by message id, hidden from everybody else until it is put back."""
        seen: dict[str, Any] = {}
        while True:
            with translated("dead_letters"):
                answer = self._client.receive_message(
                    QueueUrl=self._queue_url,
                    MaxNumberOfMessages=10,
                    VisibilityTimeout=_HIDDEN_S,
                    WaitTimeSeconds=self._wait_s,
                    MessageSystemAttributeNames=["MessageGroupId"],
                )
            messages = {message["MessageId"]: message for message in answer.get("Messages", [])}
            if messages.keys() <= seen.keys():
                # Also when a queue is so long that the first ones are visible again: they were seen.
                return seen | messages
            seen |= messages

    def _put_back(self, messages: Iterable[Any]) -> None:
        for message in messages:
            with translated("dead_letters"):
                self._client.change_message_visibility(
                    QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
                )


def _group(message: Any) -> str:
    group: str = message["Attributes"]["MessageGroupId"]
    return group


def waiting(client: SQSClient, queue_url: str) -> int:
    """Return about how many messages a queue has, those in somebody's hands included."""
    with translated("queue"):
        found = client.get_queue_attributes(
            QueueUrl=queue_url,
            AttributeNames=[
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesNotVisible",
                "ApproximateNumberOfMessagesDelayed",
            ],
        )
    return sum(map(int, found["Attributes"].values()))
