"""The record of API calls: what was asked and how it ended, for assertions. Holds no secret and no token."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, replace


@dataclass(frozen=True, slots=True)
class Call:
    """One API call.

    `path` is without `/cgi-bin/`. `token` is the number of the access token used (1 for the first one issued), or
    `None` when there was none or an unknown one. `errcode` is `None` when the answer had none (a fault, or 404), and
    `status` is `None` when the connection was cut. `processed` tells whether the call took effect.
    """

    seq: int
    method: str
    path: str
    at_ms: int
    userids: tuple[str, ...] = ()
    msgtype: str | None = None
    token: int | None = None
    status: int | None = 200
    errcode: int | None = None
    processed: bool = True
    fault: int | None = None

    def to_json(self) -> dict[str, object]:
        """Return the call as the control API shows it."""
        return asdict(self)


class CallLog:
    """All calls since the last reset, in the order of their arrival."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        self._seq = 0

    def record(self, call: Call) -> Call:
        """Keep `call` under the next number and return it so numbered."""
        with self._lock:
            self._seq += 1
            numbered = replace(call, seq=self._seq)
            self._calls.append(numbered)
            return numbered

    def all(self, path: str | None = None, after: int = 0) -> list[Call]:
        """Return the calls above number `after`, of one `path` when given."""
        with self._lock:
            return [call for call in self._calls if call.seq > after and path in {None, call.path}]

    def clear(self) -> None:
        """Forget every call."""
        with self._lock:
            self._calls.clear()
