"""The published and generated test vectors of the vendor's encryption, each one of them.

The file also serves channels that this product does not have yet: their entries prove the envelope, with their own
receive id. What no code of this product does yet is named in ``NOT_YET``, with the reason.
"""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from frontdesk.channels.envelope import Envelope, query_values, sign
from frontdesk.channels.wecom_callback import WecomCallback
from frontdesk.errors import ForbiddenCallbackError, MalformedCallbackError, RejectedCallbackError
from frontdesk.messages import Inbound, Kind, Pull
from tests.vendor_side import App

if TYPE_CHECKING:
    from collections.abc import Callable

Entry = dict[str, Any]

FILE: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "wecom-vectors.json").read_text("utf-8"))
VECTORS: list[Entry] = FILE["vectors"]
NEGATIVES: list[Entry] = FILE["negatives"]
PLAIN_SIGNATURES: list[Entry] = FILE["plain_signatures"]
NOT_YET = {"media": "files of the AI bot channel, which are encrypted without an envelope: no channel here reads any"}
TEXTS_OF_APP_POSTS = {
    "official-xml-post": ("mycreate", "hello", "4561255354251345929"),
    "wechatpy-xml-post": ("messense", "test", "4363689963896700987"),
    "official-sample-xml-post-2016": ("ChenJiaShun", "你好", "1456453720"),
}

PULLS_OF_KF_POSTS = {
    "gen-kf-event-post": ("wksl6OUmbXzY3eXwYD9bG56ToaA2iiI4", 1, "ENCnIQoCWVGPqbQTh4DPcT850bhhhpwdmnu4LEqCI9j"),
}


def name_of(entry: Entry) -> str:
    return str(entry["id"])


def envelope_of(entry: Entry) -> Envelope:
    """Return the envelope that receives ``entry``, at the time the entry was made."""
    at = float(entry["timestamp"] or 0)
    return Envelope(
        token=entry["token"],
        encoding_aes_key=entry["encoding_aes_key"],
        receive_id=entry["receive_id"],
        clock=lambda: at,
    )


def callback_of(entry: Entry) -> WecomCallback:
    return WecomCallback([envelope_of(entry)], conversation_of=lambda sender: f"conversation of {sender}")


def signed_parts(entry: Entry) -> dict[str, str]:
    return {name: entry[name] for name in ("msg_signature", "timestamp", "nonce")}


def answers_the_url_check(entry: Entry) -> None:
    assert callback_of(entry).check_url(entry["raw_query"]) == entry["expected_response_body"].encode()


def opens_the_post(entry: Entry) -> None:
    callback = callback_of(entry)
    message = callback.open(entry["raw_query"], entry["body"].encode())
    assert message == entry["plaintext"].encode()
    (read,) = callback.read(message, received_at_ms=1)
    if entry["channel"] == "app":
        assert isinstance(read, Inbound)
        assert read.kind is Kind.TEXT
        assert (read.sender, read.text, read.message_id) == TEXTS_OF_APP_POSTS[entry["id"]]
        assert read.conversation == f"conversation of {read.sender}"
    else:
        assert read == Pull(*PULLS_OF_KF_POSTS[entry["id"]])


def verifies_and_decrypts_json(entry: Entry) -> None:
    if "body" in entry:
        assert json.loads(entry["body"])["encrypt"] == entry["encrypt"]
    assert query_values(entry["raw_query"]) == signed_parts(entry)
    verifies_and_decrypts(entry)


def verifies_and_decrypts_reply(entry: Entry) -> None:
    fields = {name.lower(): str(value) for name, value in entry["envelope_fields"].items()}
    assert fields == {
        "encrypt": entry["encrypt"],
        "msgsignature": entry["msg_signature"],
        "timestamp": entry["timestamp"],
        "nonce": entry["nonce"],
    }
    verifies_and_decrypts(entry)


def verifies_and_decrypts(entry: Entry) -> None:
    envelope_of(entry).verify(signed_parts(entry), entry["encrypt"])
    decrypts(entry)


def decrypts(entry: Entry) -> None:
    assert envelope_of(entry).decrypt(entry["encrypt"]) == entry["plaintext"].encode()


