"""Connections that a watch can end: a call is over at its deadline, whatever the peer does.

Time limits of a socket count from byte to byte, so a peer that drips could hold a call for ever. And neither
requests nor urllib3 tells whether a connection was a kept one, which decides whether a question may go out again.
"""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

if TYPE_CHECKING:
    from collections.abc import Iterator


class Watch:
    """Knows the socket of the call that its thread is making, and can end that call from another thread.

    ``is_over`` turns true when the call was cut, ``is_reused`` when its connection had served calls before.
    """

    def __init__(self) -> None:
        self.is_over = False
        self.is_reused = False
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    @contextmanager
    def over_this_thread(self, left_s: float) -> Iterator[None]:
        """Watch the one call that this thread makes meanwhile, and cut it after ``left_s`` seconds."""
        timer = threading.Timer(left_s, self.cut)
        timer.daemon = True
        _calls.watch = self
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            _calls.watch = None

    def attach(self, sock: Any, *, reused: bool) -> None:
        """Take note of the socket that serves the call; anything that is none, or is known already, is passed over."""
        with self._lock:
            if sock is self._socket or not isinstance(sock, socket.socket):
                return
            self._socket = sock
            self.is_reused = reused
            if self.is_over:
                self._shut()

    def cut(self) -> None:
        """End the call: who reads from its socket sees the end of the stream."""
        with self._lock:
            self.is_over = True
            self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                # Not the TLS socket's own method: that one changes state under the hands of the reading thread.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def hurry(self, seconds: float) -> None:
        """Let the socket wait no longer than that for its next bytes."""
        with self._lock:
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.settimeout(seconds)


class _Calls(threading.local):
    watch: Watch | None = None


_calls = _Calls()


class _Connection(HTTPConnection):
    """Tells the call of its thread which socket serves it, and whether that socket served others before."""

    def connect(self) -> None:
        super().connect()
        if _calls.watch is not None:
            _calls.watch.attach(self.sock, reused=False)

    def request(self, *args: Any, **kwargs: Any) -> None:
        if _calls.watch is not None:
            _calls.watch.attach(self.sock, reused=True)
        super().request(*args, **kwargs)


class _TlsConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class WatchedAdapter(HTTPAdapter):
    """requests' adapter with our connections in its pools."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools for direct calls."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Return the pools for calls through ``proxy``; those of a SOCKS proxy need connections of their own kind."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
        return manager
