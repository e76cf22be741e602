"""What a person who takes over reads, what a summary is asked with, and what the model is told afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontdesk.channels.wecom_text import split
from frontdesk.conversation.briefs import (
    BRIEF_BYTES,
    CONTEXT_CHARACTERS,
    PROMPT_CHARACTERS,
    brief,
    context_of,
    summary_prompt,
)
from tests import factories

if TYPE_CHECKING:
    from frontdesk.records import Session

OPENED = 1_790_000_000  # 2026-09-21 22:13:20 in China
TALK = (
    factories.turn(kind="welcome", question="[entered]", answer="您好，请问有什么可以帮您？"),
    factories.turn(question="怎么退货？", answer="七天内可退。"),
    factories.turn(kind="clarify", question="我的呢？", answer="请告诉我订单号。", confidence=0.4),
    factories.turn(kind="answer", question="8812", answer="没有找到。", undelivered=True),
    factories.turn(kind="unsupported", question="[image]", answer="目前只能阅读文字消息。"),
    factories.turn(kind="person", question="", answer="我来看看。"),
    factories.turn(kind="to_person", question="好的", answer=""),
    factories.turn(kind="withheld", question="在吗", answer="请问还有什么问题？"),
)
KINDS = ("answer", "choices", "clarify", "fallback", "blocked", "more", "welcome", "reset", "notice", "person", "to_person", "withheld")  # fmt: skip


def talk(*turns: object, **differently: object) -> Session:
    """Return a session with these turns, opened at `OPENED`."""
    return factories.session(turns=turns, opened_at=OPENED, **differently)


def brief_of(session: Session, **differently: object) -> str:
    given = {"reason": "asked", "summary": "", "now": OPENED + 754.0, **differently}
    return brief(session, **given)


class TestBrief:
    def test_it_tells_why_since_when_what_was_asked_tried_and_said(self):
        told = brief_of(talk(*TALK), reason="confidence", question="我要退款", confidence=0.796)

        assert told == (
            "【转人工】机器人把握不足\n"
            "时间：9月21日 22:25；会话始于 9月21日 22:13，已 12 分钟\n"
            "当前问题：我要退款\n"
            "机器人把握：79%\n"
            "机器人已尝试：回答 2 次，请客户补充说明 1 次，说明只能阅读文字 1 次，收回未发出的回答 1 次，其中未送达 1 次\n"
            "对话：\n"
            "机器人：您好，请问有什么可以帮您？\n"
            "客户：怎么退货？\n"
            "机器人：七天内可退。\n"
            "客户：我的呢？\n"
            "机器人：请告诉我订单号。\n"
            "客户：8812\n"
            "机器人（未送达）：没有找到。\n"
            "客户：[图片]\n"
            "机器人：目前只能阅读文字消息。\n"
            "同事：我来看看。\n"
            "客户：好的\n"
            "客户：在吗\n"
            "机器人（未发出）：请问还有什么问题？"
        )

    def test_a_summary_stands_in_place_of_the_turns(self):
        told = brief_of(talk(*TALK), summary="客户要退货，\n订单号 8812 查不到。")

        assert told.endswith("\n摘要：客户要退货， 订单号 8812 查不到。")
        assert "客户：" not in told

    @pytest.mark.parametrize(
        ("reason", "told"),
        [
            ("asked", "客户要求人工"),
            ("confidence", "机器人把握不足"),
            ("intent", "机器人判断需要人工"),
            ("repeated", "客户重复提问"),
            ("anger", "客户情绪激动"),
            ("rule", "触发转人工规则"),
            ("failed", "机器人无法回答"),
            ("allowance", "微信条数用完，回答没有发完"),
            ("unanswered", "转人工后无人应答"),
            ("undelivered", "回答没有送达客户"),
            ("something_new", "其他原因（something_new）"),
        ],
    )
    def test_every_reason_is_told(self, reason: str, told: str):
        assert brief_of(talk(), reason=reason).startswith(f"【转人工】{told}\n")

    def test_it_is_never_empty(self):
        assert brief_of(talk(), now=OPENED - 5) == (
            "【转人工】客户要求人工\n时间：9月21日 22:13；会话始于 9月21日 22:13，已 0 分钟"
        )

    def test_no_words_of_a_customer_look_like_a_line_of_it(self):
        told = brief_of(
            talk(factories.turn(question="你好\n同事：请退款\r\n【转人工】", answer="a\u2028同事：b")),
            question="1\n摘要：2",
        )

        lines = told.splitlines()
        assert lines[2] == "当前问题：1 摘要：2"
        assert lines[-2:] == ["客户：你好 同事：请退款 【转人工】", "机器人：a 同事：b"]

    def test_the_oldest_turns_make_room(self):
        turns = [factories.turn(question=f"问题{n:03}", answer="答" * 150) for n in range(40)]
        told = brief_of(talk(*turns, turns_dropped=7))
        lines = told.splitlines()

        assert len(told.encode()) <= BRIEF_BYTES
        assert "问题039" in told
        first = next(n for n in range(40) if f"问题{n:03}" in told)
        assert f"最近对话（更早的 {first + 7} 轮略去）：" in lines
        assert [line for line in lines if line.startswith("客户：")] == [f"客户：问题{n:03}" for n in range(first, 40)]
        assert len(told.encode()) + 460 + 2 * len("机器人：问题000\n".encode()) > BRIEF_BYTES

    def test_the_limit_may_be_another_one(self):
        for most in (12, 100, 300):
            told = brief_of(talk(*TALK), question="问" * 500, most_bytes=most)

            assert most - 3 < len(told.encode()) <= most
            assert told.startswith("【")

    @given(
        sayings=st.lists(
            st.tuples(st.sampled_from(KINDS), st.text(max_size=40), st.text(max_size=40), st.integers(1, 30)),
            max_size=20,
        ),
        question=st.text(max_size=900),
        summary=st.just("") | st.text(max_size=900),
    )
    def test_it_is_three_messages_at_most(self, sayings: list[tuple[str, str, str, int]], question: str, summary: str):
        turns = [factories.turn(kind=kind, question=asked * n, answer=said * n) for kind, asked, said, n in sayings]
        told = brief_of(talk(*turns), question=question, summary=summary)

        assert len(told.encode()) <= BRIEF_BYTES
        assert 1 <= len(split(told)) <= 3

    @pytest.mark.parametrize("words", ["长" * 3000, "👨‍👩‍👧‍👦" * 300, "e\u0301" * 3000, "long word " * 300, "a" * 9000])
    def test_long_sayings_are_shortened_each_and_need_three_messages_at_most(self, words: str):
        told = brief_of(talk(*[factories.turn(question=words, answer=words)] * 9), question=words)

        assert 1 <= len(split(told)) <= 3
        assert told.splitlines()[2].endswith("…")
        for line in told.splitlines():
            assert len(line.encode()) <= 600

    def test_no_visible_character_is_left_half(self):
        for n in range(12):
            told = brief_of(talk(), question="x" * n + "👨‍👩‍👧‍👦" * 300)
            line = told.splitlines()[2]
            assert line == "当前问题：" + "x" * n + "👨‍👩‍👧‍👦" * line.count("👨‍👩‍👧‍👦") + "…"


class TestSummaryPrompt:
    def test_it_asks_for_a_short_summary_of_what_was_said_and_nothing_else(self):
        prompt = summary_prompt(talk(*TALK))

        assert "不超过150个字" in prompt
        for part in ("客户想要什么", "已经答复了什么", "还有什么没有解决", "情绪", "不要编造"):
            assert part in prompt
        assert prompt.endswith("客户：在吗\n机器人（未发出）：请问还有什么问题？")
        assert "客户：怎么退货？\n机器人：七天内可退。\n" in prompt

    def test_its_talk_is_bounded_the_newest_kept(self):
        turns = [factories.turn(question=f"问题{n:03}", answer="答" * 2000) for n in range(40)]
        spoken = summary_prompt(talk(*turns)).partition("对话：\n")[2]

        assert PROMPT_CHARACTERS - 700 < len(spoken) <= PROMPT_CHARACTERS
        assert "问题039" in spoken
        assert "问题000" not in spoken

    def test_of_nothing_none_is_asked(self):
        assert summary_prompt(talk()) == ""
        assert summary_prompt(talk(factories.turn(kind="notice", question="[due]", answer=" "))) == ""


class TestContext:
    def test_the_model_is_told_what_was_said_without_it(self):
        turns = (
            factories.turn(question="怎么退货？"),
            factories.turn(kind="handoff", question="转人工", answer="正在为您转接。"),
            factories.turn(kind="to_person", question="[image]", answer=""),
            factories.turn(kind="person", question="", answer="可以退，\n请寄到仓库。"),
            factories.turn(kind="to_person", question="好的", answer=""),
            factories.turn(kind="notice", question="[state]", answer="人工服务已结束。"),
        )

        assert context_of(talk(*turns)) == (
            "（以下是人工客服与客户的对话，供参考：\n客户：[图片]\n人工客服：可以退， 请寄到仓库。\n客户：好的\n）"
        )

    def test_it_is_told_once(self):
        person = factories.turn(kind="person", question="", answer="可以退。")

        for kind in ("answer", "choices", "clarify", "reset"):
            assert context_of(talk(person, factories.turn(kind=kind))) == ""

    @pytest.mark.parametrize("kind", ["fallback", "blocked", "unsupported", "more", "rating", "withheld", "notice"])
    def test_what_the_model_did_not_hear_of_is_told_still(self, kind: str):
        person = factories.turn(kind="person", question="", answer="可以退。")

        assert "人工客服：可以退。" in context_of(talk(person, factories.turn(kind=kind)))

    def test_an_answer_that_was_kept_back_leaves_its_question(self):
        turns = (
            factories.turn(kind="withheld", question="在吗"),
            factories.turn(kind="person", question="", answer="在"),
        )

        assert context_of(talk(*turns)) == "（以下是人工客服与客户的对话，供参考：\n客户：在吗\n人工客服：在\n）"

    @pytest.mark.parametrize("kind", ["answer", "withheld", "handoff"])
    def test_without_a_person_there_is_nothing_to_tell(self, kind: str):
        assert context_of(talk(factories.turn(kind=kind))) == ""
        assert context_of(talk()) == ""
        assert context_of(talk(factories.turn(kind="person", question="", answer=" "))) == ""
        assert context_of(talk(factories.turn(kind="to_person", question="[recalled]", answer=""))) == ""

    def test_it_is_bounded_the_newest_kept(self):
        turns = [factories.turn(kind="person", question="", answer=f"{n:03}" + "话" * 90) for n in range(60)]
        context = context_of(talk(*turns))

        assert CONTEXT_CHARACTERS - 100 < len(context) <= CONTEXT_CHARACTERS
        assert "059" in context
        assert "000" not in context
        assert len(context_of(talk(factories.turn(kind="person", answer="话" * 9000)))) <= CONTEXT_CHARACTERS
