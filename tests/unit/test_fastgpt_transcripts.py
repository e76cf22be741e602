"""Every transcript beside the simulators is read as its README describes it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from frontdesk.errors import FrontdeskError, MisconfiguredError, PermanentError, TransientError
from frontdesk.fastgpt.reply import ReplyReader
from frontdesk.messages import Choice, Field, ModelAnswer, Pause

TRANSCRIPTS = Path(__file__).parent.parent / "vectors" / "fastgpt"

CARD = ModelAnswer("带身份证到一楼服务台，五分钟办好，**不收费**。", confidence=0.99)
BARE_CARD = ModelAnswer(CARD.text)
LOANS = ModelAnswer("每张证可借 10 本，期限 30 天，可续借一次。\n- 工具书不外借\n- 新书期限 14 天")
UNKNOWN = ModelAnswer(
    "抱歉，这个问题我不知道答案，资料里没有相关内容。您可以换个说法，或回复「转人工」。", confidence=0.0
)
HANDOFF = ModelAnswer("好的，正在为您转接人工客服，请稍候。")
RARE = ModelAnswer("古籍只能在馆内阅览。")
RENEWED = ModelAnswer("可以续借。")
REASONED = ModelAnswer("还能续借一次。")
ARRIVED = ModelAnswer("您预约的书已到馆。")

_BRANCHES = tuple(Choice(name, name) for name in ("主馆", "少儿馆", "古籍部"))
SELECT = Pause("您要去哪个馆区？", choices=_BRANCHES)
FORM = Pause(
    "登记遗失的借书证",
    fields=(
        Field("姓名", "姓名", required=True),
        Field("取证地点", "取证地点", required=False, choices=_BRANCHES[:2]),
    ),
)
AGENT = Pause(
    "您想参加哪一场读书会？", choices=(Choice("周六上午场", "周六 10:00"), Choice("周日下午场", "周日 14:00"))
)

ANSWERS = {
    "stream_detail_done_last.sse": CARD,
    "stream_detail_done_first.sse": CARD,
    "stream_bare_score.sse": ModelAnswer(CARD.text, confidence=0.95),
    "stream_no_detail.sse": LOANS,
    "stream_unknown.sse": UNKNOWN,
    "stream_fast_answer.sse": replace(HANDOFF, wants_person=True),
    "stream_fast_answer_no_detail.sse": HANDOFF,
    "stream_own_confidence.sse": replace(RARE, confidence=0.62),
    "stream_old_handoff.sse": replace(RARE, confidence=0.91),
    "stream_person_class.sse": ModelAnswer("", wants_person=True),
    "stream_heartbeats.sse": RENEWED,
    "stream_heartbeats_no_detail.sse": RENEWED,
    "stream_reasoning.sse": REASONED,
    "stream_reasoning_no_detail.sse": REASONED,
    "stream_tool_call.sse": ARRIVED,
    "stream_nested_nodes.sse": ModelAnswer("主馆开放到 21:00。", confidence=0.9127),
    "stream_user_select.sse": ModelAnswer("", pause=SELECT),
    "stream_user_input.sse": ModelAnswer("", pause=FORM),
    "stream_agent_ask.sse": ModelAnswer("", pause=AGENT),
    "stream_nested_user_select.sse": ModelAnswer("请先确认：", pause=SELECT),
    "stream_nested_user_input.sse": ModelAnswer("", pause=FORM),
    "stream_plugin.sse": BARE_CARD,
    "json_no_detail.json": LOANS,
    "json_detail.json": CARD,
    "json_own_word.json": replace(RARE, confidence=0.55, wants_person=True),
    "json_unknown.json": UNKNOWN,
    "json_reasoning.json": REASONED,
    "json_content_list.json": ARRIVED,
    "json_user_select.json": ModelAnswer("", pause=SELECT),
    "json_user_input.json": ModelAnswer("", pause=FORM),
    "json_agent_ask.json": ModelAnswer("", pause=AGENT),
    "json_nested_user_select.json": ModelAnswer("请先确认：", pause=SELECT),
    "json_nested_user_input.json": ModelAnswer("", pause=FORM),
    "json_text_and_error.json": ModelAnswer("我查到一部分。", partial_failure="fastgpt_run_failed"),
    "json_plugin.json": BARE_CARD,
}

# HTTP status, our class, our code
FAILURES: dict[str, tuple[int, type[FrontdeskError], str]] = {
    "stream_payment_pause.sse": (200, MisconfiguredError, "fastgpt_out_of_points"),
    "stream_pause_no_detail.sse": (200, TransientError, "fastgpt_empty_answer"),
    "stream_error_listed.sse": (200, TransientError, "fastgpt_chat_busy"),
    "stream_error_unlisted.sse": (200, TransientError, "fastgpt_server_error"),
    "stream_error_after_words.sse": (200, MisconfiguredError, "fastgpt_out_of_points"),
    "stream_empty_node_error.sse": (200, TransientError, "fastgpt_node_failed"),
    "stream_empty_no_detail.sse": (200, TransientError, "fastgpt_empty_answer"),
    "stream_cut.sse": (200, TransientError, "fastgpt_answer_incomplete"),
    "stream_cut_mid_event.sse": (200, TransientError, "fastgpt_answer_incomplete"),
    "json_payment_pause.json": (200, MisconfiguredError, "fastgpt_out_of_points"),
    "json_pause_no_detail.json": (200, TransientError, "fastgpt_empty_answer"),
    "json_empty_error.json": (200, TransientError, "fastgpt_node_failed"),
    "json_error_object.json": (200, TransientError, "fastgpt_run_failed"),
    "error_unauth_api_key.json": (500, MisconfiguredError, "fastgpt_key_unknown"),
    "error_data_validation.json": (400, PermanentError, "fastgpt_request_invalid"),
    "error_chat_is_generating.json": (500, TransientError, "fastgpt_chat_busy"),
    "error_points.json": (500, MisconfiguredError, "fastgpt_out_of_points"),
    "error_team_rate.json": (429, TransientError, "fastgpt_team_limit"),
    "error_duplicate_item.json": (500, TransientError, "fastgpt_server_error"),
    "error_legacy_plain.json": (500, TransientError, "fastgpt_server_error"),
    "error_proxy_page.html": (504, TransientError, "fastgpt_unavailable"),
}


def test_every_transcript_has_its_expectation() -> None:
    assert {path.name for path in TRANSCRIPTS.iterdir()} - {"README.md"} == {*ANSWERS, *FAILURES}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_transcript_of_an_answer_is_that_answer(name: str) -> None:
    reader = ReplyReader()
    reader.feed((TRANSCRIPTS / name).read_bytes())

    assert reader.finish() == ANSWERS[name]


@pytest.mark.parametrize("name", FAILURES)
def test_a_transcript_of_a_failure_is_that_failure(name: str) -> None:
    http_status, kind, code = FAILURES[name]
    reader = ReplyReader(http_status=http_status)
    reader.feed((TRANSCRIPTS / name).read_bytes())

    with pytest.raises(FrontdeskError) as raised:
        reader.finish()
    assert (type(raised.value), raised.value.code) == (kind, code)
