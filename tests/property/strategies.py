"""Hypothesis strategies for what arrives at the callback, from honest to hostile."""

from __future__ import annotations

from urllib.parse import quote

from hypothesis import strategies as st

from tests.vendor_side import App, message_xml

APP = App()

MESSAGES = st.binary(max_size=600)
"""Any message an envelope can hold."""

PREFIXES = st.binary(min_size=16, max_size=16)
"""The random bytes at the start of an envelope."""

RECEIVERS = st.text(max_size=40)
"""What an envelope says it is for."""

TEXTS = st.text(max_size=80)
"""Any text, without halves of surrogate pairs."""

RAW_TEXTS = st.text(alphabet=st.characters(), max_size=80)
"""Any text, with halves of surrogate pairs."""

_NAMES = st.sampled_from(["msg_signature", "timestamp", "nonce", "echostr"])
_VALUES = st.one_of(
    RAW_TEXTS,
    TEXTS.map(quote),
    st.integers(0, 10**13).map(str),
    MESSAGES.map(lambda message: quote(APP.encrypt(message))),
)
QUERIES = st.one_of(
    RAW_TEXTS,
    st.lists(st.tuples(st.one_of(_NAMES, TEXTS), _VALUES), max_size=6).map(
        lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)
    ),
)
"""Query strings, from noise to nearly right."""

_TAGS = st.sampled_from(
    ["xml", "FromUserName", "CreateTime", "MsgType", "Content", "MsgId", "Event", "Encrypt", "x", "!DOCTYPE", "?xml"]
)
_LEAVES = st.one_of(
    TEXTS,
    st.sampled_from(["text", "event", "enter_agent", "sys", "1790000000", "&lt;", "&e;", "&#0;", "]]>", "\ufffe"]),
    TEXTS.map(lambda words: f"<![CDATA[{words}]]>"),
)
_NEARLY_XML = st.recursive(
    _LEAVES,
    lambda inner: st.tuples(_TAGS, st.lists(inner, max_size=4)).map(
        lambda element: f"<{element[0]}>{''.join(element[1])}</{element[0]}>"
    ),
    max_leaves=12,
)
_HONEST = st.fixed_dictionaries(
    {},
    optional={
        name: st.one_of(TEXTS, st.sampled_from(["event", "text", "image", "enter_agent", "sys", "", "5"]))
        for name in ("FromUserName", "CreateTime", "MsgType", "Content", "MsgId", "Event")
    },
).map(lambda fields: message_xml(**fields))
DOCUMENTS = st.one_of(
    st.binary(max_size=300),
    _NEARLY_XML.map(str.encode),
    _HONEST.map(str.encode),
    st.tuples(_HONEST, st.integers(0, 400), st.binary(max_size=3)).map(
        lambda cut: cut[0].encode()[: cut[1]] + cut[2] + cut[0].encode()[cut[1] + len(cut[2]) :]
    ),
)
"""Documents, from noise to honest ones with a few bytes changed."""
