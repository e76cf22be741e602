"""How sessions and replies are written down, and that other releases' items can be read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontdesk.messages import Choice, Field, Pause
from frontdesk.records import Pending, Reply, Session, Turn
from frontdesk.storage.items import from_reply, from_session, to_reply, to_session
from tests.factories import CHANNEL, CONVERSATION, CUSTOMER, NOW, SESSION_ID, reply, session, turn

CHOICE = Choice("换货", "option-exchange")
PENDING = Pending(
    Pause("请登记。", choices=(CHOICE,), fields=(Field("size", "尺码", required=False, choices=(CHOICE,)),)),
    filled=(("name", "林梅"),),
    asked_again=True,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.integers(0, 2**53)
choices = st.builds(Choice, texts, texts)
pauses = st.builds(
    Pause,
    texts,
    st.lists(choices, max_size=2).map(tuple),
    st.lists(st.builds(Field, texts, texts, st.booleans(), st.lists(choices, max_size=2).map(tuple)), max_size=2).map(
        tuple
    ),
)
pendings = st.none() | st.builds(
    Pending, pauses, st.lists(st.tuples(texts, texts), max_size=2).map(tuple), st.booleans()
)
confidences = st.none() | st.floats(0, 1)
turns = st.builds(Turn, texts, texts, texts, texts, numbers, numbers, confidences)
sessions = st.builds(
    Session,
    *[texts] * 4,
    *[numbers] * 6,
    st.booleans(),
    pendings,
    st.lists(turns, max_size=2).map(tuple),
    numbers,
)
replies = st.builds(
    Reply,
    texts,
    st.lists(texts, min_size=1, max_size=3).map(tuple),
    *[texts] * 5,
    st.lists(texts, max_size=3).map(tuple),
    numbers,
    numbers,
    confidences,
    numbers,
    pendings,
    st.booleans(),
    numbers,
)


@given(sessions)
def test_every_session_is_read_as_it_was_written(written: Session):
    assert to_session(from_session(written)) == written


@given(replies)
def test_every_reply_is_read_as_it_was_written(written: Reply):
    assert to_reply(from_reply(written)) == written


@given(sessions)
def test_an_item_holds_only_what_dynamodb_can(written: Session):
    kinds = {kind for value in from_session(written).values() for kind in value}

    assert kinds <= {"S", "N", "BOOL"}


def test_words_are_written_down_readably():
    item = from_session(session(turns=(turn(answer="您好"),), pending=PENDING))

    assert "您好" in item["turns"]["S"]
    assert "换货" in item["pending"]["S"]


def test_a_session_of_an_earlier_release_is_read_with_defaults():
    item = {
        "conversation": {"S": CONVERSATION},
        "session_id": {"S": SESSION_ID},
        "channel": {"S": CHANNEL},
        "customer": {"S": CUSTOMER},
        "opened_at": {"N": str(NOW)},
        "last_activity_at": {"N": str(NOW)},
        "expires_at": {"N": str(NOW + 900)},
    }

    assert to_session(item) == session()


def test_a_reply_of_an_earlier_release_is_read_with_defaults():
    written = reply(confidence=None)
    item = from_reply(written)
    for name in ("chat_no", "sent", "opens_session"):
        del item[name]

    assert to_reply(item) == written


def test_what_a_later_release_added_is_left_alone():
    kept = session(turns=(turn(),), pending=PENDING)
    item = from_session(kept) | {"mood": {"S": "good"}}
    item["turns"] = {"S": json.dumps([json.loads(item["turns"]["S"])[0] | {"mood": "good"}])}
    pending = json.loads(item["pending"]["S"]) | {"mood": "good"}
    pending["pause"]["mood"] = "good"
    pending["pause"]["choices"][0]["mood"] = "good"
    pending["pause"]["fields"][0] |= {"mood": "good"}
    pending["pause"]["fields"][0]["choices"][0]["mood"] = "good"
    item["pending"] = {"S": json.dumps(pending)}

    assert to_session(item) == kept


def test_a_pause_of_an_earlier_release_is_read_with_defaults():
    item = from_session(session()) | {
        "pending": {"S": json.dumps({"pause": {"prompt": "？", "fields": [{"key": "a", "label": "甲"}]}})}
    }

    assert to_session(item).pending == Pending(Pause("？", fields=(Field("a", "甲"),)))


def test_a_turn_of_an_earlier_release_is_read_with_defaults():
    written = {name: getattr(turn(), name) for name in Turn.__slots__ if name != "confidence"}
    item = from_session(session()) | {"turns": {"S": json.dumps([written])}}

    assert to_session(item).turns == (turn(confidence=None),)


def test_the_old_image_of_a_stream_is_read_like_an_item():
    kept = session(version=3, archived_version=2, turns=(turn(),))
    # The index's attributes are in the image too.
    image = json.loads(json.dumps(from_session(kept) | {"idle_shard": {"S": "7"}}))

    assert to_session(image) == kept


def test_what_was_never_a_session_is_no_session():
    with pytest.raises(KeyError):
        to_session({"conversation": {"S": CONVERSATION}})
