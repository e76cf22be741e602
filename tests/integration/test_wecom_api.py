"""Sending over real HTTP: the simulated platform for what WeCom does, a scripted peer for what networks do."""

from __future__ import annotations

import json
import logging
import random
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.channels.wecom_api import WecomApi
from frontdesk.channels.wecom_calls import WecomCalls
from frontdesk.channels.wecom_outbound import DUPLICATE_WINDOW_S, WecomOutbound
from frontdesk.errors import FrontdeskError, MisconfiguredError, PermanentError, TransientError
from tests.factories import outbound
from tests.fakes.tokens import InMemoryTokenStore
from tests.integration.scripted_peer import Talk, peer
from tests.integration.simulators.wecom_platform import AGENT_ID, CORP_ID, SECRET, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.simulators.wecom_platform import Platform

MEMBER = "lin.mei"
TEXT = "您的订单 8812 已发货。"
WITHIN_S = 20.0


@pytest.fixture
def platform(server: Platform) -> Iterator[Platform]:
    server.renewed()
    server.add_members(MEMBER)
    yield server
    # A call that its caller gave up is recorded late, and must not turn up in the next test.
    state = server.simulator.state
    eventually(lambda: all(fault["hits"] == hits(server, fault["number"]) for fault in state.faults.to_json()))


def hits(platform: Platform, fault_number: object) -> int:
    return sum(call["fault"] == fault_number for call in platform.calls())


@dataclass
class Pauses:
    """Remembers how long it was to be slept, and does not sleep."""

    taken: list[float] = field(default_factory=list)

    def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


def api_of(base_url: str, **differently: Any) -> WecomApi:
    arguments: dict[str, Any] = {
        "base_url": base_url,
        "corp_id": CORP_ID,
        "holder": str(AGENT_ID),
        "secret": SECRET,
        "tokens": InMemoryTokenStore(),
        "sleep": Pauses(),
        "rng": random.Random(1),
        **differently,
    }
    agent_id = arguments.pop("agent_id", AGENT_ID)
    return WecomApi(WecomCalls(**arguments), agent_id=agent_id)


def api_for(platform: Platform, **differently: Any) -> WecomApi:
    return api_of(f"{platform.base}/wecom", **{"clock": platform.clock, **differently})


def send(
    api: WecomApi, text: str = TEXT, *, to: str = MEMBER, window_s: int = 3600, within_s: float = WITHIN_S
) -> None:
    api.send_text(to, text, duplicate_window_s=window_s, deadline=time.monotonic() + within_s)


def fault(platform: Platform, **what: Any) -> None:
    platform.control("POST", "/faults", what)


def seen(platform: Platform, userid: str = MEMBER) -> list[str]:
    return [entry["content"] for entry in platform.timeline(userid) if entry["visible"]]


def paths(platform: Platform) -> list[str]:
    return [call["path"] for call in platform.calls()]


def failure_of(api: WecomApi, **how: Any) -> FrontdeskError:
    with pytest.raises(FrontdeskError) as caught:
        send(api, **how)
    return caught.value


# -- sending -------------------------------------------------------------------------------------------------------


def test_a_text_reaches_the_member_as_it_is(platform: Platform):
    text = '订单 “8812” \\ 👨‍👩‍👧\n<a href="https://example.com/?a=1&b=2">查看</a>'
    send(api_for(platform), text)

    assert seen(platform) == [text]


def test_the_same_text_twice_is_shown_once(platform: Platform):
    api = api_for(platform)
    send(api)
    send(api)

    assert seen(platform) == [TEXT]


def test_another_instance_sends_the_same_body(platform: Platform):
    store = InMemoryTokenStore()
    send(api_for(platform, tokens=store))
    send(api_for(platform, tokens=store))

    assert seen(platform) == [TEXT]
    assert paths(platform) == ["gettoken", "message/send", "message/send"]


def test_an_endless_answer_is_composed_from_its_beginning(platform: Platform):
    channel = WecomOutbound(api_for(platform))

    segments = channel.split(channel.render("字" * 200_000))

    assert "".join(segments) == "字" * 30_000


