"""The simulated WeCom, served over HTTP: small and empty pages, every session's history, and news that a test carries.

What it tells the bot by itself, a test gets through ``on_news`` and carries or loses.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import uvicorn

from simulators.wecom.app import Behaviour, WecomSettings, WecomSimulator, serve
from simulators.wecom.kf.accounts import Servicer
from simulators.wecom.kf.log import KfLog, Page
from simulators.wecom.kf.sessions import ServiceState, Session, Sessions
from simulators.wecom.members import Member
from tests.factories import AGENT_ID, CORP_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from simulators.wecom.kf.chats import ChatEntry
    from simulators.wecom.kf.notices import Notice

SETTINGS = WecomSettings(
    corp_id=CORP_ID,
    agent_id=AGENT_ID,
    secret="an-invented-secret-of-the-app",
    token="QDG6eK",
    encoding_aes_key="jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C",
    callback_url="http://127.0.0.1/wecom/callback",
)
WITH_PEOPLE = frozenset({ServiceState.POOL, ServiceState.SERVICER})
_START_LIMIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Change:
    """A session changed its state; ``seq`` is the number of the newest entry of any chat by then."""

    at: float
    seq: int
    state: ServiceState


class _WatchedSession(Session):
    """A session that tells of each change of its state."""

    tell: Callable[[_WatchedSession], None]

    def hear(self, at: float) -> None:
        before = self.state
        super().hear(at)
        self._tell_if_changed(before)

    def expire(self, now: float) -> None:
        before = self.state
        super().expire(now)
        self._tell_if_changed(before)

    def become(self, state: ServiceState, servicer_userid: str = "") -> None:
        before = self.state, self.servicer_userid
        super().become(state, servicer_userid)
        if (self.state, self.servicer_userid) != before:
            self.tell(self)

    def _tell_if_changed(self, before: ServiceState) -> None:
        if self.state is not before:
            self.tell(self)


class _WatchedSessions(Sessions):
    def __init__(self, tell: Callable[[_WatchedSession], None]) -> None:
        super().__init__()
        self._tell = tell

    def of(self, open_kfid: str, external_userid: str, now: float) -> Session:
        if (open_kfid, external_userid) not in self._sessions:
            session = _WatchedSession(open_kfid, external_userid)
            session.tell = self._tell
            self._sessions[open_kfid, external_userid] = session
        return super().of(open_kfid, external_userid, now)


class _SmallPages(KfLog):
    """A log that gives fewer entries a page than it was asked for, which the documentation allows."""

    def __init__(self, rng: Random, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self._rng = rng
        self._sizes = sizes

    def page(self, open_kfid: str, cursor: str, limit: int, now: float, *, empty: bool = False) -> Page:
        empty = empty and self._rng.random() < 0.3
        return super().page(open_kfid, cursor, min(limit, self._rng.choice(self._sizes)), now, empty=empty)


class Wecom(WecomSimulator):
    """One enterprise with two accounts. ``history`` holds the changes of each session, ``on_change`` hears of them."""

    def __init__(self, clock: Callable[[], float], rng: Random, *, pages: tuple[int, ...], **behaviour: Any) -> None:
        # More is said to one servicer within a minute than a real member may get.
        chosen = Behaviour(sends_per_minute=10**6, sends_per_hour=10**6, **behaviour)
        super().__init__(SETTINGS, behaviour=chosen, clock=clock, rng=rng)
        self.history: dict[tuple[str, str], list[Change]] = {}
        self.on_news: Callable[[Notice], None] = lambda _notice: None
        self.on_change: Callable[[Session], None] = lambda _session: None
        self.state.kf.sessions = _WatchedSessions(self._changed)
        self.state.kf.log = _SmallPages(rng, pages)

    def tell_of_news(self, open_kfid: str, *, copies: int = 1, delay_ms: int = 0) -> Notice:
        """Let the test carry the news."""
        notice = self.notice_of(open_kfid, copies=copies, delay_ms=delay_ms)
        self.on_news(notice)
        return notice

    def employ(self, account: str, *userids: str) -> None:
        """Let people of the company serve an account."""
        for userid in userids:
            self.state.kf.accounts.employ(self.state.kf.accounts.chosen(account), Servicer(userid))
            self.add_member(Member(userid))

    def state_of(self, account: str, customer: str) -> ServiceState:
        """Return where the customer's session stands."""
        return self.kf.session(customer, open_kfid=account).state

    def entries(self, account: str, customer: str) -> list[ChatEntry]:
        """Return what stands in one chat."""
        return self.state.kf.chats.entries(f"{account} {customer}")

    def _changed(self, session: _WatchedSession) -> None:
        change = Change(self.state.clock(), self.state.kf.chats.last_seq, session.state)
        self.history.setdefault((session.open_kfid, session.external_userid), []).append(change)
        self.on_change(session)


@dataclass
class Address:
    """Where a simulator answers; another one can take its place."""

    url: str
    app: Any = field(default=None, repr=False)

    def use(self, simulator: WecomSimulator) -> None:
        """Let ``simulator`` answer from now on."""
        self.app = serve(simulator)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


@contextmanager
def served() -> Iterator[Address]:
    """Serve what the address is told to use, until left."""
    # With the protocol named, asyncio turns Nagle's algorithm off; otherwise each answer takes 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        address = Address(f"http://127.0.0.1:{listening.getsockname()[1]}")
        config = uvicorn.Config(
            address, log_level="critical", access_log=False, lifespan="off", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        until = time.monotonic() + _START_LIMIT_S
        while not server.started:
            assert time.monotonic() < until, "the server did not start"
            time.sleep(0.005)
        try:
            yield address
        finally:
            server.should_exit = True
            thread.join(_START_LIMIT_S)
            assert not thread.is_alive()
