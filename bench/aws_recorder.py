"""Stands between a function and the AWS emulator and writes down how long the emulator took for each call.

An emulator in one Python process is slower than the service it stands for, in ways that say nothing about us.
So its share is measured, and printed beside what it is a share of.
"""

from __future__ import annotations

import http.client
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.loopback import LoopbackServer, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

_HOP_BY_HOP = frozenset({"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"})
_LIMIT_S = 30


@dataclass(frozen=True, slots=True)
class Call:
    """One call: the operation (``PutItem``) and the milliseconds the emulator took for it."""

    operation: str
    took_ms: float


class AwsRecorder(LoopbackServer):
    """A relay to the emulator on ``port`` of this machine."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port
        self._calls: list[Call] = []
        self._of_thread = threading.local()

    def take(self) -> list[Call]:
        """Return the calls since the last time this was asked."""
        taken, self._calls = self._calls, []
        return taken

    def respond(self, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Return the emulator's answer, noting its time."""
        connection: http.client.HTTPConnection | None = getattr(self._of_thread, "connection", None)
        if connection is None:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_LIMIT_S)
            self._of_thread.connection = connection
        start = time.perf_counter()
        connection.request("POST", path, body, dict(headers))
        response = connection.getresponse()
        content = response.read()
        took_ms = (time.perf_counter() - start) * 1000
        self._calls.append(Call(headers.get("x-amz-target", "").rpartition(".")[2], took_ms))
        kept = {name: value for name, value in response.getheaders() if name.lower() not in _HOP_BY_HOP}
        return Reply(response.status, kept, content)
