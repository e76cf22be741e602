"""An HTTP response that is none: the server closes the connection without having sent a byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h11
from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


class CutConnection(Response):
    """Closes the connection instead of answering.

    ASGI has no message for that. A header name that HTTP forbids makes uvicorn refuse to write the response head after
    it has noted the response as started, whereupon it can only close the connection, however many layers of
    middleware lie between. On a server that lets the name pass, the response is left unfinished.
    """

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Start a response that cannot be sent, and leave it at that."""
        head = {"type": "http.response.start", "status": 200, "headers": [(b"not a name", b"")]}
        try:
            await send(head)
        except (h11.LocalProtocolError, RuntimeError):
            return
        raise ConnectionAbortedError("the connection was to be cut")
