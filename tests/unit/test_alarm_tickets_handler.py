"""The function behind the topic of alarms: what an alarm asks of the tickets."""

from __future__ import annotations

import json
import runpy
from typing import Any

import pytest

from frontdesk import bootstrap
from frontdesk.conversation.alarming import Alarming
from frontdesk.errors import TransientError
from functions.tickets import alarms
from tests.fakes.clock import FakeClock

NAME = "frontdesk-ErrorLinesAlarm-1A2B3C"
DESCRIPTION = "Over 100 error lines in a day. Runbook: docs/operations.md#error-lines"


class Requests:
    """What was asked of the queue in front of the tickets."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str, str, int]] = []
        self.failure: Exception | None = None

    def put_alarm(self, alarm: str, description: str, *, day: str, at: int) -> None:
        if self.failure:
            raise self.failure
        self.taken.append((alarm, description, day, at))


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Requests:
    requests = Requests()
    # 21 September 2026, 16:30 UTC: past midnight in China.
    alarming = Alarming(requests=requests, clock=FakeClock(1_789_948_800 + 16.5 * 3600))
    monkeypatch.setattr(bootstrap, "alarming", lambda: alarming)
    return requests


def told(**differently: Any) -> dict[str, Any]:
    message = {"AlarmName": NAME, "AlarmDescription": DESCRIPTION, "NewStateValue": "ALARM", **differently}
    return {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": json.dumps(message)}}]}


def test_an_alarm_that_is_raised_asks_for_the_ticket_of_the_day_in_china(requests: Requests):
    alarms.lambda_handler(told(), None)

    assert requests.taken == [(NAME, DESCRIPTION, "2026-09-22", 1_790_008_200)]


@pytest.mark.parametrize("state", ["OK", "INSUFFICIENT_DATA"])
def test_its_end_asks_for_none(requests: Requests, state: str):
    alarms.lambda_handler(told(NewStateValue=state), None)

    assert requests.taken == []


def test_an_alarm_without_a_description_asks_too(requests: Requests):
    alarms.lambda_handler(told(AlarmDescription=None), None)

    assert [description for _, description, _, _ in requests.taken] == [""]


def test_a_queue_out_of_reach_fails_the_call_so_that_it_comes_again(requests: Requests):
    requests.failure = TransientError("down")

    with pytest.raises(TransientError):
        alarms.lambda_handler(told(), None)


def test_the_function_is_built_while_it_initialises(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "frontdesk-alarm-tickets")
    asked: list[str] = []
    monkeypatch.setattr(bootstrap, "alarming", lambda: asked.append("alarming"))

    runpy.run_path(alarms.__file__)

    assert asked == ["alarming"]
