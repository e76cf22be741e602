"""The sweep function, around the real use case."""

from __future__ import annotations

import json
import runpy
from typing import Any

import pytest

from frontdesk import bootstrap
from frontdesk.conversation.hours import Hours
from frontdesk.errors import TransientError
from functions.collector import sweep
from tests.unit.test_sweeping import Room, TakingPulls


class Context:
    """The part of Lambda's context that is read: the milliseconds that are left."""

    def __init__(self, left_ms: int = 50_000) -> None:
        self._left_ms = left_ms

    def get_remaining_time_in_millis(self) -> int:
        return self._left_ms


def deploy(monkeypatch: pytest.MonkeyPatch, room: Room) -> None:
    monkeypatch.setattr(bootstrap, "sweeper", lambda: room)


def swept(output: str) -> list[tuple[str, list[int]]]:
    lines = [json.loads(line) for line in output.splitlines() if '"_aws"' in line]
    return [(line["channel"], line["Swept"]) for line in lines]


def test_the_sweep_puts_in_what_is_due_and_counts_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
):
    room = Room()
    room.fill(attendances=3, accounts=2, tickets=1)
    deploy(monkeypatch, room)

    with caplog.at_level("INFO"):
        sweep.lambda_handler({}, Context())

    assert (len(room.inbox.taken), len(room.pulls.taken), len(room.requests.requests)) == (3, 2, 1)
    assert swept(capsys.readouterr().out) == [("system", [6])]
    (record,) = caplog.records
    assert (record.attendances, record.accounts, record.tickets) == (3, 2, 1)
    assert (record.failed_parts, record.unfinished) == (0, False)


def test_a_sweep_that_finds_nothing_shows_that_it_ran(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    deploy(monkeypatch, Room())

    sweep.lambda_handler({}, Context())

    assert swept(capsys.readouterr().out) == [("system", [0])]


@pytest.mark.parametrize(("hours", "told"), [("每天 00:00-24:00", [1]), ("Mon 03:00-03:01", [0])])
def test_a_sweep_tells_whether_customers_are_expected_now(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], hours: str, told: list[int]
):
    deploy(monkeypatch, Room(hours=Hours.read(hours)))

    sweep.lambda_handler({}, Context())

    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    assert line["BusinessOpen"] == told


def test_where_no_hours_are_set_nobody_knows_when_customers_are_expected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    deploy(monkeypatch, Room())

    sweep.lambda_handler({}, Context())

    assert "BusinessOpen" not in capsys.readouterr().out


def test_a_part_that_fails_fails_the_run_after_the_others_are_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    class Down(TakingPulls):
        def put(self, pull: Any) -> None:
            raise TransientError("down")

    room = Room(pulls=Down())
    room.fill(attendances=3, accounts=2, tickets=1)
    deploy(monkeypatch, room)

    with pytest.raises(TransientError) as caught:
        sweep.lambda_handler({}, Context())

    assert caught.value.code == "sweep_incomplete"
    assert swept(capsys.readouterr().out) == [("system", [4])]


def test_the_time_that_is_left_is_kept(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    room = Room()
    room.fill(accounts=3)
    deploy(monkeypatch, room)

    sweep.lambda_handler({}, Context(left_ms=4_000))

    assert swept(capsys.readouterr().out) == [("system", [1])]


def test_the_function_is_built_while_it_initialises(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "frontdesk-sweep")
    asked: list[str] = []
    monkeypatch.setattr(bootstrap, "sweeper", lambda: asked.append("sweeper"))

    runpy.run_path(sweep.__file__)

    assert asked == ["sweeper"]
