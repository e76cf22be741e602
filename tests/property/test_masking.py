"""Rules that hold for whatever a customer writes: nothing is lost, nothing comes back wrong, and time grows with length."""

from __future__ import annotations

import re
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontdesk.protection import digit_values, email_addresses, masking, private_data, redaction
from frontdesk.protection.levelling import has_numerals, level, numerals_as_digits
from frontdesk.protection.masking import Masker
from frontdesk.protection.private_data import find_private_data, same_value
from frontdesk.protection.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MASKER = Masker()
PHONES = st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True)
PIECES = st.one_of(
    st.text(max_size=12),
    PHONES,
    st.sampled_from(
        [
            "[手机号1]", "【地址 1】", "138 1234 5678", "+86", "６２２２", "一三八", "-", " ", ".", "，", "@", "a@b.cn", "京A12345",
            "文三路138号", "3栋", "护照E12345678", "11019919900307", "X", "\u200b", "①", "元", "订单号", "路", "号",
        ]
    ),
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=14).map("".join)


@given(TEXTS)
def test_what_is_found_is_in_order_and_apart(text: str) -> None:
    found = find_private_data(text)
    assert all(each.start < each.end <= len(text) for each in found)
    assert all(one.end <= other.start for one, other in pairwise(found))


@given(TEXTS)
def test_a_text_comes_back_but_for_values_written_in_a_second_way(text: str) -> None:
    masked = MASKER.mask(text, ())
    back = MASKER.unmask(masked.text, masked.placeholders)
    found = find_private_data(text)
    writings = {(each.kind, same_value(each.kind, text[each.start : each.end])) for each in found}
    if len(writings) == len(found):
        assert back == text
    for _, value in masked.placeholders:
        assert value in text
        assert value in back


@given(st.lists(TEXTS, max_size=4))
def test_what_has_a_placeholder_keeps_it(texts: list[str]) -> None:
    known: tuple[tuple[str, str], ...] = ()
    for text in texts:
        masked = MASKER.mask(text, known)
        assert masked.placeholders[: len(known)] == known
        known = masked.placeholders
    names = [placeholder for placeholder, _ in known]
    assert len(set(names)) == len(names)


@given(PHONES, st.sampled_from(["", " ", "-", "　", "－", ".", "_", "--", "\n"]), st.booleans(), st.booleans())
def test_a_mobile_number_never_reaches_the_model(phone: str, joint: str, wide: bool, spoken: bool) -> None:  # noqa: FBT001
    written = joint.join((phone[:3], phone[3:7], phone[7:]))
    if wide:
        written = "".join(chr(ord(char) + 0xFEE0) if char.isdigit() else char for char in written)
    elif spoken:
        written = "".join("零一二三四五六七八九"[int(char)] if char.isdigit() else char for char in written)
    assert MASKER.mask(f"请打{written}，谢谢", ()).text == "请打[手机号1]，谢谢"
    assert redact(f"call {written} now") == "call [redacted phone] now"


@given(st.text())
def test_levelling_moves_nothing(text: str) -> None:
    assert len(level(text)) == len(text)
    assert len(numerals_as_digits(text)) == len(text)
    assert has_numerals(text) or numerals_as_digits(text) == text


@given(TEXTS)
def test_what_is_redacted_once_stays_so(text: str) -> None:
    assert redact(redact(text)) == redact(text)


# Texts that make a careless rule try everything: long runs, endless beginnings, brackets that never close.
HOSTILE = [
    "1",
    "1 ",
    "1\u200b",
    "138 ",
    "1-",
    "1\n",
    "138/",
    "1_*~",
    "一",
    "一，",
    "13812345678 ",
    "6222 ",
    "a@",
    "a.a@",
    "@a.",
    "a",
    "a-1",
    "[手机号",
    "[手机号1",
    "[手机号1、",
    "（手机号1后",
    "[ ",
    "路",
    "路1号",
    "路1号小区",
    "文三路1号3栋",
    "区1栋",
    "京A",
    "E1234567",
    "token=",
    "key ",
    "bearer ",
    "sk-",
    "0a",
    "\\",
]


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize(
    "work", [lambda text: MASKER.mask(text, ()), lambda text: MASKER.unmask(text, (("[手机号1]", "x"),)), redact]
)
def test_four_times_the_text_takes_about_four_times_the_steps(hostile: str, work: Callable[[str], object]) -> None:
    work(hostile)  # what is made at the first need is made now
    short, long = (_steps(work, (hostile * size)[:size]) for size in (400, 1600))
    assert long <= 4.6 * short + 200


def _steps(work: Callable[[str], object], text: str) -> int:
    """Return how many calls ``work`` makes, those of the standard library's C code included."""
    steps = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal steps
        steps += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work(text)
    finally:
        sys.setprofile(before)
    return steps


def _patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    for module in (digit_values, email_addresses, private_data, masking, redaction):
        for name, made in vars(module).items():
            if hasattr(made, "cache_info") and made.__module__ == module.__name__:
                result = made()
                for each in result if isinstance(result, tuple) else (result,):
                    if isinstance(each, re.Pattern):
                        yield name, each


def _endless_repeats(parsed: Any, within: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Return for each repeat without an upper bound the bodies of all such repeats around it and its own."""
    for operation, argument in parsed:
        bodies = within
        if str(operation) in {"MAX_REPEAT", "MIN_REPEAT"} and argument[1] == re._constants.MAXREPEAT:
            bodies = (*within, argument[2])
            yield bodies
        for part in argument if isinstance(argument, tuple | list) else ():
            for inner in part if isinstance(part, list) else (part,):
                if isinstance(inner, re._parser.SubPattern):
                    yield from _endless_repeats(inner, bodies)


def test_no_rule_repeats_a_repetition_without_end() -> None:
    """Inside C code steps cannot be counted; there the form of the rules is what keeps them linear.

    An endless repeat is of single characters only. The one exception, a run of groups of digits, repeats groups that
    each begin with a separator, and no separator is in a group: there is one way only to read it.
    """
    nested = set()
    seen = 0
    for name, pattern in _patterns():
        seen += 1
        for bodies in _endless_repeats(re._parser.parse(pattern.pattern)):
            if len(bodies) > 1 or len(bodies[0]) > 1:
                nested.add((name, pattern))
    assert seen > 12
    assert {name for name, _ in nested} == {"_runs"}
    assert not any(re.fullmatch(r"[0-9\u200b]", separator) for separator in " ,.-_/*~\n")
