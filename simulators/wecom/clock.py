"""The platform's clock, which can be put forward so that hours and days need not be waited for."""

from __future__ import annotations

from collections.abc import Callable

Clock = Callable[[], float]
"""Returns the time as epoch seconds; a test passes its own to move through hours at once."""


class PlatformClock:
    """Epoch seconds of the simulated platform: those of `base`, and what the clock was put forward by."""

    def __init__(self, base: Clock) -> None:
        self._base = base
        self.ahead_s = 0.0

    def __call__(self) -> float:
        """Return the platform's time."""
        return self._base() + self.ahead_s

    def unmoved(self) -> float:
        """Return the time of the world outside.

        Callbacks are signed with it: a bot whose own clock cannot be put forward would take them for replays.
        """
        return self._base()

    def advance(self, seconds: float) -> None:
        """Put the clock forward."""
        self.ahead_s += seconds

    def clear(self) -> None:
        """Go back to the time of the world outside."""
        self.ahead_s = 0.0
