"""The simulator's cryptography against the values that the vendor publishes, and its requests against the scheme."""

from __future__ import annotations

import base64
import hashlib
from random import Random
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from simulators.wecom import envelope
from simulators.wecom.callback import CallbackRequest, CallbackWriter, Tamper
from simulators.wecom.settings import WecomSettings, aes_key_bytes
from simulators.wecom.xmltext import XmlTextError, read_document

# Published by the vendor: WeCom developer docs, path 90968 (POST) and 90930 (GET).
TOKEN = "QDG6eK"
ENCODING_AES_KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
KEY = aes_key_bytes(ENCODING_AES_KEY)
CORP_ID = "wx5823bf96d3bd56c7"
ENCRYPT = (
    "RypEvHKD8QQKFhvQ6QleEB4J58tiPdvo+rtK1I9qca6aM/wvqnLSV5zEPeusUiX5L5X/0lWfrf0QADHHhGd3QczcdCUpj911L3vg3W/sYYvuJTs3"
    "TUUkSUXxaccAS0qhxchrRYt66wiSpGLYL42aM6A8dTT+6k4aSknmPj48kzJs8qLjvd4Xgpue06DOdnLxAUHzM6+kDZ+HMZfJYuR+LtwGc2hgf5gs"
    "ijff0ekUNXZiqATP7PF5mZxZ3Izoun1s4zG4LUMnvw2r+KqCKIw+3IQH03v+BCA9nMELNqbSf6tiWSrXJB3LAVGUcallcrw8V2t9EL4EhzJWrQUa"
    "x5wLVMNS0+rUPA3k22Ncx4XXZS9o0MBH27Bo6BpNelZpS+/uh9KsNlY6bHCmJU9p8g7m3fVKn28H3KDYA5Pl/T8Z1ptDAVe0lXdQ2YoyyH2uyPIG"
    "HBZZIs2pDBS8R07+qN+E7Q=="
)
PLAINTEXT = b"""<xml><ToUserName><![CDATA[wx5823bf96d3bd56c7]]></ToUserName>
<FromUserName><![CDATA[mycreate]]></FromUserName>
<CreateTime>1409659813</CreateTime>
<MsgType><![CDATA[text]]></MsgType>
<Content><![CDATA[hello]]></Content>
<MsgId>4561255354251345929</MsgId>
<AgentID>218</AgentID>
</xml>"""
FIFTEEN_BYTES = bytes(15)
ECHOSTR = "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ=="
SETTINGS = WecomSettings(CORP_ID, 218, "secret", TOKEN, ENCODING_AES_KEY, "http://127.0.0.1:1/callback")
TEXT = [("MsgType", "text"), ("Content", "你好"), ("MsgId", 7011223344556677889)]


def decrypt_padded(encrypted: str) -> bytes:
    decryptor = Cipher(algorithms.AES(KEY), modes.CBC(KEY[:16])).decryptor()
    return decryptor.update(base64.b64decode(encrypted)) + decryptor.finalize()


def encrypted_in(request: CallbackRequest) -> str:
    text = read_document(request.body).findtext("Encrypt")
    assert text is not None
    return text


def fits_signature(request: CallbackRequest, encrypted: str) -> bool:
    query = {name: values[0] for name, values in parse_qs(urlsplit(request.url).query).items()}
    joined = "".join(sorted([TOKEN, query["timestamp"], query["nonce"], encrypted]))
    return query["msg_signature"] == hashlib.sha1(joined.encode(), usedforsecurity=False).hexdigest()


def test_the_published_message_opens_to_the_published_text():
    assert envelope.open_sealed(KEY, ENCRYPT, CORP_ID) == PLAINTEXT


def test_the_published_message_is_sealed_byte_for_byte():
    prefix = decrypt_padded(ENCRYPT)[:16]

    assert envelope.seal(KEY, PLAINTEXT, CORP_ID, prefix) == ENCRYPT


def test_the_published_signature_is_reproduced():
    expected = "477715d11cdb4164915debcba66cb864d751f3e6"

    assert envelope.sign(TOKEN, "1409659813", "1372623149", ENCRYPT) == expected


def test_the_published_check_of_the_address_opens_to_its_number():
    envelope.check_signature(
        "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3",
        token=TOKEN,
        timestamp="1409659589",
        nonce="263014780",
        encrypted=ECHOSTR,
    )

    assert envelope.open_sealed(KEY, ECHOSTR, CORP_ID) == b"1616140317555161061"


@pytest.mark.parametrize(
    ("encrypted", "receive_id", "problem"),
    [
        ("not base64!", CORP_ID, "not base64"),
        ("", CORP_ID, "multiple of 32"),
        (base64.b64encode(b"x" * 48).decode(), CORP_ID, "multiple of 32"),
        (ENCRYPT, "ww0000000000000000", "receive id"),
    ],
)
def test_an_envelope_that_is_not_honest_is_refused(encrypted: str, receive_id: str, problem: str):
    with pytest.raises(envelope.EnvelopeError, match=problem):
        envelope.open_sealed(KEY, encrypted, receive_id)


def test_a_buffer_too_short_for_its_own_header_is_refused():
    encrypted = base64.b64encode(envelope.encrypt_padded(KEY, envelope.pad(b"short"))).decode()

    with pytest.raises(envelope.EnvelopeError, match="too short"):
        envelope.open_sealed(KEY, encrypted, CORP_ID)


def test_a_random_prefix_of_another_length_is_refused():
    with pytest.raises(envelope.EnvelopeError, match="16 bytes"):
        envelope.seal(KEY, b"hello", CORP_ID, FIFTEEN_BYTES)


