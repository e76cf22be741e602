"""An erasure deletes everything once and for good, and can be broken off anywhere."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.errors import ErasedError, TransientError
from frontdesk.protection import chain
from frontdesk.protection.customer_keys import CustomerKeys, KeyKeeping
from frontdesk.protection.sealing import Keyring
from ops.cli.erasing import Erasing
from ops.cli.holdings import TicketItem
from tests.contract.audit_in_memory import happening
from tests.factories import ANOTHER_CONVERSATION, CONVERSATION, NOW
from tests.fakes.clock import FakeClock
from tests.fakes.crash import Crash, Crashing
from tests.fakes.keys import InMemoryCustomerKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from frontdesk.records import AuditRecord, Happening

RING = Keyring.read("0123456789abcdeffedcba9876543210")
WAIT_S = 150


class Shelf:
    """A place with things of several people."""

    def __init__(self, name: str, **things: list[str]) -> None:
        self.name = name
        self.things = {CONVERSATION: list(things.get("theirs", [])), ANOTHER_CONVERSATION: ["another's"]}

    def find(self, conversation: str) -> list[str]:
        return list(self.things[conversation])

    def delete(self, conversation: str, found: Sequence[str]) -> None:
        self.things[conversation] = [each for each in self.things[conversation] if each not in found]


class Drawer:
    """The tickets of the two."""

    def __init__(self) -> None:
        self.kept: dict[str, list[TicketItem]] = {CONVERSATION: [], ANOTHER_CONVERSATION: []}

    def find(self, conversation: str) -> list[TicketItem]:
        return list(self.kept[conversation])

    def close(self, found: Sequence[TicketItem]) -> int:
        self.kept = {
            conversation: [replace(each, open=each.open and each not in found) for each in tickets]
            for conversation, tickets in self.kept.items()
        }
        return sum(each.open for each in found)


class Records:
    """The audit of the two, in memory, with the seals of the desk."""

    def __init__(self, seals: CustomerKeys) -> None:
        self._seals = seals
        self.kept: dict[str, list[AuditRecord]] = {CONVERSATION: [], ANOTHER_CONVERSATION: []}

    def of(self, conversation: str) -> Iterator[AuditRecord]:
        yield from list(self.kept[conversation])

    def append(self, conversation: str, happenings: Sequence[Happening], words: str = "") -> None:
        for each in happenings:
            records = self.kept[conversation]
            seq = len(records) + 1
            previous = records[-1].hash if records else chain.genesis(conversation)
            sealed = self._seals.seal(conversation, words, "audit", conversation, str(seq)) if words else ""
            records.append(chain.link(conversation, seq, previous, each, sealed=sealed, day="2026-09-21"))

    def opened(self, seq: int) -> str:
        record = self.kept[CONVERSATION][seq - 1]
        return self._seals.open(CONVERSATION, record.sealed, "audit", CONVERSATION, str(seq))


class House:
    """All there is, and the processes of the responder that hold keys meanwhile."""

    def __init__(self, *, with_key: bool = True) -> None:
        self.clock = FakeClock(NOW)
        self.store = InMemoryCustomerKeys()
        self.keeping = KeyKeeping(keyring=RING, store=self.store)
        self.seals = CustomerKeys(keyring=RING, store=self.store, clock=self.clock.monotonic)
        self.audit = Records(self.seals)
        self.shelves = [Shelf("sessions", theirs=["s1", "s2"]), Shelf("archive", theirs=["d1"])]
        self.tickets = Drawer()
        self.while_waiting: Callable[[], None] = lambda: None
        self.said: list[str] = []
        if with_key:
            self.audit.append(CONVERSATION, [happening(1)], "她的话")
            self.audit.append(ANOTHER_CONVERSATION, [happening(2)], "别人的话")
            self.open_ticket(CONVERSATION, "T20260921-0001")
            self.open_ticket(ANOTHER_CONVERSATION, "T20260921-0002")

    def open_ticket(self, conversation: str, number: str) -> None:
        sealed = self.seals.seal(conversation, "问的话", "ticket", conversation, number)
        self.tickets.kept[conversation].append(TicketItem(number, sealed, open=True))

    def erasing(self, crashing: Crashing | None = None) -> Erasing:
        def port(each: Any) -> Any:
            return crashing.around(each) if crashing else each

        return Erasing(
            holdings=[port(shelf) for shelf in self.shelves],
            tickets=port(self.tickets),
            store=port(self.store),
            keeping=port(self.keeping),
            audit=port(self.audit),
            actor="operator:chen.yu",
            clock=self.clock,
            sleep=self.sleep,
            say=self.said.append,
        )

    def sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.while_waiting()

    def acts(self) -> list[str]:
        return [record.kind for record in self.audit.kept[CONVERSATION] if record.kind == "erased"]


def key_ids(house: House, conversation: str = CONVERSATION) -> set[str]:
    return set(house.store.kept[conversation].wrapped)


def test_looking_counts_everything_and_changes_nothing():
    house = House()
    before = dict(house.store.kept)

    found = house.erasing().look(CONVERSATION)

    assert (found.counts, found.records, found.readable, found.begun) == ({"sessions": 2, "archive": 1}, 1, 1, False)
    assert (found.tickets, found.tickets_readable, found.tickets_open) == (1, 1, 1)
    assert found.anything
    assert house.store.kept == before
    assert house.acts() == []


def test_everything_is_deleted_and_the_words_in_the_audit_are_unreadable():
    house = House()
    old = key_ids(house)

    erased = house.erasing().erase(CONVERSATION)

    assert (erased.deleted, set(erased.keys)) == ({"sessions": 2, "archive": 1}, old)
    assert [shelf.things[CONVERSATION] for shelf in house.shelves] == [[], []]
    with pytest.raises(ErasedError):
        house.audit.opened(1)
    assert not erased.now.anything
    assert (erased.now.records, erased.now.readable) == (2, 0)
    assert erased.closed == 1
    assert (erased.now.tickets, erased.now.tickets_readable, erased.now.tickets_open) == (1, 0, 0)


def test_the_chain_stays_whole_and_nobody_elses_is_touched():
    house = House()
    others = key_ids(house, ANOTHER_CONVERSATION)

    house.erasing().erase(CONVERSATION)

    assert chain.check(CONVERSATION, house.audit.kept[CONVERSATION]) == []
    assert [shelf.things[ANOTHER_CONVERSATION] for shelf in house.shelves] == [["another's"], ["another's"]]
    assert key_ids(house, ANOTHER_CONVERSATION) == others
    assert len(house.audit.kept[ANOTHER_CONVERSATION]) == 1
    assert [each.open for each in house.tickets.kept[ANOTHER_CONVERSATION]] == [True]


def test_the_act_is_on_record_with_who_and_which_keys_and_without_words():
    house = House()
    old = key_ids(house)

    house.erasing().erase(CONVERSATION)

    record = house.audit.kept[CONVERSATION][-1]
    assert (record.kind, record.actor, record.at_ms, record.sealed) == ("erased", "operator:chen.yu", NOW * 1000, "")
    assert record.details == {"keys": ",".join(old)}


def test_the_key_is_destroyed_only_when_no_process_can_use_it_any_more():
    house = House()
    late = CustomerKeys(keyring=RING, store=house.store, clock=house.clock.monotonic)
    late.seal(CONVERSATION, "早", "session", CONVERSATION, "1")

    def write_late() -> None:
        """Do what a process does that read the key just before it was retired."""
        house.shelves[0].things[CONVERSATION].append("came meanwhile")

    house.while_waiting = write_late
    house.erasing().erase(CONVERSATION)

    assert house.clock.now == NOW + WAIT_S
    assert house.shelves[0].things[CONVERSATION] == []
    assert any("Waiting 150 s" in line for line in house.said)


def test_a_person_who_writes_again_is_a_new_one():
    house = House()
    house.erasing().erase(CONVERSATION)

    token = house.seals.seal(CONVERSATION, "又是我", "session", CONVERSATION, "2")

    assert house.seals.open(CONVERSATION, token, "session", CONVERSATION, "2") == "又是我"


def test_an_erasure_of_what_was_erased_finds_nothing():
    house = House()
    house.erasing().erase(CONVERSATION)

    assert not house.erasing().look(CONVERSATION).anything


def test_what_was_written_since_can_be_erased_again_and_that_is_another_act():
    house = House()
    house.erasing().erase(CONVERSATION)
    house.clock.advance(1000)
    house.audit.append(CONVERSATION, [happening(3)], "又说了话")
    assert house.erasing().look(CONVERSATION).readable == 1

    house.erasing().erase(CONVERSATION)

    assert house.acts() == ["erased", "erased"]
    with pytest.raises(ErasedError):
        house.audit.opened(3)


def test_a_ticket_alone_is_something_to_erase_as_long_as_it_can_be_read_or_is_open():
    house = House()
    house.shelves = []
    house.audit.kept[CONVERSATION] = []
    assert house.erasing().look(CONVERSATION).anything

    house.tickets.close(house.tickets.find(CONVERSATION))
    assert house.erasing().look(CONVERSATION).anything

    house.erasing().erase(CONVERSATION)
    assert not house.erasing().look(CONVERSATION).anything
    house.tickets.kept[CONVERSATION][0] = replace(house.tickets.kept[CONVERSATION][0], open=True)
    assert house.erasing().look(CONVERSATION).anything


def test_words_in_the_audit_alone_are_something_to_erase():
    house = House()
    house.shelves = []
    house.tickets = Drawer()

    assert house.erasing().look(CONVERSATION).anything


def test_an_erasure_that_only_lacks_its_end_is_something_to_do():
    house = House(with_key=False)
    house.shelves = []
    house.seals.seal(CONVERSATION, "话", "session", CONVERSATION, "1")
    assert not house.erasing().look(CONVERSATION).anything

    house.keeping.retire(CONVERSATION, NOW)

    assert house.erasing().look(CONVERSATION).anything


def test_somebody_without_a_key_loses_what_a_release_before_sealing_left():
    house = House(with_key=False)

    erased = house.erasing().erase(CONVERSATION)

    assert (erased.deleted, erased.keys) == ({"sessions": 2, "archive": 1}, ())
    assert house.acts() == ["erased"]
    assert house.clock.now == NOW, "there is no key to wait for"
    assert not erased.now.anything


def test_an_outage_at_the_end_is_no_reason_to_wait_for_ever():
    class Failing(KeyKeeping):
        def destroy(self, conversation: str, now: int, by: str) -> Any:
            raise TransientError("out of reach", code="customer_keys_failed", retry_after_s=1)

    house = House()
    house.keeping = Failing(keyring=RING, store=house.store)

    with pytest.raises(TransientError, match="out of reach"):
        house.erasing().erase(CONVERSATION)


def steps() -> int:
    """Return how many calls an erasure makes."""
    calls = 0

    class Counting(Crashing):
        def call(self, name: str, method: Any, *args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            return method(*args, **kwargs)

    House().erasing(Counting()).erase(CONVERSATION)
    return calls


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("nth", range(1, steps() + 1))
def test_an_erasure_that_was_broken_off_anywhere_is_finished_by_the_next(nth: int, *, before: bool):
    house = House()
    old = key_ids(house)
    with suppress(Crash):  # one of the calls says that it is too early for it, and does nothing to crash after
        house.erasing(Crashing(nth, before=before)).erase(CONVERSATION)
    house.clock.advance(5)

    if house.erasing().look(CONVERSATION).anything:
        house.erasing().erase(CONVERSATION)

    assert [shelf.things[CONVERSATION] for shelf in house.shelves] == [[], []]
    assert {key_id for key_id, _, _ in house.store.kept[CONVERSATION].destroyed} == old
    assert house.acts() == ["erased"], "one act, however often it was tried"
    assert not house.erasing().look(CONVERSATION).anything
    assert [shelf.things[ANOTHER_CONVERSATION] for shelf in house.shelves] == [["another's"], ["another's"]]
