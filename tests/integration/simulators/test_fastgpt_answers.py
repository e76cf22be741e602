"""The simulated FastGPT answers as the real one does: shapes, orders, memory, scores."""

from collections.abc import Iterator

import pytest

from simulators.fastgpt.workflow import UNKNOWN_REPLY
from tests.integration.simulators.fastgpt_server import Caller, events_of, named, node, said, serving


@pytest.fixture(scope="module")
def server() -> Iterator[Caller]:
    with serving() as caller:
        yield caller


@pytest.fixture(autouse=True)
def _fresh(server: Caller) -> None:
    server.control("reset", {})


def test_a_plain_answer_is_not_in_the_envelope_and_has_constant_usage(server: Caller) -> None:
    answer = server.ask("包邮吗", chatId="c1")
    assert answer == {
        "title": "包邮吗",
        "id": "c1",
        "model": "",
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 1},
        "choices": [
            {
                "message": {"role": "assistant", "content": answer["choices"][0]["message"]["content"]},
                "finish_reason": "stop",
                "index": 0,
            }
        ],
    }
    assert "99 元包邮" in answer["choices"][0]["message"]["content"]


def test_without_a_chat_id_the_round_is_stored_under_the_id_returned(server: Caller) -> None:
    answer = server.ask("包邮吗")
    assert len(answer["id"]) == 24
    records = server.data(
        "POST",
        "/api/core/chat/record/getPaginationRecords",
        appId=server.settings.app_id,
        chatId=answer["id"],
        pageSize=10,
        offset=0,
    )
    assert records["total"] == 2


def test_success_headers_tell_the_team_limit_and_a_request_id(server: Caller) -> None:
    headers = server.post().headers
    assert headers["x-ratelimit-limit"] == "5000"
    assert headers["x-ratelimit-remaining"] == "4999"
    assert len(headers["x-ratelimit-reset"]) == 13
    assert len(headers["x-request-id"]) == 36


def test_a_stream_without_detail_is_data_only_and_ends_with_stop_and_done(server: Caller) -> None:
    response = server.post("包邮吗", stream=True)
    assert response.headers["content-type"] == "text/event-stream;charset=utf-8"
    assert response.headers["x-accel-buffering"] == "no"
    events = events_of(response.text)
    assert {name for name, _ in events} == {""}
    assert events[-1] == ("", "[DONE]")
    assert events[-2][1]["choices"][0] == {
        "delta": {"role": "assistant", "content": None},
        "index": 0,
        "finish_reason": "stop",
    }
    assert events[0][1]["id"] == events[0][1]["model"] == events[0][1]["object"] == ""
    assert "99 元包邮" in said(events)


def test_the_newest_version_sends_done_after_the_node_results(server: Caller) -> None:
    names = [(name, data == "[DONE]") for name, data in server.stream("包邮吗")]
    assert names[-3:] == [("answer", False), ("flowResponses", False), ("answer", True)]
    assert ("chatTitle", False) in names
    assert ("workflowDuration", False) in names
    assert names[0] == ("flowNodeStatus", False)


@pytest.mark.parametrize("version", ["4.12", "4.14"])
def test_older_versions_send_done_before_the_node_results(version: str) -> None:
    with serving(version=version) as older:
        events = older.stream("包邮吗")
        assert events[-2] == ("answer", "[DONE]")
        assert events[-1][0] == "flowResponses"
        assert not named(events, "chatTitle")


def test_quotes_carry_a_list_of_scores_on_their_own_scales(server: Caller) -> None:
    search = node(server.ask("怎么开发票", detail=True)["responseData"], "datasetSearchNode")
    scores = {score["type"]: score["value"] for score in search["quoteList"][0]["score"]}
    assert scores["reRank"] > 0.9
    assert scores["embedding"] > 0.9
    assert scores["rrf"] == pytest.approx(1 / 61, abs=1e-5)
    assert search["quoteList"][0]["q"] == "怎么开发票"
    assert len(search["quoteList"][0]["id"]) == 24


def test_the_oldest_version_gives_a_bare_number_as_score() -> None:
    with serving(version="4.12") as older:
        search = node(older.ask("怎么开发票", detail=True)["responseData"], "datasetSearchNode")
        assert isinstance(search["quoteList"][0]["score"], float)