def test_thirty_two_callbacks_in_a_row_show_every_pad_byte():
    writer = CallbackWriter(Random(1))

    pads = {decrypt_padded(encrypted_in(writer.write_post(SETTINGS, TEXT, 0)))[-1] for _ in range(32)}

    assert pads == set(range(1, 33))


@pytest.mark.parametrize("pad", [1, 16, 17, 32])
def test_the_pad_byte_can_be_chosen(pad: int):
    request = CallbackWriter(Random(2)).write_post(SETTINGS, TEXT, 0, pad=pad)

    assert decrypt_padded(encrypted_in(request))[-1] == pad


def test_callbacks_differ_in_prefix_nonce_order_and_layout():
    writer = CallbackWriter(Random(3))

    requests = [writer.write_post(SETTINGS, TEXT, 0) for _ in range(40)]

    prefixes = {decrypt_padded(encrypted_in(request))[:16] for request in requests}
    orders = {tuple(child.tag for child in read_document(request.body)) for request in requests}
    layouts = {(b"CDATA" in request.body, b"\n" in request.body) for request in requests}
    assert len(prefixes) == 40
    assert len({request.url for request in requests}) == 40
    assert len(orders) == 6
    assert len(layouts) == 4


def test_every_layout_carries_the_same_fields():
    writer = CallbackWriter(Random(4))
    nasty = [("Content", 'a <b> & ]]> "c" 😀\n')]

    for _ in range(40):
        request = writer.write_post(SETTINGS, nasty, 0)
        inner = read_document(envelope.open_sealed(KEY, encrypted_in(request), CORP_ID))
        assert inner.findtext("Content") == nasty[0][1]
        outer = read_document(request.body)
        assert (outer.findtext("ToUserName"), outer.findtext("AgentID")) == (CORP_ID, "218")


def test_echostr_always_contains_plus_and_slash_and_is_encoded_exactly_once():
    writer = CallbackWriter(Random(5))

    for _ in range(20):
        request, expected = writer.write_verification(SETTINGS, 1409659589)
        raw = urlsplit(request.url).query
        assert "%2B" in raw
        assert "%2F" in raw
        assert "%25" not in raw
        echostr = parse_qs(raw)["echostr"][0]
        assert fits_signature(request, echostr)
        assert envelope.open_sealed(KEY, echostr, CORP_ID) == expected


def test_an_address_that_has_a_query_already_keeps_it():
    address = WecomSettings(CORP_ID, 218, "secret", TOKEN, ENCODING_AES_KEY, "http://127.0.0.1:1/callback?channel=a")

    query = parse_qs(urlsplit(CallbackWriter(Random(6)).write_post(address, TEXT, 0).url).query)

    assert set(query) == {"channel", "msg_signature", "timestamp", "nonce"}


@pytest.mark.parametrize(
    ("tamper", "problem"),
    [
        (Tamper.CIPHERTEXT, "bad padding"),
        (Tamper.BASE64, "not base64"),
        (Tamper.RECEIVEID, "receive id"),
        (Tamper.PADDING, "bad padding"),
        (Tamper.PAD_OVER_32, "bad padding"),
        (Tamper.LENGTH, "past the end"),
    ],
)
def test_a_damage_inside_the_envelope_is_signed_correctly_and_found_by_a_strict_reader(tamper: Tamper, problem: str):
    writer = CallbackWriter(Random(7))

    for _ in range(40):
        request = writer.write_post(SETTINGS, TEXT, 0, tamper=tamper)
        encrypted = encrypted_in(request)
        assert fits_signature(request, encrypted)
        with pytest.raises(envelope.EnvelopeError, match=problem):
            envelope.open_sealed(KEY, encrypted, CORP_ID)


def test_a_wrong_signature_stands_over_an_otherwise_honest_message():
    for seed in range(40):
        request = CallbackWriter(Random(seed)).write_post(SETTINGS, TEXT, 0, tamper=Tamper.SIGNATURE)
        encrypted = encrypted_in(request)
        assert not fits_signature(request, encrypted)
        assert envelope.open_sealed(KEY, encrypted, CORP_ID)


def test_a_stale_message_is_an_hour_old_and_signed_correctly():
    request = CallbackWriter(Random(8)).write_post(SETTINGS, TEXT, 1_790_000_000, tamper=Tamper.TIMESTAMP)

    assert parse_qs(urlsplit(request.url).query)["timestamp"] == ["1789996400"]
    assert fits_signature(request, encrypted_in(request))


def test_an_oversize_message_is_one_byte_over_a_mebibyte_and_otherwise_honest():
    request = CallbackWriter(Random(9)).write_post(SETTINGS, TEXT, 0, tamper=Tamper.OVERSIZE)

    assert len(request.body) == 1024 * 1024 + 1
    assert fits_signature(request, encrypted_in(request))


@pytest.mark.parametrize("tamper", [Tamper.NOT_XML, Tamper.DOCTYPE])
def test_a_damaged_outer_document_is_no_plain_xml(tamper: Tamper):
    request = CallbackWriter(Random(10)).write_post(SETTINGS, TEXT, 0, tamper=tamper)

    with pytest.raises(XmlTextError):
        read_document(request.body)


@pytest.mark.parametrize("tamper", [Tamper.INNER_NOT_XML, Tamper.INNER_DOCTYPE])
def test_a_damaged_inner_document_sits_in_an_honest_envelope(tamper: Tamper):
    request = CallbackWriter(Random(11)).write_post(SETTINGS, TEXT, 0, tamper=tamper)

    inner = envelope.open_sealed(KEY, encrypted_in(request), CORP_ID)

    assert fits_signature(request, encrypted_in(request))
    with pytest.raises(XmlTextError):
        read_document(inner)
