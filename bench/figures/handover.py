"""From the customer's wish for a person, as the responder gets it, to the moment at which people know.

For the self-built application that is the card at the agent; for 微信客服 the change of the service state, and then the
brief at the servicer. The moments are WeCom's: when the call came in there. The baseline is the simulator's own time
for all calls until then, told by a relay in the same turns.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

from bench.desk import Desk
from bench.messages import batch_event
from bench.sampling import MeasurementError, in_turns, median
from bench.table import Row

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.lab import Lab
    from bench.relay import Call

_ROUNDS = 50
_WARM_UPS = 5
_WISH = "转人工"
_AGENT = "zhou.min"
_ACCOUNT = "wkFrontdesk0000000001"  # the simulator's first
_NOBODY = "http://127.0.0.1:9/wecom/callback"
_LIMIT_S = 30
_SEND, _TRANS = "message/send", "kf/service_state/trans"


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to people: who wishes for one, and the ``last`` call of so many with its name that tells them."""

    figure: str
    channel: str
    last: str
    count: int


_CARD = _Way("handover, own application: wish to card at the agent", "wecom_app", _SEND, 2)
_STATE = _Way("handover, 微信客服: wish to service_state/trans", "wecom_kf", _TRANS, 1)
_BRIEF = _Way("handover, 微信客服: wish to brief at the servicer", "wecom_kf", _SEND, 1)


def measure(lab: Lab) -> list[Row]:
    """Return a row for each way, and one for the emulator's share of each channel's whole invoke."""
    with Desk(lab, "handover", HANDOFF_AGENTS=_AGENT) as desk:
        desk.control("members", userid=_AGENT)
        # Cards need a callback address, which nobody presses a button for; and all of them go to one agent.
        desk.control("config", callback_url=_NOBODY, sends_per_minute=1_000_000, sends_per_hour=1_000_000)
        desk.control(f"kf/accounts/{_ACCOUNT}/servicers", userid=_AGENT)
        wecom = _Wecom(lab)
        ours: dict[str, list[float]] = {way.figure: [] for way in (_CARD, _STATE, _BRIEF)}
        own: dict[str, list[float]] = {way.figure: [] for way in (_CARD, _STATE, _BRIEF)}
        emulator: dict[str, list[float]] = {"wecom_app": [], "wecom_kf": []}
        counts: dict[str, int] = {}

        def handed_over(channel: str, ways: tuple[_Way, ...]) -> float:
            event = batch_event([_wisher(desk, channel)], _WISH, channel)
            wecom.forget()
            start_ms = time.time() * 1000
            took_ms = desk.take(event)
            calls = wecom.calls()
            for way in ways:
                ours[way.figure].append(wecom.at_ms(calls, way) - start_ms)
            return took_ms

        def relayed(channel: str, ways: tuple[_Way, ...]) -> float:
            event = batch_event([_wisher(desk, channel)], _WISH, channel)
            aws, vendor = desk.take_recorded(event)
            for way in ways:
                own[way.figure].append(_until(vendor, way))
            counts[channel] = len(aws)
            emulator[channel].append(sum(call.took_ms for call in aws))
            return emulator[channel][-1]

        subjects: dict[str, Callable[[], float]] = {
            "app": lambda: handed_over("wecom_app", (_CARD,)),
            "app relayed": lambda: relayed("wecom_app", (_CARD,)),
            "kf": lambda: handed_over("wecom_kf", (_STATE, _BRIEF)),
            "kf relayed": lambda: relayed("wecom_kf", (_STATE, _BRIEF)),
        }
        samples = in_turns(subjects, rounds=_ROUNDS, warm_ups=_WARM_UPS)
    rows = []
    for channel, ways, whole in (("wecom_app", (_CARD,), "app"), ("wecom_kf", (_STATE, _BRIEF), "kf")):
        rows += [_row(way, ours[way.figure][-_ROUNDS:], own[way.figure][-_ROUNDS:]) for way in ways]
        rows.append(
            Row(
                figure=f"  of the whole invoke the AWS emulator, {counts[channel]} calls",
                ours=median(emulator[channel][-_ROUNDS:]),
                baseline=median(samples[whole]),
                unit="ms",
                note="baseline: the whole invoke, with all that comes after people know",
                ours_samples=tuple(emulator[channel][-_ROUNDS:]),
                baseline_samples=samples[whole],
            )
        )
    return rows


def _row(way: _Way, ours: list[float], own: list[float]) -> Row:
    return Row(
        figure=way.figure,
        ours=median(ours),
        baseline=median(own),
        unit="ms",
        note="baseline: the simulator's own time for the calls until then",
        ours_samples=tuple(ours),
        baseline_samples=tuple(own),
    )


def _wisher(desk: Desk, channel: str) -> str:
    """Return the address of a customer who has just written for the first time."""
    member = desk.new_member()
    if channel == "wecom_app":
        return member
    customer = f"wm{member.replace('.', '_')}"
    desk.control(f"kf/customers/{customer}/messages", content=_WISH, notify=False)
    return f"{_ACCOUNT}:{customer}"


def _until(calls: list[Call], way: _Way) -> float:
    """Return what the calls before the one that tells people took."""
    names = [call.operation for call in calls]
    places = [place for place, name in enumerate(names) if name == way.last]
    if len(places) < way.count:
        raise MeasurementError(f"{way.last} was not called: nobody was told of the wish")
    return sum(call.took_ms for call in calls[: places[way.count - 1]])


class _Wecom:
    """What the simulated WeCom was called for since the last time it was looked."""

    def __init__(self, lab: Lab) -> None:
        self._url = f"{lab.wecom_url}/_control/calls"
        self._after = 0

    def forget(self) -> None:
        """Let what was called until now be of no interest."""
        self.calls()

    def calls(self) -> list[dict[str, Any]]:
        """Return the calls since then, in the order of their coming in."""
        found = requests.get(self._url, params={"after": self._after}, timeout=_LIMIT_S).json()["calls"]
        if found:
            self._after = found[-1]["seq"]
        return sorted(found, key=lambda call: call["at_ms"])

    def at_ms(self, calls: list[dict[str, Any]], way: _Way) -> float:
        """Return when the call that tells people came in, epoch milliseconds."""
        told = [call for call in calls if call["path"] == way.last and not call["errcode"]]
        if len(told) < way.count:
            raise MeasurementError(f"{way.last} was not called: nobody was told of the wish")
        return float(told[way.count - 1]["at_ms"])
