"""Signature, freshness and the AES envelope."""

from __future__ import annotations

import base64
import string

import pytest

from frontdesk.channels.envelope import MAX_AGE_S, Envelope, query_values, sign
from frontdesk.errors import ForbiddenCallbackError, MalformedCallbackError, RejectedCallbackError
from tests.factories import NOW
from tests.vendor_side import BLOCK, PREFIX, App

APP = App()
ENCRYPTED = APP.encrypt(b"hello")


def envelope(*, now: float = NOW) -> Envelope:
    return Envelope(
        token=APP.token, encoding_aes_key=APP.encoding_aes_key, receive_id=APP.receive_id, clock=lambda: now
    )


def signed_query(**differently: str) -> dict[str, str]:
    return query_values(APP.query(ENCRYPTED)) | differently


def header(length: int) -> bytes:
    return PREFIX + length.to_bytes(4, "big")


def padded(plain: bytes) -> bytes:
    missing = BLOCK - len(plain) % BLOCK
    return plain + bytes([missing]) * missing


def plain_of(message: bytes) -> bytes:
    return header(len(message)) + message + APP.receive_id.encode()


def message_with_padding(length: int) -> bytes:
    """Return a message whose envelope ends in ``length`` bytes of padding."""
    return b"x" * ((-length - len(plain_of(b""))) % BLOCK)


def test_a_fresh_and_well_signed_envelope_is_accepted():
    envelope().verify(signed_query(), ENCRYPTED)


@pytest.mark.parametrize("part", ["msg_signature", "timestamp", "nonce"])
def test_a_changed_part_of_the_query_does_not_fit_the_signature(part: str):
    query = signed_query()
    query[part] = query[part][:-1] + ("0" if query[part][-1] != "0" else "1")
    with pytest.raises(ForbiddenCallbackError) as caught:
        envelope().verify(query, ENCRYPTED)
    assert caught.value.code == "signature_mismatch"


@pytest.mark.parametrize("part", ["msg_signature", "timestamp", "nonce"])
def test_a_missing_part_of_the_query_does_not_fit_the_signature(part: str):
    query = signed_query()
    del query[part]
    with pytest.raises(ForbiddenCallbackError) as caught:
        envelope().verify(query, ENCRYPTED)
    assert caught.value.code == "signature_mismatch"


@pytest.mark.parametrize("signature", ["", "0" * 40, "é" * 40, "\ud800", "-1"])
def test_anything_else_than_the_signature_is_refused(signature: str):
    with pytest.raises(ForbiddenCallbackError):
        envelope().verify(signed_query(msg_signature=signature), ENCRYPTED)


def test_the_signature_is_lower_case_and_nothing_else():
    query = signed_query()
    with pytest.raises(ForbiddenCallbackError):
        envelope().verify(query | {"msg_signature": query["msg_signature"].upper()}, ENCRYPTED)


def test_another_token_signs_differently():
    query = query_values(App(token="another").query(ENCRYPTED))
    with pytest.raises(ForbiddenCallbackError):
        envelope().verify(query, ENCRYPTED)


@pytest.mark.parametrize("age_s", [0, 1, MAX_AGE_S, -MAX_AGE_S])
def test_a_callback_of_the_last_five_minutes_is_fresh(age_s: int):
    envelope(now=NOW + age_s).verify(signed_query(), ENCRYPTED)


@pytest.mark.parametrize("age_s", [MAX_AGE_S + 1, -MAX_AGE_S - 1, 86_400, -86_400])
def test_an_older_or_a_future_callback_is_refused(age_s: int):
    with pytest.raises(ForbiddenCallbackError) as caught:
        envelope(now=NOW + age_s).verify(signed_query(), ENCRYPTED)
    assert caught.value.code == "timestamp_stale"


@pytest.mark.parametrize(
    "timestamp", ["", "soon", "-1", "1e9", "１７９００００００", "9" * 13, "9" * 5000, " 1790000000"]
)
def test_a_signed_timestamp_that_is_no_time_is_refused(timestamp: str):
    query = {
        "timestamp": timestamp,
        "nonce": "1",
        "msg_signature": sign(APP.token, timestamp, "1", ENCRYPTED),
    }
    with pytest.raises(ForbiddenCallbackError) as caught:
        envelope().verify(query, ENCRYPTED)
    assert caught.value.code == "timestamp_stale"


def test_the_refusals_do_not_tell_what_did_not_fit():
    texts = set()
    for part in ("msg_signature", "timestamp", "nonce"):
        with pytest.raises(ForbiddenCallbackError) as caught:
            envelope().verify(signed_query(**{part: "1"}), ENCRYPTED)
        texts.add(str(caught.value))
    assert len(texts) == 1


@pytest.mark.parametrize("message", [b"", b"hello", "你好 👋🏽".encode(), bytes(range(256)), b"x" * 100_000])
def test_what_wecom_encrypts_is_read_back(message: bytes):
    assert envelope().decrypt(APP.encrypt(message)) == message


@pytest.mark.parametrize("length", range(1, BLOCK + 1))
def test_every_length_of_padding_is_read(length: int):
    message = message_with_padding(length)
    assert padded(plain_of(message))[-1] == length
    assert envelope().decrypt(APP.encrypt(message)) == message


@pytest.mark.parametrize("length", range(1, BLOCK + 1))
def test_every_byte_of_the_padding_counts(length: int):
    whole = padded(plain_of(message_with_padding(length)))
    for position in range(len(whole) - length, len(whole)):
        broken = bytearray(whole)
        broken[position] ^= 0x40
        with pytest.raises(MalformedCallbackError) as caught:
            envelope().decrypt(APP.encrypt_blocks(bytes(broken)))
        assert caught.value.code == "padding_broken"


