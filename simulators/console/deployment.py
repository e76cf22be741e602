"""Reads the deployment from outside: log lines, sessions, who attends, the archive. Blocking; runs in a thread."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from simulators.console.journeys import LogLine, read_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client

    from simulators.console.settings import Deployment

LOG_GROUPS = ("CallbackLogs", "CollectorLogs", "ResponderLogs", "ArchiverLogs", "ArchiverStreamLogs")
# CloudWatch shows a line some seconds after it was written, and the lines of several workers in no fixed order.
_LATE_MS = 15_000
_FAULTS = (BotoCoreError, ClientError)


class UnreachableError(Exception):
    """The deployment could not be read. The text says what, and the service's error code."""


@dataclass(frozen=True, slots=True)
class SessionState:
    """A conversation's newest session. Times are epoch seconds.

    ``archived`` tells whether the archive has its present state, ``gone`` that the table does not have it any more.
    """

    conversation: str
    session_id: str
    channel: str
    opened_at: int
    last_activity_at: int
    expires_at: int
    archived: bool
    gone: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the state as the page gets it, with the name that its archived document has or will have."""
        return {
            **asdict(self),
            "archive_name": archive_names(self.conversation, self.session_id, self.channel, [self.opened_at])[0],
        }


@dataclass(frozen=True, slots=True)
class AttendanceState:
    """Who attends to a customer: ``state`` is bot, waiting or person, ``agent`` the person's user id.

    ``reason`` is why a person was called, ``due_at`` (epoch seconds) when somebody is reminded or the customer taken
    back, ``reminders`` how often that was.
    """

    conversation: str
    state: str
    agent: str
    reason: str
    due_at: int | None
    reminders: int

    def to_json(self) -> dict[str, Any]:
        """Return the state as the page gets it."""
        return asdict(self)


class Window(Protocol):
    """What the page needs to see of a deployment. All methods raise `UnreachableError`."""

    def new_lines(self) -> list[LogLine]:
        """Return the lines about messages and sessions that were not returned before."""

    def session(self, conversation: str) -> SessionState | None:
        """Return the newest session of a conversation, ``None`` when the table has none (any more)."""

    def attendance(self, conversation: str) -> AttendanceState | None:
        """Return who attends to the customer, ``None`` when nobody was ever called."""

    def archived(
        self, conversation: str, session_id: str, channel: str, near: Iterable[int]
    ) -> tuple[str, dict[str, Any]] | None:
        """Return name and content of an archived session, opened on the day of one of the epoch seconds ``near``.

        The content is as it is stored: sealed.
        """


class AwsWindow:
    """Looks through the AWS API."""

    def __init__(
        self,
        *,
        logs: CloudWatchLogsClient,
        dynamodb: DynamoDBClient,
        s3: S3Client,
        resources: dict[str, str],
        since_ms: int,
    ) -> None:
        """``resources`` is by logical id; lines older than ``since_ms`` are not read."""
        self._logs = logs
        self._dynamodb = dynamodb
        self._s3 = s3
        self._resources = resources
        self._read_up_to = {name: since_ms for name in LOG_GROUPS if name in resources}
        self._since_ms = since_ms
        self._seen: dict[tuple[str, str], int] = {}

    def new_lines(self) -> list[LogLine]:
        """Return the lines about messages and sessions that were not returned before."""
        lines: list[LogLine] = []
        for name in self._read_up_to:
            try:
                lines += self._new_lines_of(name)
            except _FAULTS as error:
                raise UnreachableError(f"{name}: {_code(error)}") from error
        oldest = min(self._read_up_to.values(), default=0) - 2 * _LATE_MS
        self._seen = {key: at_ms for key, at_ms in self._seen.items() if at_ms >= oldest}
        return lines

    def session(self, conversation: str) -> SessionState | None:
        """Return the newest session of a conversation, ``None`` when the table has none (any more)."""
        try:
            answer = self._dynamodb.query(
                TableName=self._resources["Sessions"],
                KeyConditionExpression="conversation = :conversation",
                ExpressionAttributeValues={":conversation": {"S": conversation}},
                ScanIndexForward=False,
                Limit=1,
                ConsistentRead=True,
            )
        except KeyError:
            raise UnreachableError("Sessions: not deployed") from None
        except _FAULTS as error:
            raise UnreachableError(f"Sessions: {_code(error)}") from error
        return _session(answer["Items"][0]) if answer["Items"] else None

    def attendance(self, conversation: str) -> AttendanceState | None:
        """Return who attends to the customer, ``None`` when nobody was ever called."""
        try:
            answer = self._dynamodb.get_item(
                TableName=self._resources["Attendance"], Key={"conversation": {"S": conversation}}, ConsistentRead=True
            )
        except KeyError:
            raise UnreachableError("Attendance: not deployed") from None
        except _FAULTS as error:
            raise UnreachableError(f"Attendance: {_code(error)}") from error
        return _attendance(answer["Item"]) if "Item" in answer else None

    def archived(
        self, conversation: str, session_id: str, channel: str, near: Iterable[int]
    ) -> tuple[str, dict[str, Any]] | None:
        """Return name and content of an archived session, opened on the day of one of the epoch seconds ``near``.

        The content is as it is stored: sealed.
        """
        for name in archive_names(conversation, session_id, channel, near):
            try:
                answer = self._s3.get_object(Bucket=self._resources["ArchiveBucket"], Key=name)
                return name, json.loads(answer["Body"].read())
            except KeyError:
                raise UnreachableError("ArchiveBucket: not deployed") from None
            except self._s3.exceptions.NoSuchKey:
                continue
            except _FAULTS as error:
                raise UnreachableError(f"ArchiveBucket: {_code(error)}") from error
        return None

    def _new_lines_of(self, name: str) -> list[LogLine]:
        pages = self._logs.get_paginator("filter_log_events").paginate(
            logGroupName=self._resources[name],
            startTime=max(self._since_ms, self._read_up_to[name] - _LATE_MS),
        )
        lines = []
        for page in pages:
            for event in page["events"]:
                text, at_ms = event.get("message", ""), event["timestamp"]
                # Not every CloudWatch gives its events an id.
                key = (name, event.get("eventId") or f"{event.get('logStreamName')}/{at_ms}/{text}")
                self._read_up_to[name] = max(self._read_up_to[name], at_ms)
                if key in self._seen:
                    continue
                self._seen[key] = at_ms
                if line := read_line(text, at_ms):
                    lines.append(line)
        return lines


def archive_names(conversation: str, session_id: str, channel: str, near: Iterable[int]) -> Sequence[str]:
    """Return the names an archived session may have: it is filed under the day of its opening, in UTC."""
    moments = [datetime.fromtimestamp(second, UTC) for second in near]
    days = [moment - timedelta(days=back) for moment in moments for back in (0, 1)]
    folders = (f"sessions/dt={day:%Y-%m-%d}/channel={channel}/conversation={conversation}" for day in days)
    return list(dict.fromkeys(f"{folder}/{session_id}.json" for folder in folders))


def open_window(deployment: Deployment, *, since_ms: int) -> AwsWindow:
    """Return a window onto ``deployment``: with dummy keys where it is local, else with the keys of whoever runs it."""
    local = deployment.endpoint_url is not None
    config = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 2}, proxies={} if local else None)
    key = "test" if local else None
    session = boto3.Session(region_name=deployment.region, aws_access_key_id=key, aws_secret_access_key=key)
    where: dict[str, Any] = {"endpoint_url": deployment.endpoint_url, "config": config}
    return AwsWindow(
        logs=session.client("logs", **where),
        dynamodb=session.client("dynamodb", **where),
        s3=session.client("s3", **where),
        resources=dict(deployment.resources),
        since_ms=since_ms,
    )


def _session(item: dict[str, Any]) -> SessionState:
    def whole(name: str) -> int:
        return int(item.get(name, {}).get("N", 0))

    return SessionState(
        conversation=item["conversation"]["S"],
        session_id=item["session_id"]["S"],
        channel=item.get("channel", {}).get("S", ""),
        opened_at=whole("opened_at"),
        last_activity_at=whole("last_activity_at"),
        expires_at=whole("expires_at"),
        archived=0 < whole("version") <= whole("archived_version"),
    )


def _attendance(item: dict[str, Any]) -> AttendanceState:
    def text(name: str) -> str:
        return str(item.get(name, {}).get("S", ""))

    return AttendanceState(
        conversation=item["conversation"]["S"],
        state=text("state"),
        agent=text("agent").lower(),
        reason=text("reason"),
        due_at=int(item["due_at"]["N"]) if "due_at" in item else None,
        reminders=int(item.get("reminders", {}).get("N", 0)),
    )


def _code(error: BotoCoreError | ClientError) -> str:
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "ClientError"))
    return type(error).__name__
