"""What can be done about a letter of the stream's reader: read the records that it names once more.

The letter is no message to send again. Lambda writes into it where in the stream the batch was that it gave up
(Lambda developer guide, "Retain discarded batches for DynamoDB"), and the stream keeps its records for a day.
"""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from frontdesk.errors import FrontdeskError, PermanentError, TransientError
from frontdesk.storage.aws import code_of, translated
from ops.cli.redriving import HIDDEN_S, Moved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs import SQSClient

    from ops.cli.redriving import Wanted

_MOST_RECORDS = 100  # as the function's own batches
_MOST_LOOKS = 100  # a page of a stream may be empty before the last one
_GONE = frozenset({"TrimmedDataAccessException", "ResourceNotFoundException"})


class Rereading:
    """Brings the records that letters name to the function that gave them up."""

    def __init__(
        self,
        sqs: SQSClient,
        streams: Any,
        functions: LambdaClient,
        *,
        letters_url: str,
        function: str,
        wait_s: int = 2,
    ) -> None:
        """Let ``function``, the reader, have them; after ``wait_s`` seconds of silence there are no more letters."""
        self._sqs = sqs
        self._streams = streams
        self._functions = functions
        self._letters_url = letters_url
        self._function = function
        self._wait_s = wait_s

    def run(self, wanted: Wanted, *, dry: bool = False) -> dict[str, Moved]:
        """Have the records of each letter archived and delete it; return what became of those of each shard.

        A letter whose records are older than a day stays, with the code ``records_gone``: they are in the table's
        point-in-time backups only. Raises `TransientError` or `MisconfiguredError`.
        """
        done: dict[str, Moved] = {}
        held: dict[str, Any] = {}
        try:
            for letter in self._received(held):
                if wanted.limit is not None and sum(each.count for each in done.values()) >= wanted.limit:
                    break
                if not wanted.includes(letter):
                    continue
                place = _place_in(letter)
                moved = done.setdefault(str(place.get("shardId", "?")), Moved())
                code = "" if dry else self._settle(letter, place)
                moved.code = moved.code or code
                moved.count += not code
                if not code and not dry:
                    del held[letter["MessageId"]]
        finally:
            for letter in held.values():
                with translated("dead_letters"):
                    self._sqs.change_message_visibility(
                        QueueUrl=self._letters_url, ReceiptHandle=letter["ReceiptHandle"], VisibilityTimeout=0
                    )
        return done

    def _received(self, held: dict[str, Any]) -> Iterator[Any]:
        while True:
            with translated("dead_letters"):
                answer = self._sqs.receive_message(
                    QueueUrl=self._letters_url,
                    MaxNumberOfMessages=10,
                    VisibilityTimeout=HIDDEN_S,
                    WaitTimeSeconds=self._wait_s,
                    MessageSystemAttributeNames=["SentTimestamp"],
                )
            fresh = [each for each in answer.get("Messages", []) if each["MessageId"] not in held]
            if not fresh:
                return
            held.update({each["MessageId"]: each for each in fresh})
            yield from fresh

    def _settle(self, letter: Any, place: dict[str, Any]) -> str:
        """Have the records at ``place`` read once more, and delete the letter; return the code of what failed."""
        try:
            records = list(self._records(place))
            for start in range(0, len(records), _MOST_RECORDS):
                self._bring(records[start : start + _MOST_RECORDS])
            with translated("dead_letters"):
                self._sqs.delete_message(QueueUrl=self._letters_url, ReceiptHandle=letter["ReceiptHandle"])
        except FrontdeskError as error:
            return error.code
        return ""

    def _records(self, place: dict[str, Any]) -> Iterator[dict[str, Any]]:
        try:
            first, last = place["startSequenceNumber"], int(place["endSequenceNumber"])
            where = {"StreamArn": place["streamArn"], "ShardId": place["shardId"]}
        except (KeyError, ValueError):
            raise PermanentError("a letter names no records", code="letter_malformed") from None
        with translated("stream"):
            try:
                got = self._streams.get_shard_iterator(
                    **where, ShardIteratorType="AT_SEQUENCE_NUMBER", SequenceNumber=first
                )
                following: str | None = got["ShardIterator"]
                for _ in range(_MOST_LOOKS):
                    if following is None:
                        return
                    page = self._streams.get_records(ShardIterator=following)
                    for record in page["Records"]:
                        if int(record["dynamodb"]["SequenceNumber"]) > last:
                            return
                        yield _as_lambda_has_it(record, place["streamArn"])
                        if int(record["dynamodb"]["SequenceNumber"]) == last:
                            return
                    following = page.get("NextShardIterator")
            except ClientError as error:
                if code_of(error) in _GONE:
                    raise PermanentError("the records are older than a day", code="records_gone") from None
                raise
        raise TransientError("the stream did not come to the last record", code="stream_failed")

    def _bring(self, records: list[dict[str, Any]]) -> None:
        with translated("lambda"):
            answer = self._functions.invoke(
                FunctionName=self._function, Qualifier="live", Payload=json.dumps({"Records": records}).encode()
            )
        try:
            done = "FunctionError" not in answer and not json.loads(answer["Payload"].read())["batchItemFailures"]
        except (ValueError, KeyError, TypeError):
            done = False
        if not done:
            raise TransientError("the reader failed again", code="rescue_failed")


def _place_in(letter: Any) -> dict[str, Any]:
    """Return where in the stream the records of ``letter`` are; nothing when it does not tell."""
    try:
        place = json.loads(letter["Body"])["DDBStreamBatchInfo"]
    except (ValueError, KeyError, TypeError):
        return {}
    return place if isinstance(place, dict) else {}


def _as_lambda_has_it(record: Any, stream_arn: str) -> dict[str, Any]:
    """Return ``record`` in the form in which Lambda brings it (Lambda developer guide, "DynamoDB example event")."""
    plain: dict[str, Any] = json.loads(json.dumps(record, default=_plain))
    identity = plain.pop("userIdentity", None)
    if identity:
        plain["userIdentity"] = {"type": identity["Type"], "principalId": identity["PrincipalId"]}
    return {**plain, "eventSourceARN": stream_arn}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.timestamp()
    return base64.b64encode(value).decode()
