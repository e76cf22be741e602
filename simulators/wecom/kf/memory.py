"""Everything that 微信客服 remembers, and the one way in which something gets into an account's log.

Guarded by the platform's lock, which whoever calls from several threads holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulators.wecom.kf.accounts import Accounts
from simulators.wecom.kf.customers import Customers
from simulators.wecom.kf.eventcodes import EventCodes
from simulators.wecom.kf.failures import FailurePlan
from simulators.wecom.kf.log import KfLog, LogEntry, Origin
from simulators.wecom.kf.sessions import Sessions
from simulators.wecom.kf.synctokens import SyncTokens
from simulators.wecom.timeline import Timeline

if TYPE_CHECKING:
    from random import Random

    from simulators.wecom.kf.chats import ChatEntry


class KfMemory:
    """The parts by name. `news` has the accounts with entries of which the bot was not told yet, one for each.

    `started_at` is the platform's time as epoch seconds.
    """

    def __init__(self, rng: Random, started_at: float) -> None:
        self._rng = rng
        self.accounts = Accounts()
        self.customers = Customers()
        self.sessions = Sessions()
        self.log = KfLog(int(started_at * 1000))
        self.sync_tokens = SyncTokens(rng)
        self.codes = EventCodes(rng)
        self.chats: Timeline[ChatEntry] = Timeline()
        self.failures = FailurePlan()
        self.sent_msgids: set[tuple[str, str]] = set()
        self.news: list[str] = []

    def new_msgid(self) -> str:
        """Return an id such as the platform gives."""
        return f"kf{self._rng.getrandbits(120):030x}"

    def log_event(self, open_kfid: str, event_type: str, now: float, **fields: object) -> LogEntry:
        """Put an event into the log; its account and customer stand inside `event` only (docs, path 94670)."""
        msgid = self.new_msgid()
        document: dict[str, object] = {
            "msgid": msgid,
            "send_time": int(now),
            "origin": int(Origin.SYSTEM),
            "msgtype": "event",
            "event": {"event_type": event_type, "open_kfid": open_kfid, **fields},
        }
        self.news.append(open_kfid)
        return self.log.append(open_kfid, msgid, int(now), document)

    def log_message(self, entry: ChatEntry, send_time: int, *, announced: bool = True) -> LogEntry:
        """Put what a customer or one of the staff said into the log; without `announced` nobody is told of it."""
        by_staff = bool(entry.servicer_userid)
        document: dict[str, object] = {
            "msgid": entry.msgid,
            "open_kfid": entry.open_kfid,
            "external_userid": entry.external_userid,
            "send_time": send_time,
            "origin": int(Origin.SERVICER if by_staff else Origin.CUSTOMER),
            "servicer_userid": entry.servicer_userid,
            "msgtype": entry.msgtype,
            entry.msgtype: entry.body,
        }
        if announced:
            self.news.append(entry.open_kfid)
        return self.log.append(entry.open_kfid, entry.msgid, send_time, document)

    def clear(self) -> None:
        """Forget everything; the first account is there again."""
        for part in (self.accounts, self.customers, self.sessions, self.log, self.sync_tokens, self.codes):
            part.clear()
        self.chats.clear()
        self.failures.clear()
        self.sent_msgids.clear()
        self.news.clear()
