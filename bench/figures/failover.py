"""From the end of the first FastGPT to the next answer: its process killed, and its process stopped so that it hangs.

Two simulated FastGPTs in processes of their own, asked by the real clients; the circuits are in the emulated ledger.
Each round begins with a closed circuit and an answer of the first one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import requests

from bench.messages import WORDS
from bench.rie import free_port
from bench.sampling import MeasurementError, median
from bench.table import Goal, Row
from frontdesk.fastgpt.breaker import Breaker
from frontdesk.fastgpt.client import FastGptClient
from frontdesk.fastgpt.ladder import SILENCE_ABOVE_S, Endpoint, Ladder
from frontdesk.fastgpt.transport import SILENCE_S
from frontdesk.messages import PRIMARY, Afresh, Question, rung_of
from frontdesk.storage.circuits import DynamoCircuits
from ops.deployment import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.lab import Lab

_ROUNDS = {signal.SIGKILL: 7, signal.SIGSTOP: 3}
_NAMES = {signal.SIGKILL: "failover: the first FastGPT is killed", signal.SIGSTOP: "failover: the first FastGPT hangs"}
_GOAL = Goal(30_000)
_START_LIMIT_S = 30.0
_NOTE = "until the standby's whole answer; baseline: the same question to the standby alone"


def measure(lab: Lab) -> list[Row]:
    """Return the rows, in milliseconds."""
    return [_row(lab, how) for how in (signal.SIGKILL, signal.SIGSTOP)]


def _row(lab: Lab, how: signal.Signals) -> Row:
    ours: list[float] = []
    alone: list[float] = []
    with _fastgpt(lab) as (standby, _):
        for number in range(_ROUNDS[how]):
            with _fastgpt(lab) as (primary, process), ThreadPoolExecutor(1) as background:
                ladder = _ladder(lab, f"{how.name}-{number}", primary, standby, background)
                if _asked(ladder)[1] != PRIMARY:
                    raise MeasurementError("the first FastGPT did not answer while it was well")
                alone.append(_asked(_ladder(lab, f"alone-{number}", "", standby, background))[0])
                process.send_signal(how)
                took_ms, rung = _asked(ladder)
                if rung != "standby":
                    raise MeasurementError("the standby did not answer")
                ours.append(took_ms)
    return Row(
        figure=_NAMES[how],
        ours=median(ours),
        baseline=median(alone),
        unit="ms",
        goals=(_GOAL,),
        note=_NOTE,
        ours_samples=tuple(ours),
        baseline_samples=tuple(alone),
    )


def _ladder(lab: Lab, circuit: str, primary: str, standby: str, background: ThreadPoolExecutor) -> Ladder:
    """Return both endpoints as the responder builds them; the standby alone, as the first one, without ``primary``."""
    given = lab.vendors.settings
    circuits = DynamoCircuits(lab.aws.client("dynamodb"), lab.resources["Ledger"])
    rungs = [(PRIMARY, primary, SILENCE_ABOVE_S), ("standby", standby, SILENCE_S)]
    endpoints = []
    for rung, url, silence_s in rungs if primary else [(PRIMARY, standby, SILENCE_S)]:
        client = FastGptClient(
            base_url=f"{url}/api",
            api_key=given["FASTGPT_API_KEY"],
            app_id=given["FASTGPT_APP_ID"],
            silence_s=silence_s,
        )
        breaker = Breaker(
            f"{circuit}-{rung}",
            circuits=circuits,
            probe=client.probe,
            on_opened=lambda: None,
            submit=background.submit,
            clock=time.time,
        )
        breaker.refresh()
        endpoints.append(Endpoint(rung, client, breaker, rung))
    return Ladder(endpoints)


def _asked(ladder: Ladder) -> tuple[float, str]:
    """Return how many milliseconds an answer takes, and who gives it."""
    chat = uuid4().hex
    question = Question(chat, uuid4().hex, "c0ffee", WORDS, afresh=lambda: Afresh(f"{chat}:1", WORDS))
    start = time.monotonic()
    answer = ladder.ask(question, deadline=start + 85, on_first_words=lambda: None)
    return (time.monotonic() - start) * 1000, rung_of(answer.attempt_id)


@contextmanager
def _fastgpt(lab: Lab) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run a simulated FastGPT of its own until left; give its address and its process."""
    port = free_port()
    command = [sys.executable, "-m", "simulators.fastgpt", "--port", str(port), "--model-delay", "0"]
    process = subprocess.Popen(
        [*command, "--chunk-delay", "0"],
        cwd=ROOT,
        env={**os.environ, **lab.vendors.settings},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + _START_LIMIT_S
        while not _answers(f"http://127.0.0.1:{port}/_control/runs"):
            if time.monotonic() > until or process.poll() is not None:
                raise MeasurementError("a simulated FastGPT did not start")
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False