def test_without_reranking_no_quote_has_a_rerank_score() -> None:
    with serving(rerank=False) as plain:
        search = node(plain.ask("怎么开发票", detail=True)["responseData"], "datasetSearchNode")
        assert {score["type"] for score in search["quoteList"][0]["score"]} == {"embedding", "rrf"}


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("发货要多久呀", "24 小时内"),
        ("你们周末几点下班啊", "10:00–21:00"),
        ("我想退货", "7 天内"),
        ("can you ship to Japan", "DHL"),
        ("磨豆机多少钱", "899"),
        ("公司团购有折扣吗", "9 折"),
    ],
)
def test_a_question_in_other_words_finds_its_entry(server: Caller, question: str, expected: str) -> None:
    assert expected in server.words(question)


def test_two_questions_in_one_message_are_both_answered(server: Caller) -> None:
    words = server.words("怎么开发票\n包邮吗")
    assert "申请开票" in words
    assert "99 元包邮" in words


def test_what_it_does_not_know_has_an_empty_quote_list(server: Caller) -> None:
    answer = server.ask("火星上有生命吗", detail=True)
    assert answer["choices"][0]["message"]["content"] == UNKNOWN_REPLY
    assert node(answer["responseData"], "datasetSearchNode")["quoteList"] == []


def test_a_greeting_searches_no_dataset(server: Caller) -> None:
    kinds = [each["moduleType"] for each in server.ask("你好！", detail=True)["responseData"]]
    assert kinds == ["workflowStart", "classifyQuestion", "chatNode"]


def test_asking_for_a_person_is_classified_sets_a_variable_and_gives_a_fixed_reply(server: Caller) -> None:
    events = server.stream("我要转人工", chatId="c1")
    (results,) = named(events, "flowResponses")
    assert node(results, "classifyQuestion")["cqResult"] == "转人工"
    assert named(events, "updateVariables") == [{"handoff": True}]
    assert named(events, "fastAnswer")[0]["choices"][0]["delta"]["content"].startswith("\n")
    assert server.ask("你好", chatId="c1", detail=True)["newVariables"] == {"handoff": True}


def test_an_update_tells_all_variables_of_the_chat_and_only_the_values_that_the_run_assigned(server: Caller) -> None:
    server.control("answers", {"match": "话题", "text": "好", "variables": {"topic": "价格"}})
    server.ask("我要转人工", chatId="c1")

    events = server.stream("话题", chatId="c1")

    assert named(events, "updateVariables") == [{"handoff": True, "topic": "价格"}]
    assert node(named(events, "flowResponses")[0], "variableUpdate")["updateVarResult"] == ["价格"]


@pytest.mark.parametrize("question", ["人工客服", "我想找真人", "请转接人工", "Can I talk to a person?"])
def test_a_person_can_be_asked_for_in_several_ways(server: Caller, question: str) -> None:
    assert node(server.ask(question, detail=True)["responseData"], "classifyQuestion")["cqResult"] == "转人工"


@pytest.mark.parametrize("question", ["谢谢", "好的，谢谢您！", "再见", "我想问一下", "请问", "OK", "thanks"])
def test_courtesies_are_answered_without_a_search(server: Caller, question: str) -> None:
    results = server.ask(question, detail=True)["responseData"]
    assert [each["moduleType"] for each in results] == ["workflowStart", "classifyQuestion", "chatNode"]


def test_a_scripted_answer_can_say_what_was_chosen_and_how_good_the_sources_are(server: Caller) -> None:
    server.control(
        "answers", [{"match": "a", "text": "x", "intent": "人工客服"}, {"match": "b", "text": "x", "score": 0.3}]
    )
    server.control("answers", {"match": "c", "text": "x", "score": 0, "fixed": True})

    chosen, scored, nothing = (server.ask(text, detail=True)["responseData"] for text in "abc")

    assert node(chosen, "classifyQuestion")["cqResult"] == "人工客服"
    (quote,) = node(scored, "datasetSearchNode")["quoteList"]
    assert {score["type"]: score["value"] for score in quote["score"]} == {"reRank": 0.3, "embedding": 0.3}
    assert node(nothing, "datasetSearchNode")["quoteList"] == []
    assert [each["moduleType"] for each in nothing] == ["workflowStart", "datasetSearchNode", "answerNode"]


