"""Our side: the functions' use cases as they are composed, over queues, in processes that die and are replaced.

What is kept outlives every process: stores, tokens, allowance and queues. What a function does around its use case is
done here as its handler does it, with the handler's own waits.
"""

from __future__ import annotations

import secrets
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from frontdesk.channels.envelope import Envelope
from frontdesk.channels.wecom_api import WecomApi
from frontdesk.channels.wecom_callback import WecomCallback
from frontdesk.channels.wecom_calls import WecomCalls
from frontdesk.channels.wecom_kf import CHANNEL
from frontdesk.channels.wecom_kf_api import WecomKfApi
from frontdesk.channels.wecom_kf_desk import KfDesk
from frontdesk.channels.wecom_kf_outbound import KfOutbound
from frontdesk.channels.wecom_kf_puller import KfPuller
from frontdesk.conversation.answering import Answering
from frontdesk.conversation.collecting import Collecting
from frontdesk.conversation.guarding import Guard
from frontdesk.conversation.handing_over import Handover, HandoverPolicy
from frontdesk.conversation.hours import Hours
from frontdesk.conversation.reception import Reception
from frontdesk.conversation.speaking import Speaker
from frontdesk.conversation.sweeping import Sweeping
from frontdesk.errors import FrontdeskError
from frontdesk.messages import Pull, Received
from frontdesk.protection.identity import Pseudonyms
from functions.collector import handler as collector_handler
from functions.responder import handler as responder_handler
from tests.chaos.fifo import MOST_AT_ONCE, FifoQueue
from tests.chaos.process import STORE_TAKES_S, VENDOR_TAKES_S, Doom, Process
from tests.chaos.wecom import SETTINGS
from tests.factories import AGENT_ID, CORP_ID, SENTENCES
from tests.fakes.accounts import InMemoryAccounts
from tests.fakes.allowance import InMemoryAllowance
from tests.fakes.attendances import InMemoryAttendances
from tests.fakes.crash import Crash
from tests.fakes.guard import WordMasking, WordRules
from tests.fakes.stores import InMemoryLedger, InMemorySessions
from tests.fakes.tickets import InMemoryTicketRequests, InMemoryTickets
from tests.fakes.tokens import InMemoryTokenStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from frontdesk.messages import Inbound
    from tests.chaos.fifo import Taken
    from tests.chaos.model import ChaosModel
    from tests.chaos.plan import Plan
    from tests.chaos.timekeeper import Place, Timekeeper
    from tests.chaos.wecom import Wecom

# As the template has them.
RESPONDER_S, COLLECTOR_S, CALLBACK_S, SWEEP_S = 120.0, 60.0, 5.0, 55.0
INBOX_HIDES_S, PULLS_HIDES_S, MAX_RECEIVES = 720.0, 360.0, 5
TTL_S, INTERIM_AFTER_S, HANDOFF_TIMEOUT_S = 900, 6.0, 180
TRIGGERS = frozenset({"asked", "confidence", "intent", "repeated", "anger", "rule", "failed"})
_POLL_S = 0.02
_HOURLY_S = 3600.0


class _LastingLedger(InMemoryLedger):
    """A ledger that looks only now and then for what it may forget: nothing here gets that old."""

    _looked = 0.0

    def _forget(self) -> None:
        if self._clock() - self._looked > _HOURLY_S:
            self._looked = self._clock()
            super()._forget()


class Stores:
    """What is kept, with the queues; ``woken`` is called when something new is in one of them."""

    def __init__(self, clock: Timekeeper, *, woken: Callable[[], None]) -> None:
        self.sessions = InMemorySessions()
        self.ledger = _LastingLedger(clock=clock)
        self.attendances = InMemoryAttendances()
        self.allowance = InMemoryAllowance(clock=clock)
        self.accounts = InMemoryAccounts()
        self.ticket_requests = InMemoryTicketRequests()
        self.tickets = InMemoryTickets()
        self.tokens = InMemoryTokenStore()
        self.inbox = FifoQueue(clock=clock, visibility_s=INBOX_HIDES_S, max_receives=MAX_RECEIVES, on_put=woken)
        self.pulls = FifoQueue(clock=clock, visibility_s=PULLS_HIDES_S, max_receives=MAX_RECEIVES, on_put=woken)


