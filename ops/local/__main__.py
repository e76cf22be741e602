"""`python -m ops.local up [--detach]` starts the local run, `python -m ops.local down` ends it."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, NoReturn

from frontdesk.settings import local_problems
from ops.deployment import ROOT, DeploymentError
from ops.environment import DotenvError, settings_in_force
from ops.local.processes import ProcessError
from ops.local.stack import LocalOptions, LocalStack

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

_LOOK_EVERY_S = 1.0


def _say(line: str) -> None:
    print(line, flush=True)


def _as_interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _options(settings: Mapping[str, str]) -> LocalOptions:
    """Return the options that ``settings`` ask for. Raises `DeploymentError` naming everything wrong with them."""
    problems = local_problems(settings)
    if problems:
        raise DeploymentError("\n  ".join(["These settings (environment or .env) have to be put right:", *problems]))
    return LocalOptions(
        frontdesk_port=int(settings.get("FRONTDESK_PORT", "8080")),
        aws_port=int(settings.get("AWS_LOCAL_PORT", "4566")),
        settings=settings,
    )


def _run(stack: LocalStack, *, detach: bool) -> None:
    stack.start()
    _say(f"  WeCom    {'simulated' if stack.vendors.wecom_is_simulated else 'the real one'}")
    _say(f"  FastGPT  {'simulated' if stack.vendors.fastgpt_is_simulated else 'the real one'}")
    _say(f"  Callback {stack.callback_url}")
    if detach:
        _say("Running in the background; `make stop` ends it.")
        return
    _say("Ctrl-C stops everything.")
    try:
        while True:
            stack.processes.check()
            time.sleep(_LOOK_EVERY_S)
    finally:
        _say("Stopping …")
        stack.stop()


def main(arguments: list[str]) -> int:
    """Do what ``arguments`` say; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m ops.local", description=__doc__)
    parser.add_argument("verb", choices=["up", "down"])
    parser.add_argument("--detach", action="store_true", help="return when everything answers")
    chosen = parser.parse_args(arguments)
    if chosen.verb == "down":
        stopped = LocalStack(LocalOptions()).stop()
        _say(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")
        return 0
    try:
        options = _options(settings_in_force(ROOT, os.environ))
        signal.signal(signal.SIGTERM, _as_interrupt)
        _run(LocalStack(options, _say), detach=chosen.detach)
    except KeyboardInterrupt:
        return 130
    except (DeploymentError, DotenvError, ProcessError) as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
