"""The state of each customer's session, who has it, and what the bot may still say in it.

Source: WeCom developer docs, paths 94669 (states) and 94677 (five messages, 48 hours).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

LIFETIME_S = 48 * 3600
MOST_MESSAGES = 5


class ServiceState(IntEnum):
    """Where a session stands."""

    NEW = 0
    MACHINE = 1
    POOL = 2
    SERVICER = 3
    ENDED = 4


_DOCUMENTED = frozenset(
    {
        (ServiceState.NEW, ServiceState.POOL),
        (ServiceState.NEW, ServiceState.SERVICER),
        (ServiceState.MACHINE, ServiceState.POOL),
        (ServiceState.MACHINE, ServiceState.SERVICER),
        (ServiceState.POOL, ServiceState.SERVICER),
        (ServiceState.SERVICER, ServiceState.SERVICER),
        (ServiceState.SERVICER, ServiceState.ENDED),
    }
)
# The page draws all changes in a picture that no stored text reproduces; these are used in the field or likely.
_LIKELY = frozenset(
    {
        (ServiceState.NEW, ServiceState.MACHINE),
        (ServiceState.NEW, ServiceState.ENDED),
        (ServiceState.MACHINE, ServiceState.ENDED),
        (ServiceState.POOL, ServiceState.ENDED),
    }
)


@dataclass(slots=True)
class Session:
    """One customer with one account; a customer who never wrote has no session, which is the state `ENDED`.

    `used` counts what the bot said since the customer's newest message. `number` tells one session from the next.
    `coded` has the states whose first change gave a code. Times are epoch seconds.
    """

    open_kfid: str
    external_userid: str
    state: ServiceState = ServiceState.ENDED
    servicer_userid: str = ""
    started_at: float = 0
    number: int = 0
    used: int = 0
    coded: set[ServiceState] = field(default_factory=set)
    last_customer_at: float | None = None
    last_exchange_at: float | None = None
    last_welcome_at: float | None = None

    def hear(self, at: float) -> None:
        """Note a message of the customer: it starts a session where there is none, and renews what may be said."""
        if self.state is ServiceState.ENDED:
            self.resume(at)
            self.become(ServiceState.NEW)
        self.used = 0
        self.last_customer_at = max(at, self.last_customer_at or 0)
        self.touch(at)

    def resume(self, at: float) -> None:
        """Begin the next session where the last one has ended; nothing happens to one that goes on."""
        if self.state is ServiceState.ENDED:
            self.started_at = at
            self.number += 1
            self.coded = set()

    def touch(self, at: float) -> None:
        """Note that something was said, by whomever."""
        self.last_exchange_at = max(at, self.last_exchange_at or 0)

    def expire(self, now: float) -> None:
        """End the session when its 48 hours are over."""
        if self.state is not ServiceState.ENDED and now - self.started_at >= LIFETIME_S:
            self.state, self.servicer_userid = ServiceState.ENDED, ""

    def can_become(self, state: ServiceState, servicer_userid: str, *, strict: bool) -> bool:
        """Tell whether the API may change the session to `state`; `strict` allows the documented changes only."""
        if state is self.state is ServiceState.SERVICER:
            return servicer_userid.lower() != self.servicer_userid.lower()
        return (self.state, state) in (_DOCUMENTED if strict else _DOCUMENTED | _LIKELY)

    def become(self, state: ServiceState, servicer_userid: str = "") -> None:
        """Change to `state`; only a servicer's session has a servicer."""
        self.state = state
        self.servicer_userid = servicer_userid if state is ServiceState.SERVICER else ""

    def first_time_in(self, state: ServiceState) -> bool:
        """Tell whether the session is in `state` for the first time, and note that it was."""
        first = state not in self.coded
        self.coded.add(state)
        return first


class Sessions:
    """All sessions, by account and customer."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[str, str], Session] = {}

    def of(self, open_kfid: str, external_userid: str, now: float) -> Session:
        """Return the session as it stands at `now`."""
        key = (open_kfid, external_userid)
        session = self._sessions.setdefault(key, Session(open_kfid, external_userid))
        session.expire(now)
        return session

    def all(self, now: float) -> list[Session]:
        """Return every session as it stands at `now`."""
        for session in self._sessions.values():
            session.expire(now)
        return list(self._sessions.values())

    def clear(self) -> None:
        """Forget every session."""
        self._sessions.clear()
