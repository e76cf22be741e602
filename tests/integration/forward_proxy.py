"""A small forward proxy on a real socket: it tunnels what asks for CONNECT, and passes plain HTTP on.

It goes out from an address of its own, 127.0.0.2, so that whoever is called can tell who calls.
"""

from __future__ import annotations

import base64
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

ADDRESS = "127.0.0.2"
_LIMIT_S = 10.0


@dataclass
class ForwardProxy:
    """Where it listens, whom it lets through, and what it was asked."""

    port: int
    credentials: str = ""
    """``user:password`` that a caller must give; "" for none."""
    answer: str = ""
    """What it says to every request in place of passing it on, e.g. ``503 Service Unavailable``."""
    asked: list[str] = field(default_factory=list)
    """The request lines."""
    held: list[socket.socket] = field(default_factory=list)
    """Both ends of every tunnel."""

    def url(self, userinfo: str = "") -> str:
        return f"http://{userinfo}{'@' if userinfo else ''}127.0.0.1:{self.port}"

    def refusal(self, authorization: str) -> str:
        expected = "Basic " + base64.b64encode(self.credentials.encode()).decode()
        if self.credentials and authorization != expected:
            return "407 Proxy Authentication Required"
        return self.answer


def _serve(state: ForwardProxy, caller: socket.socket) -> None:
    with caller, caller.makefile("rb") as file, suppress(OSError):
        caller.settimeout(_LIMIT_S)
        line = file.readline().decode("latin-1").strip()
        headers: list[str] = []
        while header := file.readline().decode("latin-1").strip():
            headers.append(header)
        if not line:
            return
        state.asked.append(line)
        given = {name.lower(): value.strip() for name, _, value in (header.partition(":") for header in headers)}
        refusal = state.refusal(given.get("proxy-authorization", ""))
        if refusal:
            caller.sendall(f"HTTP/1.1 {refusal}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            return
        method, target, _ = line.split(" ")
        parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
        assert parts.hostname
        with socket.create_connection((parts.hostname, parts.port or 80), _LIMIT_S, (ADDRESS, 0)) as called:
            if method == "CONNECT":
                caller.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                path = parts.path + (f"?{parts.query}" if parts.query else "")
                passed = [h for h in headers if not h.lower().startswith(("proxy-", "connection:"))]
                head = "\r\n".join([f"{method} {path} HTTP/1.1", *passed, "Connection: close", "", ""])
                called.sendall(head.encode("latin-1") + file.read(int(given.get("content-length", "0"))))
            state.held += [caller, called]
            back = threading.Thread(target=_pump, args=(called, caller), daemon=True)
            back.start()
            if method == "CONNECT":
                _pump(caller, called)
            back.join(_LIMIT_S)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def forward_proxy(credentials: str = "", answer: str = "") -> Iterator[ForwardProxy]:
    """Serve until the context ends, and the tunnels with it."""
    listener = socket.create_server(("127.0.0.1", 0))
    state = ForwardProxy(listener.getsockname()[1], credentials, answer)

    def accept() -> None:
        while True:
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=_serve, args=(state, caller), daemon=True).start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield state
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for held in state.held:
            with suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)
        acceptor.join(_LIMIT_S)
