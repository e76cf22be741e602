"""The approved answers: how they are written, what meets them, and which are in force."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontdesk.protection.answer_file import AnswersError, AnswerSet, CurrentAnswers, met
from tests.fakes.clock import FakeClock
from tests.fakes.rule_files import InMemoryRuleFiles

if TYPE_CHECKING:
    from frontdesk.errors import FrontdeskError

CHINA = timezone(timedelta(hours=8))
NOW = datetime(2026, 11, 28, 12, tzinfo=CHINA).timestamp()
FILE = """
version: 2026-11-28
answers:
  - id: returns
    questions: [怎么退货？, 退货流程是什么]
    answer: |
      签收后 **7 天内**可以退货。
    approved_by: zhou.min
  - id: sale
    questions: [双十二什么时候开始]
    answer: 12月12日零点。
    valid_until: 2026-12-12
    approved_by: 运营部
"""


def found(words: str, *, now: float = NOW, text: str = FILE) -> str | None:
    answer = AnswerSet.read(text).find(words, now=now)
    return answer.id if answer else None


@pytest.mark.parametrize(
    "words",
    [
        "怎么退货？",
        "怎么退货",
        " 怎么　退货 ?!",
        "怎么退货。。。",
        "“怎么退货”",
        "退货，流程是什么",
        "退货流程是什么\n",
    ],
)
def test_the_same_words_meet_their_answer_however_they_are_set(words: str):
    assert found(words) == "returns"


@pytest.mark.parametrize("words", ["怎么退货款", "怎么不退货", "退货", "怎么换货", "", "？", "怎么退货 [手机号1]"])
def test_other_words_meet_none_however_close_they_are(words: str):
    assert found(words) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("ＡＰＰ怎么登录", "app 怎么登录", True),
        ("APP怎么登录", "app怎么登录？", True),
        ("X-100 多少钱", "x-100多少钱", True),
        ("X-100多少钱", "x100多少钱", False),
        ("3.5 折怎么算", "35折怎么算", False),
        ("怎么学C++", "怎么学C", False),
        ("a b", "ab", False),
        ("①号线", "1号线", True),
    ],
)
def test_between_letters_and_digits_every_sign_counts(one: str, other: str, same: bool):  # noqa: FBT001
    assert (met(one) == met(other)) is same


@given(st.text(max_size=40), st.text("。，？！ ：", max_size=3), st.text("。，？！ …", max_size=3))
def test_what_stands_around_a_question_makes_no_difference(words: str, before: str, after: str):
    assert met(f"{before}{words}{after}") == met(words)


def test_an_answer_is_given_through_its_last_day_in_china():
    last_moment = datetime(2026, 12, 12, 15, 59, 59, tzinfo=UTC).timestamp()

    assert found("双十二什么时候开始", now=last_moment) == "sale"
    assert found("双十二什么时候开始", now=last_moment + 1) is None


BROKEN = {
    "version: 1\n": ["answers is missing"],
    "version: 1\nanswers: []\n": ["a list with at least one item"],
    "version: 1\nanswers:\n  - id: a\n": ["questions is missing", "answer is missing", "approved_by is missing"],
    FILE.replace("id: sale", "id: returns"): ["another answer has the same id"],
    FILE.replace("双十二什么时候开始", "怎么　退货"): ["the same question is there already"],
    FILE.replace("双十二什么时候开始", "“？”"): ["a question needs a letter or a digit"],
    FILE.replace("2026-12-12", "2026-02-30"): ["there is no such day"],
    FILE.replace("2026-12-12", "soon"): ["the last day"],
    FILE.replace("approved_by: 运营部", "approved_by: ' '"): ["who approved it"],
    FILE.replace("12月12日零点。", "长" * 4001): ["an answer is a text of 1 to 4000 characters"],
    FILE.replace("answer: 12", "anwser: 12"): ["unknown key anwser", "answer is missing"],
    "version: &a 1\nanswers: *a\n": ["anchors, aliases and tags are not allowed"],
    "a: [": ["this is not YAML"],
}


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_file_is_refused_with_everything_that_is_wrong(text: str):
    with pytest.raises(AnswersError) as raised:
        AnswerSet.read(text)

    for problem in BROKEN[text]:
        assert any(problem in each for each in raised.value.problems), (problem, raised.value.problems)
    assert "零点" not in str(raised.value)


class House:
    """The file with its versions, and answers in force that tell what was wrong."""

    def __init__(self) -> None:
        self.clock = FakeClock(NOW)
        self.files = InMemoryRuleFiles()
        self.broken: list[tuple[str, str]] = []

    def start(self) -> CurrentAnswers:
        """Return the answers of an instance that starts now."""
        return CurrentAnswers(files=self.files, clock=self.clock, on_broken=self.hear)

    def hear(self, error: FrontdeskError, version_id: str) -> None:
        self.broken.append((error.code, version_id))


def test_an_answer_in_force_is_a_models_with_its_own_name():
    house = House()
    house.files.put(FILE)

    answer = house.start().find("退货流程是什么？")

    assert answer
    assert answer.text == "签收后 **7 天内**可以退货。"
    assert (answer.attempt_id, answer.identity) == ("cached/returns", "answers:returns@2026-11-28")


def test_without_a_file_there_are_no_answers():
    assert House().start().find("怎么退货") is None


def test_a_broken_newer_file_leaves_the_last_good_one_in_force_and_is_told_once():
    house = House()
    house.files.put(FILE)
    answers = house.start()
    assert answers.find("怎么退货")
    version_id = house.files.put("version: 1")

    for _ in range(3):
        house.clock.advance(60)
        assert answers.find("怎么退货")
    assert house.broken == [("answers_invalid", version_id)]
    assert house.start().find("怎么退货")  # an instance that starts now finds the earlier one


def test_answers_out_of_reach_stay_as_they_were():
    house = House()
    house.files.put(FILE)
    answers = house.start()
    assert answers.find("怎么退货")
    house.files.out_of_reach = True
    house.clock.advance(60)

    assert answers.find("怎么退货")
    assert house.start().find("怎么退货") is None
    assert [version_id for _, version_id in house.broken] == ["", ""]
