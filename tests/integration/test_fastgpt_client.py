"""The client against a real HTTP server: the simulator for what FastGPT does, a scripted peer for what networks do."""

from __future__ import annotations

import json
import logging
import ssl
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.errors import FrontdeskError, MisconfiguredError, PermanentError, TransientError
from frontdesk.fastgpt.client import FastGptClient
from frontdesk.messages import Choice, ModelAnswer, Question
from tests.integration.certificates import self_signed
from tests.integration.scripted_peer import HEAD, Peer, Talk, peer
from tests.integration.simulators.fastgpt_server import Caller, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = "fastgpt-Zk3vQpT8xN1sLw7yRb5cHd2f"
SPOKEN = "我的手机号是13800138000"
CUSTOMER = "c0ffee5eed"
SECRETS = (KEY, SPOKEN, "13800138000", CUSTOMER, "chat-77")
PATIENCE_S = 5.0
LONG_S = 600.0

CHUNK = b'event: answer\ndata: {"choices":[{"delta":{"content":"\xe5\x8d\x81\xe5\xa4\xa9"}}]}\n\n'
HEARTBEAT = b'event: answer\ndata: {"choices":[{"delta":{"content":""}}]}\n\n'
DONE = b"event: answer\ndata: [DONE]\n\n"
RESULTS = b'event: flowResponses\ndata: [{"moduleType":"datasetSearchNode","quoteList":[{"score":0.75}]}]\n\n'


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(autouse=True)
def _nothing_said_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    logged = caplog.text + "".join(repr(vars(record)) for record in caplog.get_records("call"))
    assert not [secret for secret in SECRETS if secret in logged]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Caller]:
    with serving(api_key=KEY) as caller:
        yield caller


@pytest.fixture
def fastgpt(simulator: Caller) -> Caller:
    simulator.control("reset", {})
    return simulator


