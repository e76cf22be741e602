"""Customers' data keys: made, used, remembered, retired, destroyed and wrapped anew."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.errors import ConflictError, ErasedError, FrontdeskError, TransientError, UnopenableError
from frontdesk.protection.customer_keys import KEEP_S, LONGEST_WORK_S, CustomerKeys, KeyKeeping
from frontdesk.protection.sealing import Keyring, key_id_of
from frontdesk.records import CustomerKey
from tests.fakes.clock import FakeClock
from tests.fakes.keys import InMemoryCustomerKeys

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "sm4.json").read_text("utf-8"))["golden"]
KEYS = {"k1": "0123456789abcdeffedcba9876543210", "k2": "00112233445566778899aabbccddeeff"}
OLD_RING = Keyring.read({"current": "k1", "keys": {"k1": KEYS["k1"]}})
RING = Keyring.read({"current": "k2", "keys": KEYS})
LIN, WU = "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "11112222333344445555666677778888"
PLACE = ("session", LIN, "1700000000000-ab12")
NOW = 1_700_000_000
WAIT = int(LONGEST_WORK_S + KEEP_S)


class Desk:
    """One table of keys, and any number of processes that share it."""

    def __init__(self, store: InMemoryCustomerKeys | None = None) -> None:
        self.clock = FakeClock()
        self.store = store or InMemoryCustomerKeys()
        self.keeping = KeyKeeping(keyring=RING, store=self.store)

    def process(self, ring: Keyring = RING, *, kept: int = 1_000) -> CustomerKeys:
        return CustomerKeys(keyring=ring, store=self.store, clock=self.clock.monotonic, kept=kept)

    def erase(self, conversation: str = LIN, now: int = NOW) -> CustomerKey:
        self.keeping.retire(conversation, now)
        key = self.keeping.destroy(conversation, now + WAIT, "operator:chen")
        assert key is not None
        return key

    def key(self, conversation: str = LIN) -> CustomerKey:
        return self.store.kept[conversation]


class Interrupted(InMemoryCustomerKeys):
    """A table in which somebody else does something just before each of the next writes."""

    def __init__(self) -> None:
        super().__init__()
        self.others: list[Callable[[InMemoryCustomerKeys], object]] = []
        self.attempts = 0

    def create(self, key: CustomerKey) -> CustomerKey:
        self._interrupt()
        return super().create(key)

    def replace(self, key: CustomerKey) -> CustomerKey:
        self.attempts += 1
        self._interrupt()
        return super().replace(key)

    def _interrupt(self) -> None:
        if self.others:
            self.others.pop(0)(self)


def touched(store: InMemoryCustomerKeys) -> None:
    """Change the version of the stored keys and nothing else, as another's write does."""
    InMemoryCustomerKeys.replace(store, store.kept[LIN])


