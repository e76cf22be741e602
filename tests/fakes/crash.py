"""A process that dies between two steps: what a function's time-out or the loss of its machine looks like inside."""

from __future__ import annotations

from typing import Any


class Crash(BaseException):
    """The process ends here: nothing that handles an `Exception` may see it."""


class Crashing:
    """Stands around the ports of one process and ends it before or after one call.

    ``at`` names the call: the ``nth`` (from 1) call of a port's method, or with no name the nth call of all.
    """

    def __init__(self, nth: int = 1, *, at: str = "", before: bool = False) -> None:
        self._nth = nth
        self._left = nth
        self._at = at
        self._before = before

    def again(self) -> Crashing:
        """Return the same crash, yet to come."""
        return Crashing(self._nth, at=self._at, before=self._before)

    def around(self, port: Any) -> Any:
        """Return ``port`` with this crash built in."""
        return _Port(port, self)

    def call(self, name: str, method: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call ``method``, and crash when its time has come."""
        due = False
        if not self._at or name == self._at:
            self._left -= 1
            due = self._left == 0
        if due and self._before:
            raise Crash
        result = method(*args, **kwargs)
        if due:
            raise Crash
        return result


class _Port:
    def __init__(self, port: Any, crashing: Crashing) -> None:
        self._port = port
        self._crashing = crashing

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._port, name)
        if not callable(attribute):
            return attribute
        return lambda *args, **kwargs: self._crashing.call(name, attribute, *args, **kwargs)
