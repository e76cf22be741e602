"""The sweep's use case: what nobody calls for is put into the queues of those who do it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.conversation.hours import Hours
from frontdesk.conversation.sweeping import Sweeping, Swept
from frontdesk.errors import TransientError
from frontdesk.messages import Inbound, Kind, Pull
from tests.factories import ANOTHER_CONVERSATION, CONVERSATION, KF_ACCOUNT, KF_CHANNEL, NOW, NOW_MS, attendance, ticket
from tests.fakes.accounts import InMemoryAccounts
from tests.fakes.attendances import InMemoryAttendances
from tests.fakes.clock import FakeClock
from tests.fakes.inbox import InMemoryInbox
from tests.fakes.tickets import InMemoryTicketRequests, InMemoryTickets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PLENTY_S = 50.0


class TakingPulls:
    """A queue of pulls that takes all."""

    def __init__(self) -> None:
        self.taken: list[Pull] = []

    def put(self, pull: Pull) -> None:
        self.taken.append(pull)


class Room:
    """What the sweep looks at, and the queues it puts things into."""

    def __init__(self, **differently: Any) -> None:
        self.clock = FakeClock(NOW + 0.5)
        self.accounts = InMemoryAccounts()
        self.pulls = TakingPulls()
        self.attendances = InMemoryAttendances(shards=4)
        self.inbox = InMemoryInbox()
        self.tickets = InMemoryTickets()
        self.requests = InMemoryTicketRequests()
        self._differently = differently

    def sweep(self, *, time_left: Callable[[], float] = lambda: PLENTY_S) -> Swept:
        ports: dict[str, Any] = {
            "accounts": self.accounts,
            "pulls": self.pulls,
            "attendances": self.attendances,
            "inbox": self.inbox,
            "tickets": self.tickets,
            "offers": self.requests,
            "hours": Hours.read(""),
            **self._differently,
        }
        return Sweeping(**ports, clock=self.clock).sweep(time_left=time_left)

    def fill(self, *, attendances: int = 0, accounts: int = 0, tickets: int = 0) -> None:
        for n in range(attendances):
            self.attendances.save(attendance(conversation=f"c{n}", due_at=NOW))
        for n in range(accounts):
            self.accounts.get_or_add(f"wk{n}", answer_from=0)
        for n in range(tickets):
            self.tickets.open(ticket(request_id=str(n), offer_at=NOW), day="2026-11-28")


def test_every_known_account_is_pulled_without_a_token():
    room = Room()
    room.accounts.get_or_add(KF_ACCOUNT, answer_from=0)
    room.accounts.get_or_add("wkOther", answer_from=0)

    assert room.sweep().put == {"accounts": 2}
    assert room.pulls.taken == [
        Pull(account=KF_ACCOUNT, noticed_at_ms=NOW_MS + 500),
        Pull(account="wkOther", noticed_at_ms=NOW_MS + 500),
    ]


def test_a_withdrawn_account_is_left_alone():
    room = Room()
    room.accounts.get_or_add(KF_ACCOUNT, answer_from=0)
    room.accounts.lease(KF_ACCOUNT, "a", now_ms=0, until_ms=1)
    room.accounts.release(KF_ACCOUNT, "a", complete_from_ms=None, withdrawn=True)

    assert room.sweep().put == {}
    assert room.pulls.taken == []


def test_a_moment_that_was_waited_for_is_put_into_the_inbox():
    room = Room()
    room.attendances.save(attendance(due_at=NOW - 30))

    assert room.sweep().put == {"attendances": 1}
    assert room.inbox.taken == [
        Inbound(
            channel=KF_CHANNEL,
            conversation=CONVERSATION,
            message_id=f"due-{CONVERSATION}-{NOW - 30}",
            sender="-",
            kind=Kind.DUE,
            sent_at=NOW - 30,
            received_at_ms=NOW_MS + 500,
            details={"what": "attendance", "at": str(NOW - 30)},
        )
    ]


def test_what_is_due_later_waits():
    room = Room()
    room.attendances.save(attendance(due_at=NOW + 1))
    assert room.sweep().put == {}

    room.clock.advance(0.5)
    assert room.sweep().put == {"attendances": 1}


def test_a_moment_that_nobody_has_seen_to_keeps_its_name():
    room = Room()
    saved = room.attendances.save(attendance(due_at=NOW))
    room.sweep()
    room.clock.advance(60)
    room.sweep()
    assert len(room.inbox.taken) == 1

    room.attendances.save(attendance(due_at=NOW + 30, version=saved.version))
    room.sweep()
    assert [each.details["at"] for each in room.inbox.taken] == [str(NOW), str(NOW + 30)]


def test_moments_of_all_shards_are_found_and_more_than_fit_at_once():
    room = Room()
    room.fill(attendances=400)

    assert room.sweep().put == {"attendances": 400}
    assert {each.conversation for each in room.inbox.taken} == {f"c{n}" for n in range(400)}


def test_tickets_that_are_to_be_offered_are_asked_to_be():
    room = Room()
    room.tickets.open(ticket(offer_at=NOW), day="2026-11-28")
    room.tickets.open(ticket(conversation=ANOTHER_CONVERSATION, offer_at=NOW + 60), day="2026-11-28")

    assert room.sweep().put == {"tickets": 1}
    assert [(each.what, each.number) for each in room.requests.requests] == [("offer", "T20261128-0001")]


def test_a_sweep_that_finds_nothing_puts_nothing():
    assert Room().sweep() == Swept()


def fail(*_: Any, **__: Any) -> Any:
    raise TransientError("down")


class BadShard(InMemoryAttendances):
    """Attendances of which one shard cannot be read."""

    def due(self, shard: int, *, by: int) -> Iterator[tuple[str, str, int]]:
        if shard == 1:
            fail()
        return super().due(shard, by=by)


def test_a_shard_that_fails_does_not_hurt_anything_else():
    room = Room()
    room.attendances = BadShard(shards=4)
    room.fill(attendances=40, accounts=2, tickets=1)

    swept = room.sweep()

    assert (swept.failed, swept.unfinished) == (1, False)
    assert 0 < swept.put["attendances"] < 40
    assert (swept.put["accounts"], swept.put["tickets"]) == (2, 1)


@pytest.mark.parametrize(
    ("broken", "put"),
    [
        ("accounts", {"attendances": 3, "tickets": 1}),
        ("pulls", {"attendances": 3, "tickets": 1}),
        ("inbox", {"accounts": 2, "tickets": 1}),
        ("tickets", {"attendances": 3, "accounts": 2}),
        ("offers", {"attendances": 3, "accounts": 2}),
    ],
)
def test_what_cannot_be_reached_keeps_nothing_else_back(broken: str, put: dict[str, int]):
    class Broken:
        all = put = put_all = to_offer = put_offer = staticmethod(fail)

    room = Room(**{broken: Broken()})
    room.fill(attendances=3, accounts=2, tickets=1)

    swept = room.sweep()

    assert swept.put == put
    assert swept.failed >= 1


def test_what_was_put_before_a_failure_is_counted():
    class Second(TakingPulls):
        def put(self, pull: Pull) -> None:
            if self.taken:
                fail()
            super().put(pull)

    room = Room(pulls=Second())
    room.fill(accounts=3)

    swept = room.sweep()

    assert (swept.put["accounts"], swept.failed) == (1, 1)


def test_when_time_runs_out_customers_who_wait_have_gone_first():
    room = Room()
    room.fill(attendances=8, accounts=3, tickets=3)
    room.attendances.shards = 1
    left = iter([30.0, 10.0, 4.9])

    swept = room.sweep(time_left=lambda: next(left))

    assert swept.put == {"attendances": 8, "accounts": 2}
    assert (swept.unfinished, swept.failed) == (True, 0)
    assert room.requests.requests == []


def test_what_failed_is_told_without_its_words(caplog: pytest.LogCaptureFixture):
    class Broken(InMemoryInbox):
        def put_all(self, inbounds: Sequence[Inbound]) -> None:
            raise TransientError("down", code="inbox_failed")

    room = Room(inbox=Broken())
    room.fill(attendances=1)

    room.sweep()

    (record,) = caplog.records
    assert (record.levelname, record.part) == ("ERROR", "attendances")
