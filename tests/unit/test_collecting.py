"""The collector's use case: which messages of an account get into the inbox, and when the cursor moves."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.conversation.collecting import Collected, Collecting
from frontdesk.errors import ConflictError, MisconfiguredError, PermanentError, TransientError
from frontdesk.messages import Kind, Page
from tests.factories import (
    ANOTHER_CONVERSATION,
    CONVERSATION,
    KF_ACCOUNT,
    KF_CHANNEL,
    KF_CUSTOMER,
    NOW,
    NOW_MS,
    WORDS,
    inbound,
    pull,
)
from tests.fakes.accounts import InMemoryAccounts
from tests.fakes.clock import FakeClock
from tests.fakes.inbox import InMemoryInbox
from tests.fakes.puller import LoggedPuller

if TYPE_CHECKING:
    from collections.abc import Sequence

    from frontdesk.messages import Inbound, Pull
    from frontdesk.records import Account

TIME_S = 60.0
HOUR_S = 3600
TOKEN = pull().token


class Room:
    """What outlives each process, around one or more `Collecting` in turn."""

    def __init__(self, puller: LoggedPuller | None = None) -> None:
        self.clock = FakeClock()
        self.accounts = InMemoryAccounts()
        self.inbox = InMemoryInbox()
        self.puller = puller or LoggedPuller()
        self._leases = count()

    def collecting(self, **differently: Any) -> Collecting:
        ports: dict[str, Any] = {"accounts": self.accounts, "puller": self.puller, "inbox": self.inbox, **differently}
        return Collecting(
            **ports,
            clock=self.clock,
            monotonic=self.clock.monotonic,
            new_lease=lambda: f"lease-{next(self._leases)}",
        )

    def pull(self, *pulls: Pull, time_s: float = TIME_S, **differently: Any) -> Collected:
        return self.collecting(**differently).pull(*(pulls or (pull(),)), deadline=self.clock.monotonic() + time_s)

    def receives(self, *messages: Inbound) -> None:
        """Let the account receive ``messages``."""
        self.puller.logs[KF_ACCOUNT] += messages

    @property
    def account(self) -> Account:
        return self.accounts.kept[KF_ACCOUNT]

    @property
    def taken(self) -> list[str]:
        return [each.message_id for each in self.inbox.taken]


def message(name: str, *, sent_at: int = NOW, **differently: Any) -> Inbound:
    values = {"channel": KF_CHANNEL, "sender": KF_CUSTOMER, "message_id": name, "sent_at": sent_at}
    return inbound(**{**values, **differently})


# -- what gets into the inbox ----------------------------------------------------------------------------------------


def test_what_the_account_has_received_is_in_the_inbox_as_it_was_read():
    room = Room()
    room.receives(message("1"), message("2", conversation=ANOTHER_CONVERSATION, kind=Kind.IMAGE, text=""))

    collected = room.pull()

    assert room.inbox.taken == room.puller.logs[KF_ACCOUNT]
    assert collected == Collected(put=collected.put, pages=1)
    assert collected.put == {KF_CHANNEL: 2}


def test_every_page_is_fetched_with_the_notifications_token():
    room = Room()
    room.receives(*(message(str(n)) for n in range(5)))

    assert room.pull().pages == 3
    assert room.taken == list("01234")
    assert room.puller.requests == [(KF_ACCOUNT, cursor, TOKEN) for cursor in ("", "c2", "c4")]


def test_an_empty_page_is_not_the_end():
    room = Room(LoggedPuller(empty_pages=True))
    room.receives(*(message(str(n)) for n in range(3)))

    assert room.pull().pages == 4
    assert room.taken == list("012")


def test_the_next_pull_begins_where_the_last_one_ended():
    room = Room()
    room.receives(message("1"), message("2"), message("3"))
    room.pull()
    room.receives(message("4", sent_at=NOW + 60))
    room.clock.advance(60)

    assert room.pull(pull(noticed_at_ms=NOW_MS + 60_000)).put.total() == 1
    assert room.puller.requests[-1] == (KF_ACCOUNT, "c3", TOKEN)
    assert room.taken == ["1", "2", "3", "4"]


def test_what_meant_nothing_is_counted():
    class Puller:
        def page(self, account: str, **_: Any) -> Page:
            return Page((message("1"),), "c1", more=False, skipped=3)

    assert Room().pull(puller=Puller()).skipped == 3


def test_an_account_without_messages_is_fetched_all_the_same():
    room = Room()

    assert room.pull().put.total() == 0
    assert room.account.complete_from_ms == NOW_MS


def test_each_channel_is_counted_for_itself():
    room = Room()
    room.receives(message("1"), message("2", channel="another"), message("3"))

    assert room.pull().put == {KF_CHANNEL: 2, "another": 1}


# -- history, and what is too old ------------------------------------------------------------------------------------


def test_what_was_sent_before_the_account_was_known_is_not_answered_and_what_woke_it_is():
    room = Room()
    room.receives(
        message("old", sent_at=NOW - 70 * HOUR_S),
        message("before", sent_at=NOW - 121),
        message("just before", sent_at=NOW - 120),
        message("woke it", sent_at=NOW - 2),
    )

    collected = room.pull(pull(noticed_at_ms=NOW_MS + 999))

    assert room.taken == ["just before", "woke it"]
    assert (collected.history, collected.stale) == (2, 0)


@pytest.mark.parametrize("kind", list(Kind))
def test_history_is_history_whatever_it_is(kind: Kind):
    room = Room()
    room.receives(message("1", kind=kind, sent_at=NOW - 121))

    assert room.pull().history == 1
    assert room.taken == []


def test_of_several_news_about_a_new_account_the_first_tells_what_is_history():
    room = Room()
    room.receives(message("1", sent_at=NOW - 300), message("2", sent_at=NOW))
    later = [pull(noticed_at_ms=NOW_MS - 290_000), pull(noticed_at_ms=NOW_MS)]

    room.pull(*later)

    assert room.taken == ["1", "2"]


def test_what_is_history_is_said_once_however_often_the_first_pull_fails():
    room = Room()
    room.receives(*(message(f"old-{n}", sent_at=NOW - HOUR_S) for n in range(3)), message("new", sent_at=NOW - 1))
    room.puller.failures.extend([None, TransientError("down")])
    with pytest.raises(TransientError):
        room.pull()

    room.clock.advance(600)
    collected = room.pull(pull(noticed_at_ms=NOW_MS + 600_000))

    assert room.taken == ["new"]
    assert collected.history == 1


def test_a_known_account_answers_what_came_while_nobody_pulled():
    room = Room()
    room.pull()
    room.clock.advance(10 * HOUR_S)
    room.receives(message("1", sent_at=NOW + HOUR_S))

    room.pull(pull(noticed_at_ms=NOW_MS + 10 * HOUR_S * 1000))

    assert room.taken == ["1"]


def test_what_nobody_may_answer_any_more_is_stale():
    room = Room()
    room.pull()
    room.clock.advance(60 * HOUR_S)
    too_old = NOW + 12 * HOUR_S - 1
    room.receives(
        *(message(f"stale-{kind}", kind=kind, sent_at=too_old) for kind in (Kind.TEXT, Kind.PERSON, Kind.STATE)),
        *(message(f"fresh-{kind}", kind=kind, sent_at=too_old + 1) for kind in (Kind.TEXT, Kind.PERSON, Kind.RECALLED)),
    )

    collected = room.pull(pull(noticed_at_ms=NOW_MS + 60 * HOUR_S * 1000))

    assert room.taken == ["fresh-text", "fresh-person", "fresh-recalled"]
    assert (collected.stale, collected.history) == (3, 0)


# -- the cursor ------------------------------------------------------------------------------------------------------


def test_the_cursor_moves_after_the_page_is_in_the_inbox():
    room = Room()
    room.receives(message("1"), message("2"), message("3"))
    seen: list[tuple[str, int]] = []
    room.puller.on_page = lambda: seen.append((room.account.cursor, len(room.inbox.taken)))

    room.pull()

    assert seen == [("", 0), ("c2", 2)]
    assert room.account.cursor == "c3"


def test_a_page_that_the_inbox_did_not_take_comes_again():
    room = Room()
    room.receives(message("1"), message("2"))
    room.inbox.failure = TransientError("down", code="inbox_failed")

    with pytest.raises(TransientError) as caught:
        room.pull()
    assert caught.value.code == "inbox_failed"
    assert (room.account.cursor, room.account.lease, room.account.complete_from_ms) == ("", "", 0)

    room.inbox.failure = None
    room.pull()
    assert room.taken == ["1", "2"]


def test_a_page_that_cannot_be_fetched_keeps_what_was_done():
    room = Room()
    room.receives(message("1"), message("2"), message("3"))
    room.puller.failures.extend([None, TransientError("down", code="wecom_unreachable", retry_after_s=5)])

    with pytest.raises(TransientError) as caught:
        room.pull()
    assert (caught.value.code, caught.value.retry_after_s) == ("wecom_unreachable", 5)
    assert (room.account.cursor, room.account.lease, room.account.complete_from_ms) == ("c2", "", 0)

    room.pull()
    assert room.taken == ["1", "2", "3"]
    assert room.puller.requests[-1][1] == "c2"


def test_an_unforeseen_failure_lets_the_next_one_in_too():
    room = Room()
    room.puller.failures.append(ValueError("unforeseen"))

    with pytest.raises(ValueError, match="unforeseen"):
        room.pull()

    assert room.account.lease == ""
    assert room.pull().pages == 1


def test_what_went_wrong_is_told_also_when_the_lease_cannot_be_ended():
    class Unreleasing(InMemoryAccounts):
        def release(self, account: str, lease: str, **_: Any) -> None:
            raise TransientError("down", code="accounts_unreachable")

    room = Room()
    room.puller.failures.append(TransientError("down", code="wecom_unreachable"))

    with pytest.raises(TransientError) as caught:
        room.pull(accounts=Unreleasing())

    assert caught.value.code == "wecom_unreachable"


def test_when_time_runs_out_the_next_pull_goes_on():
    room = Room(LoggedPuller(page_size=1))
    room.receives(*(message(str(n)) for n in range(5)))
    room.puller.on_page = lambda: room.clock.advance(20)

    with pytest.raises(TransientError) as caught:
        room.pull(time_s=60)
    assert (caught.value.code, caught.value.retry_after_s) == ("pull_unfinished", 1.0)
    assert (room.account.cursor, room.account.lease, room.account.complete_from_ms) == ("c3", "", 0)

    assert room.pull(time_s=60).put.total() == 2
    assert room.taken == list("01234")


def test_the_page_that_is_the_last_one_is_enough_however_late_it_is():
    room = Room()
    room.receives(message("1"))
    room.puller.on_page = lambda: room.clock.advance(59)

    assert room.pull(time_s=60).put.total() == 1


def test_a_page_has_to_come_while_there_is_time_to_put_it_in():
    deadlines: list[float] = []

    class Puller:
        def page(self, account: str, *, deadline: float, **_: Any) -> Page:
            deadlines.append(deadline)
            return Page((), "", more=False)

    room = Room()
    room.pull(puller=Puller(), time_s=60)

    assert deadlines == [55.0]


def test_a_cursor_that_stands_still_is_not_followed_for_ever():
    class Puller:
        calls = 0

        def page(self, account: str, **_: Any) -> Page:
            self.calls += 1
            return Page((), "c0", more=True)

    room = Room()
    puller = Puller()

    with pytest.raises(TransientError) as caught:
        room.pull(puller=puller)

    assert caught.value.code == "pull_stuck"
    assert puller.calls < 10


def test_a_page_without_a_cursor_does_not_make_the_account_begin_anew():
    class Puller:
        def page(self, account: str, **_: Any) -> Page:
            return Page((), "", more=False)

    room = Room()
    room.receives(message("1"))
    room.pull()
    room.clock.advance(60)
    room.pull(pull(noticed_at_ms=NOW_MS + 60_000), puller=Puller())

    assert room.account.cursor == "c1"


# -- one pull at a time ----------------------------------------------------------------------------------------------


def test_while_somebody_pulls_nobody_else_does():
    room = Room()
    room.receives(message("1"))
    refusals: list[TransientError] = []

    def meanwhile() -> None:
        with pytest.raises(TransientError) as caught:
            room.pull()
        refusals.append(caught.value)

    room.puller.on_page = meanwhile
    room.pull()

    (refusal,) = refusals
    assert (refusal.code, refusal.retry_after_s) == ("account_busy", 3.0)
    assert len(room.puller.requests) == 1


def test_a_process_that_died_is_in_the_way_until_its_time_is_over_and_some():
    room = Room()
    leases: list[tuple[int, int]] = []

    class Dying(InMemoryAccounts):
        def lease(self, account: str, lease: str, *, now_ms: int, until_ms: int) -> Account:
            super().lease(account, lease, now_ms=now_ms, until_ms=until_ms)
            leases.append((now_ms, until_ms))
            raise KeyboardInterrupt

    dying = Dying()
    dying.kept = room.accounts.kept
    with pytest.raises(KeyboardInterrupt):
        room.pull(accounts=dying, time_s=60)

    assert leases == [(NOW_MS, NOW_MS + 90_000)]
    room.clock.advance(89)
    with pytest.raises(TransientError):
        room.pull()
    room.clock.advance(1)
    assert room.pull().pages == 1


def test_whoever_lost_the_lease_stops():
    room = Room(LoggedPuller(page_size=1))
    room.receives(message("1"), message("2"), message("3"))

    def overtaken() -> None:
        room.puller.on_page = lambda: None
        room.clock.advance(100)
        room.pull()

    room.puller.on_page = overtaken
    with pytest.raises(TransientError) as caught:
        room.pull()

    assert caught.value.code == "account_busy"
    assert room.account.cursor == "c3"
    assert room.taken == ["1", "2", "3"]


def test_the_deployments_own_mistakes_are_no_faults_of_the_account():
    room = Room()
    room.receives(message("1"))
    room.inbox.failure = MisconfiguredError("no such queue", code="inbox_refused")

    with pytest.raises(MisconfiguredError):
        room.pull()

    assert (room.account.withdrawn, room.account.lease, room.account.cursor) == (False, "", "")


# -- what was served already -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("noticed_after_ms", "served"), [(-10_000, True), (-2_001, True), (-2_000, False), (0, False)])
def test_news_from_before_a_pull_that_reached_the_end_are_old(noticed_after_ms: int, served: bool):  # noqa: FBT001
    room = Room()
    room.pull()
    before = len(room.puller.requests)

    collected = room.pull(pull(noticed_at_ms=NOW_MS + noticed_after_ms))

    assert collected.served is served
    assert len(room.puller.requests) == before + (not served)


def test_news_that_came_while_the_last_page_was_put_in_are_new():
    class Slow(InMemoryInbox):
        def put_all(self, inbounds: Sequence[Inbound]) -> None:
            super().put_all(inbounds)
            room.clock.advance(10)

    room = Room()
    room.receives(message("1"))
    room.pull(inbox=Slow())
    room.receives(message("2", sent_at=NOW + 5))

    assert room.pull(pull(noticed_at_ms=NOW_MS + 5_000)).put.total() == 1


def test_a_pull_that_did_not_reach_the_end_has_served_nobody():
    room = Room(LoggedPuller(page_size=1))
    room.receives(message("1"), message("2"))
    room.puller.failures.extend([None, TransientError("down")])
    with pytest.raises(TransientError):
        room.pull()

    assert not room.pull(pull(noticed_at_ms=NOW_MS - 60_000)).served
    assert room.taken == ["1", "2"]


def test_of_several_news_one_that_is_new_is_enough():
    room = Room()
    room.pull()
    room.receives(message("1"))
    old, new = pull(noticed_at_ms=NOW_MS - 60_000, token="old"), pull(noticed_at_ms=NOW_MS + 1, token="new")

    assert room.pull(new, old).put.total() == 1
    assert room.puller.requests[-1][2] == "new"


def test_the_newest_token_is_taken_not_the_newest_news_without_one():
    room = Room()
    schedule = pull(noticed_at_ms=NOW_MS + 5, token="")

    room.pull(pull(noticed_at_ms=NOW_MS - 9, token="older"), pull(token="newer"), schedule)

    assert room.puller.requests[-1][2] == "newer"


def test_a_schedule_pulls_without_a_token():
    room = Room()
    room.pull(pull(token=""))

    assert room.puller.requests == [(KF_ACCOUNT, "", "")]


def test_a_pull_that_was_served_while_it_waited_for_the_lease_does_nothing():
    room = Room()
    room.pull()

    class Slow(InMemoryAccounts):
        """Accounts of which an older state is read first."""

        def get_or_add(self, account: str, *, answer_from: int) -> Account:
            found = super().get_or_add(account, answer_from=answer_from)
            return type(found)(account=found.account, answer_from=found.answer_from)

    slow = Slow()
    slow.kept = room.accounts.kept
    collected = room.pull(pull(noticed_at_ms=NOW_MS - 60_000), accounts=slow)

    assert collected.served
    assert len(room.puller.requests) == 1
    assert (room.account.lease, room.account.complete_from_ms) == ("", NOW_MS)


# -- accounts that cannot be fetched ---------------------------------------------------------------------------------


def test_a_withdrawn_account_is_noted_and_not_swept_any_more():
    room = Room()
    room.puller.failures.append(PermanentError("not authorised", code="wecom_48007"))

    collected = room.pull()

    assert (collected.unreadable, collected.misconfigured) == ("wecom_48007", False)
    assert (room.account.withdrawn, room.account.lease, room.account.complete_from_ms) == (True, "", 0)
    assert list(room.accounts.all()) == []


def test_a_withdrawn_account_that_is_given_back_is_fetched_from_where_it_was():
    room = Room()
    room.receives(message("1"), message("2"), message("3"))
    room.puller.failures.extend([None, PermanentError("not authorised", code="wecom_48007")])
    room.pull()

    assert room.pull(pull(token="")).put.total() == 1
    assert not room.account.withdrawn
    assert room.taken == ["1", "2", "3"]


def test_what_goes_for_every_account_withdraws_none():
    room = Room()
    room.puller.failures.append(MisconfiguredError("wrong secret", code="wecom_95011"))

    collected = room.pull()

    assert (collected.unreadable, collected.misconfigured) == ("wecom_95011", True)
    assert (room.account.withdrawn, room.account.lease) == (False, "")
    assert [each.account for each in room.accounts.all()] == [KF_ACCOUNT]


# -- what is told ----------------------------------------------------------------------------------------------------


def test_a_pull_is_told_in_counts(caplog: pytest.LogCaptureFixture):
    room = Room()
    room.receives(message("old", sent_at=NOW - HOUR_S), message("1"), message("2"))

    with caplog.at_level("INFO"):
        room.pull()

    (record,) = caplog.records
    assert (record.put, record.history, record.stale, record.skipped, record.pages) == (2, 1, 0, 0, 2)
    told = str(record.__dict__)
    assert not any(secret in told for secret in (WORDS, KF_CUSTOMER, "wmXYZ001", TOKEN, CONVERSATION))


def test_an_account_that_cannot_be_fetched_is_an_error_in_the_log(caplog: pytest.LogCaptureFixture):
    room = Room()
    room.puller.failures.append(PermanentError("not authorised", code="wecom_48007"))

    room.pull()

    (record,) = caplog.records
    assert (record.levelname, record.code, record.put) == ("ERROR", "wecom_48007", 0)


def test_accounts_that_are_out_of_reach_are_heard():
    class Unreachable(InMemoryAccounts):
        def get_or_add(self, account: str, *, answer_from: int) -> Account:
            raise TransientError("down", code="accounts_unreachable")

    with pytest.raises(TransientError):
        Room().pull(accounts=Unreachable())


def test_a_cursor_that_moved_is_not_moved_again_for_nothing():
    class Counting(InMemoryAccounts):
        advances = 0

        def advance(self, account: str, lease: str, cursor: str) -> None:
            self.advances += 1
            super().advance(account, lease, cursor)

    room = Room()
    room.accounts = Counting()
    room.receives(message("1"))
    for n in range(3):
        room.pull(pull(noticed_at_ms=NOW_MS + n * 60_000))
        room.clock.advance(60)

    assert room.accounts.advances == 1


def test_losing_the_lease_is_no_conflict_to_the_outside():
    class Lost(InMemoryAccounts):
        def advance(self, account: str, lease: str, cursor: str) -> None:
            raise ConflictError("accounts: somebody else was first", code="accounts_conflict")

    room = Room()
    room.receives(message("1"))

    with pytest.raises(TransientError) as caught:
        room.pull(accounts=Lost())

    assert caught.value.code == "account_busy"
