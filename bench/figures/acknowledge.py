"""How long WeCom waits for an acknowledgement under 50 messages a second, which nothing slows down: an open loop.

The built callback under the real Lambda runtime, as many execution environments as Lambda would have started, each
working on one message at a time; the queue is a FIFO queue of the AWS emulator. The moments of the messages are drawn
ahead (Poisson), and each counts from its own moment: also the time that it waits for a free environment. What the
cloud adds in front (TLS, API Gateway) is not in it, and cold starts are a figure of their own: all are warm.

The baseline does far less in the same place: a boto3 client, the body queued unread.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from bench.messages import KEYRING, CallbackMaker, gateway_event
from bench.rie import Function
from bench.sampling import MeasurementError
from bench.table import Goal, Row
from simulators.traffic.figures import percentile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.lab import Lab
    from bench.rie import LambdaRuntime

_RATE = 50.0
_SECONDS = 20.0
_ENVIRONMENTS = 6
_ROUNDS = 3
_SEED = 1
_LATE_LIMIT_MS = 100.0
_BASELINE = Path(__file__).parents[1] / "baseline_callback"
_A_FIFTH_OF_WECOMS_FIVE_SECONDS = Goal(1000)
_NOTE = (
    f"{_RATE:g} messages a second for {_SECONDS:g} s, drawn ahead as a Poisson process, {_ENVIRONMENTS} warm execution "
    "environments, from the moment a message was due; without TLS and API Gateway; baseline: a bare boto3 callback "
    "(body queued unread; no secret, check, seal, log or metric) in the same place"
)


def measure(lab: Lab) -> list[Row]:
    """Return the middle and the 99th percentile of all rounds, ours and the baseline's in turns."""
    functions = _functions(lab)
    took: dict[str, list[float]] = {name: [] for name in functions}
    with ExitStack() as stack:
        fleets = {
            name: [
                stack.enter_context(lab.runtime(function, f"acknowledge-{name}-{number}"))
                for number in range(_ENVIRONMENTS)
            ]
            for name, function in functions.items()
        }
        maker = CallbackMaker(lab.vendors)
        for fleet in fleets.values():
            for runtime in fleet:
                _acknowledged(runtime, gateway_event(maker.text()))
        for number in range(_ROUNDS):
            for name, fleet in fleets.items():
                took[name] += _round(fleet, maker, Random(_SEED + number))
    return [
        _row("callback: acknowledgement at 50 messages a second, p50", took, 0.5),
        _row("  p99", took, 0.99, (_A_FIFTH_OF_WECOMS_FIVE_SECONDS,)),
        _row("  longest", took, 1.0),
    ]


def _row(figure: str, took: dict[str, list[float]], share: float, goals: tuple[Goal, ...] = ()) -> Row:
    return Row(
        figure=figure,
        ours=percentile(took["ours"], share),
        baseline=percentile(took["boto3"], share),
        unit="ms",
        goals=goals,
        note=_NOTE,
        ours_samples=tuple(took["ours"]),
        baseline_samples=tuple(took["boto3"]),
    )


def _round(fleet: Sequence[LambdaRuntime], maker: CallbackMaker, rng: Random) -> list[float]:
    """Return how long each message of one round took, in milliseconds from the moment it was due."""
    moments = _moments(rng)
    events = [gateway_event(maker.text(f"customer{rng.randrange(500)}")) for _ in moments]
    waiting: queue.SimpleQueue[tuple[float, dict[str, Any]] | None] = queue.SimpleQueue()
    took: list[float] = []
    failures: list[Exception] = []

    def work(runtime: LambdaRuntime) -> None:
        while (due := waiting.get()) is not None:
            try:
                _acknowledged(runtime, due[1])
            except Exception as exc:  # noqa: BLE001  # told in the round's own thread
                failures.append(exc)
            took.append((time.monotonic() - due[0]) * 1000)

    threads = [threading.Thread(target=work, args=[runtime]) for runtime in fleet]
    for thread in threads:
        thread.start()
    started, latest_ms = time.monotonic(), 0.0
    for at_s, event in zip(moments, events, strict=True):
        time.sleep(max(0.0, started + at_s - time.monotonic()))
        latest_ms = max(latest_ms, (time.monotonic() - started - at_s) * 1000)
        waiting.put((started + at_s, event))
    for _ in threads:
        waiting.put(None)
    for thread in threads:
        thread.join()
    if failures:
        raise MeasurementError(f"{len(failures)} messages were not acknowledged: {failures[0]}")
    if latest_ms > _LATE_LIMIT_MS:
        raise MeasurementError(f"a message left {latest_ms:.0f} ms late: the machine is too busy to measure")
    return took


def _moments(rng: Random) -> list[float]:
    moments, at_s = [], rng.expovariate(_RATE)
    while at_s < _SECONDS:
        moments.append(at_s)
        at_s += rng.expovariate(_RATE)
    return moments


def _acknowledged(runtime: LambdaRuntime, event: dict[str, Any]) -> None:
    answer, _ = runtime.invoke(event)
    if answer["statusCode"] != 200:
        raise MeasurementError(f"the callback answered {answer['statusCode']}: its time would mean nothing")


def _functions(lab: Lab) -> dict[str, Function]:
    given, sqs, vault = lab.vendors.settings, lab.aws.client("sqs"), lab.aws.client("secretsmanager")
    secrets = {
        "WecomSecret": {key: given[key] for key in ("WECOM_SECRET", "WECOM_TOKEN", "WECOM_ENCODING_AES_KEY")},
        "IdentitySecret": {"CONVERSATION_KEY": "0123456789abcdef0123456789abcdef"},
        "KeyringSecret": {"SM4_KEYRING": KEYRING},
    }
    known = lab.resources | {
        name: vault.create_secret(Name=f"acknowledge-{name}", SecretString=json.dumps(values))["ARN"]
        for name, values in secrets.items()
    }
    attributes = {"FifoQueue": "true", "DeduplicationScope": "messageGroup"}
    attributes["FifoThroughputLimit"] = "perMessageGroupId"
    known["Inbox"] = sqs.create_queue(QueueName="acknowledge-inbox.fifo", Attributes=attributes)["QueueUrl"]
    environ = lab.environment("CallbackFunction", known) | {"AWS_ENDPOINT_URL": lab.aws.endpoint_url}
    ours = Function(folder=lab.built / "CallbackFunction", layers=lab.layers, environ=environ, timeout_s=5)
    return {"ours": ours, "boto3": replace(ours, folder=_BASELINE)}