@pytest.mark.parametrize("length", [1, 7, 16, 17, 30, 32])
def test_no_other_last_byte_is_accepted(length: int):
    whole = padded(plain_of(message_with_padding(length)))
    for last in set(range(256)) - {length}:
        with pytest.raises(RejectedCallbackError) as caught:
            envelope().decrypt(APP.encrypt_blocks(whole[:-1] + bytes([last])))
        # 1 is a whole padding by itself: then what is before it is not the receiver's name
        assert caught.value.code == ("receiver_mismatch" if last == 1 else "padding_broken")


def test_padding_to_the_block_of_the_cipher_alone_is_refused():
    plain = plain_of(b"x" * ((8 - len(plain_of(b""))) % BLOCK))
    sixteen = plain + bytes([8]) * 8
    assert len(sixteen) % BLOCK == 16
    with pytest.raises(MalformedCallbackError) as caught:
        envelope().decrypt(APP.encrypt_blocks(sixteen))
    assert caught.value.code == "padding_broken"


@pytest.mark.parametrize(
    "encrypted",
    [
        "%",
        "AAA",
        "你好",
        "é" * 64,
        ENCRYPTED[:-1],
        ENCRYPTED + "A",
        ENCRYPTED.replace(ENCRYPTED[5], "-", 1),
        "\n".join(ENCRYPTED),
        ENCRYPTED[:8] + " " + ENCRYPTED[8:],
    ],
)
def test_what_is_not_base64_is_malformed(encrypted: str):
    with pytest.raises(MalformedCallbackError) as caught:
        envelope().decrypt(encrypted)
    assert caught.value.code == "base64_broken"


@pytest.mark.parametrize("size", [0, 1, 15, 17, 31, 33])
def test_a_ciphertext_that_is_not_whole_blocks_is_malformed(size: int):
    with pytest.raises(MalformedCallbackError) as caught:
        envelope().decrypt(base64.b64encode(bytes(size)).decode())
    assert caught.value.code == "ciphertext_length"


@pytest.mark.parametrize("size", [0, 1, 16, 19])
def test_an_envelope_without_room_for_its_length_is_malformed(size: int):
    with pytest.raises(MalformedCallbackError) as caught:
        envelope().decrypt(APP.encrypt_blocks(padded(bytes(size))))
    assert caught.value.code == "envelope_short"


@pytest.mark.parametrize("surplus", [1, 2**16, 2**31, 2**32 - 100])
def test_a_length_beyond_the_end_is_malformed(surplus: int):
    plain = header(len(APP.receive_id) + surplus) + APP.receive_id.encode()
    with pytest.raises(MalformedCallbackError) as caught:
        envelope().decrypt(APP.encrypt_blocks(padded(plain)))
    assert caught.value.code == "envelope_length"


@pytest.mark.parametrize(
    "receive_id",
    ["", "ww0000000000000000", APP.receive_id[:-1], APP.receive_id + "x", APP.receive_id.upper(), "x" + APP.receive_id],
)
def test_an_envelope_for_another_receiver_is_forbidden(receive_id: str):
    with pytest.raises(ForbiddenCallbackError) as caught:
        envelope().decrypt(APP.encrypt(b"hello", receive_id=receive_id))
    assert caught.value.code == "receiver_mismatch"


def test_a_length_that_cuts_into_the_receiver_is_forbidden():
    plain = header(len(b"hello") + 1) + b"hello" + APP.receive_id.encode()
    with pytest.raises(ForbiddenCallbackError):
        envelope().decrypt(APP.encrypt_blocks(padded(plain)))


def test_an_envelope_under_another_key_is_not_read():
    other = App(encoding_aes_key="kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR")
    with pytest.raises(RejectedCallbackError):
        envelope().decrypt(other.encrypt(b"hello"))


@pytest.mark.parametrize("spare_bits", range(4))
def test_spare_bits_in_the_last_character_of_the_key_do_not_matter(spare_bits: int):
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
    last = alphabet.index(APP.encoding_aes_key[-1]) // 4 * 4 + spare_bits
    key = APP.encoding_aes_key[:-1] + alphabet[last]
    twin = Envelope(token=APP.token, encoding_aes_key=key, receive_id=APP.receive_id, clock=lambda: NOW)
    assert twin.decrypt(ENCRYPTED) == b"hello"


@pytest.mark.parametrize(
    ("raw", "values"),
    [
        ("", {}),
        ("&&", {}),
        ("=1&a=2", {"a": "2"}),
        ("a", {"a": ""}),
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a=x=y=", {"a": "x=y="}),
        ("a=%2B%2F%3D", {"a": "+/="}),
        ("a=+/=", {"a": "+/="}),
        ("a=x y", {"a": "x+y"}),
        ("a=x%20y", {"a": "x+y"}),
        ("a=%252B", {"a": "%2B"}),
        ("a=%zz%", {"a": "%zz%"}),
        ("a=%E4%BD%A0", {"a": "你"}),
        ("a=%ff", {"a": "\ufffd"}),
        ("a;b=1", {"a;b": "1"}),
    ],
)
def test_a_query_is_decoded_once_and_a_plus_stays_a_plus(raw: str, values: dict[str, str]):
    assert query_values(raw) == values


@pytest.mark.parametrize("raw", ["a=1&a=1", "a=1&b=2&a=3", "a&a", "nonce=1&msg_signature=x&nonce=1"])
def test_a_parameter_that_comes_twice_is_forbidden(raw: str):
    with pytest.raises(ForbiddenCallbackError):
        query_values(raw)