EXERCISES: dict[tuple[str, str, str], Callable[[Entry], None]] = {
    ("app", "get", "echostr"): answers_the_url_check,
    ("app", "post", "xml"): opens_the_post,
    ("app", "post", "json"): verifies_and_decrypts_json,
    ("app", "reply", "xml"): verifies_and_decrypts_reply,
    ("kf", "post", "xml"): opens_the_post,
    ("aibot", "get", "echostr"): answers_the_url_check,
    ("aibot", "post", "json"): verifies_and_decrypts_json,
    ("aibot", "reply", "json"): verifies_and_decrypts_reply,
    ("mp", "post", "json"): verifies_and_decrypts_json,
    ("mp", "reply", "json"): verifies_and_decrypts_reply,
    ("mp", "encrypt", "raw"): decrypts,  # published without a signature
}
REJECTIONS: dict[str, tuple[type[RejectedCallbackError], str]] = {
    "neg-bad-signature": (ForbiddenCallbackError, "signature_mismatch"),
    "neg-wrong-receiveid": (ForbiddenCallbackError, "receiver_mismatch"),
    "neg-tampered-ciphertext": (MalformedCallbackError, "padding_broken"),
    "neg-echostr-plus-as-space": (ForbiddenCallbackError, "signature_mismatch"),
}


def exercise(entry: Entry) -> Callable[[Entry], None]:
    return EXERCISES[entry["channel"], entry["kind"], entry["format"]]


def test_no_entry_of_the_file_is_left_out():
    exercised = [entry["id"] for entry in VECTORS if exercise(entry)]
    assert len(set(exercised)) == len(VECTORS) == 16
    assert {exercise(entry) for entry in VECTORS} == set(EXERCISES.values())
    assert {entry["id"] for entry in NEGATIVES} == set(REJECTIONS)
    assert len(PLAIN_SIGNATURES) == 3
    assert set(FILE) == {"schema", "vectors", "negatives", "plain_signatures", *NOT_YET}


@pytest.mark.parametrize("entry", VECTORS, ids=name_of)
def test_a_vector_is_read(entry: Entry):
    exercise(entry)(entry)


@pytest.mark.parametrize("entry", VECTORS, ids=name_of)
def test_the_tests_own_vendor_makes_the_same_envelope_byte_for_byte(entry: Entry):
    app = App(entry["token"], entry["encoding_aes_key"], entry["receive_id"])
    encrypted = app.encrypt(entry["plaintext"].encode(), prefix=bytes.fromhex(entry["random_hex"]))
    assert encrypted == entry["encrypt"]
    if entry["msg_signature"]:
        signature = app.sign(encrypted, timestamp=entry["timestamp"], nonce=entry["nonce"])
        assert signature == entry["msg_signature"]


@pytest.mark.parametrize("entry", VECTORS, ids=name_of)
def test_a_vector_has_the_pad_byte_it_names(entry: Entry):
    key = b64decode(entry["encoding_aes_key"] + "=")
    decryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).decryptor()
    assert (decryptor.update(b64decode(entry["encrypt"])) + decryptor.finalize())[-1] == entry["pad"]


@pytest.mark.parametrize("entry", PLAIN_SIGNATURES, ids=name_of)
def test_a_plain_signature_is_the_same_algorithm_with_nothing_encrypted(entry: Entry):
    assert sign(entry["token"], entry["timestamp"], entry["nonce"], "") == entry["signature"]


@pytest.mark.parametrize("entry", [e for e in NEGATIVES if "body" in e], ids=name_of)
def test_a_negative_post_is_rejected_with_its_class(entry: Entry):
    expected, code = REJECTIONS[entry["id"]]
    with pytest.raises(RejectedCallbackError) as caught:
        callback_of(entry).open(entry["raw_query"], entry["body"].encode())
    assert type(caught.value) is expected
    assert caught.value.code == code


@pytest.mark.parametrize("entry", [e for e in NEGATIVES if "body" not in e], ids=name_of)
def test_a_negative_url_check_is_rejected_where_plus_became_a_space(entry: Entry):
    expected, code = REJECTIONS[entry["id"]]
    damaged = entry["echostr_decoded_twice_wrong"]
    with pytest.raises(expected) as caught:
        envelope_of(entry).verify(signed_parts(entry), damaged)
    assert caught.value.code == code


@pytest.mark.parametrize("entry", [e for e in NEGATIVES if "body" not in e], ids=name_of)
def test_the_same_url_check_is_answered_when_its_query_is_decoded_once(entry: Entry):
    assert query_values(entry["raw_query"])["echostr"] == entry["echostr_decoded_once"]
    answer = callback_of(entry).check_url(entry["raw_query"])
    assert answer == entry["expected_plaintext_if_decoded_once"].encode()


@pytest.mark.parametrize("entry", NEGATIVES, ids=name_of)
def test_a_negative_fails_at_the_stage_it_names(entry: Entry):
    _, code = REJECTIONS[entry["id"]]
    assert {"signature": "signature", "receiveid": "receiver", "decrypt": "padding"}[entry["expect_error"]] in code