class TestSealing:
    def test_a_customers_words_are_read_back(self):
        keys = Desk().process()
        assert keys.open(LIN, keys.seal(LIN, "words", *PLACE), *PLACE) == "words"

    def test_the_first_sealing_makes_the_key_and_the_others_use_it(self):
        desk = Desk()
        keys = desk.process()
        ids = {key_id_of(keys.seal(LIN, "words", *PLACE)) for _ in range(3)}
        assert ids == {desk.key().current}
        assert list(desk.key().wrapped) == [desk.key().current]

    def test_a_data_key_is_stored_wrapped_by_the_rings_current_key(self):
        desk = Desk()
        desk.process().seal(LIN, "words", *PLACE)
        wrapped = desk.key().wrapped[desk.key().current]
        assert key_id_of(wrapped) == "k2"
        assert len(RING.open(wrapped, "customer-key", LIN, desk.key().current)) == 32

    def test_each_customer_has_a_key_of_their_own(self):
        desk = Desk()
        keys = desk.process()
        token = keys.seal(LIN, "words", *PLACE)
        keys.seal(WU, "words", *PLACE)
        with pytest.raises(UnopenableError) as caught:
            keys.open(WU, token, *PLACE)
        assert caught.value.key_id == desk.key(LIN).current

    def test_a_wrapped_key_moved_to_another_customer_opens_nothing(self):
        desk = Desk()
        token = desk.process().seal(LIN, "words", *PLACE)
        desk.store.create(replace(desk.key(LIN), conversation=WU))
        with pytest.raises(UnopenableError) as caught:
            desk.process().open(WU, token, *PLACE)
        assert caught.value.key_id == "k2"

    def test_a_value_moved_to_another_place_does_not_open(self):
        keys = Desk().process()
        with pytest.raises(UnopenableError):
            keys.open(LIN, keys.seal(LIN, "words", *PLACE), "session", LIN, "another")

    def test_who_loses_the_race_to_make_the_key_uses_the_winners(self):
        store = Interrupted()
        desk = Desk(store)
        theirs: list[str] = []
        store.others.append(lambda _: theirs.append(desk.process().seal(LIN, "theirs", *PLACE)))
        keys = desk.process()
        ours = keys.seal(LIN, "ours", *PLACE)
        assert key_id_of(ours) == key_id_of(theirs[0]) == desk.key().current
        assert [keys.open(LIN, each, *PLACE) for each in (ours, *theirs)] == ["ours", "theirs"]

    @pytest.mark.parametrize(
        "token", ["", "words", RING.seal("words", *PLACE)], ids=["nothing", "words", "of_another_ring"]
    )
    def test_what_no_customers_key_sealed_does_not_open(self, token: str):
        desk = Desk()
        with pytest.raises(UnopenableError) as caught:
            desk.process().open(LIN, token, *PLACE)
        assert (caught.value.key_id, desk.store.reads) == (key_id_of(token), {})

    def test_a_customer_without_keys_has_nothing_that_opens(self):
        with pytest.raises(UnopenableError) as caught:
            Desk().process().open(LIN, "s1.c0123456789ab.AAAA", *PLACE)
        assert (caught.value.key_id, type(caught.value)) == ("c0123456789ab", UnopenableError)

    def test_opening_makes_no_key(self):
        desk = Desk()
        with pytest.raises(UnopenableError):
            desk.process().open(LIN, "s1.c0123456789ab.AAAA", *PLACE)
        assert desk.store.kept == {}

    def test_a_missing_ring_key_is_named(self):
        desk = Desk()
        token = desk.process().seal(LIN, "words", *PLACE)
        with pytest.raises(UnopenableError) as caught:
            desk.process(OLD_RING).open(LIN, token, *PLACE)
        assert caught.value.key_id == "k2"

    def test_a_wrapped_value_that_is_no_key_is_refused_under_the_ring_key(self):
        desk = Desk()
        key_id = "c0123456789ab"
        wrapped = RING.seal("not a key", "customer-key", LIN, key_id)
        desk.store.create(CustomerKey(LIN, key_id, {key_id: wrapped}))
        with pytest.raises(UnopenableError) as caught:
            desk.process().seal(LIN, "words", *PLACE)
        assert caught.value.key_id == "k2"

    def test_a_key_that_cannot_be_unwrapped_does_not_keep_others_from_use(self):
        desk = Desk()
        desk.process().seal(LIN, "words", *PLACE)
        broken = {**desk.key().wrapped, "c0123456789ab": RING.seal("x", "elsewhere")}
        desk.store.replace(replace(desk.key(), wrapped=broken))
        keys = desk.process()
        assert keys.open(LIN, keys.seal(LIN, "words", *PLACE), *PLACE) == "words"
        with pytest.raises(UnopenableError) as caught:
            keys.open(LIN, "s1.c0123456789ab.AAAA", *PLACE)
        assert caught.value.key_id == "k2"

    def test_what_an_earlier_release_sealed_opens(self):
        customer = GOLDEN["customer"]
        desk = Desk()
        desk.store.create(CustomerKey(customer["conversation"], customer["current"], customer["wrapped"]))
        keys = desk.process(Keyring.read(GOLDEN["keyring"]))
        opened = [keys.open(LIN, each["token"], *each["place"]) for each in customer["tokens"]]
        assert opened == [each["words"] for each in customer["tokens"]]

    def test_nothing_that_holds_a_key_shows_it(self):
        desk = Desk()
        keys = desk.process()
        keys.seal(LIN, "words", *PLACE)
        key = RING.open(desk.key().wrapped[desk.key().current], "customer-key", LIN, desk.key().current)
        known = keys._known[LIN]
        shown = repr(known)
        assert desk.key().current in shown
        assert key not in shown
        assert repr(known.unwrapped[desk.key().current].digesting) not in shown


class TestDigests:
    def test_a_digest_is_32_hex_digits_and_the_same_in_every_process(self):
        desk = Desk()
        digest = desk.process().digest(LIN, "好的。\ud83d")
        assert digest == desk.process().digest(LIN, "好的。\ud83d")
        assert len(bytes.fromhex(digest)) == 16

    def test_other_words_and_other_customers_have_other_digests(self):
        keys = Desk().process()
        assert len({keys.digest(LIN, "a"), keys.digest(LIN, "b"), keys.digest(WU, "a")}) == 3

    def test_a_digest_needs_the_customers_key(self):
        desk = Desk()
        before = desk.process().digest(LIN, "a")
        desk.erase()
        assert desk.process().digest(LIN, "a") != before


