"""A responder process that dies at a chosen step: run by `test_crash.py`, with the environment of the deployed function.

Usage: ``python crash_worker.py STEP EVENT``. STEP is "never" or one of `STEPS`, with ":n" for the n-th time. The
process ends by `os._exit`, as a killed Lambda does: nothing is cleaned up. It prints the function's own answer.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from frontdesk import bootstrap
from functions.responder import handler

STEPS = ("before ask", "after ask", "after record", "after deliver", "after mark", "before save", "after save")
DIED = 86


class Fuse:
    """Ends the process when its step is reached for the n-th time."""

    def __init__(self, plan: str) -> None:
        """``plan`` is a step, or a step and a count."""
        self._step, _, count = plan.partition(":")
        self._left = int(count or 1)

    def reach(self, step: str) -> None:
        """Say that ``step`` is reached."""
        if step == self._step:
            self._left -= 1
            if not self._left:
                os._exit(DIED)


class Fused:
    """Stands before a collaborator and burns the fuse around some of its calls."""

    def __init__(self, inner: Any, fuse: Fuse, *, before: dict[str, str], after: dict[str, str]) -> None:
        """``before`` and ``after`` name the step around each method."""
        self._inner, self._fuse, self._before, self._after = inner, fuse, before, after

    def __getattr__(self, name: str) -> Any:
        """Return what the collaborator has under ``name``, a method with the fuse around it."""
        method = getattr(self._inner, name)
        if not callable(method):
            return method

        def call(*arguments: Any, **options: Any) -> Any:
            self._fuse.reach(self._before.get(name, ""))
            result = method(*arguments, **options)
            self._fuse.reach(self._after.get(name, ""))
            return result

        return call


class Context:
    """What Lambda tells a function about its time."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the responder's whole time limit."""
        return 120_000


def main(step: str, event: str) -> None:
    """Answer ``event`` (JSON) until ``step``."""
    fuse = Fuse(step)
    answering = bootstrap.responder().answering
    workers = (answering, answering._composer, answering._composer._events, answering._handover, answering._speaker)
    for name, before, after in (
        ("_model", {"ask": "before ask"}, {"ask": "after ask"}),
        ("_ledger", {}, {"record": "after record", "mark_sent": "after mark"}),
        ("_sessions", {"save": "before save"}, {"save": "after save"}),
    ):
        for worker in workers:
            if hasattr(worker, name):
                setattr(worker, name, Fused(getattr(worker, name), fuse, before=before, after=after))
    channels = answering._speaker._channels
    answering._speaker._channels = {
        name: Fused(channel, fuse, before={}, after={"deliver": "after deliver"}) for name, channel in channels.items()
    }
    print(json.dumps(handler.lambda_handler(json.loads(event), Context())))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
