"""Whatever JSON comes from outside: reading an entry of 微信客服 never fails, and what it gives can be kept."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from frontdesk.channels.wecom_kf import parts_of, read
from tests.factories import NOW_MS
from tests.vendor_side import KF_ACCOUNT, kf_event, kf_message

# A half of a surrogate pair among it, as JSON can hold one.
TEXTS = st.text(st.characters(), max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
MSGTYPES = ("text", "image", "location", "link", "merged_msg", "meeting", "event")
EVENTS = ("enter_session", "msg_send_fail", "session_status_change", "user_recall_msg", "servicer_recall_msg", "new")
FIELDS = ("msgid", "open_kfid", "external_userid", "send_time", "origin", "servicer_userid", "msgtype", *MSGTYPES)
INNER_FIELDS = (
    *("event_type", "open_kfid", "external_userid", "scene", "welcome_code", "fail_msgid", "fail_type", "change_type"),
    *("new_servicer_userid", "msg_code", "recall_msgid", "content", "menu_id", "latitude", "name", "title"),
)


@st.composite
def nearly_right(draw: st.DrawFn) -> dict[str, Any]:
    """Return an entry as documented, with some fields replaced by anything at all."""
    if draw(st.booleans()):
        item = kf_message(draw(st.sampled_from(MSGTYPES)), origin=draw(st.sampled_from([3, 5])))
        inner = item["msgtype"]
    else:
        item, inner = kf_event(draw(st.sampled_from(EVENTS))), "event"
    item[inner] = {**item[inner], **draw(st.dictionaries(st.sampled_from(INNER_FIELDS), JSON, max_size=4))}
    return {**item, **draw(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=2))}


@given(JSON | nearly_right())
def test_an_entry_of_any_shape_is_read_or_skipped(item: Any):
    inbound = read(item, account=KF_ACCOUNT, conversation_of=lambda address: address, received_at_ms=NOW_MS)
    if inbound is None:
        return
    kept = json.dumps([inbound.text, dict(inbound.details), inbound.message_id, inbound.sender], ensure_ascii=False)
    assert kept.encode()
    assert all(isinstance(value, str) and value for value in inbound.details.values())
    assert 1 <= len(inbound.message_id) <= 128
    assert parts_of(inbound.sender)[0]
    assert inbound.sent_at > 0


@given(nearly_right())
def test_an_entry_is_read_the_same_each_time(item: dict[str, Any]):
    once, again = (
        read(item, account=KF_ACCOUNT, conversation_of=lambda address: address, received_at_ms=NOW_MS) for _ in range(2)
    )
    assert once == again
