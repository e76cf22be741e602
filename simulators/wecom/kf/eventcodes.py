"""The codes with which one message may be sent on an event, whatever the session's state.

Source: WeCom developer docs, path 95122: each once, a welcome and a farewell within 20 seconds, the others within 48
hours, and all but the welcome only while the session is in the state that gave the code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulators.wecom.kf.sessions import ServiceState

if TYPE_CHECKING:
    from random import Random

    from simulators.wecom.kf.sessions import Session

_QUICK_S = 20
_SLOW_S = 48 * 3600
_TEXT = frozenset({"text"})
_TEXT_OR_MENU = frozenset({"text", "msgmenu"})


@dataclass(frozen=True, slots=True)
class EventCode:
    """One code; `state` is `None` for a welcome, which needs no session."""

    session: Session
    state: ServiceState | None
    number: int
    expires_at: float

    @property
    def msgtypes(self) -> frozenset[str]:
        """The kinds of message that may be sent with it."""
        return _TEXT_OR_MENU if self.state in {None, ServiceState.ENDED} else _TEXT

    def good(self, now: float) -> bool:
        """Tell whether the code may still be used."""
        self.session.expire(now)
        here = self.state is None or (self.state is self.session.state and self.number == self.session.number)
        return now < self.expires_at and here


class EventCodes:
    """Gives out codes, and takes each back once."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._issued: dict[str, EventCode] = {}

    def welcome(self, session: Session, now: float) -> str:
        """Return a code for the welcome of a customer."""
        return self._issue("WC", EventCode(session, None, session.number, now + _QUICK_S))

    def for_state(self, session: Session, now: float) -> str:
        """Return a code for the state in which `session` is."""
        lifetime = _QUICK_S if session.state is ServiceState.ENDED else _SLOW_S
        return self._issue("MC", EventCode(session, session.state, session.number, now + lifetime))

    def find(self, code: object, now: float) -> EventCode | None:
        """Return what `code` is good for, or `None` when it is unknown, used, or not good any more."""
        found = self._issued.get(code) if isinstance(code, str) else None
        return found if found is not None and found.good(now) else None

    def use_up(self, code: object) -> None:
        """Let `code` be good for nothing any more."""
        self._issued.pop(str(code), None)

    def clear(self) -> None:
        """Forget every code."""
        self._issued.clear()

    def _issue(self, prefix: str, held: EventCode) -> str:
        code = f"{prefix}{self._rng.getrandbits(160):040x}"
        self._issued[code] = held
        return code
