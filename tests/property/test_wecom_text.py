"""What holds for every text that is cut into WeCom messages, and for every Markdown that becomes one."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from frontdesk.channels.wecom_text import MAX_BYTES, TWIN_ROOM, distinct, render, split

CLUSTERS = [
    "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇨🇳", "🇩🇪", "👍🏽", "❤️", "1️⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "é", "ü̈", "क्षि", "한", "각", "กำ",
    "e\u0301", "\u1112\u1161\u11ab", "中", "文", "a", "B", "7", "。", "！", "，", " ", "\n", "…", "”", "．",
]  # fmt: skip
INVISIBLE = re.compile(r"\s+")

limits = st.integers(4, 300)
clusters = st.lists(st.sampled_from(CLUSTERS), max_size=200)
words = st.text(string.ascii_letters, min_size=1, max_size=12)
chinese = st.text("你好世界请问订单在哪里退款", min_size=1, max_size=12)
anything = st.text(st.characters(codec="utf-8"), max_size=400)
links = st.builds('<a href="https://example.com/{}">{}</a>'.format, words, words | chinese)
items = st.builds("• {}\n".format, words | chinese)
prose = st.lists(
    words | chinese | links | items | st.sampled_from(["。", "，", ". ", " ", "\n", "\n\n", "！", "？"]), max_size=120
).map("".join)


def visible(text: str) -> str:
    return INVISIBLE.sub("", text)


@given(text=anything | prose | clusters.map("".join), limit=limits)
def test_no_segment_is_longer_than_the_limit_and_none_is_blank(text: str, limit: int):
    segments = split(text, limit)

    assert all(0 < len(segment.encode()) <= limit for segment in segments)
    assert all(segment.strip() for segment in segments)


@given(text=anything | prose, limit=limits)
@example(text="\n" * 50 + "x", limit=4)
@example(text=" " * 50 + "x", limit=4)
def test_joined_segments_lose_nothing_that_can_be_seen(text: str, limit: int):
    for link in re.findall(r'<a\s+href="[^"<>]*"\s*>[^<>]*</a>', text):
        if len(link.encode()) > limit:
            text = text.replace(link, re.sub(r'<a\s+href="([^"<>]*)"\s*>([^<>]*)</a>', r"\2 (\1)", link))
    expected = visible(text).strip("\u200b\u200c\u200d\u2060\ufeff")

    assert visible("".join(split(text, limit))).strip("\u200b\u200c\u200d\u2060\ufeff") == expected


@given(parts=clusters, limit=st.integers(40, 120))
def test_no_visible_character_is_cut(parts: list[str], limit: int):
    # The longest of the samples is 28 bytes, so each can be kept whole.
    left = [part for part in parts if not part.isspace()]
    for segment in split("".join(parts), limit):
        rest = visible(segment)
        while rest:
            assert rest.startswith(left[0])
            rest = rest.removeprefix(left.pop(0))

    assert left == []


@given(text=prose, limit=st.integers(120, 300))
def test_no_link_is_cut(text: str, limit: int):
    for segment in split(text, limit):
        assert segment.count("<a ") == segment.count("</a>")
        assert segment.count("<a ") == len(re.findall(r'<a href="[^"<>]*">[^<>]*</a>', segment))


@given(entries=st.lists(words | chinese, min_size=1, max_size=60), limit=st.integers(64, 300))
def test_no_list_item_is_cut(entries: list[str], limit: int):
    lines = [f"• {entry}" for entry in entries]

    assert [line for segment in split("\n".join(lines), limit) for line in segment.split("\n")] == lines


@given(
    sentences=st.lists(st.text("你好世界请问订单", min_size=1, max_size=20).map("{}。".format), max_size=40),
    limit=st.integers(64, 300),
)
def test_no_sentence_is_cut(sentences: list[str], limit: int):
    for segment in split("".join(sentences), limit):
        assert segment.endswith("。")


@given(text=anything | prose)
def test_a_text_that_fits_is_one_segment(text: str):
    if len(text.encode()) <= 1000 and text.strip(" \n\u200b"):
        assert len(split(text, 2000)) <= 1


@given(st.text())
def test_every_text_can_be_rendered_and_cut(text: str):
    for segment in split(render(text)):
        assert len(segment.encode()) <= MAX_BYTES - TWIN_ROOM


@given(st.text("#*_~`[]()<>!|-+.:\\&\n \t1ax中，/\"'=", max_size=120))
def test_every_mixture_of_markup_can_be_rendered(text: str):
    rendered = render(text)

    assert "\n\n\n" not in rendered
    assert rendered == rendered.strip("\n")


plain_lines = st.lists(
    st.text(string.ascii_letters + string.digits + "你好世界，。！？：（）“”—…$%@/;, ", min_size=1, max_size=40)
    .map(str.strip)
    .filter(lambda line: line and not re.match(r"\d+[.)]|[-+]", line)),
    min_size=1,
    max_size=8,
)


@given(lines=plain_lines, gap=st.sampled_from(["\n", "\n\n"]))
def test_plain_text_passes_unchanged(lines: list[str], gap: str):
    assert render(gap.join(lines)) == gap.join(lines)


@given(lines=plain_lines, gap=st.sampled_from(["\n", "\n\n"]))
def test_plain_text_passes_unchanged_beside_markup(lines: list[str], gap: str):
    assert render(gap.join([*lines, "**x**"])) == gap.join([*lines, "x"])


def _numbered(pieces: list[str]) -> tuple[str, int]:
    """Fill each `{}` of ``pieces`` with the next of word1, word2 … and tell how many there are."""
    text = "\n\n".join(pieces)
    count = text.count("{}")
    return text.format(*(f"word{n}x" for n in range(count))), count


@given(
    st.lists(
        st.sampled_from(
            [
                "# {} {}", "###### {}", "**{}** {}", "*{}*{}", "***{}***", "~~{}~~", "__{}__ _{}_", "`{}`", "``{} ` {}``",
                "```python\n{}\n\n  {}\n```", "~~~ {} {}\n{}\n~~~", "```\n{}", "- {}\n  - {}\n    - {}\n- {}", "* {}\n\n  {}\n",
                "1. {}\n1. {}\n   - {}", "3) {}\n4) {}", "- [ ] {}\n- [x] {}", "> {}\n> > {}\n{}", "- > {}\n  > - {}",
                "| {} | {} |\n|---|---|\n| {} | {} |", "| {} | {} | {} |\n|-|:-:|-|\n| {} | {} |\n| {} | {} | {} | {} |",
                "[{}](https://example.com/{})", "[{}](relative/{} '{}')", "[{}](javascript:{})", "![{}](https://example.com/{}.png)",
                "![{}](/api/system/x.png)", "[![{}](https://example.com/x.png)](https://example.com/{})", "<https://example.com/{}>",
                "https://example.com/{}_{}*{}*?{}", "{}<br>{}", "<p>{}</p><p>{}</p>", "<b>{}</b>", "List<{}>", "<a href='https://example.com/{}'>{}</a>",
                "<a href='x>{}</a>", "<img src='https://example.com/{}' alt='{}'>", "{}\n---\n{}", "{}\n===\n{}", "    {}", "[{}]: https://example.com/{}",
                "{}  \n{}\\\n{}", "\\*{}\\*", "&lt;{}&gt;", "**{}：**{}", "{}**“{}”**{}", "<ul><li>{}</li><li>{}</li></ul>", "<td>{}</td><td>{}</td>",
                "![{}", "[{}", "[{}](", "**{}", "`{}", "<{}", "|{}|", "{}|{}\n-|-", "#{}", "- ", "1.", "***", "[ ] {}", "$${}$$",
            ]
        ),
        max_size=12,
    )
)  # fmt: skip
def test_no_word_is_lost(pieces: list[str]):
    markdown, count = _numbered(pieces)
    rendered = render(markdown)

    for number in range(count):
        assert f"word{number}x" in rendered


@given(depth=st.integers(1, 400), sign=st.sampled_from(["> ", ">", "- ", "1. ", "![", "["]))
def test_no_word_is_lost_in_deep_nesting(depth: int, sign: str):
    assert "word" in render(sign * depth + "word" + ("](u)" * depth if "[" in sign else ""))


@given(text=prose, n=st.integers(0, 65_535), m=st.integers(0, 65_535))
def test_twins_are_distinct_look_the_same_and_still_fit(text: str, n: int, m: int):
    for segment in split(text * 5):
        marked = distinct(segment, n)
        assert (marked == distinct(segment, m)) is (n == m)
        assert marked.rstrip("\u200b\u200c") == segment
        assert len(marked.encode()) <= MAX_BYTES


@pytest.mark.parametrize("limit", [-1, 0, 3])
def test_a_limit_below_the_longest_character_is_refused(limit: int):
    with pytest.raises(ValueError, match="at least 4"):
        split("x", limit)
