"""Whatever is written as a callback is read back by the callback, and by an implementation that is not ours."""

from __future__ import annotations

from urllib.parse import parse_qs
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st
from wechatpy.work.crypto import WeChatCrypto

from frontdesk.channels.envelope import Envelope
from frontdesk.channels.envelope_writer import EnvelopeWriter
from frontdesk.channels.wecom_callback import WecomCallback
from tests.factories import NOW
from tests.property.strategies import APP

WRITER = EnvelopeWriter(
    token=APP.token, encoding_aes_key=APP.encoding_aes_key, receive_id=APP.receive_id, clock=lambda: NOW
)
CALLBACK = WecomCallback(
    [Envelope(token=APP.token, encoding_aes_key=APP.encoding_aes_key, receive_id=APP.receive_id, clock=lambda: NOW)],
    conversation_of=lambda sender: sender,
)
# What XML can hold, and reads back as it was written.
WORDS = st.text(st.characters(min_codepoint=0x20, exclude_categories=["Cs", "Cn"], exclude_characters="\x7f"))


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=200))
def test_the_echo_of_a_url_check_comes_back(echo: str) -> None:
    assert CALLBACK.check_url(WRITER.url_check(echo)).decode() == echo


@given(WORDS)
def test_the_elements_of_a_message_come_back(words: str) -> None:
    query, body = WRITER.message({"FromUserName": "lin.mei", "Content": words})
    inner = ET.fromstring(CALLBACK.open(query, body))  # our own
    assert inner.findtext("Content") == words
    assert inner.findtext("ToUserName") == APP.receive_id


@given(WORDS)
def test_another_implementation_takes_it_for_wecoms(words: str) -> None:
    query, body = WRITER.message({"FromUserName": "lin.mei", "Content": words})
    named = {name: values[0] for name, values in parse_qs(query).items()}
    crypto = WeChatCrypto(APP.token, APP.encoding_aes_key, APP.receive_id)
    opened = crypto.decrypt_message(body, named["msg_signature"], named["timestamp"], named["nonce"])
    assert ET.fromstring(opened).findtext("Content") == words  # our own
