"""Time that passes only when a test says so."""

from __future__ import annotations

from tests.factories import NOW


class FakeClock:
    """Called, it gives epoch seconds; `monotonic` gives the other clock, which moves with it."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now
        self._started = now

    def __call__(self) -> float:
        return self.now

    def monotonic(self) -> float:
        """Return the seconds since this clock was made."""
        return self.now - self._started

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