def test_a_twin_that_looks_the_same_is_shown_as_well(platform: Platform):
    channel = WecomOutbound(api_for(platform))
    for n in range(3):
        channel.deliver(outbound(text=channel.distinct(TEXT, n)), deadline=time.monotonic() + WITHIN_S)

    assert [text.rstrip("\u200b") for text in seen(platform)] == [TEXT] * 3


def test_every_part_of_a_long_answer_is_shown_whole_and_in_order(platform: Platform):
    channel = WecomOutbound(api_for(platform))
    markdown = "\n\n".join(f"## 第 {n} 节\n\n" + "这是**很长**的一句话。" * 40 for n in range(5))
    segments = channel.split(channel.render(markdown))
    for segment in segments:
        channel.deliver(outbound(text=segment), deadline=time.monotonic() + WITHIN_S)

    assert len(segments) > 2
    assert seen(platform) == list(segments)
    assert not any(entry["truncated"] for entry in platform.timeline())


@pytest.mark.parametrize(("asked", "told"), [(0, 1), (DUPLICATE_WINDOW_S, 3600), (999_999, 14_400)])
def test_the_duplicate_window_is_kept_within_what_the_platform_takes(asked: int, told: int):
    with peer(answering({"errcode": 0, "access_token": "t", "expires_in": 7200}, {"errcode": 0})) as other:
        send(api_of(f"http://127.0.0.1:{other.port}"), window_s=asked)

    assert other.requests[1].body == {
        "touser": MEMBER,
        "msgtype": "text",
        "agentid": AGENT_ID,
        "text": {"content": TEXT},
        "enable_duplicate_check": 1,
        "duplicate_check_interval": told,
    }


@pytest.mark.parametrize("recipient", ["", "@all", "@ALL", "lin.mei|wang.qi"])
def test_a_text_never_goes_to_more_than_one_member(platform: Platform, recipient: str):
    assert failure_of(api_for(platform), to=recipient).code == "wecom_recipient"
    assert platform.calls() == []


def test_a_text_that_the_platform_would_cut_off_is_not_sent(platform: Platform):
    assert failure_of(api_for(platform), text="字" * 683).code == "wecom_text_too_long"
    assert platform.calls() == []


# -- the access token ----------------------------------------------------------------------------------------------


def test_ten_threads_fetch_one_token(platform: Platform):
    api = api_for(platform)
    start = threading.Barrier(10)

    def say(n: int) -> None:
        start.wait(10)
        send(api, f"{TEXT}{n}")

    with ThreadPoolExecutor(10) as threads:
        list(threads.map(say, range(10)))

    assert paths(platform).count("gettoken") == 1
    assert len(seen(platform)) == 10


def test_ten_instances_fetch_one_token(platform: Platform):
    store = InMemoryTokenStore()
    start = threading.Barrier(10)

    def say(n: int) -> None:
        api = api_for(platform, tokens=store, sleep=time.sleep)
        start.wait(10)
        send(api, f"{TEXT}{n}")

    with ThreadPoolExecutor(10) as threads:
        list(threads.map(say, range(10)))

    assert paths(platform).count("gettoken") == 1
    assert len(seen(platform)) == 10


@pytest.mark.parametrize("how", ["expire", "revoke"])
def test_a_token_that_ended_early_is_renewed_once_and_the_text_is_shown_once(platform: Platform, how: str):
    api = api_for(platform)
    send(api, "第一条")
    tokens = platform.simulator.state.tokens
    if how == "expire":
        tokens.expire_all(platform.clock())
    else:
        tokens.revoke_all()

    send(api)

    assert seen(platform) == ["第一条", TEXT]
    assert paths(platform) == ["gettoken", "message/send", "message/send", "gettoken", "message/send"]


def test_ten_threads_renew_a_revoked_token_once(platform: Platform):
    api = api_for(platform)
    send(api, "第一条")
    platform.simulator.state.tokens.revoke_all()
    start = threading.Barrier(10)

    def say(n: int) -> None:
        start.wait(10)
        send(api, f"{TEXT}{n}")

    with ThreadPoolExecutor(10) as threads:
        list(threads.map(say, range(10)))

    assert paths(platform).count("gettoken") == 2
    assert len(seen(platform)) == 11


