"""Which customers try a new version of the app: a share of them, always the same, and nobody once it was stopped."""

from __future__ import annotations

import hashlib
import logging
import threading
from typing import TYPE_CHECKING, Protocol

from frontdesk.errors import FrontdeskError

if TYPE_CHECKING:
    from collections.abc import Callable

FRESH_S = 20.0
"""How old may be what is known of a stop."""

_log = logging.getLogger(__name__)


def tries_canary(conversation: str, percent: float) -> bool:
    """Return whether the questions of ``conversation`` go to the canary when ``percent`` of all do.

    Whoever tries it at one share tries it at every larger one, too.
    """
    digest = hashlib.sha256(f"canary:{conversation}".encode()).digest()
    return int.from_bytes(digest[:8], "big") * 100 < percent * 2**64


class Stops(Protocol):
    """Where it is kept that a canary was stopped. Raises a `FrontdeskError` when out of reach."""

    def stopped_by(self, app_id: str) -> str:
        """Return what or who stopped the canary ``app_id``, "" where nobody did."""


class CanaryStop:
    """Tells whether the canary was stopped, as read within the last `FRESH_S`; many threads may ask.

    Where that cannot be read, what was read last goes on.
    """

    def __init__(self, stops: Stops, app_id: str, *, clock: Callable[[], float]) -> None:
        """``clock`` counts seconds."""
        self._stops = stops
        self._app_id = app_id
        self._clock = clock
        self._lock = threading.Lock()
        self._stopped = False
        self._read_at = float("-inf")

    def __call__(self) -> bool:
        """Return whether it was stopped."""
        with self._lock:
            now = self._clock()
            if now - self._read_at >= FRESH_S:
                self._read_at = now
                try:
                    self._stopped = bool(self._stops.stopped_by(self._app_id))
                except FrontdeskError as error:
                    _log.warning("canary not read", exc_info=error, extra={"code": error.code})
            return self._stopped
