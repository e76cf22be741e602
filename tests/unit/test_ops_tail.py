"""A conversation is followed through the logs of all functions: each line once, in order, and safe to print."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from ops.__main__ import main
from ops.desk import Deployment, Desk
from tests.factories import ANOTHER_CONVERSATION, CONVERSATION, NOW
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.testing import Result

GROUPS = {"ResponderLogs": "g-responder", "ArchiverStreamLogs": "g-stream", "HttpApiLogs": "g-api"}


class Logs:
    """CloudWatch Logs, two events a page; what is written after a look is seen by the next one."""

    def __init__(self) -> None:
        self.events: dict[str, list[dict[str, Any]]] = {group: [] for group in GROUPS.values()}
        self.asked: list[dict[str, Any]] = []
        self.failures: list[str] = []

    def write(self, group: str, at_s: float, conversation: str = CONVERSATION, **fields: Any) -> None:
        """Write a line of ours."""
        line = {"level": "INFO", "message": "message asked", "conversation": conversation, "build": "b1", **fields}
        self.raw(group, at_s, json.dumps(line))

    def raw(self, group: str, at_s: float, message: str) -> None:
        """Write any line."""
        number = sum(map(len, self.events.values()))
        self.events[group].append({"eventId": f"e{number}", "timestamp": int(at_s * 1000), "message": message})

    def get_paginator(self, operation: str) -> Logs:
        """Return itself."""
        assert operation == "filter_log_events"
        return self

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        """Yield the events from the start on that hold the quoted term."""
        self.asked.append(request)
        if self.failures:
            raise ClientError({"Error": {"Code": self.failures.pop(), "Message": "m"}}, "FilterLogEvents")
        term = request["filterPattern"].strip('"')
        found = [
            each
            for each in self.events[request["logGroupName"]]
            if each["timestamp"] >= request["startTime"] and term in each["message"]
        ]
        for start in range(0, len(found) or 1, 2):
            yield {"events": found[start : start + 2]}


@pytest.fixture
def logs() -> Logs:
    return Logs()


@pytest.fixture
def typed(logs: Logs) -> Callable[..., Result]:
    """Return what types the command; ``then`` is what happens while it sleeps, until it runs out: then Ctrl-C."""

    def run(*arguments: str, then: tuple[Callable[[], object], ...] = ()) -> Result:
        clock, left = FakeClock(NOW), list(then)

        def sleep(seconds: float) -> None:
            clock.advance(seconds)
            if not left:
                raise KeyboardInterrupt
            left.pop(0)()

        desk = Desk(
            Deployment("frontdesk", GROUPS, {"logs": logs}.__getitem__),
            by="chen.yu",
            clock=clock,
            monotonic=clock.monotonic,
            sleep=sleep,
        )
        line = ["tail", "--conversation", CONVERSATION, *arguments]
        return CliRunner().invoke(main, line, obj=lambda _: desk, catch_exceptions=False)

    return run


def test_lines_of_all_functions_come_in_the_order_of_their_times(logs: Logs, typed: Callable[..., Result]):
    logs.write("g-stream", NOW - 10, message="late")
    logs.write("g-responder", NOW - 30, stage="asked", rung="primary", code="", model_ms=812)
    logs.write("g-responder", NOW - 20, message="attempt failed", level="WARNING", code="fastgpt_timeout")
    logs.write("g-responder", NOW - 25, conversation=ANOTHER_CONVERSATION)

    result = typed("--once")

    assert result.exit_code == 0
    assert [line.split("  ", 1)[1] for line in result.stdout.splitlines()] == [
        "responder  message asked  stage=asked  rung=primary  model_ms=812",
        "responder  WARNING  attempt failed  code=fastgpt_timeout",
        "archiver stream  late",
    ]


def test_each_line_is_told_once_however_late_it_comes_in(logs: Logs, typed: Callable[..., Result]):
    logs.write("g-responder", NOW - 5, message="one")
    late = [
        lambda: logs.write("g-responder", NOW - 20, message="written before, seen after"),
        lambda: logs.write("g-responder", NOW + 8, message="three"),
        lambda: None,
    ]

    result = typed(then=tuple(late))

    assert result.exit_code == 0, "Ctrl-C is how it ends"
    assert [line.split("  ")[2] for line in result.stdout.splitlines()] == [
        "one",
        "written before, seen after",
        "three",
    ]


def test_the_logs_are_not_read_from_the_beginning_each_time(logs: Logs, typed: Callable[..., Result]):
    logs.write("g-responder", NOW - 5)

    typed("--since", "2h", then=(lambda: None,))

    starts = [each["startTime"] for each in logs.asked if each["logGroupName"] == "g-responder"]
    assert starts == [(NOW - 7200) * 1000, (NOW - 65) * 1000]
    assert "g-api" not in {each["logGroupName"] for each in logs.asked}


def test_a_line_that_only_mentions_the_digest_is_not_of_the_conversation(logs: Logs, typed: Callable[..., Result]):
    logs.raw("g-responder", NOW - 5, f"REPORT about {CONVERSATION}")
    logs.write("g-responder", NOW - 4, conversation=ANOTHER_CONVERSATION, about=CONVERSATION)
    logs.raw("g-responder", NOW - 3, f'["{CONVERSATION}"]')

    assert typed("--once").stdout == ""


def test_nothing_in_a_line_steers_the_terminal(logs: Logs, typed: Callable[..., Result]):
    logs.write("g-responder", NOW - 5, message="a\x1b[2Jb\nc\u202e", code="\x9b1m")

    plain, as_json = typed("--once").stdout, typed("--once", "--json").stdout

    assert "a\\x1b[2Jb\\nc\\u202e  code=\\x9b1m" in plain
    for told in (plain, as_json):
        assert told.count("\n") == 1
        assert not set(told) & set("\x1b\x9b\u202e")


def test_as_json_each_line_is_one_object_with_all_fields(logs: Logs, typed: Callable[..., Result]):
    logs.write("g-responder", NOW - 5, stage="sent")
    logs.write("g-responder", NOW - 4, stage="archived")

    told = [json.loads(line) for line in typed("--once", "--json").stdout.splitlines()]

    assert [(each["function"], each["stage"], each["build"]) for each in told] == [
        ("responder", "sent", "b1"),
        ("responder", "archived", "b1"),
    ]
    assert told[0]["at"].endswith("+00:00")


def test_a_pause_of_the_service_is_said_and_nothing_is_lost(logs: Logs, typed: Callable[..., Result]):
    logs.write("g-responder", NOW - 5, message="one")
    logs.failures = ["ThrottlingException"]

    result = typed(then=(lambda: None,))

    assert result.exit_code == 0
    assert "one" in result.stdout


@pytest.mark.parametrize(("code", "told"), [("ThrottlingException", "logs_failed"), ("AccessDenied", "logs_refused")])
def test_logs_that_cannot_be_read_are_said(logs: Logs, typed: Callable[..., Result], code: str, told: str):
    logs.failures = [code]

    result = typed("--once")

    assert (result.exit_code, told in result.stderr) == (1, True)


@pytest.mark.parametrize("ago", ["10", "m", "-5m", "0m", "1w", "10 m", "١m"])
def test_a_time_that_is_none_is_said(typed: Callable[..., Result], ago: str):
    assert typed("--since", ago).exit_code == 2
