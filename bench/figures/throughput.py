"""Messages a second through the deployed local stack: signed callbacks of many customers in, answers at WeCom out.

What limits it is the local AWS: it works on one batch of the queue at a time (at most ten messages), where the cloud
works on as many conversations side by side as there are. So the figure says that the way is sound under load, and what
a desk gets through on one machine; it is no figure of the cloud's.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

from bench.lab import STACK
from bench.messages import WORDS
from bench.rie import free_port
from bench.sampling import MeasurementError, median
from bench.table import Row
from ops.local.stack import LocalOptions, LocalStack

if TYPE_CHECKING:
    from bench.lab import Lab

_ROUNDS = 3
_CUSTOMERS = 40
_AT_ONCE = 2  # as many callbacks are under way at a time
_WARM_UPS = 8
_ANSWER_LIMIT_S = 30  # the longest that the simulator's long poll waits
_ANSWER = "您的订单已经发出，预计明天送到。"


@dataclass(frozen=True, slots=True)
class _Way:
    """One message's way, in epoch milliseconds: written, taken by the callback, answered."""

    sent_at_ms: int
    accepted_at_ms: int
    answered_at_ms: int


def measure(lab: Lab) -> list[Row]:
    """Return answers a second, against the rate at which the callback took the same messages in."""
    options = LocalOptions(
        frontdesk_port=free_port(),
        aws_port=free_port(),
        folder=lab.folder / STACK,
        settings={"INTERIM_AFTER_SECONDS": "0"},  # only answers are to be counted
    )
    with LocalStack(options, say=lab.say) as stack, ThreadPoolExecutor(_AT_ONCE) as threads:
        script = {"text": _ANSWER, "delay_ms": 0, "between_ms": 0}
        control = f"{stack.console_url}fastgpt/_control/answers"
        requests.post(control, json=script, timeout=_ANSWER_LIMIT_S).raise_for_status()
        wecom = f"{stack.console_url}wecom/_control"
        _warm_up(wecom, threads)
        rounds = []
        for number in range(_ROUNDS):
            deliveries = _written(wecom, f"round{number}", _CUSTOMERS, threads)
            if not all(delivery["accepted_at_ms"] for delivery in deliveries):
                raise MeasurementError("the callback did not take a message: the rate would mean nothing")
            rounds.append([_way(wecom, delivery) for delivery in deliveries])
    answered = tuple(_per_second(ways, [way.answered_at_ms for way in ways]) for ways in rounds)
    accepted = tuple(_per_second(ways, [way.accepted_at_ms for way in ways]) for ways in rounds)
    return [
        Row(
            figure=f"local stack: messages a second, {_CUSTOMERS} customers",
            ours=median(answered),
            baseline=median(accepted),
            unit="/s",
            note=(
                f"baseline: the callback alone, taking in the same messages, {_AT_ONCE} at a time; the local AWS "
                "limits both, with some 50 ms an invoke and one batch of the queue at a time"
            ),
            ours_samples=answered,
            baseline_samples=accepted,
        )
    ]


def _warm_up(wecom: str, threads: ThreadPoolExecutor) -> None:
    """Have as many workers of the callback started as will be busy at a time, and their messages answered.

    The local AWS may start a worker so slowly that WeCom hangs up meanwhile; what counts comes after that.
    """
    for number in range(_WARM_UPS):
        deliveries = _written(wecom, f"warm{number}", 1 if number == 0 else _AT_ONCE, threads)
        for delivery in deliveries:
            if delivery["accepted_at_ms"]:
                _way(wecom, delivery)
        if number and all(len(delivery["attempts"]) == 1 for delivery in deliveries):
            return
    raise MeasurementError("the callback does not take messages at the first attempt: the rate would mean nothing")


def _written(wecom: str, name: str, customers: int, threads: ThreadPoolExecutor) -> list[dict[str, Any]]:
    """Let every customer write once, a few at a time; return what became of the deliveries."""
    return list(threads.map(lambda number: _write(wecom, f"{name}.{number}"), range(customers)))


def _write(wecom: str, customer: str) -> dict[str, Any]:
    url = f"{wecom}/members/{customer}/messages"
    answer = requests.post(url, json={"msgtype": "text", "content": WORDS}, timeout=_ANSWER_LIMIT_S)
    answer.raise_for_status()
    delivery: dict[str, Any] = answer.json()
    return delivery


def _way(wecom: str, delivery: dict[str, Any]) -> _Way:
    """Return the times of a message, waiting for its answer."""
    url = f"{wecom}/members/{delivery['userid']}/timeline"
    wanted: dict[str, int] = {"after": delivery["seq"], "wait": _ANSWER_LIMIT_S}
    answer = requests.get(url, params=wanted, timeout=_ANSWER_LIMIT_S + 10)  # nosec B113  # it sees no sum
    entries = answer.json()["entries"]
    if not entries or entries[0]["content"] != _ANSWER:
        raise MeasurementError("a message was not answered: the rate would mean nothing")
    return _Way(delivery["sent_at_ms"], delivery["accepted_at_ms"], entries[0]["at_ms"])


def _per_second(ways: list[_Way], ends_ms: list[int]) -> float:
    return len(ways) / (max(ends_ms) - min(way.sent_at_ms for way in ways)) * 1000