class _Inbox:
    """The inbox for those who put into it: as `SqsInboxWriter` does, in rounds with one message a conversation."""

    def __init__(self, queue: FifoQueue, process: Process) -> None:
        self._queue = queue
        self._process = process

    def put(self, inbound: Inbound) -> None:
        self._queue.put(inbound.conversation, inbound.message_id, inbound)

    def put_all(self, inbounds: Sequence[Inbound]) -> None:
        waiting: dict[str, list[Inbound]] = defaultdict(list)
        for inbound in inbounds:
            waiting[inbound.conversation].append(inbound)
        while waiting:
            for inbound in [each.pop(0) for each in list(waiting.values())[:MOST_AT_ONCE]]:
                self.put(inbound)
            waiting = defaultdict(list, {name: left for name, left in waiting.items() if left})
            if waiting:
                self._process.reach()  # it can die between two of the batches


class _Pulls:
    """The queue of pulls: each notification anew, the sweep's once an account and minute."""

    def __init__(self, queue: FifoQueue) -> None:
        self._queue = queue

    def put(self, pull: Pull) -> None:
        once = secrets.token_hex(16) if pull.token else f"{pull.account}-{pull.noticed_at_ms // 60_000}"
        self._queue.put(pull.account, once, pull)


class House:
    """Composes processes over what is kept. ``url`` is WeCom's."""

    def __init__(
        self,
        plan: Plan,
        clock: Timekeeper,
        stores: Stores,
        model: ChaosModel,
        *,
        url: str,
        rating: bool = True,
        latency: bool = True,
    ) -> None:
        self.plan = plan
        self.clock = clock
        self.stores = stores
        self.model = model
        self.url = url
        self.desk: type[KfDesk] = KfDesk
        self._rating = rating
        self._store_s = STORE_TAKES_S if latency else (0.0, 0.0)
        self._vendor_s = VENDOR_TAKES_S if latency else (0.0, 0.0)
        self._pseudonyms = Pseudonyms("0123456789abcdef0123456789abcdef")

    def conversation_of(self, address: str) -> str:
        """Return the digest that names a customer's conversation."""
        return self._pseudonyms.conversation(CHANNEL, CORP_ID, address)

    def process(self, *named: object) -> Process:
        """Return a new process."""
        return Process(self.clock, self.plan.rng("process", *named))

    def reception(self, process: Process) -> Reception:
        """Return the callback's use case."""
        envelope = Envelope(
            token=SETTINGS.token,
            encoding_aes_key=SETTINGS.encoding_aes_key,
            receive_id=CORP_ID,
            clock=self.clock,
        )
        return Reception(
            callback=WecomCallback([envelope], conversation_of=self.conversation_of),
            inbox=process.around(_Inbox(self.stores.inbox, process), self._store_s),
            pulls=process.around(_Pulls(self.stores.pulls), self._store_s),
            clock=self.clock,
        )

    def collecting(self, process: Process) -> Collecting:
        """Return the collector's use case."""
        puller = KfPuller(WecomKfApi(self._calls(process)), conversation_of=self.conversation_of, clock=self.clock)
        return Collecting(
            accounts=process.around(self.stores.accounts, self._store_s),
            puller=process.around(puller),
            inbox=process.around(_Inbox(self.stores.inbox, process), self._store_s),
            clock=self.clock,
            monotonic=self.clock.monotonic,
        )

    def sweeping(self, process: Process) -> Sweeping:
        """Return the sweep's use case."""
        return Sweeping(
            accounts=process.around(self.stores.accounts, self._store_s),
            pulls=process.around(_Pulls(self.stores.pulls), self._store_s),
            attendances=process.around(self.stores.attendances, self._store_s),
            inbox=process.around(_Inbox(self.stores.inbox, process), self._store_s),
            tickets=self.stores.tickets,
            offers=self.stores.ticket_requests,
            hours=Hours.read(""),
            clock=self.clock,
        )

    def answering(self, process: Process) -> Answering:
        """Return the responder's use case."""
        stores, clock = self.stores, self.clock
        around = process.around
        calls = self._calls(process)
        kf = WecomKfApi(calls)
        sessions, ledger = around(stores.sessions, self._store_s), around(stores.ledger, self._store_s)
        outbound = KfOutbound(kf, allowance=around(stores.allowance, self._store_s))
        people = self.desk(kf, WecomApi(calls, agent_id=AGENT_ID), to=self.plan.to, agents=("guo.li",))
        desks = {CHANNEL: around(people)}
        guard = Guard(rules=WordRules(), masking=WordMasking())
        speaker = Speaker(ledger=ledger, channels={CHANNEL: around(outbound)}, desks=desks, clock=clock)
        handover = Handover(
            attendances=around(stores.attendances, self._store_s),
            desks=desks,
            tickets=around(stores.ticket_requests, self._store_s),
            sessions=sessions,
            ledger=ledger,
            speaker=speaker,
            guard=guard,
            summariser=None,
            hours=Hours.read(""),
            sentences=SENTENCES,
            policy=HandoverPolicy(
                triggers=TRIGGERS,
                threshold=0.8,
                timeout_s=HANDOFF_TIMEOUT_S,
                rating_channels=frozenset({CHANNEL} if self._rating else ()),
            ),
            clock=clock,
            monotonic=clock.monotonic,
        )
        return Answering(
            sessions=sessions,
            ledger=ledger,
            model=around(self.model),
            guard=guard,
            speaker=speaker,
            handover=handover,
            agents=None,
            sentences=SENTENCES,
            session_ttl_s=TTL_S,
            interim_after_s=INTERIM_AFTER_S if self.plan.interim else 0,
            clock=clock,
            monotonic=clock.monotonic,
        )

    def _calls(self, process: Process) -> Any:
        calls = WecomCalls(
            base_url=self.url,
            corp_id=CORP_ID,
            holder=str(AGENT_ID),
            secret=SETTINGS.secret,
            tokens=self.stores.tokens,
            clock=self.clock,
            monotonic=self.clock.monotonic,
            sleep=process.sleep,
            rng=self.plan.rng("pauses"),
        )
        return process.around(calls, self._vendor_s)


