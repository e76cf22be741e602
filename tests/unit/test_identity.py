"""The names that stand for customers."""

from __future__ import annotations

import hashlib
import hmac
import re

from frontdesk.protection.identity import Pseudonyms

KEY = "a-key-of-at-least-thirty-two-characters"
NAMES = Pseudonyms(KEY)


def test_a_name_is_a_keyed_digest_of_32_hex_digits():
    expected = hmac.new(KEY.encode(), b"wecom_app\0ww0a1b\0lin.mei", hashlib.sha256).hexdigest()[:32]
    assert NAMES.conversation("wecom_app", "ww0a1b", "lin.mei") == expected


def test_the_same_address_always_gets_the_same_name():
    assert Pseudonyms(KEY).conversation("a", "b") == Pseudonyms(KEY).conversation("a", "b")


def test_upper_and_lower_case_are_one_customer():
    assert NAMES.conversation("wecom_app", "ww1", "Lin.Mei") == NAMES.conversation("wecom_app", "WW1", "LIN.MEI")


def test_no_part_of_an_address_can_be_moved_into_another():
    names = {NAMES.conversation(*address) for address in [("ab", "c"), ("a", "bc"), ("abc",), ("a", "b", "c")]}
    assert len(names) == 4


def test_another_key_gives_other_names():
    assert Pseudonyms(KEY + "x").conversation("a") != NAMES.conversation("a")


def test_a_name_shows_nothing_of_the_address():
    name = NAMES.conversation("wecom_app", "ww0a1b", "u_deadbeef")
    assert re.fullmatch(r"[0-9a-f]{32}", name)
    assert "deadbeef" not in name


def test_letters_of_every_script_are_taken():
    assert len(NAMES.conversation("wecom_app", "ww1", "林美🙂")) == 32
