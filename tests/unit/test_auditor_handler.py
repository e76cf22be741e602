"""The auditor's function, around the real use case."""

from __future__ import annotations

import json
import runpy
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk import bootstrap
from frontdesk.conversation.auditing import Auditing
from frontdesk.errors import TransientError
from frontdesk.protection import chain
from frontdesk.records import Happening
from functions.auditor import handler
from tests.factories import CONVERSATION, NOW, NOW_MS
from tests.fakes.audit import InMemoryAuditRecords, InMemoryAuditStore
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable

DAY = "2026-09-21"  # of NOW
DAY_S = 86_400


class Context:
    """The part of Lambda's context that is read."""

    def __init__(self, left_ms: int = 900_000) -> None:
        self._left_ms = left_ms

    def get_remaining_time_in_millis(self) -> int:
        return self._left_ms


class Signer:
    """Signs with nothing: these tests are not about signatures."""

    public_key = "04"

    def sign(self, data: bytes) -> str:
        return chain.sm3(data)


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> InMemoryAuditRecords:
    """Put an auditor over a table in memory into the place of the real one, and return the table."""
    records = InMemoryAuditRecords()
    auditing = Auditing(
        records=records, store=InMemoryAuditStore(), chain=chain, signer=Signer(), clock=FakeClock(NOW + DAY_S)
    )
    monkeypatch.setattr(bootstrap, "auditor", lambda: auditing, raising=False)
    happening = Happening(kind="generated", actor="fastgpt:app@host", at_ms=NOW_MS)
    records.add(CONVERSATION, happening, happening, day=DAY)
    return records


def metrics(output: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in output.splitlines() if '"_aws"' in line]
    return [{name: line[name] for name in ("channel", "AuditExported", "AuditBroken")} for line in lines]


@pytest.mark.usefixtures("records")
def test_what_was_exported_is_counted(capsys: pytest.CaptureFixture[str]):
    handler.lambda_handler({}, Context())
    handler.lambda_handler({}, Context())

    assert metrics(capsys.readouterr().out) == [
        {"channel": "system", "AuditExported": [2], "AuditBroken": [0]},
        {"channel": "system", "AuditExported": [0], "AuditBroken": [0]},
    ]


def test_a_broken_chain_is_counted_and_does_not_fail_the_run(
    records: InMemoryAuditRecords, capsys: pytest.CaptureFixture[str]
):
    del records.kept[CONVERSATION, 1]

    handler.lambda_handler({}, Context())

    assert metrics(capsys.readouterr().out) == [{"channel": "system", "AuditExported": [1], "AuditBroken": [1]}]


@pytest.mark.usefixtures("records")
def test_a_run_whose_time_is_too_short_fails_and_is_done_again(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(TransientError) as caught:
        handler.lambda_handler({}, Context(left_ms=59_000))

    assert caught.value.code == "audit_unfinished"
    assert metrics(capsys.readouterr().out) == [{"channel": "system", "AuditExported": [0], "AuditBroken": [0]}]


@pytest.mark.usefixtures("records")
def test_a_run_tells_what_it_did(log_lines: Callable[[], list[dict[str, Any]]]):
    handler.lambda_handler({}, Context())

    (line,) = log_lines()
    told = {name: line[name] for name in ("message", "days", "records", "flaws", "unfinished")}
    assert told == {"message": "audit exported", "days": 1, "records": 2, "flaws": 0, "unfinished": False}


def test_the_function_builds_its_use_case_while_it_initialises(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "frontdesk-auditor")
    asked: list[str] = []
    monkeypatch.setattr(bootstrap, "auditor", lambda: asked.append("auditor"), raising=False)

    runpy.run_path(str(handler.__file__))

    assert asked == ["auditor"]