class Function:
    """One function with its queue: takes batches, in a process that is replaced when it has died.

    ``number`` tells it from others of its kind, which work at the same queue at the same time. ``crashes`` counts.
    """

    kind: str
    time_s: float
    most_calls: int  # that an invocation makes about one group: a doom beyond the last one never comes

    def __init__(self, house: House, queue: FifoQueue, number: int, crashes: Counter[str]) -> None:
        self._house = house
        self._queue = queue
        self._number = number
        self._crashes = crashes
        self._processes = 0
        self._process: Process | None = None
        self._idle: Place | None = None
        self.calm = False
        self.busy = False
        self.over = False

    def work(self) -> None:
        """Take batches until it is over."""
        clock = self._house.clock
        while not self.over:
            taken = self._queue.receive()
            if taken:
                self.busy = True
                self._invoke(taken)
                self.busy = False
            else:
                self._idle = clock.place()
                at = self._queue.next_at()
                clock.wait(self._idle, *([] if at is None else [max(at, clock() + _POLL_S)]))
                self._idle = None

    def wake(self) -> None:
        """Look at the queue again."""
        if self._idle:
            self._house.clock.wake(self._idle, after=_POLL_S)

    def end(self) -> None:
        """Take no more batches."""
        self.over = True
        self.wake()

    def invoke_once(self, doom: Doom | None = None) -> int:
        """Take one batch, if there is one, in a process that dies at ``doom``; return how many port calls it made."""
        taken = self._queue.receive()
        return self._invoke(taken, doom) if taken else 0

    def _invoke(self, taken: list[Taken], doom: Doom | None = None) -> int:
        house = self._house
        if self._process is None:
            self._processes += 1
            self._process = house.process(self.kind, self._number, self._processes)
            self._begin(self._process)
        process = self._process
        rng = house.plan.rng("doom", self.kind, self._number, house.clock())
        if not self.calm and doom is None and rng.random() < house.plan.dooms:
            groups = len({each.group for each in taken})
            doom = Doom(rng.randint(1, self.most_calls * groups), before=rng.random() < 0.5)
        deadline = process.begin(doom, time_s=self.time_s)
        try:
            failed = self._handle(process, taken, deadline)
        except Crash:
            # Nothing comes back from a dead process: the queue hands all of it out again.
            self._crashes[self.kind] += 1
            self._process = None
            self._end()
        else:
            for each in taken:
                if each.receipt not in failed:
                    self._queue.delete(each.receipt)
        return process.calls

    def _begin(self, process: Process) -> None:
        """Compose what a new process has."""
        raise NotImplementedError

    def _end(self) -> None:
        """Let go of what a dead process had."""

    def _handle(self, process: Process, taken: list[Taken], deadline: float) -> set[str]:
        """Return the receipts of what has to come again."""
        raise NotImplementedError

    def _later(self, process: Process, waits: dict[str, int]) -> set[str]:
        def retry_later() -> None:
            for receipt, seconds in waits.items():
                self._queue.change_visibility(receipt, seconds)

        if waits:
            process.call(retry_later, STORE_TAKES_S)
        return set(waits)


