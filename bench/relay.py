"""Stands between a function and an emulator or simulator, and writes down how long that took for each call.

One in a Python process is slower than the service it stands for, in ways that say nothing about us. So its share is
measured, and printed beside what it is a share of.
"""

from __future__ import annotations

import http.client
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.loopback import LoopbackServer, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_HOP_BY_HOP = frozenset({"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"})
_LIMIT_S = 30


@dataclass(frozen=True, slots=True)
class Call:
    """One call: the operation (``PutItem``, ``kf/send_msg``), the milliseconds it took, and when it ended.

    ``ended_at`` is on the clock of `time.perf_counter`.
    """

    operation: str
    took_ms: float
    ended_at: float


class Relay(LoopbackServer):
    """Passes everything on to ``port`` of this machine; ``named`` says what a call is called, by path and headers."""

    def __init__(self, port: int, *, named: Callable[[str, Mapping[str, str]], str]) -> None:
        super().__init__()
        self._port = port
        self._named = named
        self._calls: list[Call] = []
        self._of_thread = threading.local()

    def take(self) -> list[Call]:
        """Return the calls since the last time this was asked."""
        taken, self._calls = self._calls, []
        return taken

    def respond(self, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Return the other side's answer, noting its time."""
        connection: http.client.HTTPConnection | None = getattr(self._of_thread, "connection", None)
        if connection is None:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_LIMIT_S)
            self._of_thread.connection = connection
        start = time.perf_counter()
        connection.request("POST" if body else "GET", path, body or None, dict(headers))
        response = connection.getresponse()
        content = response.read()
        end = time.perf_counter()
        self._calls.append(Call(self._named(path, headers), (end - start) * 1000, end))
        kept = {name: value for name, value in response.getheaders() if name.lower() not in _HOP_BY_HOP}
        return Reply(response.status, kept, content)


def aws_operation(_path: str, headers: Mapping[str, str]) -> str:
    """Return the name of an operation of AWS's JSON protocols."""
    return headers.get("x-amz-target", "").rpartition(".")[2]


def wecom_call(path: str, _headers: Mapping[str, str]) -> str:
    """Return the path of a call of WeCom's API."""
    return path.partition("?")[0].removeprefix("/cgi-bin/")
