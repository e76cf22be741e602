"""A person at the desk who acts by themselves: takes who waits, answers, and ends; for drills and demonstrations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulators.wecom.jsonfields import FieldError
from simulators.wecom.kf.chats import Speaker, chat_of
from simulators.wecom.kf.sessions import ServiceState

if TYPE_CHECKING:
    from simulators.wecom.kf.desk import KfDesk
    from simulators.wecom.kf.sessions import Session
    from simulators.wecom.state import PlatformState

LOOKS_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Human:
    """How one of the staff works: seconds until taking a customer, answering a message, and ending.

    `answers` are said in turn, one whenever the customer has said something; the last one again when they run out.
    With `end_after_s` the session ends so long after the last of `answers` was said and nothing was said any more.
    """

    servicer_userid: str
    answers: tuple[str, ...]
    open_kfid: str = ""
    take_after_s: float = 0.0
    answer_after_s: float = 0.0
    end_after_s: float | None = None


@dataclass(slots=True)
class _Care:
    """What a person has done in one session: taken at, number of answers said, and the entries answered up to."""

    since: float
    said: int = 0
    up_to: int = 0


class Humans:
    """The people who act by themselves."""

    def __init__(self, state: PlatformState, desk: KfDesk) -> None:
        self._state = state
        self._desk = desk
        self._humans: list[Human] = []
        self._waiting_since: dict[str, float] = {}
        self._cares: dict[tuple[str, int, str], _Care] = {}

    @property
    def any(self) -> bool:
        """Tell whether anybody acts."""
        return bool(self._humans)

    def add(self, human: Human) -> None:
        """Let one more person act; raises `FieldError` for somebody who serves no account, or not this one."""
        accounts = self._state.kf.accounts
        with self._state.lock:
            places = [accounts.chosen(human.open_kfid)] if human.open_kfid else accounts.all()
            if not any(accounts.serves(account, human.servicer_userid) for account in places):
                raise FieldError("servicer_userid: there is no such servicer")
            self._humans.append(human)

    def clear(self) -> None:
        """Let nobody act any more."""
        self._humans.clear()
        self._waiting_since.clear()
        self._cares.clear()

    def act(self) -> None:
        """Do all that is due now."""
        now = self._state.clock()
        with self._state.lock:
            for session in self._state.kf.sessions.all(now):
                chat = chat_of(session.open_kfid, session.external_userid)
                if session.state is ServiceState.POOL:
                    since = self._waiting_since.setdefault(chat, now)
                    self._take(session, now - since)
                else:
                    self._waiting_since.pop(chat, None)
                if session.state is ServiceState.SERVICER:
                    self._serve(session, chat, now)

    def _take(self, session: Session, waited_s: float) -> None:
        for human in self._of(session.open_kfid):
            if waited_s >= human.take_after_s:
                self._desk.take(session.external_userid, human.servicer_userid, open_kfid=session.open_kfid)
                return

    def _serve(self, session: Session, chat: str, now: float) -> None:
        in_charge = session.servicer_userid.lower()
        human = next((each for each in self._of(session.open_kfid) if each.servicer_userid.lower() == in_charge), None)
        if human is None:
            return
        care = self._cares.setdefault((chat, session.number, in_charge), _Care(now))
        entries = self._state.kf.chats.entries(chat)
        owed = [entry for entry in entries if entry.by is Speaker.CUSTOMER and entry.seq > care.up_to]
        quiet_s = now - max([care.since, *(entry.at_ms / 1000 for entry in entries[-1:])])
        if owed and human.answers:
            if quiet_s >= human.answer_after_s:
                answer = human.answers[min(care.said, len(human.answers) - 1)]
                written = self._desk.say(session.external_userid, answer, open_kfid=session.open_kfid)
                care.said, care.up_to = care.said + 1, written.entry.seq
        elif human.end_after_s is not None and care.said >= len(human.answers) and quiet_s >= human.end_after_s:
            self._desk.end(session.external_userid, open_kfid=session.open_kfid)

    def _of(self, open_kfid: str) -> list[Human]:
        """Return who works for an account that is still granted."""
        accounts = self._state.kf.accounts
        account = next((each for each in accounts.all() if each.open_kfid == open_kfid and not each.withdrawn), None)
        if account is None:
            return []
        return [
            human
            for human in self._humans
            if human.open_kfid in {"", open_kfid} and accounts.serves(account, human.servicer_userid)
        ]
