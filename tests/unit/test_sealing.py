"""Tokens, the keyring, and the check that its keys are the ones that were in use."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from frontdesk.errors import SettingsError, TransientError, UnopenableError
from frontdesk.protection.sealing import REREAD_EVERY_S, Keyring, SealingKey, check_keyring, key_id_of
from tests.fakes.clock import FakeClock
from tests.fakes.keys import InMemoryCustomerKeys

if TYPE_CHECKING:
    from collections.abc import Callable

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "sm4.json").read_text("utf-8"))
ONE = "0123456789abcdeffedcba9876543210"
TWO = "00112233445566778899aabbccddeeff"
THREE = "ffeeddccbbaa99887766554433221100"
PLACE = ("inbox", "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "7300000000000000001")


def ring_value(current: str = "k1", **keys: str) -> dict[str, object]:
    return {"current": current, "keys": keys or {"k1": ONE}}


def ring(current: str = "k1", **keys: str) -> Keyring:
    return Keyring.read(ring_value(current, **keys))


def problems_of(value: object) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        Keyring.read(value)
    return caught.value.problems


class Secret:
    """A secret that is read anew: what it holds, and how often it was read."""

    def __init__(self, value: object) -> None:
        self.value = value
        self.reads = 0
        self.fails = False

    def __call__(self) -> object:
        self.reads += 1
        if self.fails:
            raise TransientError("secretsmanager: out of reach")
        return self.value


def block_cipher(key: str) -> Callable[[bytes], bytes]:
    mode = modes.ECB()  # noqa: S305  # the vectors are of the bare block
    return Cipher(algorithms.SM4(bytes.fromhex(key)), mode).encryptor().update


class TestVectors:
    def test_one_block_is_the_standards(self):
        vector = VECTORS["block"]
        assert block_cipher(vector["key"])(bytes.fromhex(vector["plain"])).hex() == vector["once"]

    def test_a_million_rounds_are_the_standards(self):
        vector = VECTORS["block"]
        update = block_cipher(vector["key"])
        block = bytes.fromhex(vector["plain"])
        for _ in range(1_000_000):
            block = update(block)
        assert block.hex() == vector["a_million_times"]

    def test_gcm_is_the_standards(self):
        vector = {name: bytes.fromhex(value) for name, value in VECTORS["gcm"].items() if name != "source"}
        encryptor = Cipher(algorithms.SM4(vector["key"]), modes.GCM(vector["nonce"])).encryptor()
        encryptor.authenticate_additional_data(vector["associated"])
        sealed = encryptor.update(vector["plain"]) + encryptor.finalize()
        assert (sealed, encryptor.tag) == (vector["sealed"], vector["tag"])

    @pytest.mark.parametrize("golden", VECTORS["golden"]["tokens"], ids=lambda each: each["place"][0])
    def test_what_an_earlier_release_sealed_opens(self, golden: dict[str, Any]):
        keyring = Keyring.read(VECTORS["golden"]["keyring"])
        assert keyring.open(golden["token"], *golden["place"]) == golden["words"]


class TestTokens:
    def test_a_token_tells_its_scheme_and_its_key(self):
        assert ring().seal("words", *PLACE).startswith("s1.k1.")

    def test_the_same_words_never_give_the_same_token(self):
        keyring = ring()
        assert keyring.seal("words", *PLACE) != keyring.seal("words", *PLACE)

    def test_a_token_is_a_third_longer_than_its_words_and_forty_odd_characters(self):
        assert len(ring().seal("x" * 300, *PLACE)) == len("s1.k1.") + 438

    @pytest.mark.parametrize(
        ("token", "key_id"),
        [
            ("s1.k1.AAAA", "k1"),
            ("s1.k999999.AAAA", "k999999"),
            ("s1.c0123456789ab.AAAA", "c0123456789ab"),
            ("s1.k1.", "k1"),
            ("s1.k1", ""),
            ("s2.k1.AAAA", ""),
            ("s1.k1000000.AAAA", ""),
            ("s1.k.AAAA", ""),
            ("s1.k\u0661.AAAA", ""),
            ("s1.c0123456789AB.AAAA", ""),
            (" s1.k1.AAAA", ""),
            ("", ""),
        ],
    )
    def test_the_key_id_is_read_from_a_token_only(self, token: str, key_id: str):
        assert key_id_of(token) == key_id

    @pytest.mark.parametrize(
        "body", ["", "AAAA", "A" * 36, "A" * 37, "A" * 38, "A" * 37 + "B", "A" * 36 + "==", "A" * 35 + "é"]
    )
    def test_a_malformed_body_is_refused_under_its_key_id(self, body: str):
        with pytest.raises(UnopenableError) as caught:
            ring().open(f"s1.k1.{body}", *PLACE)
        assert (caught.value.key_id, caught.value.code) == ("k1", "unopened")

    def test_a_key_opens_no_token_of_another_id(self):
        token = SealingKey("k1", bytes.fromhex(ONE)).seal("words", *PLACE)
        with pytest.raises(UnopenableError) as caught:
            SealingKey("k2", bytes.fromhex(ONE)).open(token, *PLACE)
        assert caught.value.key_id == "k1"

    def test_errors_name_the_key_and_neither_words_nor_place(self):
        with pytest.raises(UnopenableError) as caught:
            ring().open(ring().seal("words", *PLACE), "inbox", "elsewhere")
        assert "k1" in str(caught.value)
        assert not any(each in str(caught.value) for each in ("words", "elsewhere", ONE))


class TestReading:
    @pytest.mark.parametrize(
        "value", [ONE, ONE.upper(), ring_value(), json.dumps(ring_value()), ring_value(k1=ONE.upper())]
    )
    def test_every_form_of_one_key_gives_the_same_ring(self, value: object):
        keyring = Keyring.read(value)
        assert (keyring.current, keyring.ids, keyring.value()) == ("k1", ("k1",), ring_value())

    def test_a_key_of_digits_alone_is_not_taken_for_json(self):
        assert Keyring.read("1" * 32).ids == ("k1",)

    def test_ids_are_in_the_order_of_their_numbers(self):
        assert ring("k2", k10=ONE, k9=TWO, k2=THREE).ids == ("k2", "k9", "k10")

    def test_what_a_ring_gives_is_read_back_the_same(self):
        keyring = ring("k2", k1=ONE, k2=TWO)
        assert Keyring.read(json.dumps(keyring.value())).value() == keyring.value() == ring_value("k2", k1=ONE, k2=TWO)

    @pytest.mark.parametrize("value", [None, ""])
    def test_a_missing_ring_is_named(self, value: object):
        assert problems_of(value) == ["SM4_KEYRING is missing"]

    @pytest.mark.parametrize("value", ["{", ONE[:-1], ONE + "0", ONE + "\n", "[]", "1", 7, [], '"k1"'])
    def test_anything_else_is_no_ring(self, value: object):
        assert problems_of(value) == ["SM4_KEYRING is neither 32 hex digits nor an object with current and keys"]

    @pytest.mark.parametrize("keys", [None, {}, [], ONE])
    def test_a_ring_has_keys(self, keys: object):
        assert "SM4_KEYRING has no keys" in problems_of({"current": "k1", "keys": keys})

    @pytest.mark.parametrize("current", [None, "", 1, ["k1"]])
    def test_a_ring_names_its_current_key(self, current: object):
        assert problems_of({"current": current, "keys": {"k1": ONE}}) == ["SM4_KEYRING names no current key"]

    def test_the_current_key_is_among_the_keys(self):
        assert problems_of(ring_value("k2")) == ["SM4_KEYRING: the current key k2 is not among its keys"]

    @pytest.mark.parametrize("key", ["", ONE[:-1], ONE + "00", "g" * 32, "０" * 32, 7, None])
    def test_a_key_is_32_hex_digits(self, key: object):
        assert problems_of({"current": "k1", "keys": {"k1": key}}) == ["SM4_KEYRING: key k1 is not 32 hex digits"]

    @pytest.mark.parametrize("key_id", ["main", "k", "k1234567", "K1", "k_1"])
    def test_a_key_id_is_k_and_a_number(self, key_id: str):
        expected = f"SM4_KEYRING: the id of key {key_id} is not k and one to six digits"
        assert problems_of({"current": "k1", "keys": {"k1": ONE, key_id: TWO}}) == [expected]

    @pytest.mark.parametrize("key_id", [ONE, ONE[:16], "k1\n", "", 3])
    def test_an_id_that_might_be_a_key_is_named_by_its_place(self, key_id: object):
        told = problems_of({"current": "k1", "keys": {"k1": TWO, key_id: THREE}})
        assert told == ["SM4_KEYRING: the id of key number 2 is not k and one to six digits"]

    def test_no_key_has_two_ids(self):
        assert problems_of(ring_value(k1=ONE, k2=TWO, k3=ONE.upper())) == ["SM4_KEYRING: keys k1 and k3 are the same"]

    def test_no_id_comes_twice_in_json(self):
        text = f'{{"current":"k1","keys":{{"k1":"{ONE}","k1":"{TWO}"}}}}'
        assert problems_of(text) == ["SM4_KEYRING: k1 comes twice"]

    def test_other_members_are_refused_unnamed(self):
        assert problems_of(ring_value() | {ONE: 1}) == ["SM4_KEYRING has members besides current and keys"]

    def test_all_problems_are_told_at_once_and_no_key_with_them(self):
        told = problems_of({"current": "k9", "keys": {"k1": ONE[1:], "second": TWO, "k3": THREE, "k4": THREE}, "x": 1})
        assert len(told) == 5
        assert all(any(name in each for each in told) for name in ("k1", "second", "k3", "k4", "k9"))
        assert not any(key[1:] in each for each in told for key in (ONE, TWO, THREE))

    def test_nothing_that_holds_a_key_shows_it(self):
        keyring = ring("k2", k1=ONE, k2=TWO)
        shown = repr(keyring) + repr(keyring._ring) + repr(SealingKey("k1", bytes.fromhex(ONE)))
        assert "k1" in shown
        assert not any(key in shown or repr(bytes.fromhex(key)) in shown for key in (ONE, TWO))


class TestRotation:
    def test_the_new_key_seals_and_the_old_one_still_opens(self):
        before = ring()
        after = Keyring.read(before.with_new_key())
        assert (after.current, after.ids) == ("k2", ("k1", "k2"))
        assert after.seal("words", *PLACE).startswith("s1.k2.")
        assert after.open(before.seal("words", *PLACE), *PLACE) == "words"

    def test_the_new_id_is_above_the_highest_even_when_that_is_not_current(self):
        assert Keyring.read(ring("k1", k1=ONE, k7=TWO).with_new_key()).ids == ("k1", "k7", "k8")

    def test_new_keys_are_never_the_same(self):
        keyring = ring()
        assert keyring.with_new_key() != keyring.with_new_key()

    def test_a_new_key_leaves_the_ring_itself_alone(self):
        keyring = ring()
        keyring.with_new_key()
        assert keyring.ids == ("k1",)

    def test_ids_can_run_out(self):
        with pytest.raises(SettingsError):
            ring("k999999", k999999=ONE).with_new_key()

    def test_a_key_taken_out_opens_nothing_any_more(self):
        before = ring("k1", k1=ONE, k2=TWO)
        after = Keyring.read(Keyring.read(before.value() | {"current": "k2"}).without("k1"))
        with pytest.raises(UnopenableError) as caught:
            after.open(before.seal("words", *PLACE), *PLACE)
        assert (after.ids, caught.value.key_id) == (("k2",), "k1")

    @pytest.mark.parametrize("key_id", ["k1", "k3", ONE])
    def test_neither_the_current_key_nor_an_unknown_one_is_taken_out(self, key_id: str):
        with pytest.raises(SettingsError) as caught:
            ring("k1", k1=ONE, k2=TWO).without(key_id)
        assert ONE not in str(caught.value)


class TestReadingAnew:
    def test_a_key_that_was_added_meanwhile_is_found_and_becomes_current(self):
        later = ring("k2", k1=ONE, k2=TWO)
        secret = Secret(later.value())
        keyring = Keyring.read(ONE, reread=secret)
        assert keyring.open(later.seal("words", *PLACE), *PLACE) == "words"
        assert (keyring.current, secret.reads) == ("k2", 1)

    def test_known_keys_need_no_reading(self):
        secret = Secret(ring_value())
        keyring = Keyring.read(ONE, reread=secret)
        keyring.open(keyring.seal("words", *PLACE), *PLACE)
        assert secret.reads == 0

    def test_without_a_way_to_read_anew_the_key_is_lacking(self):
        with pytest.raises(UnopenableError) as caught:
            ring().open("s1.k2.AAAA", *PLACE)
        assert caught.value.key_id == "k2"

    def test_the_secret_is_read_once_in_thirty_seconds(self):
        clock, secret = FakeClock(), Secret(ring_value())
        keyring = Keyring.read(ONE, reread=secret, monotonic=clock.monotonic)
        reads = []
        for passed in (0, REREAD_EVERY_S - 1, 1, 1):
            clock.advance(passed)
            with pytest.raises(UnopenableError):
                keyring.open("s1.k2.AAAA", *PLACE)
            reads.append(secret.reads)
        assert reads == [1, 1, 2, 2]

    @pytest.mark.parametrize("token", ["", "no token", "s1.c0123456789ab.AAAA"])
    def test_what_no_ring_key_sealed_makes_nobody_read_the_secret(self, token: str):
        secret = Secret(ring_value())
        with pytest.raises(UnopenableError):
            Keyring.read(ONE, reread=secret).open(token, *PLACE)
        assert secret.reads == 0

    def test_a_secret_out_of_reach_is_a_failure_that_may_pass_and_is_tried_again(self):
        later = ring("k2", k1=ONE, k2=TWO)
        token, secret = later.seal("words", *PLACE), Secret(later.value())
        keyring = Keyring.read(ONE, reread=secret)
        secret.fails = True
        with pytest.raises(TransientError):
            keyring.open(token, *PLACE)
        secret.fails = False
        assert keyring.open(token, *PLACE) == "words"

    @pytest.mark.parametrize("broken", [ring_value("k2"), ring_value("k2", k1=THREE, k2=TWO)])
    def test_a_ring_that_has_become_wrong_does_not_replace_the_good_one(self, broken: dict[str, object]):
        keyring = Keyring.read(ONE, reread=Secret(broken))
        with pytest.raises(UnopenableError) as caught:
            keyring.open(ring("k2", k2=TWO).seal("words", *PLACE), *PLACE)
        assert (caught.value.key_id, keyring.value()) == ("k2", ring_value())

    def test_many_threads_read_it_once(self):
        later = ring("k2", k1=ONE, k2=TWO)
        token, secret = later.seal("words", *PLACE), Secret(later.value())
        keyring = Keyring.read(ONE, reread=secret)
        opened: list[str] = []
        together = threading.Barrier(8)

        def opening() -> None:
            together.wait(timeout=10)
            opened.append(keyring.open(token, *PLACE))

        threads = [threading.Thread(target=opening) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=10)
        assert (opened, secret.reads) == (["words"] * 8, 1)


class Beaten(InMemoryCustomerKeys):
    """A store in which somebody else's check always comes first."""

    def __init__(self, theirs: Keyring) -> None:
        super().__init__()
        self._theirs = theirs

    def add_check(self, key_id: str, token: str) -> str:
        super().add_check(key_id, self._theirs.check_token(key_id))
        return super().add_check(key_id, token)