def test_a_token_is_renewed_before_it_ends(platform: Platform):
    api = api_for(platform)
    send(api, "第一条")
    platform.clock.now += 7000

    send(api)

    assert paths(platform) == ["gettoken", "message/send", "gettoken", "message/send"]


@pytest.mark.parametrize("errcode", [40001, 40014, 42001])
def test_a_token_that_is_refused_again_is_not_renewed_again(platform: Platform, errcode: int):
    fault(platform, path="message/send", errcode=errcode, times=0)
    error = failure_of(api_for(platform))

    assert type(error) is TransientError
    assert error.code == f"wecom_{errcode}"
    assert error.retry_after_s > 0
    assert paths(platform) == ["gettoken", "message/send", "gettoken", "message/send"]


def test_a_wrong_secret_is_tried_once(platform: Platform):
    api = api_for(platform, secret="another-invented-secret")
    errors = [failure_of(api) for _ in range(5)]

    assert {type(error) for error in errors} == {MisconfiguredError}
    assert {error.code for error in errors} == {"wecom_40001"}
    assert paths(platform) == ["gettoken"]


@pytest.mark.parametrize(
    ("path", "errcode", "told"),
    [
        ("message/send", 60020, ["address"]),
        ("message/send", 42001, ["token"]),
        ("gettoken", 40001, ["token"]),
        ("gettoken", 60020, ["address"]),
        ("message/send", 45009, ["quota"]),
        ("message/send", 81013, []),
    ],
)
def test_what_is_about_the_whole_connection_is_told_once_a_call(
    platform: Platform, path: str, errcode: int, told: list[str]
):
    fault(platform, path=path, errcode=errcode, times=0)
    heard: list[str] = []

    failure_of(api_for(platform, on_trouble=heard.append))

    assert heard == told


def test_a_token_that_was_renewed_in_time_is_no_trouble(platform: Platform):
    fault(platform, path="message/send", errcode=42001, times=1)
    heard: list[str] = []

    send(api_for(platform, on_trouble=heard.append))

    assert heard == []


@pytest.mark.parametrize("errcode", [40013, 40091, 41004])
def test_what_makes_fetching_a_token_hopeless_is_a_misconfiguration(platform: Platform, errcode: int):
    fault(platform, path="gettoken", errcode=errcode, times=0)
    error = failure_of(api_for(platform))

    assert type(error) is MisconfiguredError
    assert paths(platform) == ["gettoken"]


def test_a_limit_on_fetching_tokens_is_waited_out(platform: Platform):
    fault(platform, path="gettoken", errcode=45009, times=0)
    api = api_for(platform)
    error, again = failure_of(api), failure_of(api)

    assert type(error) is type(again) is TransientError
    assert error.retry_after_s >= 60
    assert paths(platform) == ["gettoken"]


@pytest.mark.parametrize("what", [{"errcode": -1}, {"status": 502}, {"garbage": True}, {"drop": "before"}])
def test_a_passing_fault_while_fetching_the_token_delays_the_text_only(platform: Platform, what: dict[str, Any]):
    fault(platform, path="gettoken", times=2, **what)
    send(api_for(platform))

    assert seen(platform) == [TEXT]


@pytest.mark.parametrize(
    "answer",
    [
        {"errcode": 0},
        {"errcode": 0, "access_token": "", "expires_in": 7200},
        {"errcode": 0, "access_token": "t", "expires_in": 0},
        {"errcode": 0, "access_token": "t", "expires_in": "7200"},
        {"errcode": "0"},
        ["errcode"],
    ],
)
def test_an_answer_without_a_usable_token_is_a_passing_fault(answer: Any):
    with peer(*[answering(answer)] * 3) as other:
        error = failure_of(api_of(f"http://127.0.0.1:{other.port}"))

    assert type(error) is TransientError
    assert error.code == "wecom_garbled"
    assert len(other.requests) == 3