class TestRemembering:
    def test_the_store_is_read_once_in_thirty_seconds(self):
        desk = Desk()
        desk.process().seal(LIN, "words", *PLACE)
        desk.store.reads.clear()
        keys = desk.process()
        reads = []
        for passed in (0, KEEP_S - 1, 1, 0):
            desk.clock.advance(passed)
            keys.seal(LIN, "words", *PLACE)
            reads.append(desk.store.reads[LIN])
        assert reads == [1, 1, 2, 2]

    def test_a_key_that_was_just_made_is_not_read_again(self):
        desk = Desk()
        keys = desk.process()
        keys.open(LIN, keys.seal(LIN, "words", *PLACE), *PLACE)
        assert desk.store.reads == {LIN: 1}

    def test_a_clock_that_was_set_back_makes_the_keys_be_read_anew(self):
        desk = Desk()
        keys = desk.process()
        keys.seal(LIN, "words", *PLACE)
        desk.clock.advance(-3_600)
        keys.seal(LIN, "words", *PLACE)
        assert desk.store.reads == {LIN: 2}

    def test_an_unknown_key_id_is_looked_for_once_at_once(self):
        desk = Desk()
        keys = desk.process()
        keys.seal(LIN, "words", *PLACE)
        desk.keeping.retire(LIN, NOW)
        token = desk.process().seal(LIN, "sealed by another process", *PLACE)
        desk.store.reads.clear()
        assert keys.open(LIN, token, *PLACE) == "sealed by another process"
        with pytest.raises(UnopenableError):
            keys.open(LIN, "s1.c0123456789ab.AAAA", *PLACE)
        assert desk.store.reads == {LIN: 2}

    def test_what_was_just_read_is_not_read_again_for_an_unknown_key_id(self):
        desk = Desk()
        desk.process().seal(LIN, "words", *PLACE)
        desk.store.reads.clear()
        with pytest.raises(UnopenableError):
            desk.process().open(LIN, "s1.c0123456789ab.AAAA", *PLACE)
        assert desk.store.reads == {LIN: 1}

    def test_the_conversation_that_waited_longest_is_forgotten_first(self):
        desk = Desk()
        keys = desk.process(kept=2)
        for conversation in (LIN, WU, LIN, "another"):
            keys.seal(conversation, "words", *PLACE)
        desk.store.reads.clear()
        for conversation in (LIN, "another", WU):
            keys.seal(conversation, "words", *PLACE)
        assert desk.store.reads == {WU: 1}

    def test_a_thousand_conversations_are_kept_and_no_more(self):
        keys = Desk().process()
        for number in range(1_005):
            keys.seal(f"{number:032x}", "words")
        assert len(keys._known) == 1_000

    def test_how_old_keys_can_be_counts_from_before_they_were_read(self):
        desk = Desk()

        class Slow(InMemoryCustomerKeys):
            def read(self, conversation: str) -> CustomerKey | None:
                found = super().read(conversation)
                desk.clock.advance(KEEP_S)
                return found

        desk.store = Slow()
        desk.store.create(
            CustomerKey(
                LIN, "c0123456789ab", {"c0123456789ab": RING.seal("0" * 32, "customer-key", LIN, "c0123456789ab")}
            )
        )
        keys = desk.process()
        keys.seal(LIN, "words", *PLACE)
        keys.seal(LIN, "words", *PLACE)
        assert desk.store.reads == {LIN: 2}

    def test_many_threads_seal_and_open_for_many_customers(self):
        desk = Desk()
        keys = desk.process(kept=3)
        failed: list[BaseException] = []

        def work(number: int) -> None:
            try:
                for turn in range(40):
                    conversation = f"{(number + turn) % 7:032x}"
                    words = f"{number}/{turn}"
                    assert keys.open(conversation, keys.seal(conversation, words, "at"), "at") == words
            except BaseException as exc:  # noqa: BLE001  # a thread's failure is the test's
                failed.append(exc)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
        assert failed == []
        assert {len(key.wrapped) for key in desk.store.kept.values()} == {1}


