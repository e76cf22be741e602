"""An answer that is longer than what the vendor still allows: what is sent now, and what is kept."""

from __future__ import annotations

import pytest

from frontdesk.channels.wecom_text import split as wecom_split
from frontdesk.conversation.fitting import Fitted, fit

FIRST = "第一段说明退货的条件。"
SECOND = "第二段说明退货的步骤。"
THIRD = "第三段说明退款的时间。"


def split(text: str) -> list[str]:
    """Cut into messages of 60 bytes: twenty Chinese characters."""
    return wecom_split(text, 60)


def test_what_fits_passes_unchanged():
    assert fit((FIRST, SECOND), room=2, most=10, split=split) == Fitted((FIRST, SECOND), "")
    assert fit((FIRST, SECOND), room=None, most=2, split=split) == Fitted((FIRST, SECOND), "")
    assert fit((), room=0, most=10, split=split) == Fitted((), "")


def test_the_rest_is_kept():
    assert fit((FIRST, SECOND, THIRD), room=1, most=10, split=split) == Fitted((FIRST,), f"{SECOND}\n{THIRD}")


@pytest.mark.parametrize(("room", "most"), [(None, 2), (5, 2), (2, 5)])
def test_the_smaller_of_both_limits_counts(room: int | None, most: int):
    assert fit((FIRST, SECOND, THIRD), room=room, most=most, split=split) == Fitted((FIRST, SECOND), THIRD)


@pytest.mark.parametrize("room", [0, -1])
def test_without_room_everything_is_kept(room: int):
    assert fit((FIRST, SECOND), room=room, most=10, split=split) == Fitted((), f"{FIRST}\n{SECOND}")


def test_neighbours_that_are_one_message_together_are_joined_before_anything_is_cut():
    assert fit(("好的。", "请稍候。", f"补充：{THIRD}"), room=2, most=10, split=split) == Fitted(
        ("好的。\n请稍候。", f"补充：{THIRD}")
    )


def test_they_are_joined_only_when_it_is_needed():
    assert fit(("好的。", "请稍候。"), room=2, most=10, split=split) == Fitted(("好的。", "请稍候。"))


def test_the_last_message_ends_with_a_sentence():
    segments = ("退货请在七天之内寄回。运费由我们", "承担，包装要完整。")

    assert fit(segments, room=1, most=10, split=split) == Fitted(
        ("退货请在七天之内寄回。",), "运费由我们\n承担，包装要完整。"
    )


@pytest.mark.parametrize("mark", ["。", "！", "？", "；", "……", "。”", "! ", "? ", "; ", ". ", "\n"])
def test_all_marks_that_end_a_sentence_are_known(mark: str):
    fitted = fit((f"退货请在七天之内寄回{mark}运费由我们", "承担并且包装要完整的，谢谢"), room=1, most=9, split=split)

    assert fitted.segments == (f"退货请在七天之内寄回{mark}".rstrip(),)


def test_without_a_sentence_it_ends_at_a_comma():
    fitted = fit(("退货请在七天之内寄回来，运费由我们", "承担并且包装要完整的，谢谢"), room=1, most=9, split=split)

    assert fitted.segments == ("退货请在七天之内寄回来，",)
    assert fitted.rest.startswith("运费由我们")


def test_without_either_in_its_second_half_it_stays_as_the_channel_cut_it():
    segments = ("好。退货请在七天之内寄回运费由我们", "承担并且包装要完整的，谢谢")

    assert fit(segments, room=1, most=9, split=split) == Fitted(segments[:1], segments[1])


def test_a_sentence_that_the_channel_cut_at_a_comma_goes_on_in_the_same_line():
    fitted = fit(("请把退货寄到原来的仓库，", "并且写上您的订单号。"), room=0, most=9, split=split)

    assert fitted.rest == "请把退货寄到原来的仓库，并且写上您的订单号。"


def test_english_words_are_not_run_together():
    segments = ("Please send it back within", "seven days, or", "ask us")

    assert fit(segments, room=0, most=9, split=split).rest == "Please send it back within seven days, or ask us"


@pytest.mark.parametrize(
    "last",
    [
        "版本号是三点五即3.5和Node.js两种",
        "看 https://example.com/a?b=1;c=2",
        '请看<a href="https://example.com/">怎么退？怎么换</a>',
    ],
)
def test_marks_inside_of_numbers_addresses_and_links_end_nothing(last: str):
    assert fit((last, "后面还有别的说明要一起看才能明白的"), room=1, most=9, split=split).segments == (last,)


def test_a_list_item_or_table_row_is_not_cut():
    for line in ("• 七天内可退；要完整", "2. 七天内可退；要完整", "退货｜七天内可退；要完整", "> 七天内；要完整"):
        text = f"请看下面：\n{line}"
        assert fit((text, "其余的说明在后面的这一段里面写着"), room=1, most=9, split=split).segments == (text,)


def test_a_list_is_cut_between_its_items():
    fitted = fit(
        ("• 苹果\n• 香蕉\n• 橙子", "• 葡萄\n• 西瓜\n• 甜橙"), room=1, most=9, split=lambda text: text.split("\n\n")
    )

    assert fitted == Fitted(("• 苹果\n• 香蕉\n• 橙子\n• 葡萄\n• 西瓜\n• 甜橙",))

    fitted = fit(("• 苹果\n• 香蕉", "• 葡萄\n• 西瓜"), room=1, most=9, split=lambda text: text.split("\n"))

    assert fitted == Fitted(("• 苹果\n• 香蕉",), "• 葡萄\n• 西瓜")


def test_a_mark_keeps_what_is_drawn_on_it():
    last = "退货请在七天之内寄回！\ufe0f运费由我们"

    assert fit((last, "承担并且包装要完整的，谢谢"), room=1, most=9, split=split).segments == (last,)


def test_what_cannot_be_seen_is_no_message():
    last = "\n\n\n\n\n退货"
    assert fit((last, FIRST, SECOND), room=1, most=9, split=lambda text: [text] * 2).segments == (last,)