# -- failures of sending -------------------------------------------------------------------------------------------


def test_an_answer_without_an_error_code_is_a_success():
    with peer(answering({"access_token": "t", "expires_in": 7200}, {"errmsg": "ok"})) as other:
        send(api_of(f"http://127.0.0.1:{other.port}"))

    assert len(other.requests) == 2


@pytest.mark.parametrize(
    "what", [{"errcode": -1}, {"errcode": 6000}, {"status": 500}, {"status": 503}, {"garbage": True}]
)
def test_a_passing_fault_is_tried_three_times_with_growing_pauses(platform: Platform, what: dict[str, Any]):
    fault(platform, path="message/send", times=0, **what)
    pauses = Pauses()
    error = failure_of(api_for(platform, sleep=pauses))

    assert type(error) is TransientError
    assert error.retry_after_s == 0
    assert paths(platform) == ["gettoken"] + ["message/send"] * 3
    assert 0 <= pauses.taken[0] <= 0.8
    assert 0 <= pauses.taken[1] <= 1.6
    assert seen(platform) == []


@pytest.mark.parametrize(
    "what",
    [
        {"drop": "after"},
        {"status": 504, "processed": True},
        {"errcode": -1, "processed": True},
        {"garbage": True, "processed": True},
    ],
)
def test_a_text_that_was_accepted_without_an_answer_is_shown_once(platform: Platform, what: dict[str, Any]):
    fault(platform, path="message/send", times=2, **what)
    send(api_for(platform))

    assert seen(platform) == [TEXT]
    assert paths(platform).count("message/send") == 3


def test_no_further_try_is_begun_that_could_not_end_in_time(platform: Platform):
    fault(platform, path="message/send", errcode=-1, times=0)
    rng = random.Random()
    rng.uniform = lambda _low, high: high  # type: ignore[method-assign,assignment]
    error = failure_of(api_for(platform, rng=rng), within_s=0.7)

    assert error.code == "wecom_-1"
    assert paths(platform) == ["gettoken", "message/send"]


def test_nothing_is_sent_after_the_deadline(platform: Platform):
    error = failure_of(api_for(platform), within_s=0)

    assert type(error) is TransientError
    assert error.code == "no_time_left"
    assert platform.calls() == []


def test_a_slow_platform_is_left_at_the_deadline(platform: Platform):
    fault(platform, path="message/send", delay_ms=700, times=0)
    start = time.monotonic()
    error = failure_of(api_for(platform), within_s=0.3)

    assert error.code == "wecom_timeout"
    assert time.monotonic() - start < 0.65


def test_nobody_at_the_address_is_a_passing_fault():
    with peer() as other:
        address = f"http://127.0.0.1:{other.port}"
    error = failure_of(api_of(address))

    assert type(error) is TransientError
    assert error.code == "wecom_unreachable"


@pytest.mark.parametrize(("errcode", "least_s"), [(45009, 60), (45033, 1)])
def test_a_limit_is_not_run_into_twice(platform: Platform, errcode: int, least_s: float):
    fault(platform, path="message/send", errcode=errcode, times=0)
    error = failure_of(api_for(platform))

    assert type(error) is TransientError
    assert error.code == f"wecom_{errcode}"
    assert error.retry_after_s >= least_s
    assert paths(platform) == ["gettoken", "message/send"]


@pytest.mark.parametrize("errcode", [60020, 48002, 50003, 301002])
def test_what_a_person_must_change_is_a_misconfiguration(platform: Platform, errcode: int):
    fault(platform, path="message/send", errcode=errcode, times=0)
    error = failure_of(api_for(platform))

    assert type(error) is MisconfiguredError
    assert error.code == f"wecom_{errcode}"
    assert paths(platform) == ["gettoken", "message/send"]


@pytest.mark.parametrize("errcode", [40058, 60111, 82004, 987654])
def test_what_will_never_pass_is_permanent(platform: Platform, errcode: int):
    fault(platform, path="message/send", errcode=errcode, times=0)
    error = failure_of(api_for(platform))

    assert type(error) is PermanentError
    assert error.code == f"wecom_{errcode}"
    assert paths(platform) == ["gettoken", "message/send"]


