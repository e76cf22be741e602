"""Sessions archived a second, and whether the table's size matters: a sweep walks the index of idle sessions only.

Two tables with the same idle sessions; one of them also holds so many archived ones that it is 100 times as large.
The built archiver runs under the Lambda runtime, once for each table; table and bucket are the AWS emulator's.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from bench.lab import table_properties
from bench.messages import WORDS
from bench.rie import Function
from bench.sampling import MeasurementError, in_turns, median, milliseconds
from bench.table import Goal, Row
from frontdesk.conversation.archiving import document, document_name
from frontdesk.protection.sealing import SealingKey
from frontdesk.records import Session, Turn
from frontdesk.storage.items import from_session, to_sealed_session
from frontdesk.storage.sessions import shard_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.lab import Lab
    from bench.rie import LambdaRuntime

_ROUNDS = 5
_IDLE = 200
_TIMES_LARGER = 100
_TURNS = 4
_PER_WRITE = 25  # what BatchWriteItem takes
_THREADS = 10
_GOAL = Goal(1.2, of="ratio", inclusive=True)
_SMALL, _LARGE = "SessionsSmall", "SessionsLarge"


class _Seals:
    """One key for all customers: the archiver never looks inside."""

    _key = SealingKey("c0123456789ab", bytes(range(16)))

    def seal(self, conversation: str, words: str, *place: str) -> str:  # noqa: ARG002  # the port's
        """Return the token of ``words``."""
        return self._key.seal(words, *place)

    def open(self, conversation: str, token: str, *place: str) -> str:  # noqa: ARG002  # the port's
        """Return the words."""
        return self._key.open(token, *place)


_SEALS = _Seals()


@dataclass(frozen=True, slots=True)
class _Place:
    """One table with its archiver."""

    table: str
    runtime: LambdaRuntime


def measure(lab: Lab) -> list[Row]:
    """Return sessions a second against bare writes, and the time of a sweep in the large table against the small."""
    tables = lab.aws.client("dynamodb")
    bucket = lab.resources["ArchiveBucket"]
    for table in (_SMALL, _LARGE):
        tables.create_table(TableName=table, **table_properties(lab.template["Resources"]["Sessions"]["Properties"]))
    lab.say(f"filling a table with {_IDLE * (_TIMES_LARGER - 1)} archived sessions …")
    _fill(tables, _LARGE, (_archived() for _ in range(_IDLE * (_TIMES_LARGER - 1))))
    with ExitStack() as exits:
        small, large = (_Place(name, exits.enter_context(_archiver(lab, name))) for name in (_SMALL, _LARGE))
        samples = in_turns(
            {
                "small": partial(_sweep_ms, tables, small),
                "large": partial(_sweep_ms, tables, large),
                "writes": partial(_bare_writes_ms, lab, tables, bucket),
            },
            rounds=_ROUNDS,
        )
    rates = {name: tuple(_IDLE / each * 1000 for each in values) for name, values in samples.items()}
    return [
        Row(
            figure="archiver: sessions a second",
            ours=median(rates["small"]),
            baseline=median(rates["writes"]),
            unit="/s",
            note=(
                f"baseline: bare boto3, one S3 and one DynamoDB write a session, {_THREADS} threads; "
                "the AWS emulator, which works on one call at a time, limits both"
            ),
            ours_samples=rates["small"],
            baseline_samples=rates["writes"],
        ),
        Row(
            figure=f"archiver: {_IDLE} idle sessions in a table {_TIMES_LARGER} times larger",
            ours=median(samples["large"]),
            baseline=median(samples["small"]),
            unit="ms",
            goals=(_GOAL,),
            note=f"baseline: the same sweep in a table of {_IDLE} sessions",
            ours_samples=samples["large"],
            baseline_samples=samples["small"],
        ),
    ]


def _archiver(lab: Lab, table: str) -> LambdaRuntime:
    environ = lab.environment("ArchiverFunction", {**lab.resources, "Sessions": table})
    environ["AWS_ENDPOINT_URL"] = lab.aws.endpoint_url
    function = Function(folder=lab.built / "ArchiverFunction", layers=lab.layers, environ=environ)
    return lab.runtime(function, f"archiver-{table}")


def _sweep_ms(tables: Any, place: _Place) -> float:
    """Return how long the sweep over the idle sessions takes, which are put there before and taken away afterwards."""
    sessions = [_idle() for _ in range(_IDLE)]
    _fill(tables, place.table, sessions)
    _, took_ms = place.runtime.invoke({})
    if tables.scan(TableName=place.table, IndexName="idle", Select="COUNT")["Count"]:
        raise MeasurementError("the sweep left sessions behind: its time would mean nothing")
    _empty(tables, place.table, sessions)
    return took_ms


def _bare_writes_ms(lab: Lab, tables: Any, bucket: str) -> float:
    """Return how long the same writes take without an archiver: no index read, no version looked at, no log."""
    sessions = [_idle() for _ in range(_IDLE)]
    _fill(tables, _SMALL, sessions)
    archive = lab.aws.client("s3")

    def write(session: Session) -> None:
        sealed = to_sealed_session(from_session(session, _SEALS))
        body = json.dumps(document(sealed, archived_at=session.last_activity_at)).encode()
        archive.put_object(Bucket=bucket, Key=document_name(sealed), Body=body)
        tables.update_item(
            TableName=_SMALL,
            Key=_key(session),
            UpdateExpression="SET archived_version = :version REMOVE idle_shard",
            ExpressionAttributeValues={":version": {"N": str(session.version)}},
        )

    with ThreadPoolExecutor(_THREADS) as threads:
        took_ms = milliseconds(lambda: list(threads.map(write, sessions)))
    _empty(tables, _SMALL, sessions)
    return took_ms


def _idle() -> Session:
    """Return a session that has been quiet for an hour, not archived yet."""
    now = int(time.time())
    turn = Turn(
        question_id=str(uuid4().int % 10**19),
        kind="answer",
        question=WORDS,
        answer=WORDS,
        asked_at_ms=(now - 3600) * 1000,
        answered_at_ms=(now - 3599) * 1000,
        confidence=0.9,
    )
    return Session(
        conversation=uuid4().hex,
        session_id=f"{now * 1000}-{uuid4().hex[:16]}",
        channel="wecom_app",
        customer="lin.mei",
        opened_at=now - 4000,
        last_activity_at=now - 3600,
        expires_at=now + 86_400,
        version=_TURNS,
        turns=(turn,) * _TURNS,
    )


def _archived() -> Session:
    """Return a session that the archiver is done with: it is in the table, but not in the index."""
    session = _idle()
    return replace(session, archived_version=session.version, turns=session.turns[:1])


def _fill(tables: Any, table: str, sessions: Iterable[Session]) -> None:
    requests: list[dict[str, Any]] = []
    for session in sessions:
        item = from_session(session, _SEALS)
        if session.archived_version < session.version:
            item["idle_shard"] = {"S": str(shard_of(session.session_id))}
        requests.append({"PutRequest": {"Item": item}})
    _write(tables, table, requests)


def _empty(tables: Any, table: str, sessions: Iterable[Session]) -> None:
    _write(tables, table, [{"DeleteRequest": {"Key": _key(session)}} for session in sessions])


def _write(tables: Any, table: str, requests: Sequence[dict[str, Any]]) -> None:
    for start in range(0, len(requests), _PER_WRITE):
        left = tables.batch_write_item(RequestItems={table: requests[start : start + _PER_WRITE]})
        if left.get("UnprocessedItems"):
            raise MeasurementError("the emulator did not take all items")


def _key(session: Session) -> dict[str, Any]:
    return {"conversation": {"S": session.conversation}, "session_id": {"S": session.session_id}}
