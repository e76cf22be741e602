"""A canary that was stopped is asked by nobody, within seconds, and whatever becomes of the store."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.errors import TransientError
from frontdesk.fastgpt.canary import FRESH_S, CanaryStop, tries_canary
from frontdesk.fastgpt.ladder import Endpoint, Ladder
from frontdesk.storage.canary import AlarmedCanary
from tests.unit.test_sweeping import Room

if TYPE_CHECKING:
    from frontdesk.conversation.sweeping import Swept

APP = "0123456789abcdef01234567"


@dataclass
class Stops:
    by: str = ""
    fails: bool = False
    reads: int = 0
    stopped: list[tuple[str, str, float]] = field(default_factory=list)

    def stopped_by(self, app_id: str) -> str:
        assert app_id == APP
        self.reads += 1
        if self.fails:
            raise TransientError("ledger failed", code="ledger_failed")
        return self.by

    def stop(self, app_id: str, by: str, *, now: float) -> None:
        self.stopped.append((app_id, by, now))
        self.by = by


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class TestStop:
    def test_it_is_read_again_after_some_seconds_and_not_before(self):
        clock, stops = Clock(), Stops()
        is_stopped = CanaryStop(stops, APP, clock=clock)
        assert [is_stopped() for _ in range(3)] == [False] * 3
        assert stops.reads == 1
        stops.by = "alarm"
        clock.now = FRESH_S - 0.1
        assert not is_stopped()
        clock.now = FRESH_S
        assert is_stopped()

    def test_what_was_known_goes_on_when_it_cannot_be_read(self):
        clock, stops = Clock(), Stops(by="alarm")
        is_stopped = CanaryStop(stops, APP, clock=clock)
        assert is_stopped()
        stops.fails = True
        clock.now = 10 * FRESH_S
        assert is_stopped()

    def test_it_is_known_well_within_a_minute(self):
        """The sweep looks each minute; a responder that reads it by then has it before the next."""
        assert FRESH_S <= 30


class TestLadder:
    def test_the_customers_of_a_stopped_canary_are_primarys(self):
        stopped = False
        endpoints: Any = [Endpoint(rung, Client(rung), None, rung) for rung in ("canary", "primary")]  # type: ignore[arg-type]
        ladder = Ladder(endpoints, canary_percent=50, canary_stopped=lambda: stopped)
        tries = [f"customer{n}" for n in range(40) if tries_canary(f"customer{n}", 50)]
        assert 5 < len(tries) < 35
        assert {ladder.variant(each) for each in tries} == {"canary"}
        stopped = True
        assert {ladder.variant(each) for each in tries} == {"primary"}


class Client:
    def __init__(self, rung: str) -> None:
        self.identity = rung


class CloudWatch:
    def __init__(self, *states: str) -> None:
        self._states = states

    def describe_alarms(self, **asked: Any) -> dict[str, Any]:
        assert asked == {"AlarmNames": ["canary", "kf-canary"]}
        return {"MetricAlarms": [{"StateValue": state} for state in self._states]}


def alarmed(stops: Stops, *states: str) -> AlarmedCanary:
    return AlarmedCanary(
        CloudWatch(*states),
        stops,
        alarms=["canary", "kf-canary"],
        app_id=APP,
        clock=lambda: 7.0,  # type: ignore[arg-type]
    )


class TestAlarm:
    @pytest.mark.parametrize("states", [(), ("OK", "OK"), ("INSUFFICIENT_DATA", "OK")])
    def test_while_all_is_well_nothing_is_stopped(self, states: tuple[str, ...]):
        stops = Stops()
        assert not alarmed(stops, *states).stop_if_alarmed()
        assert stops.stopped == []

    @pytest.mark.parametrize("states", [("ALARM", "OK"), ("OK", "ALARM")])
    def test_an_alarm_of_either_channel_stops_it_once(self, states: tuple[str, ...]):
        stops = Stops()
        assert alarmed(stops, *states).stop_if_alarmed()
        assert not alarmed(stops, *states).stop_if_alarmed()
        assert stops.stopped == [(APP, "alarm", 7.0)]


class TestSweep:
    def test_the_sweep_stops_it_and_says_so(self, caplog: pytest.LogCaptureFixture):
        room = Room(canary=alarmed(Stops(), "ALARM", "OK"))
        room.fill(attendances=1, accounts=1)
        swept: Swept = room.sweep()
        assert (swept.failed, swept.put.total()) == (0, 2)
        (record,) = [each for each in caplog.records if each.message == "canary stopped"]
        assert record.code == "canary_stopped"

    def test_an_alarm_that_cannot_be_read_keeps_nothing_else_from_being_swept(self):
        class Away:
            def stop_if_alarmed(self) -> bool:
                raise TransientError("cloudwatch failed", code="cloudwatch_failed")

        room = Room(canary=Away())
        room.fill(attendances=2)
        swept = room.sweep()
        assert (swept.failed, swept.put.total()) == (1, 2)
