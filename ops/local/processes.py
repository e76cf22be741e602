"""Starts, remembers and stops the processes of a local run.

Each process leads a group of its own, so that Ctrl-C reaches only us and its children end with it. The processes are
recorded in a file, so that a later `make stop` ends exactly these: a process number alone may long belong to somebody
else, so the moment it started is compared too.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_STOP_LIMIT_S = 10.0
_POLL_S = 0.1


class ProcessError(Exception):
    """A process of the local run could not be started, or has ended; the message says which and why."""


class Processes:
    """The processes of one local run, recorded in ``folder``."""

    def __init__(self, folder: Path) -> None:
        """``folder`` takes the record and, under logs/, each process's output."""
        self.logs = folder / "logs"
        self._record = folder / "processes.json"
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: list[str], environ: Mapping[str, str], folder: Path) -> None:
        """Start ``command`` in ``folder`` with exactly ``environ``; its output goes to logs/NAME.log."""
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.logs / f"{name}.log").open("wb") as log:
            try:
                child = subprocess.Popen(
                    command,
                    env=dict(environ),
                    cwd=folder,
                    start_new_session=True,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            except OSError as exc:
                raise ProcessError(f"{name} could not be started: {exc}") from exc
        self._children[name] = child
        recorded = {**self._recorded(), name: {"pid": child.pid, "started": _started(child.pid)}}
        self._record.write_text(json.dumps(recorded), encoding="utf-8")

    def wait_until(self, name: str, is_ready: Callable[[], bool], limit_s: float) -> None:
        """Return when ``is_ready`` says so. Raises `ProcessError` when ``name`` ends or ``limit_s`` has passed."""
        deadline = time.monotonic() + limit_s
        while not is_ready():
            self.check(name)
            if time.monotonic() > deadline:
                raise ProcessError(f"{name} did not answer within {limit_s:.0f} s; see {self.logs / name}.log")
            time.sleep(_POLL_S)

    def check(self, name: str | None = None) -> None:
        """Raise `ProcessError` when the process ``name``, or any of them, has ended."""
        for each, child in self._children.items():
            if name in {None, each} and child.poll() is not None:
                log = self.logs / f"{each}.log"
                tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-10:])
                ending = f"{each} ended with status {child.returncode}"
                raise ProcessError(f"{ending}:\n{tail}\nThe whole output is in {log}.")

    def running(self) -> list[str]:
        """Return the names of recorded processes that still run, whoever started them."""
        return [name for name, (pid, started) in self._entries() if _started(pid) == started]

    def stop(self) -> list[str]:
        """End every recorded process and its children, the latest first; return the names of those that ran."""
        stopped = []
        for name, (pid, started) in reversed(self._entries()):
            if _started(pid) != started:
                continue
            stopped.append(name)
            _end_group(pid, started, self._children.get(name))
        for child in self._children.values():
            child.poll()  # one that somebody else ended is still to be taken away
        self._children.clear()
        self._record.unlink(missing_ok=True)
        return stopped

    def _recorded(self) -> dict[str, dict[str, object]]:
        try:
            recorded: dict[str, dict[str, object]] = json.loads(self._record.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return recorded

    def _entries(self) -> list[tuple[str, tuple[int, str]]]:
        return [(name, (int(str(e["pid"])), str(e["started"]))) for name, e in self._recorded().items()]


def _started(pid: int) -> str:
    """Return when the process ``pid`` started, as `ps` tells it; empty when there is none, or only its remains."""
    asked = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
    )
    state, _, started = asked.stdout.strip().partition(" ")
    return "" if state.startswith("Z") else started.strip()


def _end_group(pid: int, started: str, child: subprocess.Popen[bytes] | None) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            break
        deadline = time.monotonic() + _STOP_LIMIT_S
        while _started(pid) == started and time.monotonic() < deadline:
            if child is not None:
                child.poll()  # takes the ended child away, which would else stay as remains
            time.sleep(_POLL_S)
    if child is not None:
        child.wait(timeout=_STOP_LIMIT_S)


def require_free_port(port: int, setting: str) -> None:
    """Raise `ProcessError` when something listens on ``port`` of this machine; ``setting`` is what to change."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as exc:
            raise ProcessError(
                f"port {port} is taken. `make stop` ends an earlier run; another port is chosen with {setting}.",
            ) from exc
