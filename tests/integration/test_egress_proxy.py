"""Every call of WeCom goes through the proxy, and what the proxy does wrong is told from what WeCom does wrong."""

from __future__ import annotations

import json
import logging
import random
import socket
import threading
import traceback
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn

from frontdesk.channels.wecom_calls import WecomCalls
from frontdesk.channels.wecom_http import WecomHttp
from frontdesk.errors import FrontdeskError, MisconfiguredError, PermanentError, TransientError
from simulators.wecom.app import WecomSimulator, serve
from tests.fakes.tokens import InMemoryTokenStore
from tests.integration.certificates import self_signed
from tests.integration.forward_proxy import ADDRESS, forward_proxy
from tests.integration.simulators.wecom_platform import AGENT_ID, CORP_ID, LIMIT_S, SECRET, eventually, settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

WORD = "p%40ss-never-seen"
WITHIN_S = 20.0


class Watched:
    """The simulated platform, and from which addresses it is called."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.callers: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.callers.append(scope["client"][0])
        await self._app(scope, receive, send)


@pytest.fixture(autouse=True)
def _no_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(params=["https", "http"])
def wecom(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, Watched]]:
    """Return where the simulated WeCom answers, over TLS as the real one and without, and what it sees."""
    simulator = WecomSimulator(settings())
    watched = Watched(serve(simulator))
    options: dict[str, Any] = {}
    if request.param == "https":
        certificate, key = self_signed(tmp_path)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        options = {"ssl_certfile": certificate, "ssl_keyfile": key}
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(watched, log_level="critical", access_log=False, **options))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        eventually(lambda: server.started)
        try:
            yield f"{request.param}://127.0.0.1:{listening.getsockname()[1]}", watched
        finally:
            server.should_exit = True
            thread.join(LIMIT_S)


def calls_through(base_url: str, proxy_url: str) -> WecomCalls:
    return WecomCalls(
        base_url=base_url,
        corp_id=CORP_ID,
        holder=str(AGENT_ID),
        secret=SECRET,
        tokens=InMemoryTokenStore(),
        proxy_url=proxy_url,
        sleep=lambda _seconds: None,
        rng=random.Random(1),
    )


def failure_of(http: WecomHttp) -> FrontdeskError:
    with pytest.raises(FrontdeskError) as caught:
        http.call("gettoken", query={"corpid": CORP_ID, "corpsecret": SECRET}, deadline=http._monotonic() + WITHIN_S)
    error = caught.value
    told = "".join(traceback.format_exception(error)) + repr(vars(error))
    assert not [word for word in (WORD, "p@ss-never-seen", SECRET) if word in told]
    assert error.__cause__ is None
    return error


def test_wecom_sees_the_proxy_and_nobody_else(wecom: tuple[str, Watched]) -> None:
    base_url, watched = wecom
    with forward_proxy() as proxy:
        http = WecomHttp(base_url, proxy_url=proxy.url())
        for _ in range(2):
            answer = http.call(
                "gettoken", query={"corpid": CORP_ID, "corpsecret": SECRET}, deadline=http._monotonic() + WITHIN_S
            )
            assert answer["errcode"] == 0
    assert set(watched.callers) == {ADDRESS}
    assert len(watched.callers) == 2


def test_the_token_and_the_message_go_the_same_way(wecom: tuple[str, Watched]) -> None:
    base_url, watched = wecom
    with forward_proxy() as proxy:
        calls = calls_through(base_url, proxy.url())
        message = {"touser": "nobody.there", "msgtype": "text", "agentid": AGENT_ID, "text": {"content": "您好"}}
        with pytest.raises(PermanentError) as refused:  # by the platform, which knows nobody
            calls.post("message/send", message, deadline=calls._monotonic() + WITHIN_S)
    assert refused.value.code == "wecom_81013"
    assert watched.callers == [ADDRESS, ADDRESS]


def test_the_environment_cannot_lead_around_it(wecom: tuple[str, Watched], monkeypatch: pytest.MonkeyPatch) -> None:
    base_url, watched = wecom
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with forward_proxy() as proxy:
        http = WecomHttp(base_url, proxy_url=proxy.url())
        http.call("gettoken", query={}, deadline=http._monotonic() + WITHIN_S)
    assert watched.callers == [ADDRESS]


def test_a_name_and_a_password_are_given_as_they_were_meant(wecom: tuple[str, Watched]) -> None:
    base_url, watched = wecom
    with forward_proxy(credentials="desk:p@ss-never-seen") as proxy:
        http = WecomHttp(base_url, proxy_url=proxy.url(f"desk:{WORD}"))
        http.call("gettoken", query={}, deadline=http._monotonic() + WITHIN_S)
    assert watched.callers == [ADDRESS]


def test_a_wrong_password_is_the_proxys_refusal(wecom: tuple[str, Watched]) -> None:
    base_url, watched = wecom
    with forward_proxy(credentials="desk:another") as proxy:
        error = failure_of(WecomHttp(base_url, proxy_url=proxy.url(f"desk:{WORD}")))
    assert (type(error), error.code, watched.callers) == (MisconfiguredError, "proxy_refused", [])


def test_nobody_at_the_proxys_address_is_told_from_nobody_at_wecoms(
    wecom: tuple[str, Watched], closed_port: int
) -> None:
    base_url, watched = wecom
    error = failure_of(WecomHttp(base_url, proxy_url=f"http://desk:{WORD}@127.0.0.1:{closed_port}"))
    assert (type(error), error.code, watched.callers) == (TransientError, "proxy_unreachable", [])
    error = failure_of(WecomHttp(f"http://127.0.0.1:{closed_port}"))
    assert (type(error), error.code) == (TransientError, "wecom_unreachable")


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        ("403 Forbidden", MisconfiguredError, "proxy_refused"),
        ("429 Too Many Requests", TransientError, "proxy_failed"),
        ("503 Service Unavailable", TransientError, "proxy_failed"),
    ],
)
def test_what_a_proxy_says_to_a_tunnel_is_classified(answer: str, kind: type[FrontdeskError], code: str) -> None:
    with forward_proxy(answer=answer) as proxy:
        error = failure_of(WecomHttp("https://qyapi.weixin.qq.com", proxy_url=proxy.url(f"desk:{WORD}")))
    assert (type(error), error.code) == (kind, code)
    assert proxy.asked == ["CONNECT qyapi.weixin.qq.com:443 HTTP/1.0"]


def test_nothing_of_the_proxys_address_is_logged(closed_port: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with forward_proxy(credentials="desk:another") as proxy:
        failure_of(WecomHttp("https://qyapi.weixin.qq.com", proxy_url=proxy.url(f"desk:{WORD}")))
    failure_of(WecomHttp("https://qyapi.weixin.qq.com", proxy_url=f"http://desk:{WORD}@127.0.0.1:{closed_port}"))
    told = caplog.text + json.dumps([vars(record) for record in caplog.records], default=str)
    assert not [word for word in (WORD, "p@ss-never-seen", SECRET, "desk:") if word in told]
