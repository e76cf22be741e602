"""The simulated FastGPT's other endpoints, its log of runs, and many callers at once."""

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.integration.simulators.fastgpt_server import COMPLETIONS, Caller, events_of, eventually, node, said, serving


@pytest.fixture(scope="module")
def server() -> Iterator[Caller]:
    with serving() as caller:
        yield caller


@pytest.fixture(autouse=True)
def _fresh(server: Caller) -> None:
    server.control("reset", {})


def records(server: Caller, chat: str, **fields: Any) -> dict[str, Any]:
    page: dict[str, Any] = server.data(
        "POST",
        "/api/core/chat/record/getPaginationRecords",
        appId=server.settings.app_id,
        chatId=chat,
        **{"pageSize": 10, "offset": 0, **fields},
    )
    return page


def test_init_probes_the_key_and_the_app(server: Caller) -> None:
    app = server.settings.app_id
    data = server.data("GET", "/api/core/chat/init", appId=app, chatId="probe")
    assert (data["appId"], data["chatId"], data["app"]["type"]) == (app, "probe", "advanced")
    wrong = server.http.get(
        "/api/core/chat/init",
        params={"appId": app, "chatId": "probe"},
        headers={"Authorization": "Bearer fastgpt-wrong"},
    )
    assert (wrong.status_code, wrong.json()["statusText"]) == (500, "unAuthApiKey")


def test_endpoints_require_the_app_and_the_chat(server: Caller) -> None:
    response = server.http.get("/api/core/chat/init")
    assert response.status_code == 400
    assert [issue["path"] for issue in response.json()["zodError"]] == [["appId"], ["chatId"]]


def test_probes_of_the_process_and_of_a_key(server: Caller) -> None:
    assert "feConfigs" in httpx.get(f"{server.base}/api/common/system/getInitData").json()["data"]
    good = server.data("GET", "/api/support/openapi/health", apiKey=server.settings.api_key)
    assert good == {"valid": True, "usagePoints": 0, "maxUsagePoints": -1}
    bad = server.http.get("/api/support/openapi/health", params={"apiKey": "x"})
    assert (bad.status_code, bad.json()["message"]) == (500, "APIKey invalid")
    with serving(version="4.12") as older:
        assert older.http.get("/api/support/openapi/health").status_code == 404


def test_records_are_the_newest_page_in_time_order(server: Caller) -> None:
    for number in range(3):
        server.ask("你好", chatId="c1", responseChatItemId=f"m{number}")
    page = records(server, "c1", pageSize=2)
    assert page["total"] == 6
    assert [(item["obj"], item["dataId"]) for item in page["list"]] == [("Human", "m2"), ("AI", "m2")]
    assert [item["dataId"] for item in records(server, "c1", pageSize=3, offset=2)["list"]] == ["m0", "m1", "m1"]
    assert records(server, "nobody") == {"list": [], "total": 0}


def test_node_results_can_be_read_later_by_the_item_id(server: Caller) -> None:
    server.ask("包邮吗", chatId="c1", responseChatItemId="m1")
    query = {"appId": server.settings.app_id, "chatId": "c1"}
    results = server.data("GET", "/api/core/chat/record/getResData", **query, dataId="m1")
    assert node(results, "datasetSearchNode")["quoteList"]
    assert server.data("GET", "/api/core/chat/record/getResData", **query, dataId="other") == []


def test_feedback_that_is_not_sent_is_cleared(server: Caller) -> None:
    server.ask("包邮吗", chatId="c1", responseChatItemId="m1")
    path = "/api/core/chat/feedback/updateUserFeedback"
    item = {"appId": server.settings.app_id, "chatId": "c1", "dataId": "m1"}
    assert server.data("POST", path, **item, userGoodFeedback="yes") is None
    assert records(server, "c1")["list"][1]["userGoodFeedback"] == "yes"
    server.data("POST", path, **item, userBadFeedback="no")
    answer = records(server, "c1")["list"][1]
    assert "userGoodFeedback" not in answer
    assert answer["userBadFeedback"] == "no"
    missing = server.http.post(path, json={**item, "dataId": "m9"})
    assert (missing.status_code, missing.json()["message"]) == (500, "Chat item not found")


def test_feedback_can_be_looked_at_and_forgotten(server: Caller) -> None:
    path, app = "/api/core/chat/feedback/updateUserFeedback", server.settings.app_id
    for chat in ("c1", "c2"):
        server.ask("包邮吗", chatId=chat, responseChatItemId="m1")
        server.data("POST", path, appId=app, chatId=chat, dataId="m1", userGoodFeedback="yes")
    server.data("POST", path, appId=app, chatId="c2", dataId="m1")

    assert [(each["chatId"], each["userGoodFeedback"]) for each in server.feedback()] == [
        ("c1", "yes"),
        ("c2", "yes"),
        ("c2", None),
    ]
    (given,) = server.feedback(chatId="c1")
    assert (given["appId"], given["dataId"], given["userBadFeedback"]) == (app, "m1", None)
    assert abs(given["at_ms"] - time.time() * 1000) < 60_000
    server.http.delete("/_control/feedback")
    assert server.feedback() == []


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"dataId": ...}, ["dataId"]),
        ({"chatId": " "}, ["chatId"]),
        ({"appId": ...}, ["appId"]),
        ({"userGoodFeedback": True}, ["userGoodFeedback"]),
        ({"userBadFeedback": 1}, ["userBadFeedback"]),
    ],
)
def test_feedback_of_a_wrong_shape_is_refused(server: Caller, fields: dict[str, Any], path: list[str]) -> None:
    server.ask("包邮吗", chatId="c1", responseChatItemId="m1")
    sent = {"appId": server.settings.app_id, "chatId": "c1", "dataId": "m1", "userGoodFeedback": "yes", **fields}
    body = {name: value for name, value in sent.items() if value is not ...}

    refused = server.http.post("/api/core/chat/feedback/updateUserFeedback", json=body)

    assert (refused.status_code, refused.json()["zodError"][0]["path"]) == (400, path)
    assert server.feedback() == []


