"""Serves the simulated WeCom beside the checks, in the same event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.applications import Starlette

_LOOK_EVERY_S = 0.005
_LONGEST_GOODBYE_S = 1


class _Server(uvicorn.Server):
    """Leaves signals alone: whoever runs the event loop ends both, the examination and the server."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens, on any free port for 0; raises `OSError`."""
    # With the protocol named, asyncio turns Nagle's algorithm off; otherwise each answer takes 40 ms.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen()
    except OSError:
        listening.close()
        raise
    return listening


@contextlib.asynccontextmanager
async def serving(app: Starlette, listening: socket.socket) -> AsyncIterator[None]:
    """Serve `app` for a while."""
    # No access log: the API carries secrets and tokens in query strings. Stopping does not wait for long polls.
    # Nor of errors: connections that are cut on purpose would be called some.
    config = uvicorn.Config(
        app, log_level="critical", access_log=False, timeout_graceful_shutdown=_LONGEST_GOODBYE_S, lifespan="on"
    )
    server = _Server(config)
    task = asyncio.get_running_loop().create_task(server.serve(sockets=[listening]))
    while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn tells nobody when it has started
        await asyncio.sleep(_LOOK_EVERY_S)
    try:
        yield
    finally:
        server.should_exit = True
        await task
