"""What holds for every answer that is fitted into what the vendor allows."""

from __future__ import annotations

import re
import string
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from frontdesk.channels.wecom_text import split as wecom_split
from frontdesk.conversation.fitting import Fitted, fit

CLUSTERS = [
    "👨‍👩‍👧‍👦", "🇨🇳", "👍🏽", "❤️", "1️⃣", "！️", "é", "क्षि", "한", "กำ", "e\u0301", "\u1112\u1161\u11ab",
    "中", "文", "a", "7", "。", "！", "，", " ", "\n", "…", "”",
]  # fmt: skip
BLANK = re.compile("[\\s\u200b\u200c\u2060\ufeff]+")

words = st.text(string.ascii_letters, min_size=1, max_size=9)
chinese = st.text("你好世界请问订单在哪里退款", min_size=1, max_size=9)
links = st.builds('<a href="https://example.com/{}">{}</a>'.format, words, chinese)
lines = st.builds("\n• {}\n".format, words | chinese) | st.builds("\n{}｜{}\n".format, chinese, chinese)
texts = st.lists(
    words | chinese | links | lines | st.sampled_from(["。", "，", ". ", " ", "\n", "\n\n", "！", "？", "；", "3.5"]),
    max_size=120,
).map("".join)
clusters = st.lists(st.sampled_from(CLUSTERS), max_size=150)
limits = st.integers(48, 300)
rooms = st.none() | st.integers(0, 6)


def visible(text: str) -> str:
    return BLANK.sub("", text)


def fitted(text: str, limit: int, room: int | None, most: int = 10) -> tuple[list[str], Fitted]:
    split = partial(wecom_split, limit=limit)
    return split(text), fit(split(text), room=room, most=most, split=split)


@given(text=texts | clusters.map("".join), limit=limits, room=rooms, most=st.integers(1, 6))
def test_no_word_is_lost_nor_changes_its_place(text: str, limit: int, room: int | None, most: int):
    segments, result = fitted(text, limit, room, most)

    assert visible("".join((*result.segments, result.rest))) == visible("".join(segments))


@given(parts=st.lists(texts.filter(str.strip), max_size=8), limit=limits, room=rooms)
def test_nor_when_the_messages_are_short_ones_of_their_own(parts: list[str], limit: int, room: int | None):
    split = partial(wecom_split, limit=limit)
    segments = [segment for part in parts for segment in split(part)]
    result = fit(segments, room=room, most=5, split=split)

    assert visible("".join((*result.segments, result.rest))) == visible("".join(segments))
    assert all(len(split(segment)) == 1 for segment in result.segments)


@given(text=texts | clusters.map("".join), limit=limits, room=rooms, most=st.integers(0, 6))
def test_no_more_messages_than_allowed_each_of_them_one_to_the_channel(
    text: str, limit: int, room: int | None, most: int
):
    _, result = fitted(text, limit, room, most)

    assert len(result.segments) <= min(most, most if room is None else room)
    assert all(len(wecom_split(segment, limit)) == 1 for segment in result.segments)


@given(text=texts, limit=limits, room=rooms)
def test_what_fits_passes_unchanged(text: str, limit: int, room: int | None):
    segments, result = fitted(text, limit, room)

    if len(segments) <= (10 if room is None else room):
        assert result == Fitted(tuple(segments), "")
    else:
        assert len(result.segments) >= min(1, 10 if room is None else room)


@given(text=texts | clusters.map("".join), limit=limits, room=st.integers(1, 3))
def test_asking_for_the_rest_again_and_again_ends(text: str, limit: int, room: int):
    segments, result = fitted(text, limit, room)
    said = list(result.segments)
    for _ in segments * 3:
        if not result.rest:
            break
        _, result = fitted(result.rest, limit, room)
        said += result.segments

    assert not result.rest
    assert visible("".join(said)) == visible("".join(segments))


@given(parts=clusters, limit=limits, room=st.integers(1, 3))
def test_no_visible_character_is_cut(parts: list[str], limit: int, room: int):
    _, result = fitted("".join(parts), limit, room)
    left = [part for part in parts if not part.isspace()]
    for segment in (*result.segments, result.rest):
        rest = re.sub(r"\s+", "", segment)
        while rest:
            assert rest.startswith(left[0])
            rest = rest.removeprefix(left.pop(0))

    assert left == []


@given(
    sentences=st.lists(st.text("你好世界请问订单", min_size=1, max_size=12).map("{}。".format), max_size=40),
    limit=limits,
    room=st.integers(1, 3),
)
def test_every_message_ends_with_a_sentence_where_sentences_are_short(sentences: list[str], limit: int, room: int):
    _, result = fitted("".join(sentences), limit, room)

    assert all(segment.endswith("。") for segment in result.segments)


@given(text=texts, limit=st.integers(120, 300), room=st.integers(1, 3))
def test_no_link_is_cut(text: str, limit: int, room: int):
    _, result = fitted(text, limit, room)

    for part in (*result.segments, result.rest):
        assert part.count("<a ") == len(re.findall(r'<a href="[^"<>]*">[^<>]*</a>', part)) == part.count("</a>")