def test_a_wrong_agent_is_a_misconfiguration(platform: Platform):
    error = failure_of(api_for(platform, agent_id=AGENT_ID + 1))

    assert type(error) is MisconfiguredError


def test_an_unknown_member_is_permanent(platform: Platform):
    error = failure_of(api_for(platform), to="nobody")

    assert type(error) is PermanentError


@pytest.mark.parametrize(("name", "listed"), [("invaliduser", "ghost|LIN.MEI"), ("unlicenseduser", "lin.mei")])
def test_a_member_whom_the_text_did_not_reach_is_permanent(name: str, listed: str):
    token = {"errcode": 0, "access_token": "t", "expires_in": 7200}
    with peer(answering(token, {"errcode": 0, name: listed})) as other:
        error = failure_of(api_of(f"http://127.0.0.1:{other.port}"))

    assert type(error) is PermanentError
    assert error.code == f"wecom_{name}"


def test_an_address_that_is_not_the_api_is_a_misconfiguration(platform: Platform):
    error = failure_of(api_of(f"{platform.base}/bot"))

    assert type(error) is MisconfiguredError
    assert error.code == "wecom_http_404"


def test_a_redirect_is_not_followed(platform: Platform):
    def redirect(talk: Talk) -> None:
        talk.hear()
        talk.say(b"HTTP/1.1 302 Found\r\nLocation: " + platform.base.encode() + b"/x\r\nContent-Length: 0\r\n\r\n")

    with peer(redirect) as other:
        error = failure_of(api_of(f"http://127.0.0.1:{other.port}"))

    assert error.code == "wecom_http_302"
    assert platform.calls() == []


def test_a_request_that_was_partly_ignored_is_logged(caplog: pytest.LogCaptureFixture):
    token = {"errcode": 0, "access_token": "t", "expires_in": 7200}
    warning = {"errcode": 0, "errmsg": "Warning: wrong json format. "}
    with peer(answering(token, warning)) as other:
        send(api_of(f"http://127.0.0.1:{other.port}"))

    assert "ignored a part" in caplog.text


# -- secrets -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "what",
    [
        {"path": "gettoken", "drop": "before"},
        {"path": "gettoken", "status": 500},
        {"path": "gettoken", "errcode": 40013},
        {"path": "gettoken", "delay_ms": 700},
        {"path": "message/send", "drop": "after"},
        {"path": "message/send", "garbage": True},
        {"path": "message/send", "errcode": 60020},
        {"path": "message/send", "errcode": 40014},
        {"path": "message/send", "delay_ms": 700},
    ],
)
def test_neither_errors_nor_logs_tell_a_secret_or_what_was_said(
    platform: Platform, what: dict[str, Any], caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    fault(platform, times=0, **what)
    store = InMemoryTokenStore()
    error = failure_of(api_for(platform, tokens=store), within_s=0.5)
    token = store.read(f"wecom#{CORP_ID}#{AGENT_ID}")

    own = [record for record in caplog.records if record.name.startswith(("frontdesk", "urllib3", "requests"))]
    told = "".join(traceback.format_exception(error)) + "".join(str(record.__dict__) for record in own)
    cause: BaseException | None = error
    while cause:
        told += repr(cause) + str(cause.args)
        cause = cause.__cause__ or cause.__context__
    secrets = [SECRET, MEMBER, TEXT, "access_token=", "corpsecret=", *([token.value] if token else [])]
    assert [secret for secret in secrets if secret in told] == []


def answering(*documents: Any) -> Any:
    """Return a script that answers the requests of one connection with ``documents``, one by one."""

    def script(talk: Talk) -> None:
        for left, document in reversed(list(enumerate(reversed(documents)))):
            talk.hear()
            body = json.dumps(document).encode()
            keep = b"keep-alive" if left else b"close"
            talk.say(b"HTTP/1.1 200 OK\r\nConnection: %s\r\nContent-Length: %d\r\n\r\n" % (keep, len(body)), body)

    return script