class Listener:
    """Counts how often it was told of first words."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


def client_of(base: Caller | Peer | str, **changes: Any) -> FastGptClient:
    if isinstance(base, Caller):
        base = base.base + "/api"
    app_id = "66f2a9c41d7e3b5508c6e1a4"
    return FastGptClient(
        **{"base_url": base.base_url if isinstance(base, Peer) else base, "api_key": KEY, "app_id": app_id, **changes}
    )


def question(text: str = SPOKEN, attempt: str = "m1-1", chat: str = "chat-77") -> Question:
    return Question(chat_id=chat, attempt_id=attempt, customer=CUSTOMER, text=text)


def ask(client: FastGptClient, asked: Question | None = None, *, within_s: float = PATIENCE_S) -> ModelAnswer:
    listener = Listener()
    answer = client.ask(asked or question(), deadline=time.monotonic() + within_s, on_first_words=listener)
    assert listener.count == 1
    assert answer.first_words_ms is not None
    assert 0 <= answer.first_words_ms <= answer.total_ms <= (within_s + 2.0) * 1000
    return answer


def fail(client: FastGptClient, asked: Question | None = None, *, within_s: float = PATIENCE_S) -> FrontdeskError:
    with pytest.raises(FrontdeskError) as raised:
        client.ask(asked or question(), deadline=time.monotonic() + within_s, on_first_words=Listener())
    told = str(raised.value) + repr(raised.value) + "".join(traceback.format_exception(raised.value))
    assert not [secret for secret in SECRETS if secret in told]
    assert "127.0.0.1" not in told
    assert raised.value.__context__ is None
    return raised.value


# ---------------------------------------------------------------- against the simulator


def test_a_question_gets_its_answer_with_the_confidence_of_its_sources(fastgpt: Caller) -> None:
    answer = ask(client_of(fastgpt), question("多久能发货"))

    assert answer.text.startswith("现货商品在付款后 **24 小时内**发出")
    assert "CITE" not in answer.text
    assert answer.confidence is not None
    assert answer.confidence >= 0.8
    assert (answer.pause, answer.partial_failure, answer.wants_person) == (None, "", False)


def test_the_request_carries_one_message_the_digest_and_the_attempt(fastgpt: Caller) -> None:
    ask(client_of(fastgpt), question("多久能发货", attempt="m9-2"))

    (run,) = fastgpt.runs()
    expected = {"chatId": "chat-77", "responseChatItemId": "m9-2", "customUid": CUSTOMER, "messages": 1,
                "stream": True, "detail": True, "question": "多久能发货", "state": "finished"}  # fmt: skip
    assert {name: run[name] for name in expected} == expected


def test_the_history_is_kept_by_the_server_and_the_connection_by_us(fastgpt: Caller) -> None:
    client = client_of(fastgpt)
    ask(client, question("我叫小明", attempt="1"))

    assert ask(client, question("我叫什么", attempt="2")).text == "您是小明。"


@pytest.mark.parametrize("version", ["4.12", "4.14", "4.16"])
def test_every_version_is_understood(version: str) -> None:
    with serving(api_key=KEY, version=version) as old:
        answer = ask(client_of(old), question("多久能发货"))

    assert answer.text.startswith("现货商品")
    assert answer.confidence is not None


def test_a_fixed_reply_has_no_leading_newline_and_no_confidence(fastgpt: Caller) -> None:
    answer = ask(client_of(fastgpt), question("转人工"))

    assert (answer.text, answer.confidence) == ("好的，正在为您转接人工客服，请稍候。", None)


@pytest.mark.parametrize("version", ["4.12", "4.14", "4.16"])
def test_a_person_who_was_wanted_once_is_not_called_again_by_what_the_chat_remembers(version: str) -> None:
    with serving(api_key=KEY, version=version) as fastgpt:
        fastgpt.control("answers", {"match": "包邮", "text": "包邮。", "variables": {"topic": "delivery"}})
        client = client_of(fastgpt)
        wanted = [
            ask(client, question(text, attempt=text)).wants_person for text in ("转人工", "包邮吗", "包邮吗？", "真人")
        ]

    assert wanted == [True, False, False, True]


def test_the_workflows_own_confidence_goes_before_its_scores(fastgpt: Caller) -> None:
    told = {"text": "也许。", "score": 0.9, "variables": {"confidence": "30%"}}
    fastgpt.control("answers", [{**told, "match": "第一"}, {"match": "第二", "text": "是。", "score": 0.9}])
    client = client_of(fastgpt)

    confidences = [ask(client, question(text, attempt=text)).confidence for text in ("第一", "第二")]

    assert confidences == [0.3, 0.9]


def test_a_class_that_names_a_person_is_a_wish_for_one(fastgpt: Caller) -> None:
    fastgpt.control("answers", [{"match": "投诉", "text": "好的", "intent": "人工客服"}])
    fastgpt.control("answers", [{"match": "课程", "text": "有的", "intent": "人工智能", "score": 0.0}])
    client = client_of(fastgpt)

    complaint, course = (ask(client, question(text, attempt=text)) for text in ("我要投诉", "有什么课程"))

    assert (complaint.wants_person, complaint.confidence) == (True, None)
    assert (course.wants_person, course.confidence) == (False, 0.0)


def test_an_answer_tells_the_id_that_it_is_kept_under(fastgpt: Caller) -> None:
    assert ask(client_of(fastgpt), question("多久能发货", attempt="m3-1")).attempt_id == "m3-1"


# ---------------------------------------------------------------- feedback, and the light app


def judge(client: FastGptClient, attempt: str, *, good: bool, chat: str = "chat-77", within_s: float = 5.0) -> None:
    client.feedback(chat, attempt, good=good, deadline=time.monotonic() + within_s)


def refuse(client: FastGptClient, attempt: str = "m1-1", *, within_s: float = PATIENCE_S) -> FrontdeskError:
    with pytest.raises(FrontdeskError) as raised:
        judge(client, attempt, good=True, within_s=within_s)
    told = str(raised.value) + repr(raised.value) + "".join(traceback.format_exception(raised.value))
    assert not [secret for secret in SECRETS if secret in told]
    assert raised.value.__context__ is None
    return raised.value


@pytest.mark.parametrize("version", ["4.12", "4.14", "4.16"])
def test_feedback_stands_with_the_answer_and_the_later_word_counts(version: str) -> None:
    with serving(api_key=KEY, version=version) as fastgpt:
        client = client_of(fastgpt)
        answer = ask(client, question("多久能发货"))
        judge(client, answer.attempt_id, good=True)
        judge(client, answer.attempt_id, good=False)

        given = fastgpt.http.get("/_control/feedback").json()["feedback"]
        page = {"appId": fastgpt.settings.app_id, "chatId": "chat-77", "pageSize": 10, "offset": 0}
        (kept,) = [
            item
            for item in fastgpt.data("POST", "/api/core/chat/record/getPaginationRecords", **page)["list"]
            if item["obj"] == "AI"
        ]

    assert [(each["userGoodFeedback"], each["userBadFeedback"]) for each in given] == [("yes", None), (None, "no")]
    assert (kept.get("userGoodFeedback"), kept.get("userBadFeedback")) == (None, "no")


def test_feedback_to_an_answer_that_fastgpt_does_not_keep_is_refused_for_good(fastgpt: Caller) -> None:
    client = client_of(fastgpt)
    ask(client, question("多久能发货"))

    error = refuse(client, "another-1")

    assert (type(error), error.code) == (PermanentError, "fastgpt_answer_unknown")


def test_what_follows_a_pause_is_kept_under_the_id_of_the_answer_that_paused(fastgpt: Caller) -> None:
    client = client_of(fastgpt)
    ask(client, question("选择部门", attempt="paused"))
    ask(client, question("售后部", attempt="resumed"))

    judge(client, "paused", good=True)

    assert refuse(client, "resumed").code == "fastgpt_answer_unknown"


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ({"kind": "error", "statusText": "unAuthApiKey"}, MisconfiguredError, "fastgpt_key_unknown"),
        ({"kind": "error", "statusText": "unAuthChat"}, PermanentError, "fastgpt_chat_forbidden"),
        ({"kind": "error", "code": 500, "message": SPOKEN}, TransientError, "fastgpt_server_error"),
        ({"kind": "html", "status": 502}, TransientError, "fastgpt_unavailable"),
        ({"kind": "html", "status": 200}, TransientError, "fastgpt_reply_unreadable"),
        ({"kind": "status", "status": 200, "body": " " * 100_000}, TransientError, "fastgpt_reply_unreadable"),
    ],
)
def test_feedback_that_is_refused_tells_why(
    fastgpt: Caller, fault: dict[str, Any], kind: type[FrontdeskError], code: str
) -> None:
    client = client_of(fastgpt)
    ask(client, question("多久能发货"))
    fastgpt.control("faults", {"path": "/feedback/", **fault})

    error = refuse(client)

    assert (type(error), error.code) == (kind, code)
    judge(client, "m1-1", good=True)


def test_feedback_is_over_at_its_deadline(fastgpt: Caller) -> None:
    fastgpt.control("faults", {"kind": "silence", "path": "/feedback/"})

    assert refuse(client_of(fastgpt), within_s=0.2).code == "fastgpt_deadline"
    assert refuse(client_of(fastgpt), within_s=-1.0).code == "fastgpt_deadline"


def test_feedback_goes_out_once_more_when_a_kept_connection_had_died() -> None:
    accepted = json.dumps({"code": 200, "statusText": "", "message": "", "data": None}).encode()

    def dies(talk: Talk) -> None:
        talk.hear()
        talk.say_chunked(CHUNK, DONE)
        talk.hear()

    def accepts(talk: Talk) -> None:
        talk.hear()
        talk.say(HEAD, b"Content-Length: %d\r\n\r\n" % len(accepted), accepted)

    with peer(dies, accepts) as fastgpt:
        client = client_of(f"http://127.0.0.1:{fastgpt.port}/prefix")
        ask(client)
        judge(client, "m1-1", good=False)

    assert [request.line for request in fastgpt.requests[1:]] == [
        "POST /prefix/api/core/chat/feedback/updateUserFeedback HTTP/1.1"
    ] * 2
    assert {request.headers["authorization"] for request in fastgpt.requests} == {f"Bearer {KEY}"}
    assert fastgpt.requests[2].body == {
        "appId": "66f2a9c41d7e3b5508c6e1a4",
        "chatId": "chat-77",
        "dataId": "m1-1",
        "userBadFeedback": "no",
    }


def test_a_light_app_is_asked_with_a_key_of_its_own_and_keeps_no_record() -> None:
    lite = {"lite_api_key": "fastgpt-lightAndSmall", "lite_app_id": "66f2a9c41d7e3b5508c6e1c9"}
    prompt = "请用一两句话总结：\n客户：怎么退货？\n客服：七天内可以。\n客户：运费谁出？"
    with serving(api_key=KEY, **lite) as fastgpt:
        client = client_of(fastgpt, api_key=lite["lite_api_key"], app_id=lite["lite_app_id"])
        twice = [ask(client, question(prompt, attempt="same", chat="NO_RECORD_HISTORIES")) for _ in range(2)]
        histories = fastgpt.http.post(
            "/api/core/chat/history/getHistories",
            json={"appId": lite["lite_app_id"], "pageSize": 10, "offset": 0},
            headers={"Authorization": f"Bearer {lite['lite_api_key']}"},
        )

    assert [(answer.text, answer.confidence, answer.attempt_id) for answer in twice] == [
        ("客户想了解：怎么退货。最近说的是：运费谁出。", None, "")
    ] * 2
    assert histories.json()["data"]["total"] == 0


def test_a_search_that_finds_nothing_is_no_confidence_at_all(fastgpt: Caller) -> None:
    assert ask(client_of(fastgpt), question("xyzzy plugh")).confidence == 0.0


def test_a_choice_is_offered_and_its_value_goes_on(fastgpt: Caller) -> None:
    client = client_of(fastgpt)
    pause = ask(client, question("选择部门", attempt="1")).pause

    assert pause is not None
    assert pause.choices[1] == Choice("售后部", "售后部")
    assert "分机 8002" in ask(client, question(pause.choices[1].value, attempt="2")).text


def test_a_form_is_offered_and_its_json_goes_on(fastgpt: Caller) -> None:
    client = client_of(fastgpt)
    pause = ask(client, question("填写表单", attempt="1")).pause

    assert pause is not None
    assert [(field.key, field.required) for field in pause.fields] == [
        ("姓名", True),
        ("订单号", True),
        ("件数", False),
    ]
    filled = json.dumps({"姓名": "王", "订单号": "A1"}, ensure_ascii=False)
    assert "订单号：A1" in ask(client, question(filled, attempt="2")).text


def test_an_agents_question_is_offered(fastgpt: Caller) -> None:
    pause = ask(client_of(fastgpt), question("预约上门")).pause

    assert pause is not None
    assert [choice.value for choice in pause.choices] == ["杭州", "上海"]


ERRORS = [
    ({"statusText": "unAuthApp"}, MisconfiguredError, "fastgpt_app_forbidden"),
    ({"statusText": "aiPointsNotEnough"}, MisconfiguredError, "fastgpt_out_of_points"),
    ({"statusText": "chatIsGenerating"}, TransientError, "fastgpt_chat_busy"),
    ({"statusText": "unAuthChat"}, PermanentError, "fastgpt_chat_forbidden"),
    ({"statusText": "tooManyRequest"}, TransientError, "fastgpt_too_many_requests"),
    ({"code": 500, "message": SPOKEN}, TransientError, "fastgpt_server_error"),
]


@pytest.mark.parametrize("form", ["error", "error_event", "json_error"])
@pytest.mark.parametrize(("wish", "kind", "code"), ERRORS)
def test_an_error_is_recognised_in_each_form(
    fastgpt: Caller, form: str, wish: dict[str, Any], kind: type[FrontdeskError], code: str
) -> None:
    fastgpt.control("faults", {"kind": form, **wish})

    error = fail(client_of(fastgpt))
    assert (type(error), error.code) == (kind, code)


def test_an_error_in_mid_run_is_recognised(fastgpt: Caller) -> None:
    fastgpt.control("faults", {"kind": "error", "statusText": "aiPointsNotEnough", "after_chunks": 2})

    assert fail(client_of(fastgpt), question("多久能发货")).code == "fastgpt_out_of_points"


def test_the_teams_limit_names_its_wait(fastgpt: Caller) -> None:
    fastgpt.control("faults", {"kind": "error", "code": 429})

    error = fail(client_of(fastgpt))
    assert isinstance(error, TransientError)
    assert (error.code, error.retry_after_s) == ("fastgpt_team_limit", 30.0)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"api_key": "fastgpt-somebodyElses"}, "fastgpt_key_unknown"),
        ({"app_id": "66f2a9c41d7e3b5508c6e100"}, "fastgpt_app_unknown"),
        ({"app_id": "no-app-id"}, "fastgpt_request_invalid"),
    ],
)
def test_wrong_settings_are_told_as_such(fastgpt: Caller, changes: dict[str, str], code: str) -> None:
    error = fail(client_of(fastgpt, **changes))

    assert (isinstance(error, PermanentError), error.code) == (True, code)


def test_a_wrong_path_is_a_wrong_address(fastgpt: Caller) -> None:
    error = fail(client_of(fastgpt.base + "/elsewhere"))

    assert (type(error), error.code) == (MisconfiguredError, "fastgpt_wrong_address")


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"kind": "html", "status": 502}, "fastgpt_unavailable"),
        ({"kind": "html", "status": 504}, "fastgpt_unavailable"),
        ({"kind": "html", "status": 200}, "fastgpt_reply_unreadable"),
        ({"kind": "cut"}, "fastgpt_cut"),
        ({"kind": "cut", "clean": True}, "fastgpt_answer_incomplete"),
        ({"kind": "garbage", "after_chunks": 2}, "fastgpt_answer_incomplete"),
        ({"kind": "empty"}, "fastgpt_empty_answer"),
        ({"kind": "node_error", "message": SPOKEN}, "fastgpt_node_failed"),
    ],
)
def test_what_may_pass_is_told_as_such(fastgpt: Caller, fault: dict[str, Any], code: str) -> None:
    fastgpt.control("faults", fault)

    error = fail(client_of(fastgpt), question("多久能发货"))
    assert (type(error), error.code) == (TransientError, code)


def test_a_failed_node_beside_words_is_told_beside_the_answer(fastgpt: Caller) -> None:
    fastgpt.control("faults", {"kind": "node_error", "message": SPOKEN, "text": "先告诉您一半"})

    answer = ask(client_of(fastgpt), question("多久能发货"))
    assert (answer.text, answer.partial_failure) == ("先告诉您一半", "fastgpt_node_failed")


def test_a_payment_pause_is_no_question_to_the_customer(fastgpt: Caller) -> None:
    fastgpt.control("answers", {"interactive": "paymentPause"})

    assert fail(client_of(fastgpt)).code == "fastgpt_out_of_points"


def test_writes_of_one_byte_change_nothing(fastgpt: Caller) -> None:
    whole = ask(client_of(fastgpt), question("多久能发货", chat="a"))
    fastgpt.control("faults", {"kind": "slow", "split_bytes": 1})

    split = ask(client_of(fastgpt), question("多久能发货", chat="b"))
    assert (split.text, split.confidence) == (whole.text, whole.confidence)


def test_heartbeats_hold_the_line_but_not_past_the_deadline() -> None:
    with serving(api_key=KEY, heartbeat_interval=0.02) as beating:
        beating.control("faults", {"kind": "silence", "heartbeats": True})

        error = fail(client_of(beating, silence_s=0.5), within_s=0.8)

    assert (error.retryable, error.code) == (True, "fastgpt_deadline")


def test_a_call_that_is_over_frees_the_chat(fastgpt: Caller) -> None:
    fastgpt.control("faults", {"kind": "silence"})
    client = client_of(fastgpt)
    fail(client, question("多久能发货", attempt="1"), within_s=0.2)

    ends = time.monotonic() + PATIENCE_S
    while not fastgpt.runs(state="aborted"):
        assert time.monotonic() < ends
    assert ask(client, question("多久能发货", attempt="2")).text


# ---------------------------------------------------------------- against a scripted peer


def test_the_head_of_the_request_is_what_fastgpt_expects() -> None:
    def script(talk: Talk) -> None:
        talk.hear()
        talk.say_chunked(CHUNK, DONE)

    with peer(script) as fastgpt:
        ask(client_of(f"http://127.0.0.1:{fastgpt.port}/prefix/"))

    (request,) = fastgpt.requests
    assert request.line == "POST /prefix/api/v1/chat/completions HTTP/1.1"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["accept-encoding"] == "identity"
    assert request.body == {
        "appId": "66f2a9c41d7e3b5508c6e1a4",
        "chatId": "chat-77",
        "customUid": CUSTOMER,
        "responseChatItemId": "m1-1",
        "stream": True,
        "detail": True,
        "messages": [{"role": "user", "content": SPOKEN}],
    }


def test_a_netrc_file_and_cookies_change_no_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))

    def script(talk: Talk) -> None:
        talk.hear()
        talk.say(HEAD, b"Set-Cookie: token=x; Path=/\r\nContent-Length: %d\r\n\r\n" % len(CHUNK + DONE), CHUNK, DONE)
        talk.hear()
        talk.say_chunked(CHUNK, DONE)

    with peer(script) as fastgpt:
        client = client_of(fastgpt)
        ask(client)
        ask(client)

    assert [request.headers["authorization"] for request in fastgpt.requests] == [f"Bearer {KEY}"] * 2
    assert not [request for request in fastgpt.requests if "cookie" in request.headers]
    assert fastgpt.connections == 1


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def script(talk: Talk) -> None:
        talk.hear()
        talk.say_chunked(CHUNK, DONE)

    with peer(script) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        ask(client_of("http://fastgpt.example/api"))

    assert proxy.requests[0].line.startswith("POST http://fastgpt.example/api/v1/chat/completions ")


def test_a_redirect_is_not_followed() -> None:
    with peer() as elsewhere:

        def script(talk: Talk) -> None:
            talk.hear()
            talk.say(f"HTTP/1.1 307 Moved\r\nLocation: {elsewhere.base_url}\r\nContent-Length: 0\r\n\r\n".encode())

        with peer(script) as fastgpt:
            error = fail(client_of(fastgpt))

    assert (type(error), error.code, elsewhere.connections) == (MisconfiguredError, "fastgpt_redirected", 0)


def test_first_words_are_told_while_the_answer_is_still_coming() -> None:
    told = threading.Event()

    def script(talk: Talk) -> None:
        talk.hear()
        talk.say(HEAD, b"\r\n", HEARTBEAT, CHUNK[:-20])
        assert not told.wait(0.05)
        talk.say(CHUNK[-20:])
        assert told.wait(PATIENCE_S)
        talk.say(DONE, RESULTS)

    with peer(script) as fastgpt:
        answer = client_of(fastgpt).ask(question(), deadline=time.monotonic() + PATIENCE_S, on_first_words=told.set)

    assert (answer.text, answer.confidence) == ("十天", 0.75)


def test_an_answer_split_inside_a_character_is_whole() -> None:
    place = CHUNK.index(b"\x8d")

    def script(talk: Talk) -> None:
        talk.hear()
        talk.say_chunked(CHUNK[:place], CHUNK[place:], RESULTS, DONE)

    with peer(script) as fastgpt:
        assert ask(client_of(fastgpt)).text == "十天"


def test_an_answer_that_ends_in_half_a_character_is_incomplete() -> None:
    def script(talk: Talk) -> None:
        talk.hear()
        talk.say(HEAD, b"\r\n", CHUNK, CHUNK[: CHUNK.index(b"\x8d")])

    with peer(script) as fastgpt:
        assert fail(client_of(fastgpt)).code == "fastgpt_answer_incomplete"


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (b"", "fastgpt_cut"),
        (b"HTTP/1.1 20", "fastgpt_reply_unreadable"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "fastgpt_reply_unreadable"),
        (b"\x16\x03\x01\x00\xa5\x01\x00\x00\r\n\r\n", "fastgpt_reply_unreadable"),
        (HEAD + b"Content-Length: 9999\r\n\r\n" + CHUNK, "fastgpt_cut"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\n" + CHUNK, "fastgpt_cut"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + CHUNK, "fastgpt_cut"),
        (HEAD + b"Content-Encoding: gzip\r\n\r\n" + CHUNK, "fastgpt_reply_unreadable"),
        (HEAD + b"\r\n", "fastgpt_answer_incomplete"),
        (HEAD + b"\r\n\x00\xff\xfe", "fastgpt_reply_unreadable"),
    ],
)
def test_a_reply_that_breaks_may_pass(reply: bytes, code: str) -> None:
    def script(talk: Talk) -> None:
        talk.hear()
        talk.say(reply)

    with peer(script) as fastgpt:
        error = fail(client_of(fastgpt))

    assert (type(error), error.code) == (TransientError, code)
    assert len(fastgpt.requests) == 1


def test_a_reset_in_mid_answer_may_pass() -> None:
    def script(talk: Talk) -> None:
        talk.hear()
        talk.say_chunked(CHUNK, end=False)
        talk.reset()

    with peer(script) as fastgpt:
        assert fail(client_of(fastgpt)).code == "fastgpt_cut"


def test_a_server_that_falls_silent_is_given_up_long_before_the_deadline() -> None:
    def script(talk: Talk) -> None:
        talk.hear()
        talk.say(HEAD, b"\r\n", CHUNK)
        assert talk.hung_up()

    with peer(script) as fastgpt:
        error = fail(client_of(fastgpt, silence_s=0.1), within_s=LONG_S)

    assert (type(error), error.code) == (TransientError, "fastgpt_silent")


@pytest.mark.parametrize(
    "before",
    [b"", HEAD, HEAD + b"\r\n", HEAD + b"Transfer-Encoding: chunked\r\n\r\n", HEAD + b"\r\n" + CHUNK],
)
@pytest.mark.parametrize("dripped", [b"", b" "])
def test_neither_silence_nor_dripping_outlives_the_deadline(before: bytes, dripped: bytes) -> None:
    def script(talk: Talk) -> None:
        talk.hear()
        talk.say(before)
        if dripped:
            talk.drip(dripped)
        else:
            assert talk.hung_up()

    started = time.monotonic()
    with peer(script) as fastgpt:
        error = fail(client_of(fastgpt), within_s=0.2)

    assert isinstance(error, TransientError)
    assert error.code == "fastgpt_deadline"
    assert time.monotonic() - started < 2.0


def test_a_deadline_that_has_passed_sends_nothing() -> None:
    with peer() as fastgpt:
        assert fail(client_of(fastgpt), within_s=-1.0).code == "fastgpt_deadline"

    assert fastgpt.connections == 0


def test_the_deadline_is_on_the_clients_own_clock() -> None:
    now = [100.0]

    def script(talk: Talk) -> None:
        talk.hear()
        talk.say(HEAD, b"\r\n", CHUNK)
        talk.drip(HEARTBEAT)

    def pass_the_deadline() -> None:
        now[0] = 130.0

    with peer(script) as fastgpt, pytest.raises(TransientError) as raised:
        client_of(fastgpt, clock=lambda: now[0]).ask(question(), deadline=130.0, on_first_words=pass_the_deadline)

    assert raised.value.code == "fastgpt_deadline"


def test_an_answer_that_is_complete_when_the_clock_runs_out_is_given() -> None:
    now = [100.0]

    def script(talk: Talk) -> None:
        talk.hear()
        talk.say(HEAD + b"\r\n" + CHUNK + DONE)
        talk.drip(HEARTBEAT)

    def pass_the_deadline() -> None:
        now[0] = 130.0

    with peer(script) as fastgpt:
        client = client_of(fastgpt, clock=lambda: now[0])
        answer = client.ask(question(), deadline=130.0, on_first_words=pass_the_deadline)

    assert (answer.text, answer.first_words_ms, answer.total_ms) == ("十天", 0, 30_000)


@pytest.mark.parametrize("tail", [b"", RESULTS])
def test_a_finished_answer_is_given_although_the_connection_stays_open(tail: bytes) -> None:
    def script(talk: Talk) -> None:
        talk.hear()
        talk.say(HEAD, b"\r\n", CHUNK, DONE, tail)
        assert talk.hung_up()

    with peer(script) as fastgpt:
        answer = ask(client_of(fastgpt, silence_s=0.5))

    assert (answer.text, answer.confidence) == ("十天", 0.75 if tail else None)


def test_a_finished_answer_is_given_although_the_deadline_came_first() -> None:
    def script(talk: Talk) -> None:
        talk.hear()
        talk.say(HEAD, b"\r\n", CHUNK, DONE)
        talk.drip(HEARTBEAT)

    with peer(script) as fastgpt:
        assert ask(client_of(fastgpt), within_s=0.6).text == "十天"


def test_a_finished_answer_is_given_although_the_connection_was_cut() -> None:
    def script(talk: Talk) -> None:
        talk.hear()
        talk.say_chunked(CHUNK, DONE, end=False)

    with peer(script) as fastgpt:
        assert ask(client_of(fastgpt)).text == "十天"


def test_a_question_that_a_dead_kept_connection_swallowed_is_asked_once_more_under_a_new_id() -> None:
    def dies(talk: Talk) -> None:
        talk.hear()
        talk.say_chunked(CHUNK, DONE)
        talk.hear()

    def answers(talk: Talk) -> None:
        talk.hear()
        talk.say_chunked(CHUNK, DONE)

    with peer(dies, answers) as fastgpt:
        client = client_of(fastgpt)
        ask(client, question(attempt="m1-1"))
        again = ask(client, question(attempt="m2-1"))

    assert [request.body["responseChatItemId"] for request in fastgpt.requests] == ["m1-1", "m2-1", "m2-1-b"]
    assert again.attempt_id == "m2-1-b"


def test_a_second_dead_connection_is_not_tried_again() -> None:
    def dies(talk: Talk) -> None:
        talk.hear()
        talk.say_chunked(CHUNK, DONE)
        talk.hear()

    with peer(dies, Talk.hear) as fastgpt:
        client = client_of(fastgpt)
        ask(client)
        error = fail(client)

    assert (error.code, fastgpt.connections) == ("fastgpt_cut", 2)


def test_a_kept_connection_that_breaks_after_its_first_byte_is_not_tried_again() -> None:
    def script(talk: Talk) -> None:
        talk.hear()
        talk.say_chunked(CHUNK, DONE)
        talk.hear()
        talk.say(HEAD, b"\r\n")

    with peer(script) as fastgpt:
        client = client_of(fastgpt)
        ask(client)
        fail(client)

    assert (len(fastgpt.requests), fastgpt.connections) == (2, 1)


def test_a_connection_that_the_server_closed_meanwhile_is_replaced_unnoticed() -> None:
    def answers(talk: Talk) -> None:
        talk.hear()
        talk.say(HEAD, b"Connection: close\r\n\r\n", CHUNK, DONE)

    with peer(answers, answers) as fastgpt:
        client = client_of(fastgpt)
        ask(client, question(attempt="m1-1"))
        ask(client, question(attempt="m2-1"))

    assert [request.body["responseChatItemId"] for request in fastgpt.requests] == ["m1-1", "m2-1"]


def test_threads_ask_side_by_side() -> None:
    both = threading.Barrier(2)

    def script(talk: Talk) -> None:
        talk.hear()
        both.wait(PATIENCE_S)
        talk.say_chunked(CHUNK, DONE)

    with peer(script, script) as fastgpt, ThreadPoolExecutor(2) as threads:
        client = client_of(fastgpt)
        answers = list(threads.map(lambda attempt: ask(client, question(attempt=attempt)), ["1", "2"]))

    assert [answer.text for answer in answers] == ["十天", "十天"]


def test_what_the_listener_raises_ends_the_call() -> None:
    class StopError(Exception):
        pass

    def stop() -> None:
        raise StopError

    def script(talk: Talk) -> None:
        talk.hear()
        talk.say(HEAD, b"\r\n", CHUNK, DONE)
        assert talk.hung_up()

    with peer(script) as fastgpt, pytest.raises(StopError):
        client_of(fastgpt).ask(question(), deadline=time.monotonic() + PATIENCE_S, on_first_words=stop)


def test_nobody_at_the_address_may_pass() -> None:
    with peer() as gone:
        address = gone.base_url

    error = fail(client_of(address))
    assert (type(error), error.code) == (TransientError, "fastgpt_unreachable")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"base_url": "ftp://fastgpt.example/api"}, "fastgpt_wrong_address"),
        ({"base_url": "http://[broken"}, "fastgpt_wrong_address"),
        ({"base_url": "http://x:99999/api"}, "fastgpt_wrong_address"),
        ({"base_url": ""}, "fastgpt_wrong_address"),
        ({"api_key": f"{KEY}\r\nX-More: 1"}, "fastgpt_key_malformed"),
        ({"api_key": ""}, "fastgpt_key_malformed"),
    ],
)
def test_settings_that_cannot_be_sent_are_refused_at_the_start(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(MisconfiguredError) as raised:
        FastGptClient(**{"base_url": "http://fastgpt.example", "api_key": KEY, "app_id": "x", **changes})

    assert raised.value.code == code
    assert KEY not in "".join(traceback.format_exception(raised.value))


def test_the_audit_is_told_which_app_answers_and_where_but_no_key() -> None:
    client = client_of("https://fastgpt.example:8443/api")

    assert client.identity == "fastgpt:66f2a9c41d7e3b5508c6e1a4@fastgpt.example"


def test_an_address_that_no_resolver_can_take_is_wrong() -> None:
    assert fail(client_of(f"http://{'a' * 70}.example/api")).code in {"fastgpt_wrong_address", "fastgpt_unreachable"}


def test_the_client_does_not_show_its_key() -> None:
    assert KEY not in repr(client_of("http://fastgpt.example"))


def test_the_servers_request_id_is_logged_when_it_looks_like_one(caplog: pytest.LogCaptureFixture) -> None:
    def script(talk: Talk) -> None:
        for request_id in (b"5f0c2f0e-5f3a-4c43-9f0f-2b1f3f1d7a11", SPOKEN.encode()):
            talk.hear()
            body = CHUNK + DONE
            talk.say(HEAD, b"X-Request-Id: ", request_id, b"\r\nContent-Length: %d\r\n\r\n" % len(body), body)

    with peer(script) as fastgpt:
        client = client_of(fastgpt)
        ask(client)
        ask(client)

    logged = [vars(record) for record in caplog.records if record.name == "frontdesk.fastgpt.client"]
    assert [entry["fastgpt_request_id"] for entry in logged] == ["5f0c2f0e-5f3a-4c43-9f0f-2b1f3f1d7a11", ""]
    assert [entry["fastgpt_outcome"] for entry in logged] == ["ok", "ok"]


# ---------------------------------------------------------------- over TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a certificate for 127.0.0.1 that nobody signed but itself, and its key."""
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(tls: ssl.SSLContext) -> None:
    with peer(Talk.hear, tls=tls) as fastgpt:
        error = fail(client_of(fastgpt.base_url.replace("http:", "https:")))

    assert (type(error), error.code, fastgpt.requests) == (TransientError, "fastgpt_tls", [])


def test_tls_connections_are_kept_replaced_and_cut_like_plain_ones(
    tls: ssl.SSLContext, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))

    def dies(talk: Talk) -> None:
        talk.hear()
        talk.say_chunked(CHUNK, DONE)
        talk.hear()

    def falls_silent(talk: Talk) -> None:
        talk.hear()
        talk.say_chunked(CHUNK, DONE)
        talk.hear()
        talk.say_chunked(CHUNK, end=False)
        talk.drip(b"1")

    with peer(dies, falls_silent, tls=tls) as fastgpt:
        client = client_of(fastgpt.base_url.replace("http:", "https:"))
        ask(client, question(attempt="1"))
        ask(client, question(attempt="2"))
        error = fail(client, question(attempt="3"), within_s=0.3)

    assert [request.body["responseChatItemId"] for request in fastgpt.requests] == ["1", "2", "2-b", "3"]
    assert error.code == "fastgpt_deadline"
