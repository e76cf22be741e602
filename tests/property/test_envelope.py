"""What holds for every envelope, every query and every document."""

from __future__ import annotations

import base64
import contextlib
import itertools
from urllib.parse import quote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from frontdesk.channels.envelope import Envelope, query_values, sign
from frontdesk.channels.wecom_callback import WecomCallback
from frontdesk.errors import ForbiddenCallbackError, RejectedCallbackError
from frontdesk.messages import Inbound
from tests.factories import NOW, NOW_MS
from tests.property.strategies import APP, DOCUMENTS, MESSAGES, PREFIXES, QUERIES, RAW_TEXTS, RECEIVERS, TEXTS
from tests.vendor_side import App


def envelope_for(receive_id: str = APP.receive_id) -> Envelope:
    return Envelope(token=APP.token, encoding_aes_key=APP.encoding_aes_key, receive_id=receive_id, clock=lambda: NOW)


ENVELOPE = envelope_for()
CALLBACK = WecomCallback([ENVELOPE], conversation_of=lambda sender: f"of {len(sender)}")


@given(MESSAGES, PREFIXES, RECEIVERS)
def test_every_message_is_read_back_by_its_receiver(message: bytes, prefix: bytes, receiver: str) -> None:
    encrypted = App(receive_id=receiver).encrypt(message, prefix=prefix)
    assert envelope_for(receiver).decrypt(encrypted) == message


@given(MESSAGES, RECEIVERS)
def test_no_message_is_read_by_another_receiver(message: bytes, receiver: str) -> None:
    assume(receiver != APP.receive_id)
    with pytest.raises(ForbiddenCallbackError) as caught:
        ENVELOPE.decrypt(APP.encrypt(message, receive_id=receiver))
    assert caught.value.code == "receiver_mismatch"


@given(MESSAGES, PREFIXES, st.data())
def test_a_post_with_any_byte_of_the_ciphertext_changed_is_refused(
    message: bytes, prefix: bytes, data: st.DataObject
) -> None:
    encrypted = APP.encrypt(message, prefix=prefix)
    changed = bytearray(base64.b64decode(encrypted))
    position = data.draw(st.integers(0, len(changed) - 1))
    changed[position] ^= data.draw(st.integers(1, 255))
    body = APP.body(base64.b64encode(changed).decode())
    with pytest.raises(ForbiddenCallbackError):
        CALLBACK.open(APP.query(encrypted), body)


@given(MESSAGES, PREFIXES, st.data())
def test_a_ciphertext_with_a_changed_end_never_yields_its_message_even_when_signed(
    message: bytes, prefix: bytes, data: st.DataObject
) -> None:
    encrypted = APP.encrypt(message, prefix=prefix)
    changed = bytearray(base64.b64decode(encrypted))
    last_blocks = range(max(0, len(changed) - 32), len(changed))
    position = data.draw(st.sampled_from(last_blocks))
    changed[position] ^= data.draw(st.integers(1, 255))
    again = base64.b64encode(changed).decode()
    try:
        opened = CALLBACK.open(APP.query(again), APP.body(again))
    except RejectedCallbackError:
        return
    assert opened != message


@given(MESSAGES, st.sampled_from(["msg_signature", "timestamp", "nonce", "encrypted"]), st.data())
def test_a_post_with_any_character_of_a_signed_part_changed_is_refused(
    message: bytes, part: str, data: st.DataObject
) -> None:
    encrypted = APP.encrypt(message)
    parts = query_values(APP.query(encrypted)) | {"encrypted": encrypted}
    position = data.draw(st.integers(0, len(parts[part]) - 1))
    character = data.draw(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="<&]>"))
    assume(character != parts[part][position])
    parts[part] = parts[part][:position] + character + parts[part][position + 1 :]
    with pytest.raises(RejectedCallbackError):
        CALLBACK.open(
            "&".join(f"{name}={quote(parts[name])}" for name in ("msg_signature", "timestamp", "nonce")),
            APP.body(parts["encrypted"]),
        )


