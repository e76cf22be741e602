"""The simulated FastGPT's workflows pause, ask, and go on."""

import json
from collections.abc import Iterator

import pytest

from tests.integration.simulators.fastgpt_server import Caller, named, node, said, serving


@pytest.fixture(scope="module")
def server() -> Iterator[Caller]:
    with serving() as caller:
        yield caller


@pytest.fixture(autouse=True)
def _fresh(server: Caller) -> None:
    server.control("reset", {})


def test_in_one_piece_a_pause_is_a_trimmed_list_part(server: Caller) -> None:
    content = server.ask("我想选择部门", detail=True)["choices"][0]["message"]["content"]
    assert [part["type"] for part in content] == ["interactive"]
    pause = content[0]["interactive"]
    assert set(pause) == {"type", "params"}
    assert pause["type"] == "userSelect"
    assert [option["value"] for option in pause["params"]["userSelectOptions"]] == ["销售部", "售后部", "财务部"]


def test_without_detail_a_pause_has_no_content_at_all(server: Caller) -> None:
    assert server.ask("选择部门")["choices"][0]["message"] == {"role": "assistant"}
    events = server.stream("填写表单", detail=False)
    assert said(events) == ""
    assert events[-1] == ("", "[DONE]")


def test_a_stream_carries_the_servers_own_keys_on_the_newest_version_only(server: Caller) -> None:
    (data,) = named(server.stream("选择部门"), "interactive")
    assert {"entryNodeIds", "memoryEdges", "nodeOutputs", "usageId"} <= set(data["interactive"])
    with serving(version="4.14") as older:
        (data,) = named(older.stream("选择部门"), "interactive")
        assert set(data["interactive"]) == {"type", "params"}


def test_choosing_an_option_word_for_word_goes_on_in_the_old_answer(server: Caller) -> None:
    server.ask("选择部门", chatId="c1", responseChatItemId="first")
    answer = server.ask("售后部", chatId="c1", responseChatItemId="second", detail=True)
    assert "8002" in answer["choices"][0]["message"]["content"]
    assert node(answer["responseData"], "userSelect")["userSelectResult"] == "售后部"
    app = server.settings.app_id
    records = server.data(
        "POST", "/api/core/chat/record/getPaginationRecords", appId=app, chatId="c1", pageSize=10, offset=0
    )
    assert [(item["obj"], item["dataId"]) for item in records["list"]] == [("Human", "first"), ("AI", "first")]
    assert "包邮" in server.words("包邮吗", chatId="c1")


def test_any_other_reply_to_a_selection_ends_with_an_empty_answer(server: Caller) -> None:
    server.ask("选择部门", chatId="c1")
    assert server.words("包邮吗", chatId="c1") == ""
    assert "99 元包邮" in server.words("包邮吗", chatId="c1")


def test_a_new_chat_leaves_the_pause_behind(server: Caller) -> None:
    server.ask("选择部门", chatId="c1")
    assert "99 元包邮" in server.words("包邮吗", chatId="c2")


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (json.dumps({"姓名": "小李", "订单号": "A17"}), "登记成功。姓名：小李；订单号：A17；件数：未填写。"),
        ("不是表单", "登记成功。姓名：未填写；订单号：未填写；件数：未填写。"),
    ],
)
def test_a_form_takes_the_text_of_a_json_object(server: Caller, reply: str, expected: str) -> None:
    (data,) = named(server.stream("填写表单", chatId="c1"), "interactive")
    assert [line["key"] for line in data["interactive"]["params"]["inputForm"]] == ["姓名", "订单号", "件数"]
    assert server.words(reply, chatId="c1") == expected


def test_an_agent_takes_any_reply(server: Caller) -> None:
    (data,) = named(server.stream("预约上门", chatId="c1"), "interactive")
    assert data["interactive"]["type"] == "agentAsk"
    assert data["interactive"]["params"]["questions"][0]["question"] == "您在哪个城市？"
    assert server.words("杭州", chatId="c1") == "收到：杭州。我们会尽快为您安排。"


def test_after_a_payment_pause_the_first_question_is_answered(server: Caller) -> None:
    server.control("answers", {"match": "包邮", "interactive": "paymentPause", "times": 1})
    (data,) = named(server.stream("包邮吗", chatId="c1"), "interactive")
    assert data["interactive"]["type"] == "paymentPause"
    assert "99 元包邮" in server.words("继续", chatId="c1")


def test_a_wrapped_pause_is_whole_in_a_stream_and_only_its_core_in_one_piece(server: Caller) -> None:
    inner = {
        "type": "userSelect",
        "params": {"description": "?", "userSelectOptions": [{"key": "a", "value": "甲"}]},
        "usageId": "u",
    }
    wrapped = {"type": "loopInteractive", "params": {"childrenResponse": inner, "currentIndex": 1}}
    wrapped = {"type": "childrenInteractive", "params": {"childrenResponse": wrapped}}
    server.control("answers", {"match": "套娃", "text": "先问一句", "interactive": wrapped})
    (data,) = named(server.stream("套娃", chatId="c1"), "interactive")
    assert data["interactive"]["params"] == wrapped["params"]
    content = server.ask("套娃", chatId="c2", detail=True)["choices"][0]["message"]["content"]
    assert content[0]["text"]["content"] == "先问一句"
    assert content[1]["interactive"] == {"type": "userSelect", "params": inner["params"]}
    assert server.words("甲", chatId="c1") == "好的，您选择了「甲」。"
