"""Keeps the board up to date about 微信客服: its customers' chats, who has them, and the servicers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from simulators.console.phones import (
    KF,
    FromCustomer,
    Phone,
    Service,
    address_of,
    change_of_hands,
    customer_entry,
)
from simulators.console.watch import PHONES_EVERY_S
from simulators.wecom.kf.chats import Speaker

if TYPE_CHECKING:
    from simulators.console.board import Board
    from simulators.wecom.kf.accounts import Account
    from simulators.wecom.kf.chats import ChatEntry
    from simulators.wecom.kf.customers import Customer
    from simulators.wecom.kf.sessions import Session
    from simulators.wecom.simulator import WecomSimulator

_TOLD = frozenset({"waiting", "person", "ended"})


class KfWatch:
    """Looks at the customers and the staff in the WeCom simulator, which lives in the same event loop."""

    def __init__(self, simulator: WecomSimulator, board: Board) -> None:
        self._state = simulator.state
        self._board = board
        self._looked_at = -1
        self._shown: dict[int, ChatEntry] = {}
        self._services: dict[str, tuple[str, str]] = {}
        self._happened = 0

    def look(self) -> None:
        """Show the board what is new, and what has changed."""
        kf = self._state.kf
        with self._state.lock:
            sessions = {
                address_of(each.open_kfid, each.external_userid): each for each in kf.sessions.all(self._state.clock())
            }
            phones = self._phones(sessions)
            staff = self._staff()
            changes = kf.chats.changes
            entries = kf.chats.all() if changes != self._looked_at else []
        self._board.see_phones(phones)
        self._board.see_entries(self._changes_of_hands(phones))
        self._board.see_staff(staff)
        if changes != self._looked_at:
            self._looked_at = changes
            self._see_entries(entries)

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(PHONES_EVERY_S)

    def _phones(self, sessions: dict[str, Session]) -> list[Phone]:
        accounts = {account.open_kfid: account for account in self._state.kf.accounts.all()}
        phones = []
        for customer in self._state.kf.customers.all():
            chats = [each.open_kfid for each in sessions.values() if each.external_userid == customer.external_userid]
            first = [account.open_kfid for account in accounts.values() if not account.withdrawn][:1]
            for open_kfid in chats or first:
                address = address_of(open_kfid, customer.external_userid)
                phones.append(_phone(customer, accounts.get(open_kfid), open_kfid, sessions.get(address)))
        return phones

    def _staff(self) -> list[dict[str, Any]]:
        accounts = self._state.kf.accounts
        now = self._state.clock()
        staff: dict[str, dict[str, Any]] = {}
        for account in accounts.all():
            for servicer in accounts.staff_of(account):
                userid = servicer.userid.lower()
                known = {"userid": userid, "name": servicer.name, "on_duty": servicer.receives(now), "accounts": []}
                staff.setdefault(userid, {**known, "place": len(staff)})["accounts"].append(account.open_kfid)
        return list(staff.values())

    def _changes_of_hands(self, phones: list[Phone]) -> list[dict[str, Any]]:
        """Return what stands in a chat on the page, and on no customer's phone: that somebody else has the customer."""
        happened = []
        for phone in phones:
            service = (phone.service.state, phone.service.agent) if phone.service else ("", "")
            before = self._services.get(phone.userid, ("", ""))
            self._services[phone.userid] = service
            if service != before and service[0] in _TOLD:
                self._happened += 1
                happened.append(change_of_hands(self._happened, phone.userid, *service, at_ms=self._state.now_ms()))
        return happened

    def _see_entries(self, entries: list[ChatEntry]) -> None:
        new = sorted((each for each in entries if self._shown.get(each.seq) is not each), key=lambda each: each.seq)
        said = [each for each in new if each.by is Speaker.CUSTOMER and each.seq not in self._shown]
        self._shown = {each.seq: each for each in entries}
        self._board.see_entries(customer_entry(each) for each in new)
        self._board.see_sent(map(FromCustomer, said))


def _phone(customer: Customer, account: Account | None, open_kfid: str, session: Session | None) -> Phone:
    return Phone(
        userid=address_of(open_kfid, customer.external_userid),
        name=customer.nickname,
        channel=KF,
        external_userid=customer.external_userid,
        open_kfid=open_kfid,
        account=account.name if account else open_kfid,
        service=Service.of(session) if session and session.number else None,
    )
