"""Shared circuits in memory: the fake that stands for the table."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from frontdesk.records import Circuit

if TYPE_CHECKING:
    from frontdesk.errors import FrontdeskError

WINDOW_S = 60


class InMemoryCircuits:
    """Shares circuits between all who hold this object.

    ``calls`` are the names of the calls so far; while ``fault`` is set, each call raises it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, Circuit] = {}
        self._failures: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        self.calls: list[str] = []
        self.fault: FrontdeskError | None = None

    def read(self, endpoint: str, *, now: float) -> Circuit:
        """Return the circuit of ``endpoint``."""
        with self._lock:
            self._note("read")
            return self._circuit(endpoint, now)

    def count(self, endpoint: str, failures: int, *, now: float) -> Circuit:
        """Return the circuit after ``failures`` more, or fewer when it is below zero."""
        with self._lock:
            self._note("count")
            self._failures[endpoint][int(now // WINDOW_S)] += failures
            return self._circuit(endpoint, now)

    def save(self, endpoint: str, circuit: Circuit, *, now: float) -> bool:
        """Keep ``circuit``; return whether nobody else changed it since its version."""
        with self._lock:
            self._note("save")
            kept = self._kept.get(endpoint)
            if kept is not None and kept.version != circuit.version - 1:
                return False
            self._kept[endpoint] = circuit
            self._failures[endpoint].clear()
            return True

    def _note(self, call: str) -> None:
        self.calls.append(call)
        if self.fault:
            raise self.fault

    def _circuit(self, endpoint: str, now: float) -> Circuit:
        windows = self._failures[endpoint]
        window = int(now // WINDOW_S)
        failures = max(0, windows[window] + windows[window - 1])
        return replace(self._kept.get(endpoint, Circuit()), failures=failures)