def refused(keyring: Keyring, store: InMemoryCustomerKeys) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        check_keyring(keyring, store)
    return caught.value.problems


class TestChecking:
    def test_every_key_gets_a_check_when_it_is_first_used(self):
        store = InMemoryCustomerKeys()
        check_keyring(ring("k2", k1=ONE, k2=TWO), store)
        assert {key_id: key_id_of(token) for key_id, token in store.checks().items()} == {"k1": "k1", "k2": "k2"}

    def test_the_same_ring_passes_again_and_changes_nothing(self):
        store = InMemoryCustomerKeys()
        check_keyring(ring(), store)
        before = store.checks()
        check_keyring(ring(), store)
        assert store.checks() == before

    def test_a_grown_ring_passes_and_its_new_key_gets_a_check(self):
        store = InMemoryCustomerKeys()
        check_keyring(ring(), store)
        check_keyring(ring("k2", k1=ONE, k2=TWO), store)
        assert sorted(store.checks()) == ["k1", "k2"]

    def test_a_lost_key_is_named(self):
        store = InMemoryCustomerKeys()
        check_keyring(ring("k1", k1=ONE, k2=TWO), store)
        assert refused(ring(), store) == ["SM4_KEYRING lacks key k2, which has been in use"]

    def test_another_key_under_an_old_id_is_named_and_no_check_is_added(self):
        store = InMemoryCustomerKeys()
        check_keyring(ring(), store)
        told = refused(ring("k1", k1=THREE, k2=TWO), store)
        assert told == ["SM4_KEYRING: key k1 is not the key that has been in use under this id"]
        assert list(store.checks()) == ["k1"]

    def test_all_that_is_wrong_is_told_at_once(self):
        store = InMemoryCustomerKeys()
        check_keyring(ring("k1", k1=ONE, k2=TWO), store)
        assert len(refused(ring("k3", k1=TWO, k3=THREE), store)) == 2

    def test_a_check_that_another_key_made_does_not_count(self):
        store = InMemoryCustomerKeys()
        keyring = ring("k2", k1=ONE, k2=TWO)
        store.add_check("k1", keyring.seal("k1", "keyring-check", "k1"))
        assert refused(keyring, store) == ["SM4_KEYRING: key k1 is not the key that has been in use under this id"]

    def test_two_starting_at_once_with_the_same_ring_both_pass(self):
        store = Beaten(ring())
        check_keyring(ring(), store)
        assert list(store.checks()) == ["k1"]

    def test_of_two_starting_at_once_with_different_keys_the_second_is_refused(self):
        assert refused(ring(), Beaten(ring(k1=TWO))) == [
            "SM4_KEYRING: key k1 is not the key that has been in use under this id"
        ]

    def test_a_rotation_between_reading_the_ring_and_checking_it_is_no_fault(self):
        store = InMemoryCustomerKeys()
        later = ring("k2", k1=ONE, k2=TWO)
        check_keyring(later, store)
        keyring = Keyring.read(ONE, reread=Secret(later.value()))
        check_keyring(keyring, store)
        assert keyring.ids == ("k1", "k2")

    def test_a_key_whose_check_was_removed_may_be_lacking(self):
        store = InMemoryCustomerKeys()
        check_keyring(ring("k2", k1=ONE, k2=TWO), store)
        store.remove_check("k1")
        check_keyring(ring("k2", k2=TWO), store)
        assert list(store.checks()) == ["k2"]