class TestErasing:
    def test_after_an_erasure_nothing_opens_and_the_destroyed_key_is_named(self):
        desk = Desk()
        token = desk.process().seal(LIN, "words", *PLACE)
        erased = desk.erase()
        with pytest.raises(ErasedError) as caught:
            desk.process().open(LIN, token, *PLACE)
        assert caught.value.key_id == key_id_of(token) == erased.destroyed[0][0]
        assert "words" not in str(caught.value)

    def test_who_still_has_the_keys_loses_them_within_seconds(self):
        desk = Desk()
        keys = desk.process()
        token = keys.seal(LIN, "words", *PLACE)
        desk.erase()
        desk.clock.advance(KEEP_S)
        with pytest.raises(ErasedError):
            keys.open(LIN, token, *PLACE)
        assert key_id_of(token) not in keys._known[LIN].unwrapped

    def test_what_was_destroyed_is_recorded_with_when_and_by_whom(self):
        desk = Desk()
        token = desk.process().seal(LIN, "words", *PLACE)
        erased = desk.erase()
        assert erased.destroyed == ((key_id_of(token), NOW + WAIT, "operator:chen"),)
        assert (list(erased.wrapped), erased.retired_at) == ([erased.current], None)

    def test_the_person_can_write_again_and_be_erased_again(self):
        desk = Desk()
        first = desk.process().seal(LIN, "words", *PLACE)
        desk.erase()
        second = desk.process().seal(LIN, "again", *PLACE)
        assert desk.process().open(LIN, second, *PLACE) == "again"
        again = desk.erase(now=NOW + 1_000)
        assert [gone for gone, _, _ in again.destroyed] == [key_id_of(first), key_id_of(second)]

    def test_other_customers_keep_their_words(self):
        desk = Desk()
        token = desk.process().seal(WU, "words", *PLACE)
        desk.process().seal(LIN, "words", *PLACE)
        desk.erase(LIN)
        assert desk.process().open(WU, token, *PLACE) == "words"

    def test_between_retiring_and_destroying_old_words_open_and_new_ones_have_the_new_key(self):
        desk = Desk()
        token = desk.process().seal(LIN, "words", *PLACE)
        retired = desk.keeping.retire(LIN, NOW)
        keys = desk.process()
        assert keys.open(LIN, token, *PLACE) == "words"
        assert retired is not None
        assert key_id_of(keys.seal(LIN, "words", *PLACE)) == retired.current != key_id_of(token)
        assert retired.retired_at == NOW

    def test_retiring_twice_changes_nothing_more(self):
        desk = Desk()
        desk.process().seal(LIN, "words", *PLACE)
        assert desk.keeping.retire(LIN, NOW) == desk.keeping.retire(LIN, NOW + 5)

    def test_destroying_twice_changes_nothing_more(self):
        desk = Desk()
        desk.process().seal(LIN, "words", *PLACE)
        assert desk.erase() == desk.keeping.destroy(LIN, NOW + 9_999, "operator:wang")

    @pytest.mark.parametrize("passed", [-10, 0, WAIT - 1])
    def test_nothing_is_destroyed_while_a_process_may_still_seal_with_it(self, passed: int):
        desk = Desk()
        desk.process().seal(LIN, "words", *PLACE)
        before = desk.keeping.retire(LIN, NOW)
        with pytest.raises(TransientError) as caught:
            desk.keeping.destroy(LIN, NOW + passed, "operator:chen")
        assert (caught.value.code, caught.value.retry_after_s) == ("key_in_use", WAIT - passed)
        assert desk.key() == before

    def test_no_process_seals_with_a_retired_key_once_it_may_be_destroyed(self):
        desk = Desk()
        keys = desk.process()
        keys.seal(LIN, "words", *PLACE)
        retired = desk.keeping.retire(LIN, NOW)
        desk.clock.advance(WAIT)
        assert retired is not None
        assert key_id_of(keys.seal(LIN, "words", *PLACE)) == retired.current

    def test_keys_that_were_never_retired_are_not_destroyed(self):
        desk = Desk()
        token = desk.process().seal(LIN, "words", *PLACE)
        with pytest.raises(FrontdeskError) as caught:
            desk.keeping.destroy(LIN, NOW, "operator:chen")
        assert caught.value.code == "key_not_retired"
        assert desk.process().open(LIN, token, *PLACE) == "words"

    def test_who_never_had_a_key_needs_no_erasing(self):
        desk = Desk()
        assert desk.keeping.retire(LIN, NOW) is None
        assert desk.keeping.destroy(LIN, NOW + WAIT, "operator:chen") is None
        assert desk.store.kept == {}

    def test_a_lost_race_is_run_again(self):
        store = Interrupted()
        desk = Desk(store)
        token = desk.process().seal(LIN, "words", *PLACE)
        store.others += [touched, touched]
        desk.keeping.retire(LIN, NOW)
        store.others += [touched]
        erased = desk.keeping.destroy(LIN, NOW + WAIT, "operator:chen")
        assert erased is not None
        assert [gone for gone, _, _ in erased.destroyed] == [key_id_of(token)]
        assert store.attempts == 5

    def test_who_retired_first_in_a_race_counts(self):
        store = Interrupted()
        desk = Desk(store)
        desk.process().seal(LIN, "words", *PLACE)
        store.others.append(lambda _: KeyKeeping(keyring=RING, store=store).retire(LIN, NOW - 7))
        retired = desk.keeping.retire(LIN, NOW)
        assert retired is not None
        assert (retired.retired_at, len(retired.wrapped)) == (NOW - 7, 2)

    def test_a_race_that_is_lost_for_ever_is_told(self):
        store = Interrupted()
        desk = Desk(store)
        desk.process().seal(LIN, "words", *PLACE)
        store.others += [touched] * 9
        with pytest.raises(ConflictError):
            desk.keeping.retire(LIN, NOW)
        assert store.attempts == 5


