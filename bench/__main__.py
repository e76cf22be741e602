"""`python -m bench [figure …]` measures, prints one table, and writes it with all samples to .local/bench.json."""

from __future__ import annotations

import argparse
import importlib
import json
import signal
import sys
import time
from typing import TYPE_CHECKING, NoReturn

import requests

from bench import machine
from bench.lab import Lab
from bench.rie import RuntimeFailedError
from bench.sampling import MeasurementError
from bench.table import table
from ops.deployment import ROOT, DeploymentError
from ops.local.processes import ProcessError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    from bench.table import Row

FIGURES = {
    "cpu": "the callback's processor time for a message, against wechatpy",
    "start": "the callback's first invoke, against a bare boto3 function",
    "starts": "the other functions' first invoke, against bare boto3 clients of the same services",
    "acknowledge": "how long WeCom waits for the callback, at 50 messages a second",
    "answer": "what the responder adds to the model's own time",
    "kf": "from a notification of 微信客服 to the message in the inbox",
    "backlog": "messages of 微信客服 fetched a second, against bare sync_msg calls",
    "handover": "from the wish for a person to who is called",
    "failover": "from the end of the first FastGPT to the next answer",
    "breaker": "what a closed circuit costs a call, against none and Powertools'",
    "batch": "ten conversations in one batch",
    "archiver": "sessions archived a second, in a small table and in one 100 times larger",
    "rules": "ten thousand keywords on a text of a thousand characters",
    "masking": "a 500-character message masked, and what is found of a labelled set",
    "throughput": "messages a second through the deployed local stack",
    "cost": "1,000 conversations of three loads at list prices, against a container that is there for 24 hours",
    "seal": "sealing and opening of a text, against raw OpenSSL and gmssl",
}
# What keeps one figure from being measured, and no other.
_FAILURES = (DeploymentError, ProcessError, RuntimeFailedError, MeasurementError, requests.RequestException)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _as_interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _measured(name: str, lab: Lab) -> list[Row]:
    """Return the rows of one figure, none when it could not be measured; why is said."""
    start = time.monotonic()
    _say(f"{name}: {FIGURES[name]} …")
    measure: Callable[[Lab], list[Row]] = importlib.import_module(f"bench.figures.{name}").measure
    try:
        rows = measure(lab)
    except _FAILURES as exc:
        _say(f"{name}: NOT MEASURED: {exc}")
        return []
    _say(f"{name}: took {time.monotonic() - start:.0f} s")
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the figures that ``arguments`` name, all of them without any; return the exit status.

    It is 1 when a figure could not be measured. A goal that is missed is printed and is no failure: what a busy
    machine measures must not break a build.
    """
    told = "\n".join(f"  {name:11} {meaning}" for name, meaning in FIGURES.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        epilog=f"figures:\n{told}",
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("figures", nargs="*", metavar="figure", help="which ones; all when none is named")
    chosen = parser.parse_args(arguments).figures or list(FIGURES)
    if unknown := sorted(set(chosen) - set(FIGURES)):
        parser.error(f"unknown: {', '.join(unknown)}")
    signal.signal(signal.SIGTERM, _as_interrupt)  # what was started is stopped then, too
    on = machine.described()
    try:
        with Lab(ROOT / ".local" / "bench", _say) as lab:
            measured = [_measured(name, lab) for name in chosen]
    except KeyboardInterrupt:
        return 130
    rows = [row for figure in measured for row in figure]
    print(f"{machine.line(on)}\n\n{table(rows)}")
    written = {"machine": on, "rows": [row.as_json() for row in rows]}
    (ROOT / ".local" / "bench.json").write_text(json.dumps(written, ensure_ascii=False, indent=2), encoding="utf-8")
    return 0 if all(measured) else 1


if __name__ == "__main__":
    sys.exit(main())
