"""The simulated FastGPT refuses as the real one does: keys, apps, bodies, busy chats, limits."""

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from simulators.fastgpt.settings import SAMPLE_APP_ID, FastgptSettings
from tests.integration.simulators.fastgpt_server import COMPLETIONS, Caller, events_of, eventually, serving

if TYPE_CHECKING:
    import httpx

UNKNOWN_APP = "0" * 24


@pytest.fixture(scope="module")
def server() -> Iterator[Caller]:
    with serving(forbidden_app_ids=frozenset({"f" * 24})) as caller:
        yield caller


@pytest.fixture(autouse=True)
def _fresh(server: Caller) -> None:
    server.control("reset", {})


def test_an_unknown_key_is_an_error_in_json(server: Caller) -> None:
    response = server.post(headers={"Authorization": "Bearer fastgpt-wrong"})
    assert response.status_code == 500
    assert response.json() == {
        "code": 514,
        "statusText": "unAuthApiKey",
        "message": "common:code_error.error_message.514",
        "data": None,
    }


@pytest.mark.parametrize("detail", [True, False])
def test_to_a_caller_who_wants_a_stream_it_is_one_event_in_http_200(server: Caller, *, detail: bool) -> None:
    response = server.post(headers={"Authorization": "Bearer fastgpt-wrong"}, stream=True, detail=detail)
    assert response.status_code == 200
    assert "content-type" not in response.headers
    ((name, data),) = events_of(response.text)
    assert name == "error"
    assert data["statusText"] == "unAuthApiKey"


@pytest.mark.parametrize("header", ["", "no-scheme", "Bearer", "Bearer  two-spaces"])
def test_a_missing_or_malformed_header_clears_the_login_cookie(server: Caller, header: str) -> None:
    response = server.post(headers={"Authorization": header})
    assert response.status_code == 403
    assert response.json()["statusText"] == "unAuthorization"
    assert "Max-Age=0" in response.headers["set-cookie"]


def test_before_4_15_every_error_is_http_500() -> None:
    with serving(version="4.14") as older:
        assert older.post(headers={"Authorization": ""}).status_code == 500
        three_dashes = older.post(headers={"Authorization": "Bearer a-b-c-d"})
        assert three_dashes.json()["statusText"] == "unAuthorization"


def test_the_call_names_the_app_in_its_body_or_behind_the_key(server: Caller) -> None:
    key, app = server.settings.api_key, server.settings.app_id
    assert server.post(appId=..., headers={"Authorization": f"Bearer {key}-{app}"}).status_code == 200
    missing = server.post(appId=...)
    assert missing.status_code == 500
    assert missing.json() == {
        "code": 500,
        "statusText": "error",
        "message": "appId is empty",
        "data": None,
        "errorType": "UserError",
    }


def test_a_bound_key_is_the_last_resort_now_and_came_first_before() -> None:
    with serving(key_kind="app") as now:
        assert now.post(appId=...).status_code == 200
        assert now.post(appId=UNKNOWN_APP).json()["statusText"] == "appUnExist"
    with serving(version="4.14") as before:
        assert before.post(appId=UNKNOWN_APP).status_code == 200
    with serving(version="4.14", key_kind="account") as account:
        assert account.post(appId=...).json()["message"].startswith("Key is error.")
        assert account.post(appId=UNKNOWN_APP).json()["message"] == "app is empty"
        assert account.post().status_code == 200


def test_apps_that_are_missing_or_not_allowed_are_told_apart(server: Caller) -> None:
    missing, forbidden = server.post(appId=UNKNOWN_APP), server.post(appId="f" * 24)
    assert (missing.json()["statusText"], missing.json()["code"]) == ("appUnExist", 502000)
    assert (forbidden.json()["statusText"], forbidden.json()["code"]) == ("unAuthApp", 502001)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"stream": "true"}, ["stream"]),
        ({"detail": 1}, ["detail"]),
        ({"appId": "short"}, ["appId"]),
        ({"chatId": "x" * 1025}, ["chatId"]),
        ({"chatId": 7}, ["chatId"]),
        ({"variables": []}, ["variables"]),
        ({"messages": {}}, ["messages"]),
        ({"messages": ["text"]}, ["messages", 0]),
        ({"messages": [{"role": "robot", "content": "x"}]}, ["messages", 0, "role"]),
        ({"messages": [{"role": "user"}]}, ["messages", 0, "content"]),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, ["messages", 0, "content", 0]),
    ],
)
def test_a_field_of_a_wrong_type_is_named_in_json_even_for_streams(
    server: Caller, fields: dict[str, Any], path: list[object]
) -> None:
    response = server.post(**{"stream": True, **fields})
    assert response.status_code == 400
    body = response.json()
    assert (body["code"], body["statusText"], body["message"]) == (400, "error", "Data validation error")
    assert body["zodError"][0]["path"] == path


