"""A pause of the model, put before the customer and answered by what the customer writes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from frontdesk.conversation.pauses import Abandoned, Resolved, StillPending, offer, resolve
from frontdesk.messages import Choice, Field, Pause
from frontdesk.records import Pending

CHOICES = (Choice("退货", "option-return"), Choice("换货", "option-exchange"), Choice("查询 Order", "option-query"))
SELECT = Pending(Pause("您想办理哪项业务？", choices=CHOICES))
FORM = Pending(
    Pause(
        "请补充以下信息。",
        fields=(
            Field("name", "姓名"),
            Field("size", "尺码", choices=(Choice("大", "L"), Choice("小", "S"))),
            Field("note", "备注", required=False),
        ),
    )
)


def test_choices_are_offered_by_number():
    assert offer(SELECT) == "您想办理哪项业务？\n1. 退货\n2. 换货\n3. 查询 Order\n（回复数字即可）"


def test_choices_without_a_prompt_start_at_once():
    assert offer(Pending(Pause("", choices=CHOICES[:1]))) == "1. 退货\n（回复数字即可）"


@pytest.mark.parametrize(
    "text",
    ["2", " 2 ", "２", "2.", "（2）", "2、", "②", "#2", "换货", "换货。", "我想换货", "换货，谢谢", "option-exchange"],
)
def test_a_choice_is_understood_by_number_name_or_sentence(text: str):
    assert resolve(SELECT, text) == Resolved("option-exchange")


@pytest.mark.parametrize("text", ["查询 ORDER", "查询 ｏｒｄｅｒ 吧"])
def test_the_case_and_width_of_letters_do_not_matter(text: str):
    assert resolve(SELECT, text) == Resolved("option-query")


@pytest.mark.parametrize("text", ["0", "4", "22", "你们几点下班？", "退货还是换货", "不退货", "？", "-1"])
def test_what_fits_no_choice_is_asked_again_once(text: str):
    meaning = resolve(SELECT, text)

    assert isinstance(meaning, StillPending)
    assert meaning.text == "没有这个选项。\n" + offer(SELECT)
    assert meaning.pending == replace(SELECT, asked_again=True)
    assert resolve(meaning.pending, text) == Abandoned()
    assert resolve(meaning.pending, "1") == Resolved("option-return")


@pytest.mark.parametrize(
    ("labels", "text", "value"),
    [
        (("是", "否"), "是的", "是"),
        (("是", "否"), "不是", None),
        (("需要", "不需要"), "我不需要", "不需要"),
        (("需要", "不需要"), "我需要", "需要"),
        (("A", "B"), "a吧", "A"),
        (("A", "B"), "maybe", None),
        (("10元", "100元"), "选100元的", "100元"),
        (("Plan 1", "Plan 10"), "plan 10 please", "Plan 10"),
        (("2023", "2024"), "2024", "2024"),
        (("", "有"), "没有", None),
    ],
)
def test_a_name_in_a_sentence_counts_only_where_it_is_meant(labels: tuple[str, ...], text: str, value: str | None):
    asked = Pending(Pause("？", choices=tuple(Choice(label, label) for label in labels)))

    meaning = resolve(asked, text)

    assert (meaning.text if isinstance(meaning, Resolved) else None) == value


def test_a_pause_without_choices_and_fields_takes_any_words():
    asked = Pending(Pause("请描述您的问题。"))

    assert offer(asked) == "请描述您的问题。"
    assert resolve(asked, " 打不开 ") == Resolved(" 打不开 ")


def test_a_form_is_filled_field_by_field_and_comes_out_as_json():
    assert offer(FORM) == "请补充以下信息。\n请填写：姓名"

    named = resolve(FORM, " 林梅 ")
    assert isinstance(named, StillPending)
    assert named.text == "请选择：尺码\n1. 大\n2. 小\n（回复数字即可）"
    sized = resolve(named.pending, "小")
    assert isinstance(sized, StillPending)
    assert sized.text == "请填写：备注（可回复“跳过”）"
    filled = resolve(sized.pending, "尽快")

    assert isinstance(filled, Resolved)
    assert json.loads(filled.text) == {"name": "林梅", "size": "S", "note": "尽快"}
    assert "林梅" in filled.text  # readable, not escaped


@pytest.mark.parametrize("word", ["跳过", "SKIP", "ｓｋｉｐ", "无", "没有。"])
def test_an_optional_field_can_be_skipped(word: str):
    waiting = replace(FORM, filled=(("name", "林梅"), ("size", "S")))

    meaning = resolve(waiting, word)

    assert isinstance(meaning, Resolved)
    assert json.loads(meaning.text)["note"] == ""


def test_a_required_field_takes_the_word_for_skipping_as_its_value():
    meaning = resolve(FORM, "无")

    assert isinstance(meaning, StillPending)
    assert meaning.pending.filled == (("name", "无"),)


def test_a_wrong_choice_in_a_form_is_asked_again_once_for_each_field():
    waiting = replace(FORM, filled=(("name", "林梅"),))

    missed = resolve(waiting, "中")
    assert isinstance(missed, StillPending)
    assert missed.text == "没有这个选项。\n请选择：尺码\n1. 大\n2. 小\n（回复数字即可）"
    assert missed.pending.filled == waiting.filled
    assert resolve(missed.pending, "中") == Abandoned()
    recovered = resolve(missed.pending, "1")
    assert isinstance(recovered, StillPending)
    assert not recovered.pending.asked_again


def test_a_form_without_a_prompt_asks_for_its_first_field_at_once():
    assert offer(Pending(Pause("", fields=(Field("name", "姓名"),)))) == "请填写：姓名"


def test_a_form_that_is_full_is_offered_by_its_prompt_alone():
    assert offer(replace(FORM, filled=(("name", "a"), ("size", "S"), ("note", "")))) == "请补充以下信息。"
