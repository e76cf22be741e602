"""What a customer wishes beside an answer, on labelled messages: a person, to be taken seriously, no second asking.

The set holds common wordings, odd ones, and neighbours that only look alike. What is missed in it on purpose stays in
it: the figures below are those of a reading by wording, not of an understanding.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontdesk.conversation.wishes import is_angry, repeats, wants_person

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "vectors" / "wishes.jsonl").read_text("utf-8").splitlines()
]
READINGS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "wants_person": lambda row: wants_person(row["text"]),
    "angry": lambda row: is_angry(row["text"]),
    "repeats": lambda row: repeats(row["text"], row["earlier"]),
}


@pytest.mark.parametrize(
    ("label", "recall", "precision"), [("wants_person", 0.97, 0.98), ("angry", 0.97, 0.98), ("repeats", 0.95, 0.98)]
)
def test_the_labelled_messages_are_read_as_people_read_them(label: str, recall: float, precision: float):
    rows = [row for row in ROWS if label in row]
    yes = [row for row in rows if row[label]]
    read = [row for row in rows if READINGS[label](row)]
    missed = [row["text"] for row in yes if row not in read]
    wrong = [row["text"] for row in read if not row[label]]
    figures = {"recall": 1 - len(missed) / len(yes), "precision": 1 - len(wrong) / len(read)}

    assert figures["recall"] >= recall, (label, figures, missed)
    assert figures["precision"] >= precision, (label, figures, wrong)


@pytest.mark.parametrize(("label", "least"), [("wants_person", 250), ("angry", 250), ("repeats", 90)])
def test_the_set_has_many_messages_of_both_kinds_each_once(label: str, least: int):
    rows = [row for row in ROWS if label in row]
    yes = sum(row[label] for row in rows)

    assert len(rows) >= least
    assert 0.35 <= yes / len(rows) <= 0.65
    assert len({json.dumps([row["text"], row.get("earlier")]) for row in rows}) == len(rows)


class TestPerson:
    @pytest.mark.parametrize(
        "text",
        [
            "转人工",
            "ＺＨＵＡＮ ＲＥＮ ＧＯＮＧ",
            "轉 人 工",
            "转-人-工",
            "转。人。工",
            "【转人工】",
            "转\u3000人工",
            "转\n人\n工",
        ],
    )
    def test_it_is_heard_however_it_is_spelled(self, text: str):
        assert wants_person(text)

    @pytest.mark.parametrize("text", ["人工智能", "人工费多少", "人工呼吸", "手工制作", "转账", "转运", "人工草坪"])
    def test_a_word_that_only_contains_it_is_none(self, text: str):
        assert not wants_person(text)

    @pytest.mark.parametrize(
        "denial", ["不用", "不要", "不需要", "不必", "无需", "别", "先不", "不要给我", "取消", "不是要"]
    )
    def test_a_denied_wish_is_none(self, denial: str):
        assert wants_person("转人工")
        assert not wants_person(f"{denial}转人工")

    @pytest.mark.parametrize(
        "text", ["为什么不能转人工", "要不要帮我转人工", "不转人工我就走", "怎么还不转人工", "不要机器人"]
    )
    def test_not_every_denial_denies_it(self, text: str):
        assert wants_person(text)

    def test_one_clause_of_a_long_message_is_enough(self):
        story = "我上周买的杯子到了就是裂的，拍了照片也发了，你们一直让我等。"

        assert not wants_person(story * 5)
        assert wants_person(story * 3 + "麻烦转一下人工，谢谢。" + story * 2)


class TestAnger:
    def test_ordinary_bad_news_are_no_anger(self):
        for text in ("产品坏了", "我想退货", "太贵了", "没收到货", "物流太慢了"):
            assert not is_angry(text)

    def test_what_is_shouted_is_angry_unless_it_is_kind(self):
        assert is_angry("快点回答我！！！")
        assert not is_angry("快点回答我！")
        assert not is_angry("太好了！！！")

    def test_in_a_long_story_such_marks_stress_a_detail(self):
        assert not is_angry(
            "这是上周在你们店里买的那一款，颜色和图片上完全一样，尺码也合适，只是少了一根带子！！！麻烦补发"
        )


class TestRepetition:
    def test_the_same_question_again_is_a_repetition_in_whatever_dress(self):
        for text in (
            "怎么退货",
            "请问怎么退货？",
            "你好，怎么退货呢！",
            "怎麼退貨",
            "怎么 退货 谢谢",
        ):
            assert repeats(text, ["你好", "怎么退货？"])

    def test_another_word_number_or_denial_is_another_question(self):
        assert not repeats("怎么换货", ["怎么退货"])
        assert not repeats("订单8813什么时候到", ["订单8812什么时候到"])
        assert not repeats("这个尺码不能换吗", ["这个尺码能换吗"])

    @pytest.mark.parametrize("text", ["好的", "谢谢", "嗯", "是", "1", "13812345678", "OK", "！", "", "👍"])
    def test_what_acknowledges_or_chooses_never_repeats(self, text: str):
        assert not repeats(text, [text])

    def test_without_an_earlier_question_nothing_repeats(self):
        assert not repeats("怎么退货", [])


@given(text=st.text() | st.text("转人工客服我要不要机器的你们真 ！。a ", max_size=60), other=st.text(max_size=30))
def test_whatever_stands_before_it_a_clause_of_its_own_is_read(text: str, other: str):
    assert wants_person(f"{text}，转人工")
    assert is_angry(f"{text}，答非所问")
    assert repeats(text, [other, text]) >= repeats(text, [text])


@pytest.mark.parametrize(
    "unit",
    ["转", "客服", "人工", "我要", "你们的", "你们真", "不要再", "能不能", "吗", "！", "转 ", "talk to the ", "human "],
)
def test_an_endless_text_is_read_in_time(unit: str):
    text = unit * (10_000 // len(unit))

    # Read in the time of a few hundred ordinary messages; a pattern that tries every way to divide it never ends.
    assert wants_person(f"{text}，转人工")
    assert is_angry(f"{text}，答非所问")
    assert not repeats(text, ["怎么退货"])
