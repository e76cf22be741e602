"""`tail`: follows one conversation through the logs of all functions. No line holds words, so none are shown."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from frontdesk.errors import TransientError
from frontdesk.storage.aws import translated
from ops.cli.frame import Told, of_person, operates_on, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ops.desk import Desk

# FilterLogEvents may be called five times a second an account (CloudWatch Logs quotas); there are about ten groups.
POLL_S = 5.0
# Lines come into CloudWatch Logs a while after they were written, and not in their order.
LATE_MS = 60_000
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_AGO = re.compile(r"([1-9]\d{0,5})([smhd])", re.ASCII)
_LOGS = "Logs"
_NOT_OURS = "HttpApiLogs"  # the gateway's, which knows no conversation
# Told in a place of its own, or the same in every line.
_KNOWN = frozenset(
    {"timestamp", "level", "message", "service", "build", "location", "channel", "conversation", "at_ms", "exception"}
)
_FIRST = ("stage", "code", "rung")


@click.command()
@operates_on
@of_person
@click.option("--since", default="10m", show_default=True, metavar="AGO", help="Begin so long ago: 90s, 10m, 6h, 2d.")
@click.option("--once", is_flag=True, help="Tell what is there, and end.")
def tail(desk: Desk, *, conversation: str, since: str, once: bool) -> Iterator[Told]:
    """Tell what happens to one conversation, over all functions, until Ctrl-C."""
    ago = _AGO.fullmatch(since)
    if not ago:
        raise click.UsageError("--since is a number and one of s, m, h, d, such as 10m")
    groups = {name: found for name, found in desk.resources(_LOGS).items() if name != _NOT_OURS}
    start_ms = int((desk.clock() - int(ago[1]) * _UNITS[ago[2]]) * 1000)
    following = Following(desk.client("logs"), groups, conversation, start_ms)
    while True:
        try:
            yield from map(_told, following.fresh())
        except TransientError as error:
            if once:
                raise
            desk.say(f"{error} ({error.code}); going on …")
        if once:
            return
        desk.sleep(POLL_S)


class Following:
    """The log lines of one conversation, each told once, however late it comes in."""

    def __init__(self, logs: Any, groups: Mapping[str, str], conversation: str, start_ms: int) -> None:
        """Read ``groups``, log groups by logical id, from ``start_ms`` (epoch milliseconds) on."""
        self._logs = logs
        self._conversation = conversation
        self._cursors = {name: _Cursor(group, start_ms) for name, group in groups.items()}

    def fresh(self) -> list[dict[str, Any]]:
        """Return the lines that were not returned before, in the order of their times.

        Each has ``at_ms`` and ``function`` beside its own fields. Raises `TransientError` or `MisconfiguredError`;
        nothing is lost by it, what was read before comes with the next call.
        """
        for name, cursor in self._cursors.items():
            self._read(name, cursor)
        lines = [line for cursor in self._cursors.values() for line in cursor.waiting]
        for cursor in self._cursors.values():
            cursor.waiting = []
        return sorted(lines, key=lambda line: int(line["at_ms"]))

    def _read(self, name: str, cursor: _Cursor) -> None:
        with translated("logs"):
            pages = self._logs.get_paginator("filter_log_events").paginate(
                logGroupName=cursor.group, startTime=cursor.start_ms, filterPattern=f'"{self._conversation}"'
            )
            for page in pages:
                for event in page["events"]:
                    line = _line_of(event["message"])
                    # What the pattern matches may be another field, or part of one.
                    if cursor.is_new(event) and line.get("conversation") == self._conversation:
                        function = re.sub(r"(?<!^)(?=[A-Z])", " ", name.removesuffix(_LOGS)).lower()
                        cursor.waiting.append({**line, "at_ms": event["timestamp"], "function": function})
        cursor.advance()


class _Cursor:
    """Where one group has been read to. Late lines may still come into the last minute, so that is read again."""

    def __init__(self, group: str, start_ms: int) -> None:
        self.group = group
        self.start_ms = start_ms
        self.waiting: list[dict[str, Any]] = []
        self._seen: dict[str, int] = {}

    def is_new(self, event: Any) -> bool:
        """Return whether ``event`` is seen for the first time."""
        # The local AWS gives events no id.
        name = event.get("eventId") or f"{event['logStreamName']} {event['timestamp']} {event['message']}"
        new = name not in self._seen
        self._seen[name] = event["timestamp"]
        return new

    def advance(self) -> None:
        """Go on from where late lines are not to be expected any more."""
        newest = max(self._seen.values(), default=self.start_ms)
        self.start_ms = max(self.start_ms, newest - LATE_MS)
        self._seen = {name: at for name, at in self._seen.items() if at >= self.start_ms}


def _line_of(message: str) -> dict[str, Any]:
    try:
        line = json.loads(message)
    except ValueError:
        return {}
    return line if isinstance(line, dict) else {}


def _told(line: dict[str, Any]) -> Told:
    at = datetime.fromtimestamp(line["at_ms"] / 1000, UTC)
    facts = {**line, "at": at.isoformat(timespec="milliseconds")}
    named = {name: line[name] for name in (*_FIRST, *sorted(line)) if name in line and name not in _KNOWN}
    fields = [f"{name}={value}" for name, value in named.items() if _is_telling(name, value)]
    level = str(line.get("level", ""))
    parts = [
        at.strftime("%H:%M:%S.%f")[:-3],
        f"{line['function']:<9}",
        *([level] if level not in {"", "INFO"} else []),
        str(line.get("message", "")),
        *fields,
    ]
    return Told(facts, printable("  ".join(parts)).replace("\n", "\\n"))


def _is_telling(name: str, value: object) -> bool:
    """Leave out what is about the process and not about the message."""
    return value not in {None, ""} and not name.startswith(("function", "cold_start", "xray", "exception"))
