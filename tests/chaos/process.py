"""A process that can die: at a port call of its own, before or after it, or when its time is over.

When it is dead, none of its threads comes further than its next port call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.fakes.crash import Crash

if TYPE_CHECKING:
    from random import Random

    from tests.chaos.timekeeper import Timekeeper

AT_ONCE = (0.0, 0.0)
STORE_TAKES_S = (0.002, 0.015)
VENDOR_TAKES_S = (0.02, 0.15)
_NOW_AND_THEN = 0.01  # a call takes much longer
_MUCH_LONGER_S = (2.0, 9.0)


class _DeadError(Exception):
    """A thread of a dead process tried to go on."""


@dataclass(slots=True)
class Doom:
    """The process ends at its ``nth`` port call from now on (1 is the next), before or after it."""

    nth: int
    before: bool


class Process:
    """What stands around the ports of one process. ``calls`` counts the port calls of an invocation."""

    def __init__(self, clock: Timekeeper, rng: Random) -> None:
        self._clock = clock
        self._rng = rng
        self._doom: Doom | None = None
        self._killed_at = 0.0
        self.calls = 0
        self.dead = False

    def begin(self, doom: Doom | None, *, time_s: float) -> float:
        """Begin an invocation and return its deadline on the monotonic clock; past it the process is killed."""
        self.calls = 0
        self._doom = doom
        self._killed_at = self._clock.monotonic() + time_s
        return self._killed_at

    def around(self, port: Any, takes_s: tuple[float, float] = AT_ONCE) -> Any:
        """Return ``port`` with the chance to die built in; a call takes a time between ``takes_s``."""
        return _Port(port, self, takes_s)

    def reach(self) -> None:
        """Come to a point that is like one between two port calls."""
        self.call(lambda: None, AT_ONCE)

    def call(self, method: Any, takes_s: tuple[float, float], *args: Any, **kwargs: Any) -> Any:
        """Return what ``method`` returns, if the process lives to see it."""
        self._live()
        self.calls += 1
        due = self._doom is not None and self.calls == self._doom.nth
        if due and self._doom and self._doom.before:
            self._die()
        late = self._rng.random() < 0.5  # it happens early or late in the call
        self._pass(takes_s, now=late)
        try:
            result = method(*args, **kwargs)
        except Exception:
            self._pass(takes_s, now=not late)
            if due:
                self._die()
            raise
        self._pass(takes_s, now=not late)
        if due:
            self._die()
        return result

    def _pass(self, takes_s: tuple[float, float], *, now: bool) -> None:
        if not now or takes_s == AT_ONCE or not self._clock.keeps_me:
            return
        seconds = self._rng.uniform(*takes_s)
        if takes_s == VENDOR_TAKES_S and self._rng.random() < _NOW_AND_THEN:
            seconds = self._rng.uniform(*_MUCH_LONGER_S)
        self._clock.sleep(seconds)
        self._live()

    def sleep(self, seconds: float) -> None:
        """Wait, as long as the process lives."""
        self._clock.sleep(seconds)
        self._live()

    def _live(self) -> None:
        if self.dead or self._clock.monotonic() > self._killed_at:
            self._die()

    def _die(self) -> None:
        self.dead = True
        # A timer's thread has nobody who waits for its end; its outermost line ends it.
        raise Crash if self._clock.keeps_me else _DeadError


class _Port:
    def __init__(self, port: Any, process: Process, takes_s: tuple[float, float]) -> None:
        self._port = port
        self._process = process
        self._takes_s = takes_s

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._port, name)
        if not callable(attribute):
            return attribute
        return lambda *args, **kwargs: self._process.call(attribute, self._takes_s, *args, **kwargs)