class TestRewrapping:
    def test_after_rewrapping_the_old_ring_key_is_needed_no_more(self):
        desk = Desk()
        token = desk.process(OLD_RING).seal(LIN, "words", *PLACE)
        assert desk.keeping.rewrap(desk.key()) is True
        alone = Keyring.read(RING.without("k1"))
        assert desk.process(alone).open(LIN, token, *PLACE) == "words"

    def test_every_generation_is_rewrapped_and_nothing_else_changes(self):
        desk = Desk()
        desk.process(OLD_RING).seal(LIN, "words", *PLACE)
        before = KeyKeeping(keyring=OLD_RING, store=desk.store).retire(LIN, NOW)
        desk.keeping.rewrap(desk.key())
        assert {key_id_of(token) for token in desk.key().wrapped.values()} == {"k2"}
        assert before is not None
        assert replace(desk.key(), wrapped=before.wrapped, version=before.version) == before

    def test_keys_that_are_wrapped_well_are_left_alone(self):
        desk = Desk()
        desk.process().seal(LIN, "words", *PLACE)
        before, reads = desk.key(), dict(desk.store.reads)
        assert desk.keeping.rewrap(before) is False
        assert (desk.key(), desk.store.reads) == (before, reads)

    def test_a_lost_race_is_run_again_on_what_is_stored_now(self):
        store = Interrupted()
        desk = Desk(store)
        desk.process(OLD_RING).seal(LIN, "words", *PLACE)
        store.others.append(lambda _: KeyKeeping(keyring=OLD_RING, store=store).retire(LIN, NOW))
        assert desk.keeping.rewrap(desk.key()) is True
        assert [key_id_of(token) for token in desk.key().wrapped.values()] == ["k2", "k2"]

    def test_who_was_beaten_to_it_did_not_do_it(self):
        store = Interrupted()
        desk = Desk(store)
        desk.process(OLD_RING).seal(LIN, "words", *PLACE)
        store.others.append(lambda _: KeyKeeping(keyring=RING, store=store).rewrap(store.kept[LIN]))
        assert desk.keeping.rewrap(desk.key()) is False

    def test_keys_that_are_gone_by_now_are_not_brought_back(self):
        store = Interrupted()
        desk = Desk(store)
        desk.process(OLD_RING).seal(LIN, "words", *PLACE)
        store.others.append(lambda _: store.kept.clear())
        assert desk.keeping.rewrap(desk.key()) is False
        assert store.kept == {}

    def test_a_missing_ring_key_is_named_and_nothing_is_changed(self):
        desk = Desk()
        desk.process(OLD_RING).seal(LIN, "words", *PLACE)
        before = desk.key()
        keeping = KeyKeeping(keyring=Keyring.read(RING.without("k1")), store=desk.store)
        with pytest.raises(UnopenableError) as caught:
            keeping.rewrap(before)
        assert (caught.value.key_id, desk.key()) == ("k1", before)

    def test_all_customers_are_found_for_it(self):
        desk = Desk()
        for conversation in (LIN, WU):
            desk.process(OLD_RING).seal(conversation, "words", *PLACE)
        assert [desk.keeping.rewrap(key) for key in desk.store.every()] == [True, True]
        assert [desk.keeping.rewrap(key) for key in desk.store.every()] == [False, False]
