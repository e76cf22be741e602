"""A small HTTP server on this machine that costs next to nothing: what stands in for AWS, or between us and others."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered; the length is added."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class LoopbackServer(ABC):
    """Answers GET and POST requests on a free port while it is entered, each connection in a thread of its own."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @abstractmethod
    def respond(self, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Return the answer to one request; called in any thread. Names of headers are in lower case.

        ``path`` has the query with it. A GET has no ``body``.
        """

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        """Serve."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


def _handler_of(server: LoopbackServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # head and body leave together, or the answer waits 40 ms for the head's acknowledgement

        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = server.respond(self.path, headers, self.rfile.read(int(headers.get("content-length", 0))))
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST  # noqa: N815  # the standard library's name

        def log_message(self, *_: object) -> None:
            """Write nothing: the terminal is the table's."""

    return Handler
