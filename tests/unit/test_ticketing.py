"""A ticket from its opening until somebody has it: numbered, told, offered, reported; whatever fails in between."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.conversation.hours import Hours
from frontdesk.conversation.ticketing import Ticketing
from frontdesk.errors import ConflictError, ErasedError, PermanentError, TransientError
from frontdesk.messages import Kind
from frontdesk.records import TicketRequest
from tests.factories import KF_CHANNEL, KF_CUSTOMER, NOW, ticket
from tests.fakes.agents import WU, ZHOU, RecordingCards, RecordingTicketSystem
from tests.fakes.clock import FakeClock
from tests.fakes.crash import Crash, Crashing
from tests.fakes.inbox import InMemoryInbox
from tests.fakes.tickets import InMemoryTickets

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontdesk.conversation.ticketing import TicketOutcome
    from frontdesk.records import Ticket

OPENED = TicketRequest("open", ticket=ticket())
DAY_S = 86_400
# Monday, 21 September 2026, 22:13:20 in China; with these hours closed, and open again on Tuesday at nine.
HOURS = "Mon-Fri 09:00-18:00"
TUESDAY_AT_9 = 1_790_038_800
NUMBER = "T20260921-0001"


class Counter:
    """What is kept and told of tickets, around one `Ticketing` after the other."""

    def __init__(self, hours: str = "", *, agents: tuple[str, ...] = (ZHOU, WU), system: bool = True) -> None:
        self.clock = FakeClock()
        self.hours = Hours.read(hours)
        self.agents = agents
        self.tickets: Any = InMemoryTickets()
        self.inbox = InMemoryInbox()
        self.cards = RecordingCards()
        self.system = RecordingTicketSystem()
        self.has_system = system

    def take(self, request: TicketRequest = OPENED, crashing: Crashing | None = None) -> TicketOutcome:
        """Have a new process take the request."""
        around = (crashing or Crashing(10**9)).around
        ticketing = Ticketing(
            tickets=around(self.tickets),
            queue=around(self.inbox),
            cards=around(self.cards),
            system=around(self.system) if self.has_system else None,
            hours=self.hours,
            agents=self.agents,
            clock=self.clock,
        )
        return ticketing.take(request, deadline=60)

    @property
    def kept(self) -> Ticket:
        """The only ticket."""
        (only,) = self.tickets.kept.values()
        found: Ticket = only
        return found

    def change(self, **differently: Any) -> None:
        """Let somebody change the only ticket."""
        self.tickets.save(replace(self.kept, **differently))


# -- opening ---------------------------------------------------------------------------------------------------------


def test_a_new_ticket_is_numbered_told_shown_and_reported():
    counter = Counter()

    outcome = counter.take()

    assert (outcome.handled, outcome.channel, outcome.opened, outcome.webhook_failed) == (True, KF_CHANNEL, True, False)
    assert counter.kept.number == NUMBER
    assert counter.kept.done == ("told", "carded", "hooked")
    (notice,) = counter.inbox.taken
    assert (notice.kind, notice.channel, notice.conversation) == (Kind.TICKET, KF_CHANNEL, counter.kept.conversation)
    assert (notice.message_id, notice.sender, notice.text) == (f"t-{NUMBER}-opened", KF_CUSTOMER, "")
    assert notice.details == {"number": NUMBER, "state": "opened"}
    assert (notice.sent_at, notice.received_at_ms) == (NOW, NOW * 1000)
    assert counter.cards.shown == [(NUMBER, "open", (ZHOU, WU))]
    assert counter.system.heard == [("opened", NUMBER, "open")]


@pytest.mark.parametrize(("hour_utc", "day"), [(15.99, "20260921"), (16, "20260922"), (23, "20260922")])
def test_the_number_has_the_date_of_the_day_in_china(hour_utc: float, day: str):
    counter = Counter()
    counter.clock.now = 1_789_948_800 + hour_utc * 3600  # midnight of 21 September, UTC

    counter.take()

    assert counter.kept.number == f"T{day}-0001"


def test_a_ticket_about_the_service_itself_is_shown_and_reported_and_no_customer_hears_of_it():
    counter = Counter()
    about = TicketRequest("open", ticket=ticket(channel="system", conversation="#operations", reason="alarm"))

    outcome = counter.take(about)

    assert (outcome.handled, outcome.channel, outcome.opened) == (True, "system", True)
    assert counter.inbox.taken == []
    assert counter.cards.shown == [(NUMBER, "open", (ZHOU, WU))]
    assert counter.system.heard == [("opened", NUMBER, "open")]


def test_a_request_that_comes_again_opens_nothing_more():
    counter = Counter()
    counter.take()
    before = (counter.kept, list(counter.inbox.taken), list(counter.cards.shown), list(counter.system.heard))

    outcome = counter.take()

    assert (outcome.handled, outcome.opened) == (True, False)
    assert (counter.kept, counter.inbox.taken, counter.cards.shown, counter.system.heard) == before


def test_a_company_without_a_system_of_its_own_reports_to_nobody():
    counter = Counter(system=False)

    assert counter.take().handled
    assert counter.take(TicketRequest("changed", number=NUMBER, event="assigned")).handled
    assert len(counter.inbox.taken) == 1


def test_a_company_without_people_in_the_chat_shows_no_cards():
    counter = Counter(agents=())

    assert counter.take().handled

    assert (counter.cards.shown, counter.kept.offer_at) == ([], None)
    assert counter.system.heard == [("opened", NUMBER, "open")]


def test_outside_of_business_hours_the_people_get_the_card_at_the_next_opening():
    counter = Counter(HOURS)

    counter.take()

    assert (counter.cards.shown, counter.kept.offer_at) == ([], TUESDAY_AT_9)
    assert len(counter.inbox.taken) == 1
    assert len(counter.system.heard) == 1


@pytest.mark.parametrize(
    ("now", "offered"),
    [
        (TUESDAY_AT_9, TUESDAY_AT_9 + DAY_S),
        (TUESDAY_AT_9 + 9 * 3600 - 1, TUESDAY_AT_9 + DAY_S),
        (TUESDAY_AT_9 + 2 * DAY_S, TUESDAY_AT_9 + 6 * DAY_S),  # Friday 25 September is Mid-Autumn Festival
    ],
)
def test_what_nobody_claims_is_offered_again_when_the_next_day_opens(now: int, offered: int):
    counter = Counter(HOURS)
    counter.clock.now = now

    counter.take()

    assert len(counter.cards.shown) == 1
    assert counter.kept.offer_at == offered


def test_a_company_that_is_always_open_offers_again_after_half_a_day():
    counter = Counter()

    counter.take()

    assert counter.kept.offer_at == NOW + 12 * 3600


# -- what fails ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [TransientError("down", code="ticket_webhook_timeout"), PermanentError("no", code="ticket_webhook_refused")],
)
def test_a_system_that_does_not_take_it_keeps_the_number_from_nobody(error: Any):
    counter = Counter()
    counter.system.failures.append(error)

    outcome = counter.take()

    assert (outcome.handled, outcome.code) == (False, error.code)
    assert (outcome.opened, outcome.webhook_failed, outcome.channel) == (True, True, KF_CHANNEL)
    assert (len(counter.inbox.taken), len(counter.cards.shown)) == (1, 1)
    assert counter.kept.done == ("told", "carded")

    again = counter.take()

    assert (again.handled, again.opened, again.webhook_failed) == (True, False, False)
    assert (len(counter.inbox.taken), len(counter.cards.shown)) == (1, 1)
    assert counter.system.heard == [("opened", NUMBER, "open")]


def test_a_card_that_cannot_be_shown_keeps_the_system_from_nothing():
    counter = Counter()
    counter.cards.failures.append(TransientError("busy", code="wecom_busy", retry_after_s=60))

    outcome = counter.take()

    assert (outcome.code, outcome.retry_after_s, outcome.opened) == ("wecom_busy", 60, True)
    assert not outcome.webhook_failed
    assert counter.kept.done == ("told", "hooked")
    assert counter.kept.offer_at is None
    assert counter.take().handled
    assert len(counter.cards.shown) == len(counter.system.heard) == 1


def test_a_customer_who_cannot_be_told_now_is_told_later_and_counted_then():
    counter = Counter()
    counter.inbox.failure = TransientError("down", code="inbox_failed")
    assert (counter.take().opened, counter.kept.done) == (False, ("carded", "hooked"))
    counter.inbox.failure = None

    assert counter.take().opened
    assert len(counter.inbox.taken) == 1


def test_what_is_unforeseen_comes_again_too():
    counter = Counter()
    counter.tickets.open = None

    outcome = counter.take()

    assert (outcome.handled, outcome.code, outcome.channel) == (False, "unexpected", "")


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_an_opening_that_is_cut_off_anywhere_is_finished_by_its_repetition(*, before: bool):
    reached = 0
    while True:
        counter = Counter()
        reached += 1
        try:
            counter.take(crashing=Crashing(reached, before=before))
        except Crash:
            assert counter.take().handled
            assert counter.kept.done == ("told", "carded", "hooked")
            assert (len(counter.inbox.taken), len(counter.cards.shown)) == (1, 1)
            assert set(counter.system.heard) == {("opened", NUMBER, "open")}
        else:
            break
    assert reached == 8


class Raced(InMemoryTickets):
    """Tickets that somebody else changes right before a save: the first one, or each."""

    def __init__(self, meanwhile: Callable[[Ticket], Ticket], *, always: bool = False) -> None:
        super().__init__()
        self.meanwhile: Callable[[Ticket], Ticket] | None = meanwhile
        self.always = always

    def save(self, ticket: Ticket) -> Ticket:
        if self.meanwhile:
            super().save(self.meanwhile(self.kept[ticket.number]))
            self.meanwhile = self.meanwhile if self.always else None
        return super().save(ticket)


def test_who_claims_a_ticket_while_it_is_opened_keeps_it():
    counter = Counter()
    counter.tickets = Raced(lambda each: replace(each, state="assigned", assignee=ZHOU))

    assert counter.take().handled

    assert (counter.kept.state, counter.kept.assignee) == ("assigned", ZHOU)
    assert counter.kept.done == ("told", "carded", "hooked")
    assert counter.kept.offer_at is None


def test_two_processes_that_open_the_same_ticket_note_each_step_once():
    counter = Counter()
    counter.tickets = Raced(lambda each: replace(each, done=("told",)))

    assert counter.take().handled

    assert counter.kept.done == ("told", "carded", "hooked")


def test_a_ticket_that_keeps_changing_is_left_for_later():
    counter = Counter()
    counter.tickets = Raced(lambda each: replace(each, brief=each.brief + "。"), always=True)

    assert counter.take().code == "ticket_contended"


@pytest.mark.parametrize(
    "request_", [OPENED, TicketRequest("offer", number=NUMBER), TicketRequest("changed", number=NUMBER, event="closed")]
)
def test_an_erased_customers_ticket_is_done_with(request_: TicketRequest):
    class Erased(InMemoryTickets):
        def open(self, ticket: Ticket, *, day: str) -> Ticket:
            raise ErasedError("gone", key_id="c0123456789ab")

        def get(self, number: str) -> Ticket | None:
            raise ErasedError("gone", key_id="c0123456789ab")

    counter = Counter()
    counter.tickets = Erased()

    assert counter.take(request_).handled
    assert counter.system.heard == []


# -- offering again --------------------------------------------------------------------------------------------------

OFFER = TicketRequest("offer", number=NUMBER)


def test_an_open_ticket_is_shown_when_its_moment_has_come():
    counter = Counter(HOURS)
    counter.take()
    counter.clock.now = TUESDAY_AT_9 + 30

    outcome = counter.take(OFFER)

    assert (outcome.handled, outcome.opened, outcome.channel) == (True, False, KF_CHANNEL)
    assert counter.cards.shown == [(NUMBER, "open", (ZHOU, WU))]
    assert counter.kept.offer_at == TUESDAY_AT_9 + DAY_S
    assert len(counter.inbox.taken) == len(counter.system.heard) == 1


def test_it_is_offered_once_a_moment_and_again_the_next_day():
    counter = Counter(HOURS)
    counter.take()
    counter.clock.now = TUESDAY_AT_9
    counter.take(OFFER)
    counter.take(OFFER)
    assert len(counter.cards.shown) == 1

    counter.clock.now = TUESDAY_AT_9 + DAY_S
    counter.take(OFFER)
    assert len(counter.cards.shown) == 2


def test_an_offer_that_comes_too_late_in_the_day_waits_for_the_next():
    counter = Counter(HOURS)
    counter.take()
    counter.clock.now = TUESDAY_AT_9 + 12 * 3600

    counter.take(OFFER)

    assert (counter.cards.shown, counter.kept.offer_at) == ([], TUESDAY_AT_9 + DAY_S)


@pytest.mark.parametrize("state", ["assigned", "answered", "closed"])
def test_what_somebody_has_is_offered_to_nobody(state: str):
    counter = Counter(HOURS)
    counter.take()
    counter.change(state=state)
    counter.clock.now = TUESDAY_AT_9

    assert counter.take(OFFER).handled

    assert (counter.cards.shown, counter.kept.offer_at) == ([], None)


def test_what_is_claimed_while_it_is_offered_stays_claimed():
    counter = Counter(HOURS)
    counter.tickets = Raced(lambda each: each)
    counter.take()
    counter.clock.now = TUESDAY_AT_9
    counter.tickets.meanwhile = lambda each: replace(each, state="assigned", assignee=WU, offer_at=None)

    assert counter.take(OFFER).handled

    assert (counter.kept.state, counter.kept.assignee, counter.kept.offer_at) == ("assigned", WU, None)


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("call", ["show", "save"])
def test_an_offer_that_is_cut_off_is_made_once(call: str, *, before: bool):
    counter = Counter(HOURS)
    counter.take()
    counter.clock.now = TUESDAY_AT_9
    with pytest.raises(Crash):
        counter.take(OFFER, Crashing(1, at=call, before=before))
    counter.clock.advance(60)

    counter.take(OFFER)

    assert len(counter.cards.shown) == 1
    assert counter.kept.offer_at == TUESDAY_AT_9 + DAY_S


def test_a_number_that_is_no_tickets_is_done_with():
    counter = Counter()

    assert counter.take(OFFER).handled
    assert counter.take(TicketRequest("changed", number=NUMBER, event="closed")).handled
    assert counter.system.heard == []


# -- reporting changes -----------------------------------------------------------------------------------------------


def test_a_change_is_reported_with_the_ticket_as_it_is_now():
    counter = Counter()
    counter.take()
    counter.change(state="answered", assignee=ZHOU, answer="已补寄。")

    outcome = counter.take(TicketRequest("changed", number=NUMBER, event="assigned"))

    assert (outcome.handled, outcome.channel, outcome.webhook_failed) == (True, KF_CHANNEL, False)
    assert counter.system.heard[1:] == [("assigned", NUMBER, "answered")]


def test_a_change_that_is_not_taken_is_reported_again():
    counter = Counter()
    counter.take()
    counter.system.failures.append(TransientError("down", code="ticket_webhook_failed", retry_after_s=30))

    outcome = counter.take(TicketRequest("changed", number=NUMBER, event="closed"))

    assert (outcome.handled, outcome.webhook_failed, outcome.retry_after_s) == (False, True, 30)
    assert (outcome.code, outcome.channel) == ("ticket_webhook_failed", KF_CHANNEL)


def test_nothing_of_the_customer_is_logged(log_lines: Callable[[], list[dict[str, Any]]]):
    counter = Counter()
    counter.system.failures.append(ValueError("订单 8812"))  # type: ignore[arg-type]
    counter.cards.failures.append(ConflictError("busy"))

    counter.take()

    shown = str(log_lines())
    assert "ticket request failed" in shown
    assert not [word for word in ("8812", KF_CUSTOMER, ZHOU) if word in shown]
