"""One ASGI application for the local run: the page, the WeCom simulator under `/wecom`, FastGPT's under `/fastgpt`.

A standby FastGPT, with a memory of its own, is under `/fastgpt-standby`.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import yaml
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount

from simulators.console.board import Board
from simulators.console.deployment import open_window
from simulators.console.feed import Feed
from simulators.console.kf_watch import KfWatch
from simulators.console.watch import DeploymentWatch, PhoneWatch, Watch, watching
from simulators.console.web import Console, OnlyFromHere
from simulators.fastgpt.app import create_app as create_fastgpt
from simulators.wecom.app import WecomSimulator
from simulators.wecom.app import serve as serve_wecom
from simulators.wecom.kf.accounts import FIRST_ACCOUNT, Servicer
from simulators.wecom.kf.customers import Customer
from simulators.wecom.members import Member

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from simulators.console.deployment import Window
    from simulators.console.settings import RunSettings

# Invented. The page starts with somebody to write as, from within the company and from WeChat, and with colleagues who
# take customers over: on duty from the start, so that a hand-over can be seen at once.
_MEMBERS = (Member("lin.mei", "林梅"), Member("wang.qi", "王琪"), Member("chen.an", "陈安"))
_CUSTOMERS = (Customer("wmZhouYu0001", "周雨"), Customer("wmLiMu0002", "李沐"), Customer("wmHeQing0003", "何青"))
_STAFF = (Servicer("zhou.min", "周敏"), Servicer("he.yun", "何云"))
_EVERY_S_LOCAL = 0.7
_EVERY_S_REAL = 3.0  # CloudWatch Logs allows an account few reads a second
_LOOK_BACK_MS = 15 * 60 * 1000


def create_app(settings: RunSettings, *, window: Window | None = None) -> Starlette:
    """Return the application. ``window`` onto the deployment is opened from ``settings`` unless given.

    `app.state.feed.close()` ends the streams of changes, which would otherwise hold back a shutdown.
    """
    deployment = settings.deployment
    if window is None:
        window = open_window(deployment, since_ms=int(time.time() * 1000) - _LOOK_BACK_MS)
    feed = Feed()
    board = Board(feed)
    routes: list[BaseRoute] = Console(feed, window, _facts(settings)).routes()
    watches: list[Watch] = [
        DeploymentWatch(window, board, every_s=_EVERY_S_LOCAL if deployment.endpoint_url else _EVERY_S_REAL)
    ]
    simulator = None
    if settings.wecom:
        simulator = WecomSimulator(settings.wecom)
        _populate(simulator)
        watches += [PhoneWatch(simulator, board), KfWatch(simulator, board)]
        routes.append(Mount("/wecom", serve_wecom(simulator)))
    if settings.fastgpt:
        routes.append(Mount("/fastgpt", create_fastgpt(settings.fastgpt)))
    if settings.standby:
        routes.append(Mount("/fastgpt-standby", create_fastgpt(settings.standby)))

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with watching(*watches):
            yield
        if simulator:
            await simulator.aclose()

    app = Starlette(routes=routes, middleware=[Middleware(OnlyFromHere)], lifespan=lifespan)
    app.state.feed = feed
    return app


def _populate(simulator: WecomSimulator) -> None:
    """Let there be somebody to write as, and somebody to take over."""
    kf = simulator.state.kf
    for member in (*_MEMBERS, *(Member(each.userid, each.name) for each in _STAFF)):
        simulator.add_member(member)
    for customer in _CUSTOMERS:
        kf.customers.put(customer)
    account = kf.accounts.chosen(FIRST_ACCOUNT)
    for servicer in _STAFF:
        kf.accounts.employ(account, servicer)


def _facts(settings: RunSettings) -> dict[str, Any]:
    deployment = settings.deployment
    return {
        "wecom": {"simulated": settings.wecom is not None},
        "fastgpt": {"simulated": settings.fastgpt is not None},
        "aws": {"local": deployment.endpoint_url is not None, "region": deployment.region},
        "callback_url": settings.callback_url,
        **(_knowledge(settings.fastgpt.faq) if settings.fastgpt else {"company": "", "suggestions": []}),
    }


def _knowledge(faq: Path) -> dict[str, Any]:
    """Return whose FAQ it is, and questions it has an answer to: the first one of each entry."""
    document = yaml.safe_load(faq.read_text(encoding="utf-8"))
    return {
        "company": str(document["company"]),
        "suggestions": [str(entry["questions"][0]) for entry in document["entries"]],
    }
