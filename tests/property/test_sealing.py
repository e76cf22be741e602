"""What holds for every sealed value. The oracle is gmssl's SM4 block cipher with a GCM of our own around it."""

from __future__ import annotations

import base64
import json
import os
import traceback

import pytest
from gmssl.sm4 import SM4_ENCRYPT, CryptSM4
from hypothesis import assume, example, given
from hypothesis import strategies as st

from frontdesk.errors import UnopenableError
from frontdesk.protection.sealing import Keyring, _base64url, _from_base64url

KEY = "0123456789abcdeffedcba9876543210"
RING = Keyring.read({"current": "k1", "keys": {"k1": KEY, "k2": "00112233445566778899aabbccddeeff"}})
PLACE = ("inbox", "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "7300000000000000001")

ANY_TEXTS = st.text(st.characters(exclude_categories=[]), max_size=200)  # halves of surrogate pairs, too
SHORT_TEXTS = st.text(st.characters(exclude_categories=[]), max_size=40)
TRICKY_PARTS = st.text(st.sampled_from('ab",\\[]{}\0\n/单'), max_size=6) | SHORT_TEXTS
PLACES = st.lists(TRICKY_PARTS, max_size=4).map(tuple)
NONCES = st.binary(min_size=12, max_size=12)


class Oracle:
    """SM4-GCM by the book (NIST SP 800-38D), a block at a time."""

    def __init__(self, key: bytes) -> None:
        self._sm4 = CryptSM4()
        self._sm4.set_key(key, SM4_ENCRYPT)
        self._hash_key = int.from_bytes(self._block(bytes(16)), "big")

    def seal(self, plain: bytes, nonce: bytes, associated: bytes) -> bytes:
        sealed = self._counted(plain, nonce)
        return nonce + sealed + self._tag(sealed, nonce, associated)

    def open(self, sealed: bytes, associated: bytes) -> bytes:
        nonce, middle, tag = sealed[:12], sealed[12:-16], sealed[-16:]
        assert tag == self._tag(middle, nonce, associated)
        return self._counted(middle, nonce)

    def _block(self, block: bytes) -> bytes:
        return bytes(self._sm4.one_round(self._sm4.sk, list(block)))

    def _counted(self, text: bytes, nonce: bytes) -> bytes:
        blocks = -(-len(text) // 16)
        stream = b"".join(self._block(nonce + (number + 2).to_bytes(4, "big")) for number in range(blocks))
        return bytes(one ^ other for one, other in zip(text, stream, strict=False))

    def _tag(self, sealed: bytes, nonce: bytes, associated: bytes) -> bytes:
        lengths = (8 * len(associated)).to_bytes(8, "big") + (8 * len(sealed)).to_bytes(8, "big")
        text = associated + bytes(-len(associated) % 16) + sealed + bytes(-len(sealed) % 16) + lengths
        total = 0
        for start in range(0, len(text), 16):
            total = self._times(total ^ int.from_bytes(text[start : start + 16], "big"))
        mask = int.from_bytes(self._block(nonce + b"\0\0\0\1"), "big")
        return (total ^ mask).to_bytes(16, "big")

    def _times(self, factor: int) -> int:
        """Return ``factor`` times the hash key in GF(2^128), bits in GCM's order."""
        product, shifted = 0, self._hash_key
        for bit in range(127, -1, -1):
            if factor >> bit & 1:
                product ^= shifted
            shifted = shifted >> 1 ^ (0xE1 << 120 if shifted & 1 else 0)
        return product


ORACLE = Oracle(bytes.fromhex(KEY))


def associated(place: tuple[str, ...], key_id: str = "k1") -> bytes:
    listed = json.dumps(["frontdesk", "s1", key_id, *place], ensure_ascii=False, separators=(",", ":"))
    return listed.encode("utf-8", "surrogatepass")


def sealed_by_oracle(plain: bytes, nonce: bytes, place: tuple[str, ...]) -> str:
    sealed = ORACLE.seal(plain, nonce, associated(place))
    return "s1.k1." + base64.urlsafe_b64encode(sealed).decode().rstrip("=")


@given(ANY_TEXTS, PLACES)
@example("", ())
@example("\ud83d", ("\udc00",))
def test_every_text_is_read_back_at_its_place(words: str, place: tuple[str, ...]):
    assert RING.open(RING.seal(words, *place), *place) == words


@given(SHORT_TEXTS, PLACES)
def test_the_oracle_opens_what_we_sealed(words: str, place: tuple[str, ...]):
    scheme, key_id, body = RING.seal(words, *place).split(".")
    sealed = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    assert (scheme, key_id) == ("s1", "k1")
    assert ORACLE.open(sealed, associated(place)).decode("utf-8", "surrogatepass") == words


@given(SHORT_TEXTS, NONCES, PLACES)
def test_we_open_what_the_oracle_sealed(words: str, nonce: bytes, place: tuple[str, ...]):
    token = sealed_by_oracle(words.encode("utf-8", "surrogatepass"), nonce, place)
    assert RING.open(token, *place) == words


@given(ANY_TEXTS, st.data())
def test_a_token_with_any_character_changed_does_not_open(words: str, data: st.DataObject):
    token = RING.seal(words, *PLACE)
    position = data.draw(st.integers(0, len(token) - 1))
    character = data.draw(st.sampled_from("s12kc.-_+/=AQgw \n\0") | st.characters(exclude_categories=[]))
    assume(character != token[position])
    with pytest.raises(UnopenableError):
        RING.open(token[:position] + character + token[position + 1 :], *PLACE)


@given(ANY_TEXTS, st.data())
def test_a_token_with_anything_cut_out_or_put_in_does_not_open(words: str, data: st.DataObject):
    token = RING.seal(words, *PLACE)
    start = data.draw(st.integers(0, len(token)))
    end = data.draw(st.integers(start, len(token)))
    put_in = data.draw(st.text(st.sampled_from("A=-_+/ \n."), max_size=4))
    changed = token[:start] + put_in + token[end:]
    assume(changed != token)
    with pytest.raises(UnopenableError):
        RING.open(changed, *PLACE)


@given(PLACES, PLACES)
@example(("a", "b"), ('a","b',))
@example(("a", ""), ("a",))
@example((), ("",))
@example(("a\\",), ("a\\\\",))
@example(("session", "ab"), ("sessionab",))
def test_a_value_opens_at_no_other_place(place: tuple[str, ...], other: tuple[str, ...]):
    assume(place != other)
    with pytest.raises(UnopenableError) as caught:
        RING.open(RING.seal("words", *place), *other)
    assert caught.value.key_id == "k1"


@given(ANY_TEXTS)
def test_a_value_opens_under_no_other_key_id(words: str):
    token = RING.seal(words, *PLACE)
    with pytest.raises(UnopenableError) as caught:
        RING.open(token.replace("s1.k1.", "s1.k2.", 1), *PLACE)
    assert caught.value.key_id == "k2"


@given(ANY_TEXTS)
def test_anything_that_is_no_token_is_refused(text: str):
    with pytest.raises(UnopenableError) as caught:
        RING.open(text, *PLACE)
    assert caught.value.key_id == ""


def test_no_nonce_comes_twice():
    nonces = {_from_base64url(RING.seal("the same words", *PLACE).split(".")[2])[:12] for _ in range(5_000)}
    assert len(nonces) == 5_000


@given(st.binary(max_size=100))
def test_the_text_form_of_bytes_is_the_standard_one_without_padding(data: bytes):
    assert _base64url(data) == base64.urlsafe_b64encode(data).decode().rstrip("=")
    assert _from_base64url(_base64url(data)) == data


@given(st.text(st.sampled_from("AQZaz059-_+/=. \n全"), max_size=12))
@example("QQ==")
@example("QR")
@example("QUI=")
@example("QUJ")
@example("A")
@example("AAAAA")
@example("QUFB....")
@example("QU\n\n\n\nFB")
def test_bytes_have_no_second_text_form(text: str):
    data = _from_base64url(text)
    assert data == b"" or _base64url(data) == text


@given(st.binary(min_size=1, max_size=60), NONCES)
@example(b"secret words \xff", bytes(12))
def test_what_is_no_text_is_refused_without_being_shown(plain: bytes, nonce: bytes):
    try:
        plain.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        token = sealed_by_oracle(plain, nonce, PLACE)
    else:
        token = sealed_by_oracle(b"secret words \xff" + plain, nonce, PLACE)
    with pytest.raises(UnopenableError) as caught:
        RING.open(token, *PLACE)
    told = "".join(traceback.format_exception(caught.value))
    assert caught.value.key_id == "k1"
    assert "secret words" not in told
    assert repr(plain) not in told


def test_a_long_text_crosses_with_the_oracle_too():
    words = os.urandom(1_500).hex()
    body = RING.seal(words, *PLACE).split(".")[2]
    assert ORACLE.open(_from_base64url(body), associated(PLACE)).decode() == words
