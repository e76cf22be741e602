"""Looks at the processes of a local run while it works: how much memory they have, and one function's to be ended.

Read from /proc (Linux). What counts is what is resident: the pages that two processes share count twice.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from random import Random

_LOOK_EVERY_S = 10.0
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20
_NAME = b"AWS_LAMBDA_FUNCTION_NAME="


@dataclass(slots=True)
class Memory:
    """Resident megabytes by name: of each process of the local run, and of the functions' own processes together.

    ``points`` are pairs of seconds since the start and megabytes; ``largest`` is the largest single process of each
    function.
    """

    points: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    largest: dict[str, float] = field(default_factory=dict)

    def note(self, at_s: float, leaders: Mapping[str, int]) -> None:
        """Look at the sessions of ``leaders`` now."""
        for name, leader in leaders.items():
            own = functions = 0.0
            for pid in _session(leader):
                size_mb, function = _resident_mb(pid), _function(pid)
                if function:
                    functions += size_mb
                    self.largest[function] = max(self.largest.get(function, 0.0), size_mb)
                else:
                    own += size_mb
            self.points.setdefault(name, []).append((at_s, own))
            if functions:
                self.points.setdefault("functions", []).append((at_s, functions))

    async def watch(self, leaders: Mapping[str, int]) -> None:
        """Look every ten seconds until cancelled."""
        started = time.monotonic()
        while True:
            await asyncio.to_thread(self.note, time.monotonic() - started, leaders)
            await asyncio.sleep(_LOOK_EVERY_S)


def end_one(leader: int, function: str, rng: Random) -> bool:
    """End a process that runs ``function`` (part of its name) in the session of ``leader``; tell whether one ran."""
    running = [pid for pid in _session(leader) if function in _function(pid)]
    if not running:
        return False
    with suppress(ProcessLookupError):
        os.kill(rng.choice(running), signal.SIGKILL)
    return True


def _session(leader: int) -> Iterator[int]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with suppress(OSError, IndexError, ValueError):
                # The name stands in brackets and may have any character in it; the session is the fourth field after.
                fields = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
                if int(fields[3]) == leader:
                    yield int(folder.name)


def _resident_mb(pid: int) -> float:
    with suppress(OSError, IndexError, ValueError):
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE_MB
    return 0.0


def _function(pid: int) -> str:
    """Return the name of the function that a process runs; empty for any other."""
    with suppress(OSError):
        values = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        return next((each[len(_NAME) :].decode() for each in values if each.startswith(_NAME)), "")
    return ""
