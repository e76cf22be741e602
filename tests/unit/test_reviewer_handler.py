"""The reviewer's function, around the real use case."""

from __future__ import annotations

import json
import runpy
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk import bootstrap
from frontdesk.conversation.reviewing import Reviewing
from frontdesk.errors import TransientError, UnopenableError
from frontdesk.messages import Action
from functions.auditor import review
from tests.factories import CONVERSATION, NOW
from tests.fakes.clock import FakeClock
from tests.fakes.reviews import DAY, FakeRules, InMemoryAudit, InMemoryReports, InMemoryReviews

if TYPE_CHECKING:
    from collections.abc import Callable


class Context:
    """The part of Lambda's context that is read."""

    def __init__(self, left_ms: int = 800_000) -> None:
        self._left_ms = left_ms

    def get_remaining_time_in_millis(self) -> int:
        return self._left_ms


class Office:
    """The reviewer that the function is given, and its surroundings."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.audit = InMemoryAudit()
        self.reviews = InMemoryReviews()
        self.reports = InMemoryReports()
        reviewing = Reviewing(
            audit=self.audit,
            words=self.audit,
            rules=FakeRules("v1", {"price": (Action.BLOCK, "底价")}),
            reviews=self.reviews,
            reports=self.reports,
            clock=FakeClock(NOW - NOW % 86_400 + 86_400 + 9_600),
            sample_percent=100,
        )
        monkeypatch.setattr(bootstrap, "reviewer", lambda: reviewing, raising=False)


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Office:
    return Office(monkeypatch)


def metrics(output: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in output.splitlines() if '"_aws"' in line]
    return [{name: line[name] for name in ("channel", "Suspicious", "Unopened") if name in line} for line in lines]


def test_what_waits_for_a_decision_is_counted(office: Office, capsys: pytest.CaptureFixture[str]):
    for n in range(3):
        office.audit.add("generated", "底价", about=f"q{n}")

    review.lambda_handler({}, Context())

    assert metrics(capsys.readouterr().out) == [{"channel": "system", "Suspicious": [3]}]
    assert len(office.reviews.items) == 3


def test_a_later_run_still_counts_what_nobody_has_decided(office: Office, capsys: pytest.CaptureFixture[str]):
    office.audit.add("generated", "底价")
    review.lambda_handler({}, Context())
    capsys.readouterr()

    review.lambda_handler({}, Context())
    assert metrics(capsys.readouterr().out) == [{"channel": "system", "Suspicious": [1]}]

    office.reviews.decide(CONVERSATION, 1, "upheld", by="operator:zhao", at=NOW)
    review.lambda_handler({}, Context())
    assert metrics(capsys.readouterr().out) == [{"channel": "system", "Suspicious": [0]}]


def test_a_run_is_told_in_counts(office: Office, log_lines: Callable[[], list[dict[str, Any]]]):
    office.audit.add("generated", "底价")
    office.audit.add("generated", "您好", about="q2")

    review.lambda_handler({}, Context())

    (line,) = [line for line in log_lines() if line["message"] == "review done"]
    counts = {name: line[name] for name in ("records", "texts", "suspicious", "waiting", "erased", "unopened")}
    assert counts == {"records": 2, "texts": 2, "suspicious": 1, "waiting": 1, "erased": 0, "unopened": 0}
    assert line["days"][0] == DAY == datetime.fromtimestamp(NOW, UTC).date().isoformat()


@pytest.mark.parametrize(("key_id", "named"), [("k2", "key k2"), ("", "key unknown")])
def test_records_that_do_not_open_fail_the_run_after_the_report(
    office: Office, capsys: pytest.CaptureFixture[str], key_id: str, named: str
):
    office.audit.add("generated", opens=UnopenableError("no key", key_id=key_id))
    office.audit.add("generated", "底价", about="q2")

    with pytest.raises(UnopenableError, match=named) as caught:
        review.lambda_handler({}, Context())

    assert caught.value.key_id == key_id
    assert f"reviews/dt={DAY}/report.html" in office.reports.texts
    assert metrics(capsys.readouterr().out) == [{"channel": "system", "Suspicious": [1], "Unopened": [1]}]


def test_a_run_without_time_fails(office: Office):
    office.audit.add("generated", "您好")

    with pytest.raises(TransientError):
        review.lambda_handler({}, Context(left_ms=29_000))


@pytest.mark.parametrize(("name", "built"), [("frontdesk-reviewer", 1), ("", 0)])
def test_the_use_case_is_built_while_the_function_initialises(monkeypatch: pytest.MonkeyPatch, name: str, built: int):
    if name:
        monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", name)
    asked: list[str] = []
    monkeypatch.setattr(bootstrap, "reviewer", lambda: asked.append("reviewer"), raising=False)

    runpy.run_path(str(review.__file__))

    assert len(asked) == built
