"""The simulator as an ASGI application, mountable under any prefix.

Under the prefix it serves `/cgi-bin/…` like the real host, and `/_control/…` (see the `control` module).
Whoever runs it under uvicorn should pass `access_log=False`, as the API carries secrets and tokens in query strings,
and `timeout_graceful_shutdown`, as a long poll of the timeline would hold up the end by up to 30 seconds.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.routing import Mount, Route

from simulators.wecom.control import Control
from simulators.wecom.http_api import CgiBin
from simulators.wecom.settings import Behaviour, WecomSettings
from simulators.wecom.simulator import WecomSimulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from simulators.wecom.clock import Clock

__all__ = ["Behaviour", "WecomSettings", "WecomSimulator", "create_app", "serve"]

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def create_app(settings: WecomSettings, clock: Clock = time.time, *, behaviour: Behaviour | None = None) -> Starlette:
    """Return an application around a new simulator, which is at `app.state.simulator`."""
    return serve(WecomSimulator(settings, behaviour=behaviour, clock=clock))


def serve(simulator: WecomSimulator) -> Starlette:
    """Return an application around `simulator`.

    Its lifespan ends deliveries that still run; a parent that mounts it, whose mounts get no lifespan of their own,
    may await `simulator.aclose()` instead.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await simulator.aclose()

    app = Starlette(
        routes=[
            Mount("/_control", routes=Control(simulator).routes()),
            Route("/cgi-bin/{path:path}", CgiBin(simulator).answer, methods=_METHODS),
        ],
        lifespan=lifespan,
    )
    app.state.simulator = simulator
    return app