@given(MESSAGES, st.data())
def test_a_signed_part_cannot_lend_characters_to_another(message: bytes, data: st.DataObject) -> None:
    """The four parts are joined without a mark between them: a border moved gives a time far off."""
    encrypted = APP.encrypt(message)
    query = query_values(APP.query(encrypted))
    timestamp, nonce = query["timestamp"], query["nonce"]
    to_timestamp, to_nonce = data.draw(st.integers(1, len(nonce))), data.draw(st.integers(1, len(timestamp)))
    moved = query | data.draw(
        st.sampled_from(
            [
                {"timestamp": timestamp + nonce[:to_timestamp], "nonce": nonce[to_timestamp:]},
                {"timestamp": timestamp[:-to_nonce], "nonce": timestamp[-to_nonce:] + nonce},
                {"timestamp": "", "nonce": timestamp + nonce},
                {"timestamp": timestamp + nonce, "nonce": ""},
            ]
        )
    )
    with pytest.raises(ForbiddenCallbackError):
        ENVELOPE.verify(moved, encrypted)


@given(QUERIES, DOCUMENTS)
@example("", b"<xml><Encrypt>AAAA</Encrypt></xml>")
@example("timestamp=\ud800&nonce=%ED%A0%80&msg_signature=\udfff", b"<xml><Encrypt>AAAA</Encrypt></xml>")
def test_no_request_that_nobody_signed_is_anything_but_rejected(query: str, document: bytes) -> None:
    with pytest.raises(RejectedCallbackError):
        CALLBACK.open(query, document)


@given(QUERIES)
def test_no_url_check_that_nobody_signed_is_anything_but_rejected(query: str) -> None:
    with pytest.raises(RejectedCallbackError):
        CALLBACK.check_url(query)


@given(DOCUMENTS)
def test_no_authentic_document_is_anything_but_read_or_rejected(document: bytes) -> None:
    query, body = APP.post(document)
    message = CALLBACK.open(query, body)
    assert message == document
    with contextlib.suppress(RejectedCallbackError):
        for each in CALLBACK.read(message, received_at_ms=NOW_MS):
            name = each.message_id if isinstance(each, Inbound) else each.account
            assert 0 < len(name) <= 128


@given(TEXTS)
def test_no_text_that_nobody_encrypted_is_anything_but_rejected(encrypted: str) -> None:
    with pytest.raises(RejectedCallbackError):
        ENVELOPE.decrypt(encrypted)


@given(st.binary(max_size=160).map(lambda noise: noise[: len(noise) // 16 * 16]))
def test_no_blocks_of_noise_are_anything_but_rejected(noise: bytes) -> None:
    with pytest.raises(RejectedCallbackError):
        ENVELOPE.decrypt(base64.b64encode(noise).decode())


@given(st.binary(max_size=200), st.sampled_from(["", "+", "/", "=", "+/="]))
def test_base64_in_a_query_is_the_same_however_much_of_it_was_encoded(data: bytes, safe: str) -> None:
    value = base64.b64encode(data).decode()
    assert query_values(f"a=1&echostr={quote(value, safe=safe)}") == {"a": "1", "echostr": value}
    assert query_values(f"echostr={value.replace('+', ' ')}")["echostr"] == value


@given(RAW_TEXTS)
def test_no_query_is_anything_but_read_or_forbidden(query: str) -> None:
    with contextlib.suppress(ForbiddenCallbackError):
        assert all(name for name in query_values(query))


@given(st.lists(RAW_TEXTS, min_size=4, max_size=4))
def test_a_signature_does_not_depend_on_the_order_of_its_parts(parts: list[str]) -> None:
    signatures = {sign(*order) for order in itertools.permutations(parts)}
    assert len(signatures) == 1
    assert len(signatures.pop()) == 40


@given(st.lists(TEXTS, min_size=4, max_size=4))
def test_a_signature_is_what_the_vendor_computes(parts: list[str]) -> None:
    token, timestamp, nonce, encrypted = parts
    assert sign(*parts) == App(token=token).sign(encrypted, timestamp=timestamp, nonce=nonce)
