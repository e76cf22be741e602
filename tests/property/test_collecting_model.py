"""Collecting against everything that can come in between: crashes, lost news, rivals, failures, repeated pages and time.

The machine below is WeCom, the queue of pulls and the clock. It hands the news of one account to the real use case
over the in-memory stores, one process after the other and sometimes two at once, and looks at what is in the inbox.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from frontdesk.conversation.collecting import ANSWER_BEFORE_NOTICE_S, CLOCKS_DIFFER_MS, Collecting
from frontdesk.conversation.hours import Hours
from frontdesk.conversation.sweeping import Sweeping
from frontdesk.errors import PermanentError, TransientError
from frontdesk.messages import Pull
from tests.factories import KF_ACCOUNT, KF_CHANNEL, inbound
from tests.fakes.accounts import InMemoryAccounts
from tests.fakes.attendances import InMemoryAttendances
from tests.fakes.clock import FakeClock
from tests.fakes.crash import Crash, Crashing
from tests.fakes.inbox import InMemoryInbox
from tests.fakes.puller import LoggedPuller
from tests.fakes.tickets import InMemoryTicketRequests, InMemoryTickets

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontdesk.messages import Inbound

CUSTOMERS = ("anna", "bo", "chen")
TIME_S = 60.0  # of a process
VISIBILITY_S = 360.0  # after which the queue hands out again what a process that died had taken
PLENTY_S = 50.0
NEVER = 10**9
OLD_S = 3_600

crashes = st.none() | st.builds(Crashing, st.integers(1, 14), before=st.booleans())
page_faults = st.lists(
    st.none()
    | st.builds(TransientError, st.just("busy"))
    | st.builds(ValueError)
    | st.builds(PermanentError, st.just("gone")),
    max_size=4,
)
inbox_faults = st.none() | st.builds(TransientError, st.just("down"))


class Meanwhile(Crashing):
    """Stands around the ports of one process and lets something else happen before one of its calls."""

    def __init__(self, nth: int, happens: Callable[[], None]) -> None:
        super().__init__(NEVER)
        self._calls_left = nth
        self._happens = happens

    def call(self, name: str, method: Any, *args: Any, **kwargs: Any) -> Any:
        """Call ``method``, after the other thing when its time has come."""
        self._calls_left -= 1
        if self._calls_left == 0:
            self._happens()
        return method(*args, **kwargs)


class Collections(RuleBasedStateMachine):
    """Three customers write to one account, and whatever can go wrong does."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.accounts = InMemoryAccounts()
        self.inbox = InMemoryInbox()
        self.puller = LoggedPuller()
        self.news: list[tuple[Pull, int]] = []  # each with how much the account had received by then
        self.first_noticed_at = 0.0
        self.count = 0

    # -- what happens --------------------------------------------------------------------------------------------

    @initialize(
        page_size=st.integers(1, 4),
        empty_pages=st.booleans(),
        repeat=st.integers(0, 3),
        history=st.integers(0, 5),
    )
    def begins(self, page_size: int, *, empty_pages: bool, repeat: int, history: int) -> None:
        """Let customers have written before the account was known here."""
        self.puller = LoggedPuller(page_size=page_size, empty_pages=empty_pages, repeat=repeat)
        for number in range(history):
            self._arrives(CUSTOMERS[number % 3], sent_at=int(self.clock()) - OLD_S + number)

    @rule(
        customer=st.sampled_from(CUSTOMERS),
        noticed=st.booleans(),
        skew_ms=st.integers(-CLOCKS_DIFFER_MS, CLOCKS_DIFFER_MS),
    )
    def writes(self, customer: str, *, noticed: bool, skew_ms: int) -> None:
        """Let a customer write; now and then the notification gets lost."""
        self._arrives(customer, sent_at=int(self.clock()))
        if noticed or not self.first_noticed_at:
            self.first_noticed_at = self.first_noticed_at or self.clock() + skew_ms / 1000
            self.put(Pull(KF_ACCOUNT, int(self.clock() * 1000) + skew_ms, f"token-{self.count}"))

    @precondition(lambda self: self.news)
    @rule(size=st.integers(1, 10), crash=crashes, pages=page_faults, inbox=inbox_faults)
    def is_told(self, size: int, crash: Crashing | None, pages: list[Any], inbox: Exception | None) -> None:
        """Hand out some news while things go wrong."""
        self.puller.failures.extend(pages)
        self.inbox.failure = inbox
        self._deliver(size, crash.again() if crash else Crashing(NEVER))
        self.puller.failures.clear()
        self.inbox.failure = None

    @precondition(lambda self: self.news)
    @rule(nth=st.integers(1, 14), late=st.booleans(), crash=crashes)
    def is_told_twice_at_once(self, nth: int, *, late: bool, crash: Crashing | None) -> None:
        """Let a second process come in between, while the first one has the account or when it should be dead."""
        rival = crash.again() if crash else Crashing(NEVER)

        def happens() -> None:
            if late:
                self.clock.advance(TIME_S + 31)
            with suppress(TransientError, Crash):
                self._collecting(rival).pull(*(each for each, _ in self.news), deadline=self._deadline())

        self._deliver(10, Meanwhile(nth, happens))

    @precondition(lambda self: self.news)
    @rule(nth=st.integers(1, 14), customer=st.sampled_from(CUSTOMERS), seconds=st.sampled_from([1, 10]))
    def is_told_while_a_customer_writes(self, nth: int, customer: str, seconds: float) -> None:
        """Let a message, and the news of it, arrive during a pull that goes on for a while."""

        def happens() -> None:
            self.writes(customer, noticed=True, skew_ms=0)
            self.clock.advance(seconds)

        self._deliver(10, Meanwhile(nth, happens))

    @rule(crash=st.none() | st.builds(Crashing, st.integers(1, 3), before=st.booleans()))
    def is_swept(self, crash: Crashing | None) -> None:
        """Put in a pull that nobody called for, if the account is known and not withdrawn."""
        with suppress(Crash):
            self._sweep((crash.again() if crash else Crashing(NEVER)).around)

    @rule(seconds=st.sampled_from([0.5, 1, 3, 60, 400]))
    def time_passes(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)

    # -- what always holds ---------------------------------------------------------------------------------------

    @invariant()
    def every_conversation_keeps_its_order(self) -> None:
        """See that what is in the inbox is what was written, in the order of writing, without a gap before it."""
        for customer in CUSTOMERS:
            written = [each.message_id for each in self._wanted() if each.conversation == customer]
            taken = self.inbox.ids(customer)
            assert taken == written[: len(taken)]

    @invariant()
    def the_cursor_is_behind_what_is_in_the_inbox(self) -> None:
        """See that what is before the cursor needs no fetching any more."""
        if KF_ACCOUNT not in self.accounts.kept:
            return
        cursor = self.accounts.kept[KF_ACCOUNT].cursor
        fetched = self.puller.logs[KF_ACCOUNT][: int(cursor[1:]) if cursor else 0]
        taken = {each.message_id for each in self.inbox.taken}
        assert {each.message_id for each in fetched if each.sent_at >= self._answer_from()} <= taken

    @invariant()
    def no_history_is_answered(self) -> None:
        """See that nothing from long before the first notification is in the inbox."""
        assert all(each.sent_at > self.first_noticed_at - ANSWER_BEFORE_NOTICE_S - 1 for each in self.inbox.taken)

    # -- how it ends ---------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        """Once nothing goes wrong any more, everything that is to be answered is in the inbox."""
        if not self.first_noticed_at:
            return
        self.clock.advance(VISIBILITY_S)
        while self.news:
            self._deliver(10, Crashing(NEVER))
        self.clock.advance(60)
        if self.accounts.kept[KF_ACCOUNT].withdrawn:
            # No sweep fetches it, but whoever gives it back to us says so.
            self.put(Pull(KF_ACCOUNT, int(self.clock() * 1000)))
        self._sweep(Crashing(NEVER).around)
        assert self.news
        while self.news:
            self._deliver(10, Crashing(NEVER))
        for customer in CUSTOMERS:
            written = [each.message_id for each in self._wanted() if each.conversation == customer]
            assert self.inbox.ids(customer) == written
        account = self.accounts.kept[KF_ACCOUNT]
        assert (account.lease, account.withdrawn) == ("", False)

    # -- WeCom and the queue -------------------------------------------------------------------------------------

    def _arrives(self, customer: str, *, sent_at: int) -> None:
        self.puller.logs[KF_ACCOUNT].append(
            inbound(channel=KF_CHANNEL, conversation=customer, message_id=str(self.count), sent_at=sent_at)
        )
        self.count += 1

    def _answer_from(self) -> int:
        return int(self.first_noticed_at * 1000) // 1000 - ANSWER_BEFORE_NOTICE_S

    def _wanted(self) -> list[Inbound]:
        return [each for each in self.puller.logs[KF_ACCOUNT] if each.sent_at >= self._answer_from()]

    def _deadline(self) -> float:
        return self.clock.monotonic() + TIME_S

    def _collecting(self, crashing: Crashing) -> Collecting:
        return Collecting(
            accounts=crashing.around(self.accounts),
            puller=crashing.around(self.puller),
            inbox=crashing.around(self.inbox),
            clock=self.clock,
            monotonic=self.clock.monotonic,
        )

    def _deliver(self, size: int, crashing: Crashing) -> None:
        """Hand out the first news; they are gone when the process says so, and then what they told of is there."""
        taken = self.news[:size]
        try:
            collected = self._collecting(crashing).pull(*(each for each, _ in taken), deadline=self._deadline())
        except Crash:
            self.clock.advance(VISIBILITY_S)
        except (TransientError, ValueError):
            self.clock.advance(5)
        else:
            del self.news[: len(taken)]
            if not collected.unreadable:
                received = self.puller.logs[KF_ACCOUNT][: max(count for _, count in taken)]
                wanted = {each.message_id for each in received if each.sent_at >= self._answer_from()}
                assert wanted <= {each.message_id for each in self.inbox.taken}

    def _sweep(self, around: Callable[[Any], Any]) -> None:
        Sweeping(
            accounts=around(self.accounts),
            pulls=around(self),
            attendances=InMemoryAttendances(),
            inbox=self.inbox,
            tickets=InMemoryTickets(),
            offers=InMemoryTicketRequests(),
            hours=Hours.read(""),
            clock=self.clock,
        ).sweep(time_left=lambda: PLENTY_S)

    def put(self, pull: Pull) -> None:
        """Queue a pull."""
        self.news.append((pull, self.count))


TestCollections = Collections.TestCase
TestCollections.settings = settings(
    max_examples=200, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
