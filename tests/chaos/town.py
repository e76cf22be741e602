"""The world around: customers who write, people who take over, news that get lost, faults that come and go."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from simulators.wecom.faults import Drop, Fault
from simulators.wecom.jsonfields import FieldError
from simulators.wecom.kf.desk import _clicks
from simulators.wecom.kf.sessions import ServiceState
from simulators.wecom.timeline import Direction
from tests.chaos.house import SWEEP_S, House, deliver
from tests.chaos.process import Doom
from tests.chaos.wecom import WITH_PEOPLE
from tests.fakes.crash import Crash

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from frontdesk.records import Happening
    from simulators.wecom.kf.notices import Notice
    from simulators.wecom.kf.sessions import Session
    from tests.chaos.plan import Plan
    from tests.chaos.timekeeper import Place, Timekeeper
    from tests.chaos.wecom import Wecom

SERVICERS = ("zhou.min", "wu.tao", "han.xue")
WISH = "转人工"
_SUBJECTS = ("保温杯", "雨伞", "台灯", "背包", "耳机", "键盘", "水壶", "围巾")
_ASPECTS = ("什么时候发货", "有几种颜色", "保修多久", "能开发票吗", "怎么清洗", "多少钱一个", "有现货吗", "重量是多少")
_MINUTE_S = 60.0
_RETRY_S = 1.0  # WeCom comes again after, up to three times in all
_TRIES = 3
_SEND, _STATE = "kf/send_msg", "kf/service_state/get"
_PATHS = (_SEND, _SEND, _STATE, _STATE, "kf/service_state/trans", "kf/sync_msg", "kf/send_msg_on_event")


@dataclass(slots=True)
class Said:
    """One message of a customer. ``recalled`` says that it was taken back."""

    msgid: str
    account: str
    customer: str
    at: float
    number: int
    kind: str = "text"
    recalled: bool = False


@dataclass(slots=True)
class Town:
    """The schedule, and what has come of it."""

    plan: Plan
    clock: Timekeeper
    wecom: Wecom
    house: House
    accounts: tuple[str, ...]
    said: dict[str, Said] = field(default_factory=dict)
    history: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    crashes: Counter[str] = field(default_factory=Counter)
    redriven: set[str] = field(default_factory=set)
    over: bool = False
    calm: bool = False
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _numbers: Any = field(default_factory=itertools.count)
    _marks: Any = field(default_factory=lambda: itertools.count(1))
    _tapped: set[str] = field(default_factory=set)
    _carried: int = 0
    _left: int = 0
    _here: Place | None = None
    _audit: dict[tuple[str, str], list[Happening]] = field(default_factory=dict)
    _audited: int = 0
    _news: Any = field(default_factory=itertools.count)

    # -- the schedule ------------------------------------------------------------------------------------------

    def at(self, moment: float, do: Callable[[], None]) -> None:
        """Let ``do`` happen at ``moment``, epoch seconds."""
        heapq.heappush(self._events, (moment, next(self._numbers), do))
        if self._here:
            self.clock.wake(self._here)

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        """Let ``do`` happen in ``seconds``."""
        self.at(self.clock() + seconds, do)

    def live(self) -> None:
        """Let everything happen in its time, until it is over."""
        while not self.over:
            moment, _, do = self._events[0]
            if moment <= self.clock():
                heapq.heappop(self._events)
                do()
                continue
            self._here = self.clock.place()
            self.clock.wait(self._here, moment)
            self._here = None

    def prepare(self) -> None:
        """Let customers have written before, and plan what they will write."""
        self.wecom.on_news = self._told
        self.wecom.on_change = self._changed
        self._write_history()
        share = self.plan.messages // self.plan.customers
        self._left = share * self.plan.customers
        for number in range(self.plan.customers):
            self._plan_customer(number, share)
        for minute in range(1, 24 * 60):
            self.at(self.clock() + minute * _MINUTE_S, self._sweep)
        horizon_s = share * self.plan.gap_s
        rng = self.plan.rng("faults")
        for _ in range(int(self.plan.wecom_faults_a_minute * horizon_s / _MINUTE_S)):
            self.at(self.clock() + rng.uniform(5, horizon_s * 1.2), partial(self._goes_wrong, _fault(rng)))
        for _ in range(self.plan.undelivered):
            moment, kind = rng.uniform(5, horizon_s), rng.choice((0, 4, 10, 12, 13))
            self.at(self.clock() + moment, partial(self.wecom.state.kf.failures.add, "", kind, 1))
        for _ in range(int(horizon_s / 600)):
            servicer, moment, pause = rng.choice(SERVICERS), rng.uniform(60, horizon_s), rng.uniform(30, 300)
            self.at(self.clock() + moment, partial(self._set_status, servicer, 1))
            self.at(self.clock() + moment + pause, partial(self._set_status, servicer, 0))
        # Each account is authorised while Frontdesk is there already, so that its first message is no history.
        for account in self.accounts:
            self._carry(self.wecom.notice_of(account), tries=_TRIES * 10)

    def happened(self, conversation: str, message_id: str) -> list[Happening]:
        """Return what the audit has about a message."""
        trail = self.house.stores.ledger.trail
        if self._audited != len(trail):
            self._audited = len(trail)
            self._audit.clear()
            for of, happening in trail:
                self._audit.setdefault((of, happening.about), []).append(happening)
        return self._audit.get((conversation, message_id), [])

    def awaited(self) -> dict[str, int]:
        """Return what somebody is still going to do, counted by what it is; nothing when all is quiet."""
        stores = self.house.stores
        sessions = self.wecom.state.kf.sessions.all(self.clock())
        counted = {
            "messages to be written": self._left,
            "news on their way": self._carried,
            "acts of people": self.counts["acts under way"],
            "customers with people": sum(session.state in WITH_PEOPLE for session in sessions),
            "attendances with something due": sum(bool(each.due_at) for each in stores.attendances.kept.values()),
            "messages in the inbox": stores.inbox.depth,
            "pulls": stores.pulls.depth,
        }
        return {name: count for name, count in counted.items() if count}

    # -- customers ---------------------------------------------------------------------------------------------

    def _write_history(self) -> None:
        for number, account in enumerate(self.accounts):
            for msgids in self.wecom.kf.history(
                open_kfid=account, customers=7, messages=60, age_s=5 * 3600, prefix=f"wmOld{number}"
            ).values():
                self.history.update(msgids)
        for number in range(0, self.plan.customers, 5):
            account, customer = self._of(number)
            written = self.wecom.kf.write(
                customer, open_kfid=account, content="以前的问题", send_time=int(self.clock()) - 7200, announced=False
            )
            self.history.add(written.entry.msgid)

    def _of(self, number: int) -> tuple[str, str]:
        return self.accounts[number % len(self.accounts)], f"wmCustomer{number:04d}"

    def _plan_customer(self, number: int, share: int) -> None:
        rng = self.plan.rng("customer", number)
        account, customer = self._of(number)
        moment = self.clock() + rng.uniform(2, self.plan.gap_s)
        self.at(moment, lambda: self._acted(lambda: self.wecom.kf.enter(customer, open_kfid=account)))
        # Spread evenly, so that a tenth of few customers is somebody.
        every = max(1, round(1 / self.plan.asks_for_person)) if self.plan.asks_for_person else 0
        asks = {rng.randrange(share)} if every and number % every == 0 else set()
        for place in range(share):
            moment += rng.uniform(0.4, 3) if rng.random() < self.plan.burst else rng.expovariate(1 / self.plan.gap_s)
            kind = "wish" if place in asks else "image" if rng.random() < 0.03 else "text"
            recall_s = rng.uniform(0.5, 20) if rng.random() < 0.02 else None
            self.at(moment, partial(self._write, account, customer, kind, recall_s))
        for _ in range(share // 5):
            self.at(moment - rng.uniform(0, share * self.plan.gap_s * 0.9), lambda: self._tap(account, customer))

    def _write(self, account: str, customer: str, kind: str, recall_s: float | None) -> None:
        self._left -= 1
        number = next(self._marks)
        msgid = f"m{self.plan.seed}-{number:05d}"
        rng = self.plan.rng("words", number)
        content = WISH if kind == "wish" else f"{rng.choice(_SUBJECTS)}{rng.choice(_ASPECTS)}#{number:05d}"
        self.said[msgid] = Said(msgid, account, customer, self.clock(), number, kind)
        msgtype = "image" if kind == "image" else "text"
        self._acted(
            lambda: self.wecom.kf.write(customer, open_kfid=account, msgtype=msgtype, content=content, msgid=msgid)
        )
        if recall_s is not None:
            self.after(recall_s, lambda: self._recall(msgid))

    def _recall(self, msgid: str) -> None:
        said = self.said[msgid]
        said.recalled = True
        self.counts["recalled"] += 1
        self._acted(lambda: self.wecom.kf.recall(said.customer, msgid, open_kfid=said.account))

    def _tap(self, account: str, customer: str) -> None:
        """Tap an item of a menu that was shown and not tapped yet, if there is one."""
        for entry in reversed(self.wecom.entries(account, customer)):
            clicks = _clicks(entry) if entry.direction is Direction.OUTBOUND else []
            if not clicks or entry.msgid in self._tapped:
                continue
            self._tapped.add(entry.msgid)
            item = self.plan.rng("tap", entry.msgid).choice(clicks)[0]
            written = self.wecom.kf.tap(customer, item, open_kfid=account)
            msgid = written.entry.msgid
            self.said[msgid] = Said(msgid, account, customer, self.clock(), next(self._marks), "tap")
            self.counts["taps"] += 1
            self.wecom.announce()
            return

    def _acted(self, act: Callable[[], object]) -> None:
        act()
        self.wecom.announce()

    # -- news --------------------------------------------------------------------------------------------------

    def _told(self, notice: Notice) -> None:
        """Carry the news of an account once, twice, late, or never."""
        rng = self.plan.rng("news", next(self._news))
        draw = rng.random()
        if not self.calm:
            if draw < self.plan.notice_never:
                self.counts["news lost"] += 1
                return
            draw -= self.plan.notice_never
            if draw < self.plan.notice_late:
                self.counts["news late"] += 1
                self.after(rng.uniform(5, 150), lambda: self._carry(notice))
                return
            draw -= self.plan.notice_late
        copies = 2 if draw < self.plan.notice_twice and not self.calm else 1
        self.counts["news twice"] += copies - 1
        for _ in range(copies):
            self.after(rng.uniform(0.05, 1.5), lambda: self._carry(notice))

    def _carry(self, notice: Notice, tries: int = _TRIES) -> None:
        self._carried += 1

        def carry() -> None:
            for number in range(tries):
                rng = self.plan.rng("callback", self.clock(), number)
                doomed = not self.calm and rng.random() < self.plan.dooms
                doom = Doom(1, before=rng.random() < 0.5) if doomed else None
                elements = notice.document(self.wecom.state.settings)
                if deliver(self.house, self.wecom, elements, crashes=self.crashes, doom=doom):
                    break
                self.clock.sleep(_RETRY_S)
            self._carried -= 1

        self.clock.spawn(carry)

    def _sweep(self) -> None:
        def sweep() -> None:
            rng = self.plan.rng("sweep", self.clock())
            doom = Doom(rng.randint(1, 12), before=rng.random() < 0.5)
            process = self.house.process("sweep", self.clock())
            ends = process.begin(doom if not self.calm and rng.random() < self.plan.dooms else None, time_s=SWEEP_S)
            try:
                self.house.sweeping(process).sweep(time_left=lambda: ends - self.clock.monotonic())
            except Crash:
                self.crashes["sweep"] += 1

        self.clock.spawn(sweep)

    # -- people ------------------------------------------------------------------------------------------------

    def midway(self, conversation: str, mark: str) -> None:
        """Let a servicer take the customer while the model thinks, now and then."""
        if self.plan.rng("midway", mark).random() >= self.plan.taken_midway or self.calm:
            return
        account, customer = self._customer_of(conversation)
        if self.wecom.state_of(account, customer) not in WITH_PEOPLE | {ServiceState.ENDED}:
            self.counts["taken midway"] += 1
            self._acted(lambda: self.wecom.kf.take(customer, SERVICERS[0], open_kfid=account))

    def _customer_of(self, conversation: str) -> tuple[str, str]:
        for number in range(self.plan.customers):
            account, customer = self._of(number)
            if self.house.conversation_of(f"{account}:{customer}") == conversation:
                return account, customer
        raise LookupError(conversation)

    def _changed(self, session: Session) -> None:
        """Plan what people do about a session that has come to them."""
        if session.state not in WITH_PEOPLE:
            return
        account, customer, number = session.open_kfid, session.external_userid, session.number
        rng = self.plan.rng("people", account, customer, number, len(self.wecom.history[account, customer]))
        self.counts["came to people"] += 1
        if rng.random() < self.plan.absent_people and not self.calm:
            self.counts["nobody acted"] += 1
            return
        if session.state is ServiceState.POOL:
            self._act(rng.uniform(3, 90), lambda: self._take(account, customer))
            return
        moment = 0.0
        for line in range(rng.randint(1, 3)):
            moment += rng.uniform(2, 40)
            self._act(moment, partial(self._say, account, customer, line))
        self._act(moment + rng.uniform(2, 60), lambda: self._end(account, customer))

    def _act(self, seconds: float, act: Callable[[], object]) -> None:
        self.counts["acts under way"] += 1

        def now() -> None:
            self.counts["acts under way"] -= 1
            try:
                self._acted(act)
            except FieldError:
                self.counts["too late to act"] += 1  # the customer is in other hands by now

        self.after(seconds, now)

    def _take(self, account: str, customer: str) -> None:
        self.wecom.kf.take(customer, self.plan.rng("taker", customer).choice(SERVICERS), open_kfid=account)

    def _say(self, account: str, customer: str, number: int) -> None:
        self.wecom.kf.say(customer, f"我来处理，请稍等。（{number + 1}）", open_kfid=account)
        self.counts["lines of people"] += 1

    def _end(self, account: str, customer: str) -> None:
        self.wecom.kf.end(customer, open_kfid=account)
        self.counts["ended by people"] += 1

    def _set_status(self, servicer: str, status: int) -> None:
        self._acted(lambda: self.wecom.kf.set_status(servicer, status))

    # -- faults ------------------------------------------------------------------------------------------------

    def _goes_wrong(self, fault: Fault | None) -> None:
        if self.calm:
            return
        self.counts["faults of WeCom"] += 1
        if fault is None:
            self.wecom.state.tokens.expire_all(self.clock())
        else:
            self.wecom.state.faults.add(fault)


def _fault(rng: Random) -> Fault | None:
    """Return something that goes wrong at WeCom; ``None`` stands for the end of every access token."""
    path, times = rng.choice(_PATHS), rng.choice((1, 1, 2, 4))
    wrong: dict[str, Any] | None = rng.choice(
        (
            None,
            {"errcode": 45009},
            {"status": 500},
            {"errcode": -1, "processed": rng.random() < 0.5},
            {"drop": Drop.AFTER},
            {"drop": Drop.AFTER},
            {"drop": Drop.BEFORE},
            {"delay_ms": 20},
        )
    )
    return Fault(path, times=times, **wrong) if wrong else None
