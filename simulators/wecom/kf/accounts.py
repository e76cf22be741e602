"""The customer-service accounts and the servicers (接待人员) who may take their customers' sessions.

Source: WeCom developer docs, paths 94661 (accounts), 94645 (servicers) and 97712 (accounts granted and withdrawn).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from simulators.wecom import errcodes
from simulators.wecom.errcodes import ApiError
from simulators.wecom.jsonfields import FieldError

FIRST_ACCOUNT = "wkFrontdesk0000000001"
FIRST_NAME = "客服"
# Working hours are kept in China's one time zone, which has no summer time.
_CHINA = timezone(timedelta(hours=8))
_OPEN_KFID = re.compile(r"wk[0-9A-Za-z_-]{1,62}")
_SCHEDULE = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Servicer:
    """One of the staff. `status` 0 receives, 1 has stopped; `stop_type` 0 stopped, 1 suspended.

    With a `schedule` ("09:00-18:00", China's time, may pass midnight) somebody who receives does so only inside it.
    """

    userid: str
    name: str = ""
    status: int = 0
    stop_type: int = 0
    schedule: str = ""

    def __post_init__(self) -> None:
        """Refuse what the platform does not know."""
        if not self.userid or self.status not in {0, 1} or self.stop_type not in {0, 1}:
            raise FieldError("userid must not be empty, status and stop_type are 0 or 1")
        if self.schedule and _SCHEDULE.fullmatch(self.schedule) is None:
            raise FieldError("schedule: hours like 09:00-18:00 are expected")

    def receives(self, now: float) -> bool:
        """Tell whether the servicer can be given a session at epoch second `now`."""
        if self.status or not self.schedule:
            return self.status == 0
        start, end = self.schedule.split("-")
        clock = datetime.fromtimestamp(now, _CHINA).strftime("%H:%M")
        return start <= clock < end if start <= end else clock >= start or clock < end


@dataclass(slots=True)
class Account:
    """One account; `servicers` are user ids in lower case. A withdrawn one is no longer granted to the app."""

    open_kfid: str
    name: str
    servicers: list[str] = field(default_factory=list)
    withdrawn: bool = False


class Accounts:
    """The enterprise's accounts and its staff. One account is there from the start."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}
        self._staff: dict[str, Servicer] = {}
        self.clear()

    def grant(self, open_kfid: str, name: str) -> Account:
        """Add an account, or grant again one that was withdrawn, and return it."""
        if _OPEN_KFID.fullmatch(open_kfid) is None:
            raise FieldError("open_kfid: wk and up to 62 of 0-9 A-Z a-z _ - are expected")
        account = self._accounts.setdefault(open_kfid, Account(open_kfid, name))
        account.name, account.withdrawn = name, False
        return account

    def withdraw(self, open_kfid: str) -> Account:
        """Take an account from the app; what was said there is kept."""
        account = self.chosen(open_kfid)
        account.withdrawn = True
        return account

    def all(self) -> list[Account]:
        """Return every account, also those withdrawn."""
        return list(self._accounts.values())

    def chosen(self, open_kfid: str = "") -> Account:
        """Return the account that customers and staff mean, the first one for ""; raises `FieldError` for none."""
        granted = [item for item in self._accounts.values() if not item.withdrawn]
        found = [item for item in granted if open_kfid in {"", item.open_kfid}]
        if not found:
            raise FieldError("open_kfid: there is no such account")
        return found[0]

    def asked(self, open_kfid: object) -> Account:
        """Return the account that an API call names, or raise `ApiError`."""
        account = self._accounts.get(open_kfid) if isinstance(open_kfid, str) else None
        if account is None:
            raise ApiError(errcodes.BAD_OPEN_KFID)
        if account.withdrawn:
            raise ApiError(errcodes.KF_ACCOUNT_NOT_GRANTED)
        return account

    def employ(self, account: Account, servicer: Servicer) -> Servicer:
        """Let `servicer` serve `account`; one who is known already is replaced."""
        userid = servicer.userid.lower()
        self._staff[userid] = servicer
        if userid not in account.servicers:
            account.servicers.append(userid)
        return servicer

    def servicer(self, userid: str) -> Servicer:
        """Return one of the staff, or raise `FieldError`."""
        found = self._staff.get(userid.lower())
        if found is None:
            raise FieldError("servicer_userid: there is no such servicer")
        return found

    def staff_of(self, account: Account) -> list[Servicer]:
        """Return the servicers of `account`."""
        return [self._staff[userid] for userid in account.servicers]

    def serves(self, account: Account, userid: str) -> bool:
        """Tell whether `userid` is a servicer of `account`."""
        return userid.lower() in account.servicers

    def clear(self) -> None:
        """Forget all accounts and staff; the first account is there again."""
        self._accounts = {FIRST_ACCOUNT: Account(FIRST_ACCOUNT, FIRST_NAME)}
        self._staff.clear()
