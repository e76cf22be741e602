"""What people are told of a customer."""

from __future__ import annotations

import pytest

from frontdesk.channels.desk_words import briefing, reminder
from tests.factories import ANOTHER_CONVERSATION, CONVERSATION, attendance


def test_a_brief_is_told_under_a_heading_that_names_the_customer():
    (text,) = briefing(attendance(brief="客户问发票。", question_id="m_1"), nickname="小周")
    heading, blank, words = text.split("\n")
    assert "小周" in heading
    assert CONVERSATION[:8] in heading
    assert (blank, words) == ("", "客户问发票。")


@pytest.mark.parametrize("brief", ["", " \n "])
def test_a_brief_of_nothing_says_so(brief: str):
    (text,) = briefing(attendance(brief=brief))
    assert text.split("\n")[-1] == "（没有可供参考的对话记录）"


def test_an_endless_brief_is_told_from_its_beginning():
    texts = briefing(attendance(brief="字" * 10_000))
    assert len(texts) == 4
    assert all(len(text.encode()) <= 2048 for text in texts)


@pytest.mark.parametrize("nickname", ["", "  "])
def test_a_customer_without_a_name_is_a_customer(nickname: str):
    assert reminder(attendance(), nickname=nickname).startswith("【待回复提醒】客户（会话")


def test_a_long_name_is_shortened():
    assert "字" * 19 + "…”" in reminder(attendance(), nickname="字" * 40)


def test_each_reminder_of_each_call_is_another_text():
    told = [
        reminder(attendance()),
        reminder(attendance(reminders=1)),
        reminder(attendance(question_id="m_2")),
        reminder(attendance(conversation=ANOTHER_CONVERSATION)),
    ]
    assert len(set(told)) == 4
    assert "第 1 次提醒" in told[0]
    assert "第 2 次提醒" in told[1]
