"""How sessions and replies are written down, and that other releases' items can be read."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontdesk.errors import ErasedError, UnopenableError
from frontdesk.messages import Choice, Field, Pause
from frontdesk.protection.customer_keys import CustomerKeys
from frontdesk.protection.sealing import Keyring
from frontdesk.records import CustomerKey, Pending, Reply, SealedSession, Session, Turn
from frontdesk.storage.items import from_reply, from_session, to_reply, to_sealed_session, to_session
from tests.factories import (
    ANOTHER_CONVERSATION,
    CHANNEL,
    CONVERSATION,
    CUSTOMER,
    MESSAGE_ID,
    NOW,
    NOW_MS,
    SESSION_ID,
    WORDS,
    reply,
    session,
    turn,
)
from tests.fakes.clock import FakeClock
from tests.fakes.keys import InMemoryCustomerKeys
from tests.fakes.seals import CUSTOMER_KEY_ID, FakeSeals

CHOICE = Choice("换货", "option-exchange")
PENDING = Pending(
    Pause("请登记。", choices=(CHOICE,), fields=(Field("size", "尺码", required=False, choices=(CHOICE,)),)),
    filled=(("name", "林梅"),),
    asked_again=True,
)
PLACEHOLDERS = (("[手机号1]", "13900000000"), ("[邮箱1]", "lin.mei@example.com"))
SEALS = FakeSeals()
SESSION_PLACE = ("session", CONVERSATION, SESSION_ID)
REPLY_PLACE = ("reply", CONVERSATION, MESSAGE_ID)

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
placeholders = st.lists(st.tuples(texts, texts), max_size=2).map(tuple)
turns = st.builds(Turn, texts, texts, texts, texts, numbers, numbers, confidences, texts, st.booleans())
sessions = st.builds(
    Session,
    *[texts] * 4,
    *[numbers] * 6,
    st.booleans(),
    pendings,
    st.lists(turns, max_size=2).map(tuple),
    numbers,
    placeholders,
    st.booleans(),
    texts,
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
    placeholders,
    numbers,
    texts,
    st.booleans(),
    st.lists(choices, max_size=2).map(tuple),
    texts,
    texts,
    texts,
    st.booleans(),
)


def words_of(item: dict[str, Any], place: tuple[str, ...]) -> dict[str, Any]:
    """Return what is sealed in ``item``."""
    words: dict[str, Any] = json.loads(SEALS.open(CONVERSATION, item["sealed"]["S"], *place))
    return words


def with_words(item: dict[str, Any], words: dict[str, Any], place: tuple[str, ...]) -> dict[str, Any]:
    """Return ``item`` with other words sealed in it."""
    return item | {"sealed": {"S": SEALS.seal(CONVERSATION, json.dumps(words), *place)}}


# -- what is written is read -----------------------------------------------------------------------------------------


@given(sessions)
def test_every_session_is_read_as_it_was_written(written: Session):
    assert to_session(from_session(written, SEALS), SEALS) == written


@given(replies)
def test_every_reply_is_read_as_it_was_written(written: Reply):
    assert to_reply(from_reply(written, SEALS), SEALS) == written


@given(sessions)
def test_an_item_holds_only_what_dynamodb_can(written: Session):
    kinds = {kind for value in from_session(written, SEALS).values() for kind in value}

    assert kinds <= {"S", "N", "BOOL"}


def test_a_sessions_ids_and_numbers_are_plain_and_its_words_are_sealed():
    written = session(
        turns=(turn(attempt_id="a1", undelivered=True),),
        pending=PENDING,
        placeholders=PLACEHOLDERS,
        version=3,
        chat_no=1,
        clarified=True,
        rating="good",
    )

    item = from_session(written, SEALS)

    assert {name: value for name, value in item.items() if name != "sealed"} == {
        "conversation": {"S": CONVERSATION},
        "session_id": {"S": SESSION_ID},
        "channel": {"S": CHANNEL},
        "opened_at": {"N": str(NOW)},
        "last_activity_at": {"N": str(NOW)},
        "expires_at": {"N": str(NOW + 900)},
        "version": {"N": "3"},
        "archived_version": {"N": "0"},
        "chat_no": {"N": "1"},
        "turns_dropped": {"N": "0"},
        "welcomed": {"BOOL": False},
        "clarified": {"BOOL": True},
        "rating": {"S": "good"},
    }
    assert words_of(item, SESSION_PLACE) == {
        "customer": CUSTOMER,
        "turns": [asdict(turn(attempt_id="a1", undelivered=True))],
        "pending": json.loads(json.dumps(asdict(PENDING))),
        "placeholders": [list(each) for each in PLACEHOLDERS],
    }


def test_a_replys_ids_and_numbers_are_plain_and_its_words_are_sealed():
    written = reply(
        message_ids=(MESSAGE_ID, "2"),
        placeholders=PLACEHOLDERS,
        opens_session=True,
        sent=1,
        attempt_id="a1",
        clarified=True,
        menu=(CHOICE,),
        rest="余下的话",
        handoff="asked",
        code="an-invented-code",
        silent=True,
    )

    item = from_reply(written, SEALS)

    assert {name: value for name, value in item.items() if name != "sealed"} == {
        "conversation": {"S": CONVERSATION},
        "channel": {"S": CHANNEL},
        "session_id": {"S": SESSION_ID},
        "kind": {"S": "answer"},
        "asked_at_ms": {"N": str(NOW_MS + 400)},
        "answered_at_ms": {"N": str(NOW_MS + 1300)},
        "chat_no": {"N": "0"},
        "sent": {"N": "1"},
        "message_ids": {"S": f'["{MESSAGE_ID}","2"]'},
        "opens_session": {"BOOL": True},
        "confidence": {"N": "0.93"},
        "attempt_id": {"S": "a1"},
        "clarified": {"BOOL": True},
        "handoff": {"S": "asked"},
        "silent": {"BOOL": True},
    }
    assert words_of(item, REPLY_PLACE) == {
        "recipient": CUSTOMER,
        "question": WORDS,
        "segments": ["您的订单已发货。"],
        "pending": None,
        "placeholders": [list(each) for each in PLACEHOLDERS],
        "menu": [{"label": "换货", "value": "option-exchange"}],
        "rest": "余下的话",
        "code": "an-invented-code",
    }


# -- what does not open ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "moved",
    [{"session_id": {"S": "another"}}, {"conversation": {"S": ANOTHER_CONVERSATION}}, {"sealed": {"S": "s1.c1."}}],
    ids=str,
)
def test_a_session_whose_words_are_not_its_own_is_not_read(moved: dict[str, Any]):
    with pytest.raises(UnopenableError):
        to_session(from_session(session(), SEALS) | moved, SEALS)


@pytest.mark.parametrize(
    "moved",
    [{"message_ids": {"S": '["2"]'}}, {"conversation": {"S": ANOTHER_CONVERSATION}}, {"sealed": {"S": ""}}],
    ids=str,
)
def test_a_reply_whose_words_are_not_its_own_is_not_read(moved: dict[str, Any]):
    with pytest.raises(UnopenableError):
        to_reply(from_reply(reply(), SEALS) | moved, SEALS)


def test_a_sessions_words_do_not_open_as_a_replys():
    item = from_reply(reply(), SEALS) | {"sealed": from_session(session(), SEALS)["sealed"]}

    with pytest.raises(UnopenableError):
        to_reply(item, SEALS)


def test_plain_attributes_never_stand_in_for_sealed_ones():
    spoiled = {"sealed": {"S": "fake.c0000000000ff.AAAA"}}

    with pytest.raises(UnopenableError):
        to_session(PLAIN_SESSION | spoiled, SEALS)
    with pytest.raises(UnopenableError):
        to_reply(PLAIN_REPLY | spoiled, SEALS)


def test_plain_attributes_beside_sealed_ones_are_not_read():
    kept, given = session(turns=(turn(),)), reply()

    assert to_session(PLAIN_SESSION | from_session(kept, SEALS), SEALS) == kept
    assert to_reply(PLAIN_REPLY | from_reply(given, SEALS), SEALS) == given


def test_what_was_erased_is_told_as_erased():
    erased = FakeSeals()
    erased.erased.add(CONVERSATION)

    with pytest.raises(ErasedError) as caught:
        to_session(from_session(session(), SEALS), erased)
    assert caught.value.key_id == CUSTOMER_KEY_ID
    with pytest.raises(ErasedError):
        to_reply(from_reply(reply(), SEALS), erased)


# -- the archiver's view ---------------------------------------------------------------------------------------------


@given(sessions)
def test_a_session_can_be_archived_without_any_key(written: Session):
    item = from_session(written, SEALS)

    seen = to_sealed_session(item)

    assert seen == SealedSession(
        conversation=written.conversation,
        session_id=written.session_id,
        channel=written.channel,
        opened_at=written.opened_at,
        last_activity_at=written.last_activity_at,
        version=written.version,
        archived_version=written.archived_version,
        turns_dropped=written.turns_dropped,
        rating=written.rating,
        words={"sealed": item["sealed"]["S"]},
    )


def test_the_old_image_of_a_stream_is_read_like_an_item():
    kept = session(version=3, archived_version=2, turns=(turn(),))
    # The index's attributes are in the image too.
    image = json.loads(json.dumps(from_session(kept, SEALS) | {"idle_shard": {"S": "7"}}))

    assert to_sealed_session(image) == to_sealed_session(from_session(kept, SEALS))


def test_sealed_words_are_archived_alone_whatever_stands_beside_them():
    item = PLAIN_SESSION | from_session(session(), SEALS)

    assert to_sealed_session(item).words == {"sealed": item["sealed"]["S"]}


@pytest.mark.parametrize("lacking", ["conversation", "session_id", "channel", "opened_at", "last_activity_at"])
def test_what_was_never_a_session_is_no_session(lacking: str):
    item = {name: value for name, value in from_session(session(), SEALS).items() if name != lacking}

    with pytest.raises((KeyError, TypeError)):
        to_session(item, SEALS)
    with pytest.raises((KeyError, TypeError)):
        to_sealed_session(item)


# -- other releases --------------------------------------------------------------------------------------------------

# As release 0.1.0 writes them, to the letter.
PLAIN_SESSION: dict[str, Any] = {
    "conversation": {"S": "5f0c2a9be1d34786a1b2c3d4e5f60718"},
    "session_id": {"S": "1790000000000-0123456789abcdef"},
    "channel": {"S": "wecom_app"},
    "customer": {"S": "lin.mei"},
    "opened_at": {"N": "1790000000"},
    "last_activity_at": {"N": "1790000000"},
    "expires_at": {"N": "1790000900"},
    "version": {"N": "2"},
    "archived_version": {"N": "1"},
    "chat_no": {"N": "3"},
    "turns_dropped": {"N": "4"},
    "welcomed": {"BOOL": True},
    "turns": {
        "S": '[{"question_id":"7011223344556677889","kind":"answer","question":"订单 8812 到哪里了？",'
        '"answer":"您的订单已发货。","asked_at_ms":1790000000400,"answered_at_ms":1790000001300,"confidence":0.93}]'
    },
    "pending": {
        "S": '{"pause":{"prompt":"请登记。","choices":[{"label":"换货","value":"option-exchange"}],"fields":[{"key":"size",'
        '"label":"尺码","required":false,"choices":[{"label":"换货","value":"option-exchange"}]}]},'
        '"filled":[["name","林梅"]],"asked_again":true}'
    },
}
PLAIN_REPLY: dict[str, Any] = {
    "conversation": {"S": "5f0c2a9be1d34786a1b2c3d4e5f60718"},
    "channel": {"S": "wecom_app"},
    "recipient": {"S": "lin.mei"},
    "session_id": {"S": "1790000000000-0123456789abcdef"},
    "kind": {"S": "answer"},
    "question": {"S": "订单 8812 到哪里了？"},
    "asked_at_ms": {"N": "1790000000400"},
    "answered_at_ms": {"N": "1790000001300"},
    "chat_no": {"N": "0"},
    "sent": {"N": "1"},
    "message_ids": {"S": '["7011223344556677889"]'},
    "segments": {"S": '["您的订单已发货。"]'},
    "opens_session": {"BOOL": True},
    "confidence": {"N": "0.93"},
    "pending": PLAIN_SESSION["pending"],
}

# What release 0.2.0 sealed, under an invented keyring: it must open in every later one.
GOLDEN_RING = "00112233445566778899aabbccddeeff"
GOLDEN_KEY = CustomerKey(
    CONVERSATION,
    "cd797ba5681fc",
    {"cd797ba5681fc": ("s1.k1.K3h4eQc8WcFUeDbq59NfdwqTsN3R-N0s8Z-1dv5q5Xk-RH7TIQs1c5KQUHEDY1u-Seik0v1i3XYww6wL")},
    version=1,
)
GOLDEN_SESSION = (
    "s1.cd797ba5681fc.a7aewk9mododVwX3ILySCijN_qjND7lIcmN89JH0ZJsPfo1e_ZBZAG9DW_dWmDG65tCGBoXHRSWpAh-Frbe"
    "cqW7whQz4w0l_h3tts5yZOFb-yauTL_H_lgi8coMK0bXQAKvaA5YDBXpXJmlAcOlPBpALpgVvHOFZGdN_BqEtdLCPBu7hM3R3EaC"
    "fXpb0xtEvNT8w2GkxD3y1xnk89ThfxYlFu4hQNJA_5f8BlZJiQYyAw3RsClSl42tOmDqTeM8no-mBavS5g1MO8UZtoAI8ucHsOOj"
    "3wWPNWRlCs6r61FKwxNZnIUvtysL-pD_6JcvUHL0eBnGIa76D5pS1VLQBddmHnh_KfObD3BGKHmsGIY4PhYC-D_y2BrUB3LT8DJC"
    "-a21Zbqz3vWL4nzkFPlkjWl1Y3C77RKbgOr4fQkmz1HBaInbgEnbeJ8FgxqAk2LS7RzFIR8lS1tBm2bM91Oqwu6aW3rBvOq_pH2F"
    "jrzb91-cW-Fo14Ym1zn0FE7PQtdk96qnw7M3bFnxHBqplAmh9cThN1BcC9eo7ThnID8r0IgvE0yfe0NNXOXeXYTwkRAGUfVGOcFz"
    "GJIBoF9HeDNCuhdRrjqSNOJEeNQDvuNakz2i-o-yxIGVgl-8C0MSDQJBXWc824h56GDlJz_0y2p7z2TfxmwTLjJPXz8zsvgOEzat"
    "pCILpwq4qeaVRvdOn08FMssYwJDyZzPT60ss04tgsTDW9VibToRZ_1It1bxnH8CpqphEfYf_QtfOcDSYUExJ3L3L4YEf4AQ5n1Qt"
    "ixVRyycpFHxNai6WFT35qGS2kdDt7-ceGQtjezHXVLcU"
)
GOLDEN_REPLY = (
    "s1.cd797ba5681fc.rihGoj2zmBg1uYb522q6KZkjAI595vZ4nlk9T9tGsz9mpdxjgQqtWeM41TQZVjW7p5mgGAQDpAEMftbDWsV"
    "Kc4zxf0kJZxMtMd6AIXmem3vVffOem1a_DJmqq_BsuSrTo89BbQAm4MQulmbk1h4q90MrL2mmeqvkNVchxJQy51IO8sAYYdYPfdi"
    "LNHBEo7VREj5l5R_HZ1A4PT63iTorChNrVGsKsybsN3gBtTyFL4ZQCXxtQkzwvuVAX0eMJk8JdiXuYLas_umvBU5IMF5rzV_dKjW"
    "g2R3S38phMoQYfCjN_rbyR5tihyhKk4NdMZlYUH3ChgMrWPTwsgcPLGTeB5Mbzsyc5-Bwp0j0dYZdvc6Ajfc-ZaX0a9ivA04_N_E"
    "4hBUSDu_9DZPPzd4LUFmBjoP1pedVvrbiO89B71dognn0VzKdHeDGaofb2uliCBTLANMZSQAcxEuKy9SglG0g5_qEnyAU-Ej8wRM"
    "cXnFPGMTBj5TyWM9SlUFU4e5HHGeFXXFSpHhiJkHwWirqHQGrl9S1Z7XTjMRVHST_zfwYYCtlPPPXJBiAIaziv0KXqZkcY3ymWs_"
    "KdK1ydAHgNC6Q0x1g-CwT-PTPUGbDqKaf8WNqNmUqMVOqJWUdx9ed_oZiFdmZ2g"
)


@pytest.fixture
def golden_seals() -> CustomerKeys:
    store = InMemoryCustomerKeys()
    store.create(GOLDEN_KEY)
    return CustomerKeys(keyring=Keyring.read(GOLDEN_RING), store=store, clock=FakeClock().monotonic)


def test_a_session_that_release_0_2_0_sealed_is_read(golden_seals: CustomerKeys):
    plain = {name: value for name, value in PLAIN_SESSION.items() if name not in {"customer", "turns", "pending"}}

    assert to_session(plain | {"sealed": {"S": GOLDEN_SESSION}}, golden_seals) == session(
        version=2,
        archived_version=1,
        chat_no=3,
        turns_dropped=4,
        welcomed=True,
        turns=(turn(),),
        pending=PENDING,
        placeholders=PLACEHOLDERS,
    )


def test_a_reply_that_release_0_2_0_sealed_is_read(golden_seals: CustomerKeys):
    words = {"recipient", "question", "segments", "pending"}
    plain = {name: value for name, value in PLAIN_REPLY.items() if name not in words}

    assert to_reply(plain | {"sealed": {"S": GOLDEN_REPLY}}, golden_seals) == reply(
        pending=PENDING, sent=1, opens_session=True, placeholders=PLACEHOLDERS
    )


# What this release sealed under the same key, with all that it has and 0.2.0 had not.
GOLDEN_SESSION_NOW = (
    "s1.cd797ba5681fc.vbD2mVz3WVS1gH1R5-"
    "IpT1vE_muHy7ZRApuyN_x7VGHxX4koAwy8QAVotojssvg7l8FpVu0uvGPxJMAugKDf76aSxmDMhRpGQdiazZruTYcXzS3YYIypWZ"
    "qv6vj6OHPJLONUh8UChVej09OTBhOhnYYM-1Ou7S95G-"
    "lDpHytnQMxpM1fw8JMkFile2SNiblRqB_2NP7zey8kGURTLhdOMtToTLU-"
    "oAR0tAlDLwlFY1SJXG7PB98AP-O0wg9yfpi93OjwPElvMvFvhv-x855G_QM1e_-nQbqOIt6ZvvKV83u5p2cpGwbosm_pSx9qqsbk"
    "CMLe8Fi_LEad33dBV7YyMjSzYls4CLf4J-I_qiKZpYU8HuMGbFNmTE9IeY0a-"
    "7b6hKsh5IxtiWA5Y64EgPhB8syMDSVolvygXcSdSCG6yxBSZiA65FtnMtHxfOWL94K6QLT13BASjv6l"
)
GOLDEN_REPLY_NOW = (
    "s1.cd797ba5681fc.dOBZIP_UNR3dWf3lGPbHKt2uFYmLh4HPr059jSm0IDu87_YunMXsUuogqLqKnaKG31AgIBrtnRtVpotCqcB"
    "Hc4_UEFK4bjAPK-7ztZDhcez_UOMpraX0JTfWgk2yP-6vyXANaNEKS4cXUIJezG2QG_IGmeBuz1w8CnWwuVS-iAVWvEYxrz8EDWD"
    "YOP_cZD87gCxJQZGo9SPf_WyG9ol5rqh5OZTeEdooArd0DLFJXAJ-J5AWOW5JGyZc3UAzSquVc2vp3-Ky5-"
    "Inyn3IxLYMeYSSB55BIp6xKsPkkCjA-SN-fFJYnHFxX3bw3JPHo1JX4gve4YE--0711tCaRPX3_EUmMhlSliQxGdY7"
)


def test_a_session_that_this_release_sealed_is_read(golden_seals: CustomerKeys):
    plain = {name: value for name, value in PLAIN_SESSION.items() if name not in {"customer", "turns", "pending"}}
    item = plain | {"clarified": {"BOOL": True}, "rating": {"S": "good"}, "sealed": {"S": GOLDEN_SESSION_NOW}}

    assert to_session(item, golden_seals) == session(
        version=2,
        archived_version=1,
        chat_no=3,
        turns_dropped=4,
        welcomed=True,
        turns=(turn(attempt_id="attempt-1", undelivered=True),),
        clarified=True,
        rating="good",
    )


def test_a_reply_that_this_release_sealed_is_read(golden_seals: CustomerKeys):
    words = {"recipient", "question", "segments", "pending"}
    plain = {name: value for name, value in PLAIN_REPLY.items() if name not in words}
    added = {"attempt_id": {"S": "attempt-1"}, "handoff": {"S": "asked"}}
    added |= {"clarified": {"BOOL": True}, "silent": {"BOOL": True}, "sealed": {"S": GOLDEN_REPLY_NOW}}

    assert to_reply(plain | added, golden_seals) == reply(
        sent=1,
        opens_session=True,
        attempt_id="attempt-1",
        clarified=True,
        menu=(CHOICE,),
        rest="余下的话",
        handoff="asked",
        code="an-invented-code",
        silent=True,
    )


def test_one_customers_words_do_not_open_for_another(golden_seals: CustomerKeys):
    item = from_session(session(), golden_seals)

    with pytest.raises(UnopenableError):
        to_session(item | {"conversation": {"S": ANOTHER_CONVERSATION}}, golden_seals)


def test_a_session_of_the_release_before_sealing_is_read():
    assert to_session(PLAIN_SESSION, SEALS) == session(
        version=2, archived_version=1, chat_no=3, turns_dropped=4, welcomed=True, turns=(turn(),), pending=PENDING
    )


def test_a_reply_of_the_release_before_sealing_is_read():
    assert to_reply(PLAIN_REPLY, SEALS) == reply(pending=PENDING, sent=1, opens_session=True)


def test_a_session_of_the_release_before_sealing_is_archived_as_that_release_did():
    assert to_sealed_session(PLAIN_SESSION) == SealedSession(
        conversation=CONVERSATION,
        session_id=SESSION_ID,
        channel=CHANNEL,
        opened_at=NOW,
        last_activity_at=NOW,
        version=2,
        archived_version=1,
        turns_dropped=4,
        words={"customer": CUSTOMER, "turns": [asdict(turn())]},
    )


def test_a_plain_session_with_less_is_read_with_defaults():
    item = {
        name: PLAIN_SESSION[name]
        for name in ("conversation", "session_id", "channel", "customer", "opened_at", "last_activity_at", "expires_at")
    }

    assert to_session(item, SEALS) == session()
    assert to_sealed_session(item).words == {"customer": CUSTOMER, "turns": []}
    assert (to_sealed_session(item).version, to_sealed_session(item).turns_dropped) == (0, 0)


def test_a_plain_reply_with_less_is_read_with_defaults():
    item = {
        name: value
        for name, value in PLAIN_REPLY.items()
        if name not in {"chat_no", "sent", "opens_session", "confidence", "pending"}
    }

    assert to_reply(item, SEALS) == reply(confidence=None)


def test_a_plain_turn_with_less_is_read_and_archived_with_defaults():
    written = {name: getattr(turn(), name) for name in Turn.__slots__ if name != "confidence"}
    item = PLAIN_SESSION | {"turns": {"S": json.dumps([written])}}

    assert to_session(item, SEALS).turns == (turn(confidence=None),)
    assert to_sealed_session(item).words["turns"] == [asdict(turn(confidence=None))]


def test_a_pause_with_less_is_read_with_defaults():
    pending = {"pause": {"prompt": "？", "fields": [{"key": "a", "label": "甲"}]}}
    plain = PLAIN_SESSION | {"pending": {"S": json.dumps(pending)}}
    item = from_session(session(), SEALS)
    sealed = with_words(item, words_of(item, SESSION_PLACE) | {"pending": pending}, SESSION_PLACE)

    for each in (plain, sealed):
        assert to_session(each, SEALS).pending == Pending(Pause("？", fields=(Field("a", "甲"),)))


def test_sealed_words_with_less_are_read_with_defaults():
    item = with_words(from_session(session(), SEALS), {"customer": CUSTOMER, "turns": []}, SESSION_PLACE)
    given = with_words(
        from_reply(reply(), SEALS),
        {"recipient": CUSTOMER, "question": WORDS, "segments": ["您的订单已发货。"]},
        REPLY_PLACE,
    )

    assert to_session(item, SEALS) == session()
    assert to_reply(given, SEALS) == reply()


def test_sealed_words_without_what_every_release_seals_are_no_session():
    item = with_words(from_session(session(), SEALS), {"customer": CUSTOMER}, SESSION_PLACE)

    with pytest.raises(KeyError):
        to_session(item, SEALS)


def test_what_a_later_release_added_is_left_alone():
    kept = session(turns=(turn(),), pending=PENDING, placeholders=PLACEHOLDERS)
    item = from_session(kept, SEALS) | {"mood": {"S": "good"}}
    words = words_of(item, SESSION_PLACE) | {"mood": "good"}
    words["turns"][0]["mood"] = "good"
    words["pending"]["mood"] = "good"
    words["pending"]["pause"]["mood"] = "good"
    words["pending"]["pause"]["choices"][0]["mood"] = "good"
    words["pending"]["pause"]["fields"][0]["mood"] = "good"
    words["pending"]["pause"]["fields"][0]["choices"][0]["mood"] = "good"
    later = with_words(item, words, SESSION_PLACE)
    given = from_reply(reply(pending=PENDING), SEALS) | {"mood": {"S": "good"}}
    later_reply = with_words(given, words_of(given, REPLY_PLACE) | {"mood": "good"}, REPLY_PLACE)

    assert to_session(later, SEALS) == kept
    assert to_sealed_session(later) == replace(
        to_sealed_session(from_session(kept, SEALS)), words={"sealed": later["sealed"]["S"]}
    )
    assert to_reply(later_reply, SEALS) == reply(pending=PENDING)
