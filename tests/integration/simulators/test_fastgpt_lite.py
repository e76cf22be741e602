"""The simulated FastGPT's light app: its own key, its summaries, and who is meant by faults and scripted answers."""

from collections.abc import Iterator

import pytest

from simulators.fastgpt.settings import SAMPLE_API_KEY, FastgptSettings
from tests.integration.simulators.fastgpt_server import Caller, events_of, said, serving

KEY = "fastgpt-lightAndSmall"
APP = "66f2a9c41d7e3b5508c6e1c9"
TALK = "请总结\n客户：怎么退货？\n客服：七天内可以。\n客户：运费谁出？"


@pytest.fixture(scope="module")
def server() -> Iterator[Caller]:
    with serving(lite_api_key=KEY, lite_app_id=APP) as caller:
        yield caller


@pytest.fixture(autouse=True)
def _fresh(server: Caller) -> None:
    server.control("reset", {})


def summary(server: Caller, text: str) -> str:
    answer = server.post(text, appId=APP, headers={"Authorization": f"Bearer {KEY}"}).json()
    words: str = answer["choices"][0]["message"]["content"]
    return words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TALK, "客户想了解：怎么退货。最近说的是：运费谁出。"),
        ("Sum up:\nCustomer: hello\nAgent: hi", "客户想了解：hello。"),
        ("总结以下对话\n甲：退货！\n乙: 好", "客户想了解：退货。最近说的是：好。"),
        ("总结以下对话\n第一句\n\n第二句", "客户想了解：第一句。最近说的是：第二句。"),
        ("请总结\n客户：" + "很" * 60, "客户想了解：" + "很" * 39 + "…。"),
    ],
)
def test_several_lines_are_summed_up_in_a_sentence_or_two(server: Caller, text: str, expected: str) -> None:
    assert summary(server, text) == expected


def test_a_single_line_is_looked_up(server: Caller) -> None:
    assert "99 元包邮" in summary(server, "包邮吗")
    assert "智能客服" in summary(server, "你好")


def test_it_answers_in_a_stream_without_keeping_a_record(server: Caller) -> None:
    fields = {"appId": APP, "chatId": "NO_RECORD_HISTORIES", "stream": True, "responseChatItemId": "same"}
    headers = {"Authorization": f"Bearer {KEY}"}

    answers = [said(events_of(server.post(TALK, headers=headers, **fields).text)) for _ in range(2)]

    assert answers == ["客户想了解：怎么退货。最近说的是：运费谁出。"] * 2
    assert [run["state"] for run in server.runs(appId=APP)] == ["finished"] * 2
    assert server.runs(appId=server.settings.app_id) == []


def test_each_key_opens_its_own_app(server: Caller) -> None:
    with_light_key = server.post(headers={"Authorization": f"Bearer {KEY}"})
    with_main_key = server.post(appId=APP)
    assert [each.json()["statusText"] for each in (with_light_key, with_main_key)] == ["unAuthApp", "unAuthApp"]
    assert server.post().status_code == 200


def test_without_a_key_of_its_own_the_one_key_opens_both() -> None:
    with serving(lite_app_id=APP) as shared:
        assert shared.post(appId=APP).status_code == 200
        assert shared.post().status_code == 200


def test_a_bound_key_brings_its_own_app() -> None:
    with serving(version="4.14", lite_api_key=KEY, lite_app_id=APP) as older:
        answer = older.post(TALK, appId=..., headers={"Authorization": f"Bearer {KEY}"}).json()
        assert answer["choices"][0]["message"]["content"].startswith("客户想了解")
        health = older.data("GET", "/api/support/openapi/health", apiKey=KEY)
        assert health["appId"] == APP


def test_without_a_light_app_its_id_is_unknown() -> None:
    with serving() as plain:
        assert plain.post(appId=APP).json()["statusText"] == "appUnExist"


def test_faults_and_answers_meet_the_main_app_unless_told_otherwise(server: Caller) -> None:
    server.control("answers", [{"match": "退货", "text": "主"}, {"match": "运费", "app": "lite", "text": "轻"}])
    server.control("faults", {"kind": "html", "match": "退货"})

    assert summary(server, TALK) == "轻"
    assert server.post("怎么退货").status_code == 502
    assert server.words("怎么退货") == "主"
    assert server.words("运费谁出") != "轻"


def test_a_fault_or_answer_for_any_app_meets_both(server: Caller) -> None:
    server.control("answers", {"app": "any", "text": "同"})
    assert [summary(server, TALK), server.words("怎么退货")] == ["同", "同"]
    server.control("faults", {"kind": "status", "status": 503, "app": "any", "times": None})
    assert server.post(TALK, appId=APP, headers={"Authorization": f"Bearer {KEY}"}).status_code == 503
    assert server.post().status_code == 503


def test_a_fault_for_an_app_that_there_cannot_be_is_refused(server: Caller) -> None:
    assert server.http.post("/_control/faults", json={"kind": "slow", "app": "another"}).status_code == 400


def test_the_environment_names_the_light_app() -> None:
    settings = FastgptSettings.from_environment({"FASTGPT_LITE_API_KEY": KEY, "FASTGPT_LITE_APP_ID": APP})
    assert settings.apps_of(KEY) == (APP,)
    assert settings.apps_of(SAMPLE_API_KEY) == (settings.app_id, settings.tool_app_id)
    assert settings.apps_of("fastgpt-another") == ()