def test_the_long_answer_is_longer_than_three_thousand_bytes_of_markdown(server: Caller) -> None:
    words = server.words("怎么清洗保养")
    assert len(words.encode()) > 3000
    assert all(mark in words for mark in ("# ", "| --- |", "](https://", "1. ", "- ", "> "))


def test_a_follow_up_understands_what_was_said_before_in_the_same_chat_only(server: Caller) -> None:
    server.ask("介绍一下晨雾保温杯", chatId="c1")
    server.ask("介绍一下听松磨豆机", chatId="c2")
    assert "129" in server.words("它多少钱", chatId="c1")
    assert "899" in server.words("它多少钱", chatId="c2")
    assert "哪一款" in server.words("它多少钱", chatId="c3")


def test_what_stands_in_brackets_before_a_question_was_said_before(server: Caller) -> None:
    background = "（以下是之前的对话：\n客户：转人工，我想看听松磨豆机\n人工客服：好的\n）\n"

    answer = server.ask(f"{background}它多少钱", detail=True)

    assert "899" in answer["choices"][0]["message"]["content"]
    assert node(answer["responseData"], "classifyQuestion")["cqResult"] == "咨询问题"
    assert node(answer["responseData"], "datasetSearchNode")["query"] == "它多少钱"


def test_names_and_earlier_questions_are_remembered(server: Caller) -> None:
    server.ask("我叫小李", chatId="c1")
    assert server.words("我叫什么", chatId="c1") == "您是小李。"
    assert server.words("我刚才问了什么", chatId="c1") == "您上一个问题是：我叫什么"


def test_given_messages_come_after_the_stored_history_and_system_texts_first(server: Caller) -> None:
    server.ask("包邮吗", chatId="c1")
    messages = [
        {"role": "user", "content": "更早的话"},
        {"role": "system", "content": "只说中文"},
        {"role": "user", "content": [{"type": "text", "text": "你好"}]},
    ]
    results = server.ask("", chatId="c1", detail=True, messages=messages)["responseData"]
    preview = node(results, "chatNode")["historyPreview"]
    assert [line["obj"] for line in preview] == ["System", "Human", "AI", "Human", "Human", "AI"]
    assert [preview[0]["value"], preview[1]["value"], preview[3]["value"], preview[4]["value"]] == [
        "只说中文",
        "包邮吗",
        "更早的话",
        "你好",
    ]


def test_only_the_last_rounds_are_seen() -> None:
    with serving(history_rounds=1) as short:
        short.ask("我叫小李", chatId="c1")
        short.ask("你好", chatId="c1")
        assert "还没有告诉" in short.words("我叫什么", chatId="c1")


def test_a_chat_that_is_not_recorded_forgets_and_never_collides(server: Caller) -> None:
    for _ in range(2):
        answer = server.ask("你好", chatId="NO_RECORD_HISTORIES", responseChatItemId="same")
        assert answer["id"] == "NO_RECORD_HISTORIES"
    assert server.data(
        "POST", "/api/core/chat/history/getHistories", appId=server.settings.app_id, pageSize=10, offset=0
    ) == {"list": [], "total": 0}


def test_citation_marks_stay_in_one_piece_answers_only_on_request(server: Caller) -> None:
    assert "](CITE)" not in server.words("包邮吗")
    assert "](CITE)" in server.words("包邮吗", retainDatasetCite=True)
    assert "](CITE)" in said(server.stream("包邮吗"))


def test_a_stream_can_be_set_to_drop_citation_marks() -> None:
    with serving(citations_in_stream=False) as tidy:
        assert "](CITE)" not in said(tidy.stream("包邮吗"))
        assert "](CITE)" in said(tidy.stream("包邮吗", retainDatasetCite=True))


def test_variables_are_merged_and_kept_with_the_chat(server: Caller) -> None:
    server.ask("你好", chatId="c1", variables={"a": 1, "b": 1})
    assert server.ask("你好", chatId="c1", detail=True, variables={"b": 2})["newVariables"] == {"a": 1, "b": 2}


