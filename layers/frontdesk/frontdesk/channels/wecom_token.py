"""WeCom's access token: one for all instances, fetched by one caller at a time, renewed ahead of its end.

There is one token per secret, it lasts for two hours or less, and WeCom asks that it be shared and cached: many
fetches are rate limited, and many with a wrong secret ban the outgoing IP for an hour (WeCom developer docs, paths
91039 and 90455). How a token is fetched and where it is kept is given from outside.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

from frontdesk.errors import FrontdeskError, MisconfiguredError, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

log = logging.getLogger(__name__)

_AHEAD_S = 300.0  # renew when this much is left …
_AHEAD_SHARE = 0.5  # … or half of the life of a token that lives for less than twice as long
_SPENT_S = 5.0  # a token that ends sooner may end on its way
_LEASE_S = 20.0  # longer than the one call under it can take: 3 s to connect and 10 s to read
_LONGEST_WAIT_S = 25.0  # outlasts the lease of an instance that died
_POLL_S = (0.05, 0.25)
_REFUSAL_S = 60.0
_CALM_S = 10.0  # after a failed renewal of a token that is still good
_BUSY_RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """A token as WeCom gave it; ``lifetime_s`` in seconds from now."""

    value: str = field(repr=False)
    lifetime_s: float


class Token(Protocol):
    """A token as it is shared. Times are epoch seconds."""

    @property
    def value(self) -> str:
        """What WeCom takes."""

    @property
    def version(self) -> str:
        """The name of the fetch that it comes from."""

    @property
    def refresh_at(self) -> float:
        """From when on another one should be fetched."""

    @property
    def expires_at(self) -> float:
        """From when on WeCom no longer takes it."""


class TokenStore(Protocol):
    """Where instances share tokens. Every method raises `TransientError` when the store is out of reach."""

    def read(self, name: str) -> Token | None:
        """Return the token called ``name`` as last saved, expired or not."""

    def lease(self, name: str, owner: str, *, now: float, until: float) -> bool:
        """Return whether ``owner`` alone may fetch the token, until it saves, releases, or ``until`` has come."""

    def save(self, name: str, owner: str, *, value: str, version: str, refresh_at: float, expires_at: float) -> bool:
        """Share a token and end the lease; return whether ``owner`` still had it, otherwise nothing is changed."""

    def release(self, name: str, owner: str) -> None:
        """End the lease of ``owner``, if it still has it, without a token."""

    def discard(self, name: str, version: str) -> None:
        """Forget the token if it is still ``version``."""


@dataclass(frozen=True, slots=True)
class _Held:
    value: str = field(repr=False)
    version: str
    refresh_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class _Refusal:
    error: FrontdeskError
    until: float


class AccessTokens:
    """Hands out the current token of one application. Safe to use from several threads.

    Deadlines are on the clock ``monotonic``, the life of a token on ``clock`` (epoch seconds), which instances share.
    """

    def __init__(
        self,
        *,
        name: str,
        store: TokenStore,
        fetch: Callable[[float], Fetched],
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        rng: random.Random | None = None,
    ) -> None:
        """``name`` tells enterprise and application apart from others; ``fetch`` gets a token before a deadline."""
        self._name = name
        self._store = store
        self._fetch = fetch
        self._clock = clock
        self._monotonic = monotonic
        self._sleep = sleep
        self._rng = rng or random.SystemRandom()
        self._lock = threading.Lock()
        self._held: Token | None = None
        self._refusal: _Refusal | None = None
        self._calm_until = 0.0

    def current(self, *, deadline: float) -> Token:
        """Return a token that is good now.

        Raises `TransientError` when none can be had before ``deadline``, `MisconfiguredError` when WeCom refuses
        the secret; a refusal is remembered for a minute, so that a wrong secret is not tried again and again.
        """
        held = self._held
        if held and self._clock() < held.refresh_at:
            return held
        if held and self._is_good(held) and self._lock.locked():
            return held  # another thread sees to its renewal
        with self._alone(deadline):
            return self._load(deadline)

    def invalidate(self, version: str, *, deadline: float) -> None:
        """Forget the token ``version``, which WeCom no longer takes. One that another caller fetched since stays."""
        with self._alone(deadline):
            if self._held and self._held.version != version:
                return
            self._held = None
            self._store.discard(self._name, version)

    @contextmanager
    def _alone(self, deadline: float) -> Iterator[None]:
        left = min(_LONGEST_WAIT_S, max(0.0, deadline - self._monotonic()))
        if not self._lock.acquire(timeout=left):
            raise _busy()
        try:
            yield
        finally:
            self._lock.release()

    def _load(self, deadline: float) -> Token:
        if self._held and self._is_fresh(self._held):
            return self._held
        if self._held and self._is_good(self._held) and self._monotonic() < self._calm_until:
            return self._held
        try:
            self._held = self._shared_or_renewed(deadline)
        except FrontdeskError as error:
            if not (self._held and self._is_good(self._held)):
                raise
            log.warning("access token not renewed ahead of its end", extra={"code": error.code})
            self._calm_until = self._monotonic() + _CALM_S
        return self._held

    def _shared_or_renewed(self, deadline: float) -> Token:
        stored = self._store.read(self._name)
        if stored and self._is_fresh(stored):
            return stored
        # What is no longer shared was discarded by somebody whom WeCom refused it.
        self._held = old = stored if stored and self._is_good(stored) else None
        self._raise_remembered_refusal()
        return self._renew(old, deadline)

    def _renew(self, old: Token | None, deadline: float) -> Token:
        """Return a token fetched by us or by another instance; ``old`` while another one is at it."""
        give_up_at = min(deadline, self._monotonic() + _LONGEST_WAIT_S)
        while True:
            owner = uuid4().hex
            now = self._clock()
            if self._store.lease(self._name, owner, now=now, until=now + _LEASE_S):
                return self._fetch_and_share(owner, deadline)
            if old:
                return old
            pause = self._rng.uniform(*_POLL_S)
            if self._monotonic() + pause >= give_up_at:
                raise _busy()
            self._sleep(pause)
            stored = self._store.read(self._name)
            if stored and self._is_fresh(stored):
                return stored

    def _fetch_and_share(self, owner: str, deadline: float) -> Token:
        stored = self._store.read(self._name)
        if stored and self._is_fresh(stored):  # fetched between our reading and our lease
            self._store.release(self._name, owner)
            return stored
        try:
            fetched = self._fetch(deadline)
        except FrontdeskError as error:
            # A refusal keeps its lease until that runs out: the other instances should not run into the same wall.
            if not self._remember(error):
                with suppress(FrontdeskError):
                    self._store.release(self._name, owner)
            raise
        now = self._clock()
        ahead_s = min(_AHEAD_S, fetched.lifetime_s * _AHEAD_SHARE)
        expires_at = now + fetched.lifetime_s
        token = _Held(fetched.value, version=owner, refresh_at=expires_at - ahead_s, expires_at=expires_at)
        return self._share(token, owner)

    def _share(self, token: Token, owner: str) -> Token:
        """Save ``token`` and return it, or the one of the instance that took over the lease."""
        try:
            saved = self._store.save(
                self._name,
                owner,
                value=token.value,
                version=token.version,
                refresh_at=token.refresh_at,
                expires_at=token.expires_at,
            )
            stored = None if saved else self._store.read(self._name)
        except FrontdeskError as error:
            log.warning("access token fetched but not shared", extra={"code": error.code})
            return token
        return stored if stored and self._is_fresh(stored) else token

    def _remember(self, error: FrontdeskError) -> bool:
        """Keep a refusal in mind; return whether ``error`` is one: a wrong secret, or a limit that lasts."""
        if isinstance(error, MisconfiguredError):
            lasts_s = _REFUSAL_S
        elif isinstance(error, TransientError) and error.retry_after_s >= _REFUSAL_S:
            lasts_s = error.retry_after_s
        else:
            return False
        self._refusal = _Refusal(error, until=self._monotonic() + lasts_s)
        return True

    def _raise_remembered_refusal(self) -> None:
        """Raise the refusal of the last minute again, as an exception of its own."""
        refusal = self._refusal
        left = refusal.until - self._monotonic() if refusal else 0.0
        if refusal is None or left <= 0:
            return
        error = refusal.error
        if isinstance(error, TransientError):
            raise TransientError(str(error), code=error.code, retry_after_s=left)
        raise MisconfiguredError(str(error), code=error.code)

    def _is_fresh(self, token: Token) -> bool:
        return self._clock() < token.refresh_at

    def _is_good(self, token: Token) -> bool:
        return self._clock() < token.expires_at - _SPENT_S


def _busy() -> TransientError:
    return TransientError(
        "another caller is fetching the access token", code="wecom_token_busy", retry_after_s=_BUSY_RETRY_S
    )