class Collector(Function):
    """Pulls in, messages into the inbox."""

    kind = "collector"
    time_s = COLLECTOR_S
    most_calls = 12

    def _begin(self, process: Process) -> None:
        self._collecting = self._house.collecting(process)

    def _handle(self, process: Process, taken: list[Taken], deadline: float) -> set[str]:
        accounts: dict[str, list[Taken]] = defaultdict(list)
        for each in taken:
            accounts[each.body.account].append(each)
        waits: dict[str, int] = {}
        for news in accounts.values():
            try:
                self._collecting.pull(*(each.body for each in news), deadline=deadline)
            except FrontdeskError as error:
                for each in news:
                    record = {"attributes": {"ApproximateReceiveCount": str(each.attempt)}}
                    waits[each.receipt] = collector_handler._wait_s(record, MAX_RECEIVES, error)
        return self._later(process, waits)


class Responder(Function):
    """The inbox in, answers out: conversations side by side."""

    kind = "responder"
    time_s = RESPONDER_S
    most_calls = 35

    def _begin(self, process: Process) -> None:
        self._answering = self._house.answering(process)
        self._workers = ThreadPoolExecutor(MOST_AT_ONCE)

    def _end(self) -> None:
        self._workers.shutdown(wait=False)

    def close(self) -> None:
        """End the threads of the process that is left."""
        if self._process is not None:
            self._end()

    def _handle(self, process: Process, taken: list[Taken], deadline: float) -> set[str]:
        clock = self._house.clock
        receipts: dict[int, str] = {}
        conversations: dict[str, list[Received]] = defaultdict(list)
        for each in taken:
            received = Received(each.body, each.attempt, last_attempt=each.attempt >= MAX_RECEIVES)
            receipts[id(received)] = each.receipt
            conversations[each.group].append(received)
        outcomes: list[Any] = []
        died: list[Crash] = []
        left = len(conversations)
        here = clock.place()

        def answer(batch: list[Received]) -> None:
            nonlocal left
            try:
                outcomes.extend(self._answering.answer(batch, deadline=deadline))
            except Crash as crash:
                died.append(crash)
            finally:
                left -= 1
                if not left:
                    clock.wake(here)

        for batch in conversations.values():
            clock.spawn(lambda batch=batch: answer(batch), self._workers.submit)  # type: ignore[misc]
        clock.wait(here)
        if died:
            raise died[0]
        waits = {receipts[id(each.received)]: responder_handler._wait_s(each) for each in outcomes if not each.handled}
        return self._later(process, waits)


def deliver(house: House, wecom: Wecom, elements: Any, *, crashes: Counter[str], doom: Doom | None) -> bool:
    """Return whether the callback acknowledged one try of a notification of WeCom's."""
    request = wecom._writer.write_post(SETTINGS, elements, house.clock())
    process = house.process("callback", house.clock())
    process.begin(doom, time_s=CALLBACK_S)
    query = request.url.partition("?")[2]
    try:
        house.reception(process).accept(query, request.body, received_at_ms=int(house.clock() * 1000))
    except Crash:
        crashes["callback"] += 1
        return False
    return True