def test_only_the_first_round_of_a_chat_has_a_title(server: Caller) -> None:
    assert server.ask("包邮吗", chatId="c1")["title"] == "包邮吗"
    assert "title" not in server.ask("包邮吗", chatId="c1")


def test_heartbeats_are_empty_answers() -> None:
    with serving(heartbeat_interval=0.02, model_delay=0.3) as slow:
        events = slow.stream("包邮吗")
        texts = [data["choices"][0]["delta"].get("content") for data in named(events, "answer")[:3]]
        assert texts == ["", "", ""]
        plain = slow.stream("包邮吗", detail=False)
        assert plain[0][1]["choices"][0]["delta"] == {"role": "assistant", "content": ""}


def test_a_tool_app_takes_variables_and_forces_detail(server: Caller) -> None:
    answer = server.ask("", appId=server.settings.tool_app_id, messages=..., variables={"query": "包邮吗"})
    result = node(answer["responseData"], "pluginOutput")["pluginOutput"]["result"]
    assert "99 元包邮" in result
    assert answer["newVariables"] == {"query": "包邮吗"}


def test_a_scripted_answer_is_given_word_for_word_with_its_nodes(server: Caller) -> None:
    server.control(
        "answers",
        {
            "match": "库存",
            "chunks": ["有", "货"],
            "reasoning": "先看库存",
            "tools": [{"toolName": "查库存", "response": "12"}],
            "variables": {"stock": 12},
            "nodes": [{"moduleType": "datasetSearchNode", "quoteList": []}],
        },
    )
    events = server.stream("还有库存吗")
    assert [data["choices"][0]["delta"]["content"] for data in named(events, "answer")[2:4]] != []
    assert said(events) == "有货"
    assert named(events, "toolCall")[0]["tool"]["toolName"] == "查库存"
    assert named(events, "toolResponse")[0]["tool"]["response"] == "12"
    assert [each["moduleType"] for each in named(events, "flowResponses")[0]] == ["datasetSearchNode", "variableUpdate"]
    message = server.ask("还有库存吗", detail=True)["choices"][0]["message"]
    assert [part["type"] for part in message["content"]] == ["text", "tool", "text"]
    assert message["reasoning_content"] == "先看库存"
    assert server.words("还有库存吗") == "有货"


def test_the_newest_scripted_answer_wins_and_counts_down(server: Caller) -> None:
    server.control("answers", [{"match": "x", "text": "old"}, {"match": "x", "text": "new", "times": 1}])
    assert [server.words("x"), server.words("x")] == ["new", "old"]
    shown = server.http.get("/_control/answers").json()["answers"]
    assert shown == [{"match": "x", "text": "old", "times": None}]


def test_a_scripted_answer_with_an_error_has_both_text_and_error(server: Caller) -> None:
    server.control("answers", {"text": "一半", "error": "model overloaded"})
    answer = server.ask("x")
    assert answer["choices"][0]["message"]["content"] == "一半"
    assert answer["error"] == "model overloaded"


@pytest.mark.parametrize(
    "wish",
    [
        {"txt": "typo"},
        {"interactive": "unknown"},
        {"chunks": "not a list"},
        {"app": "another"},
        {"score": 1.5},
        {"score": "high"},
        {"score": True},
        "no object",
    ],
)
def test_a_scripted_answer_that_makes_no_sense_is_refused(server: Caller, wish: object) -> None:
    response = server.http.post("/_control/answers", json=wish)
    assert response.status_code == 400
    assert response.json()["error"]


def test_a_scripted_answer_says_first_what_its_pattern_finds_in_the_question(server: Caller) -> None:
    server.control("answers", {"text": "好的。", "echo": "单[A-Z]+"})
    assert server.words("单AB 到哪了\n单CD 呢，还有单AB") == "单AB 单CD 好的。"
    assert server.words("什么都没有") == "好的。"


def test_a_pattern_that_is_none_is_refused(server: Caller) -> None:
    answer = server.http.post("/_control/answers", json={"text": "好的。", "echo": "("})
    assert answer.status_code == 400
    assert "echo" in answer.json()["error"]