def test_histories_list_the_newest_chat_first(server: Caller) -> None:
    for chat in ("c1", "c2", "c1"):
        server.ask("你好", chatId=chat)
    path = "/api/core/chat/history/getHistories"
    page = server.data("POST", path, appId=server.settings.app_id, offset=0, pageSize=1)
    assert page["total"] == 2
    assert [(chat["chatId"], chat["title"], chat["chatGenerateStatus"]) for chat in page["list"]] == [("c1", "你好", 1)]
    assert server.data("POST", path, appId=server.settings.app_id, source="share")["total"] == 0


def test_the_log_tells_what_was_asked_and_how_it_ended(server: Caller) -> None:
    server.ask("包邮吗", chatId="c1", responseChatItemId="m1", customUid="zhangsan")
    server.post(chatId="c2", headers={"Authorization": "Bearer x"})
    good, bad = server.runs()
    assert (good["chatId"], good["responseChatItemId"], good["customUid"]) == ("c1", "m1", "zhangsan")
    assert (good["messages"], good["question"], good["state"]) == (1, "包邮吗", "finished")
    assert abs(good["at_ms"] - time.time() * 1000) < 60_000
    assert 0 <= good["first_words_ms"] <= good["milliseconds"]
    assert (bad["state"], bad["error"]) == ("failed", "unAuthApiKey")
    assert [run["run"] for run in server.runs(chatId="c1")] == [good["run"]]
    assert [run["run"] for run in server.runs(appId=server.settings.app_id, state="failed")] == [bad["run"]]
    server.http.delete("/_control/runs")
    assert server.runs() == []


@pytest.mark.parametrize("stream", [True, False])
def test_a_caller_who_leaves_stops_the_run_and_frees_the_chat(server: Caller, *, stream: bool) -> None:
    server.control("answers", {"chunks": ["一", "二", "三"], "between_ms": 60_000, "times": 1})
    body = server.body("x", chatId="c1", stream=stream)
    with pytest.raises(httpx.ReadTimeout):
        server.http.post(COMPLETIONS, json=body, timeout=0.3)
    eventually(lambda: server.runs()[0]["state"] == "aborted")
    assert server.runs()[0]["answer"] == "一"
    assert records(server, "c1")["list"][1]["value"] == [{"type": "text", "text": {"content": "一"}}]
    assert server.post(chatId="c1").status_code == 200


def test_a_hundred_runs_go_on_side_by_side() -> None:
    with serving(model_delay=0.5) as slow, httpx.Client(limits=httpx.Limits(max_connections=100)) as http:
        headers = {"Authorization": f"Bearer {slow.settings.api_key}"}

        def ask(number: int) -> str:
            body = slow.body("包邮吗", chatId=f"c{number}")
            response = http.post(f"{slow.base}{COMPLETIONS}", json=body, headers=headers, timeout=20)
            words: str = response.json()["choices"][0]["message"]["content"]
            return words

        began = time.monotonic()
        with ThreadPoolExecutor(100) as pool:
            answers = list(pool.map(ask, range(100)))
        assert len(set(answers)) == 1
        assert time.monotonic() - began < 25
        assert [run["state"] for run in slow.runs()] == ["finished"] * 100


def test_one_mount_serves_everything_under_its_prefix() -> None:
    with serving(mount="/fastgpt") as mounted:
        assert mounted.base.endswith("/fastgpt")
        assert mounted.stream("你好")[-1] == ("answer", "[DONE]")
        assert mounted.runs()[0]["state"] == "finished"


def test_alone_it_serves_with_the_key_and_app_of_the_environment() -> None:
    key, app = "fastgpt-environment", "a" * 24
    program = [sys.executable, "-m", "simulators.fastgpt", "--port", "0", "--model-delay", "0"]
    environment = {"FASTGPT_API_KEY": key, "FASTGPT_APP_ID": app, "PYTHONPATH": ".", "PATH": ""}
    with subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            base = process.stdout.readline().split()[3].removesuffix("/api,")
            body = {"appId": app, "messages": [{"role": "user", "content": "你好"}], "stream": True}
            headers = {"Authorization": f"Bearer {key}"}
            response = httpx.post(f"{base}{COMPLETIONS}", json=body, headers=headers, timeout=10)
            assert "智能客服" in said(events_of(response.text))
        finally:
            process.terminate()
            process.wait(10)
