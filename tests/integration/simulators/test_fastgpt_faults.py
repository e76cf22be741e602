"""Each fault of the simulated FastGPT does what it says, to streams and to answers in one piece."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.integration.simulators.fastgpt_server import (
    COMPLETIONS,
    Caller,
    events_of,
    eventually,
    named,
    node,
    said,
    serving,
)

TABLE = [
    ("unAuthApiKey", 514, 500),
    ("unAuthorization", 403, 403),
    ("unAuthApp", 502001, 500),
    ("appUnExist", 502000, 500),
    ("unAuthChat", 504000, 500),
    ("chatIsGenerating", 504001, 500),
    ("aiPointsNotEnough", 500004, 500),
    ("insufficientQuota", 510, 500),
    ("unAuthModel", 511, 500),
    ("unAuthFile", 507003, 500),
    ("tooManyRequest", 429, 429),
    ("uploadFileIntervalLimit", 429, 429),
    ("commercialFeature", 509001, 403),
    ("fileNotFound", 507002, 404),
    ("missingParams", 507004, 500),
    ("invalidParams", 507000, 500),
    ("unAuthDataset", 501004, 500),
    ("unExistDataset", 501002, 500),
    ("unExistCollection", 501003, 500),
    ("datasetSizeNotEnough", 500005, 500),
    ("outlinkUnExist", 505000, 500),
    ("linkUnInvalid", 501, 500),
    ("unPermission", 500001, 500),
]


@pytest.fixture(scope="module")
def server() -> Iterator[Caller]:
    with serving() as caller:
        yield caller


@pytest.fixture(autouse=True)
def _fresh(server: Caller) -> None:
    server.control("reset", {})


@pytest.mark.parametrize(("status_text", "code", "status"), TABLE)
def test_every_listed_error_has_its_code_its_status_and_its_form_in_a_stream(
    server: Caller, status_text: str, code: int, status: int
) -> None:
    server.control("faults", {"kind": "error", "statusText": status_text, "times": 2})
    plain = server.post()
    assert plain.status_code == status
    assert (plain.json()["statusText"], plain.json()["code"]) == (status_text, code)
    streamed = server.post(stream=True)
    if code == 429:
        assert streamed.status_code == 429
        assert streamed.json()["code"] == 429
    else:
        assert streamed.status_code == 200
        assert events_of(streamed.text)[0][1]["statusText"] == status_text
    assert server.post().status_code == 200


@pytest.mark.parametrize(("code", "message"), [(400, "Data validation error"), (429, "Rate limit exceeded.")])
def test_validation_and_rate_errors_are_json_even_to_a_stream(server: Caller, code: int, message: str) -> None:
    server.control("faults", {"kind": "error", "statusText": "error", "code": code})
    response = server.post(stream=True)
    assert response.status_code == code
    assert response.json()["message"].startswith(message)


def test_an_unlisted_error_is_only_a_message_in_a_stream(server: Caller) -> None:
    server.control("faults", {"kind": "error", "message": "socket hang up", "times": 2})
    assert server.stream("x") == [("error", {"message": "socket hang up"})]
    assert server.post().json() == {
        "code": 500,
        "statusText": "error",
        "message": "socket hang up",
        "data": None,
    }


def test_an_error_in_mid_stream_comes_after_some_words_and_ends_it(server: Caller) -> None:
    server.control("faults", {"kind": "error", "statusText": "aiPointsNotEnough", "after_chunks": 2})
    events = server.stream("包邮吗", chatId="c1")
    assert said(events) == "单笔订单满"
    assert events[-1][0] == "error"
    assert "[DONE]" not in [data for _, data in events]
    assert server.runs()[0]["state"] == "failed"
    assert server.post(chatId="c1").status_code == 200


def test_the_form_of_an_error_can_be_forced(server: Caller) -> None:
    server.control("faults", [{"kind": "error_event", "code": 429}, {"kind": "json_error", "status": 503}])
    assert server.stream("x")[0][0] == "error"
    forced = server.post(stream=True)
    assert forced.status_code == 503
    assert forced.json()["statusText"] == "error"


def test_a_proxy_may_answer_in_its_place(server: Caller) -> None:
    server.control(
        "faults",
        [{"kind": "html", "status": 504}, {"kind": "status", "status": 503, "body": "busy"}, {"kind": "html"}],
    )
    page, bare, usual = server.post(stream=True), server.post(), server.post()
    assert page.status_code == 504
    assert page.headers["content-type"].startswith("text/html")
    assert "504 Gateway Time-out" in page.text
    assert (bare.status_code, bare.text) == (503, "busy")
    assert usual.status_code == 502


def test_a_cut_stream_breaks_off_after_some_words(server: Caller) -> None:
    server.control("faults", {"kind": "cut", "after_chunks": 3})
    got = b""

    def read() -> None:
        nonlocal got
        with server.http.stream("POST", COMPLETIONS, json=server.body("包邮吗", stream=True)) as response:
            for piece in response.iter_raw():
                got += piece

    with pytest.raises(httpx.RemoteProtocolError):
        read()
    assert said(events_of(got.decode())) == "单笔订单满 "
    eventually(lambda: server.runs()[0]["state"] == "failed")


def test_a_clean_cut_ends_in_order_but_without_done(server: Caller) -> None:
    server.control("faults", {"kind": "cut", "clean": True})
    events = server.stream("包邮吗")
    assert said(events) == "单笔订单满 "
    assert "[DONE]" not in [data for _, data in events]


def test_an_answer_in_one_piece_is_cut_in_half(server: Caller) -> None:
    server.control("faults", [{"kind": "cut"}, {"kind": "cut", "clean": True}])
    with pytest.raises(httpx.RemoteProtocolError):
        server.post()
    with pytest.raises(ValueError, match=r"Unterminated|Expecting|char"):
        server.post().json()


def test_silence_lasts_until_the_caller_leaves(server: Caller) -> None:
    server.control("faults", {"kind": "silence", "after_chunks": 1})
    body = server.body("包邮吗", stream=True, chatId="c1")
    with (
        pytest.raises(httpx.ReadTimeout),
        server.http.stream("POST", COMPLETIONS, json=body, timeout=0.3) as response,
    ):
        list(response.iter_raw())
    eventually(lambda: server.runs()[0]["state"] == "aborted")
    assert server.post(chatId="c1").status_code == 200


def test_silence_may_come_before_the_headers_or_end_by_itself(server: Caller) -> None:
    server.control(
        "faults",
        [{"kind": "silence", "before": "headers"}, {"kind": "silence", "seconds": 0.05, "after_chunks": 1}],
    )
    with pytest.raises(httpx.ReadTimeout):
        server.http.post(COMPLETIONS, json=server.body("x", stream=True), timeout=0.2)
    assert server.stream("包邮吗")[-1] == ("answer", "[DONE]")


def test_in_a_silence_heartbeats_go_on_only_if_asked_for() -> None:
    with serving(heartbeat_interval=0.02) as lively:
        silent = {"kind": "silence", "seconds": 0.2}
        lively.control("faults", [silent, {**silent, "heartbeats": True}])
        quiet = lively.stream("你好", detail=False)
        beating = lively.stream("你好", detail=False)
        assert sum(data["choices"][0]["delta"].get("content") == "" for _, data in quiet[:-1]) <= 1
        assert sum(data["choices"][0]["delta"].get("content") == "" for _, data in beating[:-1]) >= 3


def test_an_empty_answer_ends_normally(server: Caller) -> None:
    server.control("faults", {"kind": "empty", "times": 2})
    events = server.stream("包邮吗")
    assert said(events) == ""
    assert events[-1] == ("answer", "[DONE]")
    assert server.words("包邮吗") == ""


@pytest.mark.parametrize(
    ("version", "error"), [("4.16", "model overloaded"), ("4.12", {"message": "model overloaded"})]
)
def test_a_failed_model_is_http_200_with_the_reason_in_its_node(version: str, error: Any) -> None:
    with serving(version=version) as server:
        server.control("faults", {"kind": "node_error", "message": "model overloaded", "times": 2})
        answer = server.ask("包邮吗", detail=True)
        assert answer["choices"][0]["message"]["content"] == ""
        assert answer["error"] == error
        assert node(answer["responseData"], "chatNode")["errorText"] == "model overloaded"
        events = server.stream("包邮吗")
        assert said(events) == ""
        assert not named(events, "error")
        assert node(named(events, "flowResponses")[0], "chatNode")["errorText"] == "model overloaded"


def test_a_model_may_fail_after_some_words(server: Caller) -> None:
    server.control("faults", {"kind": "node_error", "text": "先说一半"})
    answer = server.ask("包邮吗")
    assert answer["choices"][0]["message"]["content"] == "先说一半"
    assert answer["error"] == "Connection error."


def test_delays_are_put_before_headers_first_words_and_between(server: Caller) -> None:
    server.control("answers", {"chunks": ["一", "二", "三"]})
    server.control("faults", {"kind": "slow", "headers_ms": 80, "first_ms": 80, "between_ms": 40})
    began = time.monotonic()
    with server.http.stream("POST", COMPLETIONS, json=server.body("x", stream=True)) as response:
        headers_after = time.monotonic() - began
        pieces = response.iter_raw()
        next(pieces)
        first_after = time.monotonic() - began
        for _ in pieces:
            pass
    assert headers_after >= 0.08
    assert first_after >= 0.16
    assert time.monotonic() - began >= 0.24


def test_a_stream_can_leave_in_single_bytes(server: Caller) -> None:
    server.control("faults", {"kind": "slow", "split_bytes": 1})
    with server.http.stream("POST", COMPLETIONS, json=server.body("你好", stream=True)) as response:
        pieces = list(response.iter_raw())
    assert len(pieces) > 20
    assert "智能客服" in said(events_of(b"".join(pieces).decode()))


def test_garbage_is_no_stream_and_no_json(server: Caller) -> None:
    server.control("faults", [{"kind": "garbage"}, {"kind": "garbage", "after_chunks": 1, "body": "???"}])
    with pytest.raises(ValueError, match=r"Unterminated|Expecting|char"):
        server.post().json()
    assert server.post(stream=True).text.endswith("???")


def test_a_fault_meets_only_what_it_matches_and_so_often(server: Caller) -> None:
    server.control(
        "faults",
        [
            {"kind": "status", "status": 502, "match": "发票", "times": 2},
            {"kind": "status", "status": 503, "match": "chat-9", "times": None},
        ],
    )
    assert server.post("包邮吗", chatId="chat-1").status_code == 200
    assert [server.post("怎么开发票").status_code for _ in range(3)] == [502, 502, 200]
    assert [server.post("包邮吗", chatId="chat-9").status_code for _ in range(3)] == [503, 503, 503]
    waiting = server.http.get("/_control/faults").json()["faults"]
    assert waiting == [{"kind": "status", "match": "chat-9", "times": None, "status": 503}]
    server.http.delete("/_control/faults")
    assert server.post("包邮吗", chatId="chat-9").status_code == 200


def test_other_endpoints_can_fail_too(server: Caller) -> None:
    server.control("faults", {"kind": "html", "path": "/core/chat/init"})
    query = {"appId": server.settings.app_id, "chatId": "probe"}
    assert server.post().status_code == 200
    assert server.http.get("/api/core/chat/init", params=query).status_code == 502
    server.control("faults", {"kind": "silence", "path": "/core/chat/init"})
    with pytest.raises(httpx.ReadTimeout):
        server.http.get("/api/core/chat/init", params=query, timeout=0.2)
    assert server.http.get("/api/core/chat/init", params=query).status_code == 200


@pytest.mark.parametrize(
    "wish",
    [
        {"kind": "unknown"},
        {"kind": "error", "statusText": "notListed"},
        {"kind": "cut", "afterChunks": 1},
        {"kind": "cut", "after_chunks": -1},
        {"kind": "slow", "first_ms": "soon"},
        [],
        "no object",
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(server: Caller, wish: object) -> None:
    response = server.http.post("/_control/faults", json=wish)
    assert response.status_code == (200 if wish == [] else 400)
    assert server.http.get("/_control/faults").json() == {"faults": []}
