"""A peer on a real socket that answers each connection as a test scripts it, down to the byte."""

from __future__ import annotations

import json
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl

LIMIT_S = 10.0
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


@dataclass(frozen=True, slots=True)
class Request:
    """What came in: the request line, the headers by lower-case name, the JSON body."""

    line: str
    headers: dict[str, str]
    body: Any


class Talk:
    """One connection, seen from the peer."""

    def __init__(self, sock: socket.socket, peer: Peer) -> None:
        self._sock = sock
        self._peer = peer
        self._file = sock.makefile("rb")

    def hear(self) -> Request:
        """Return the next request of the connection."""
        line = self._file.readline().decode("latin-1").strip()
        assert line, "the caller hung up before it asked"
        headers: dict[str, str] = {}
        while header := self._file.readline().decode("latin-1").strip():
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        request = Request(line, headers, json.loads(self._file.read(int(headers.get("content-length", "0"))) or "null"))
        self._peer.requests.append(request)
        return request

    def say(self, *pieces: bytes) -> None:
        """Send the pieces one by one."""
        for piece in pieces:
            self._sock.sendall(piece)

    def say_chunked(self, *pieces: bytes, end: bool = True) -> None:
        """Send a head and each piece as a chunk, so that the connection can be kept."""
        self.say(HEAD, b"Transfer-Encoding: chunked\r\n\r\n")
        self.say(*(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces))
        if end:
            self.say(b"0\r\n\r\n")

    def hung_up(self, within_s: float = LIMIT_S) -> bool:
        """Wait until the caller has hung up; False when it has not in that time."""
        while select.select([self._sock], [], [], within_s)[0]:
            try:
                if not self._sock.recv(65536):
                    return True
            except OSError:
                return True
        return False

    def drip(self, piece: bytes, every_s: float = 0.01) -> None:
        """Send the piece again and again until the caller hangs up."""
        with suppress(OSError):
            while not self.hung_up(every_s):
                self._sock.sendall(piece)

    def reset(self) -> None:
        """End the connection with a reset instead of a farewell."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")

    def close(self) -> None:
        self._file.close()
        with suppress(OSError):
            self._sock.close()


Script = Callable[[Talk], object]


@dataclass(slots=True)
class Peer:
    """Where it listens, and what it heard."""

    port: int
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    broken: list[BaseException] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"


@contextmanager
def peer(*scripts: Script, tls: ssl.SSLContext | None = None) -> Iterator[Peer]:
    """Serve one connection per script, each in a thread; more connections than scripts are hung up on."""
    listener = socket.create_server(("127.0.0.1", 0))
    state = Peer(listener.getsockname()[1])
    threads: list[threading.Thread] = []

    def serve(accepted: socket.socket, script: Script) -> None:
        try:
            accepted.settimeout(LIMIT_S)
            sock = tls.wrap_socket(accepted, server_side=True) if tls else accepted
        except OSError:  # the caller did not trust the certificate
            accepted.close()
            return
        talk = Talk(sock, state)
        try:
            script(talk)
        except BaseException as error:  # noqa: BLE001  (told to the test, which runs in another thread)
            state.broken.append(error)
        finally:
            talk.close()

    def accept() -> None:
        waiting = list(scripts)
        while True:
            try:
                accepted, _ = listener.accept()
            except OSError:
                return
            state.connections += 1
            if not waiting:
                accepted.close()
                continue
            thread = threading.Thread(target=serve, args=(accepted, waiting.pop(0)), daemon=True)
            threads.append(thread)
            thread.start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield state
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in (acceptor, *threads):
            thread.join(LIMIT_S)
    assert not state.broken, state.broken