def test_null_counts_as_not_sent_and_unknown_fields_do_nothing(server: Caller) -> None:
    assert server.post(chatId=None, stream=None, variables=None, temperature=2, model="x").status_code == 200


def test_bodies_that_are_no_json_or_too_big_are_refused_before_anything_else(server: Caller) -> None:
    broken = server.http.post(COMPLETIONS, content=b"{")
    assert (broken.status_code, broken.text) == (400, "Invalid JSON")
    assert server.http.post(COMPLETIONS, content=b" " * (10 * 1024 * 1024 + 1)).status_code == 413


def test_older_versions_take_values_by_their_truth() -> None:
    with serving(version="4.12") as older:
        assert older.post(stream="true").text.startswith("data: ")
        wrong = older.post(messages={})
        assert (wrong.status_code, wrong.json()["statusText"]) == (500, "")
        assert wrong.json()["message"] == "messages is not array"


def test_no_messages_at_all_is_an_error(server: Caller) -> None:
    assert server.post(messages=[]).json()["message"] == "messages is empty"


def test_an_item_id_used_before_in_the_chat_is_refused_even_after_a_failure(server: Caller) -> None:
    server.control("faults", {"kind": "error", "statusText": "aiPointsNotEnough", "after_chunks": 1})
    assert server.post(chatId="c1", responseChatItemId="m1").json()["statusText"] == "aiPointsNotEnough"
    again = server.post(chatId="c1", responseChatItemId="m1")
    assert again.status_code == 500
    assert again.json()["message"] == "Chat dataId already exists: m1"
    assert again.json()["errorType"] == "UserError"
    assert server.post(chatId="c2", responseChatItemId="m1").status_code == 200


def test_before_4_15_an_item_id_may_come_again() -> None:
    with serving(version="4.14") as older:
        for _ in range(2):
            assert older.post(chatId="c1", responseChatItemId="m1").status_code == 200


def test_a_busy_chat_refuses_a_second_question_until_it_is_done(server: Caller) -> None:
    server.control("answers", {"match": "慢", "chunks": ["一", "二"], "between_ms": 60_000})
    body = server.body("慢", chatId="c1", stream=True)
    with server.http.stream("POST", COMPLETIONS, json=body) as slow:
        pieces = slow.iter_raw()
        next(pieces)
        refused = server.post(chatId="c1")
        assert (refused.status_code, refused.json()["statusText"]) == (500, "chatIsGenerating")
        assert server.stream("包邮吗", chatId="c1")[0][1]["code"] == 504001
        assert server.post(chatId="c2").status_code == 200
    eventually(lambda: server.runs(state="aborted") != [])
    assert server.post(chatId="c1").status_code == 200


def test_before_4_15_a_busy_chat_runs_twice() -> None:
    with serving(version="4.14", model_delay=0.1) as older:
        answers: list[httpx.Response] = []
        threads = [threading.Thread(target=lambda: answers.append(older.post(chatId="c1"))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert [answer.status_code for answer in answers] == [200, 200]


@pytest.mark.parametrize(("version", "status"), [("4.16", 429), ("4.14", 500)])
def test_over_the_team_limit_the_text_says_when_to_come_back(version: str, status: int) -> None:
    with serving(version=version, requests_per_minute=1) as strict:
        assert strict.post().status_code == 200
        over = strict.post(stream=True)
        assert over.status_code == status
        assert over.json()["code"] == 429
        assert over.json()["message"].startswith(
            "Rate limit exceeded. Maximum 1 requests per 60 seconds for this team. Please try again in "
        )


def test_share_links_and_proxies_are_refused(server: Caller) -> None:
    link = server.post(outLinkAuthData={"shareId": "s", "outLinkUid": "u"})
    assert link.json()["statusText"] == "linkUnInvalid"
    assert server.post(authProxy={"username": "x"}).json()["statusText"] == "unAuthChat"


@pytest.mark.parametrize(
    "wrong",
    [
        {"app_id": "local"},
        {"lite_app_id": "local"},
        {"lite_app_id": SAMPLE_APP_ID},
        {"version": "3"},
        {"model_delay": -1.0},
        {"heartbeat_interval": 0.0},
    ],
)
def test_settings_no_server_could_have_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        FastgptSettings(**wrong)


def test_a_key_to_no_light_app_is_refused() -> None:
    with pytest.raises(ValueError, match="lite_app_id is missing"):
        FastgptSettings(lite_api_key="fastgpt-light")
