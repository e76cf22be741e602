"""A proxy in between: every function calls WeCom through it and nobody else, and its password shows nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from frontdesk import bootstrap
from frontdesk.errors import SettingsError
from tests.integration import marks
from tests.integration.forward_proxy import forward_proxy
from tests.integration.test_leaks_people import asked_for
from tests.integration.watched_desk import said_in, scripted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.forward_proxy import ForwardProxy
    from tests.integration.watched_desk import WatchedDesk

USER = f"desk:{marks.PROXY_PASSWORD}"


@pytest.fixture
def proxy(desk: WatchedDesk) -> Iterator[ForwardProxy]:
    """Return the proxy that the functions are told of, and that knows them."""
    with forward_proxy(credentials=USER) as running:
        desk.change_secret("wecom", EGRESS_PROXY_URL=running.url(USER))
        yield running


def of_wecom(desk: WatchedDesk) -> list[str]:
    called = [call.path for call in desk.vendors.calls if call.vendor == "wecom"]
    return [path.removeprefix("cgi-bin/") for path in called if path.startswith("cgi-bin/")]


def through(proxy: ForwardProxy) -> list[str]:
    """Return the paths that were called through the proxy."""
    return [urlsplit(line.split(" ")[1]).path.partition("/cgi-bin/")[2] for line in proxy.asked]


def test_the_responder_calls_wecom_through_it_and_fastgpt_on_its_own_way(desk: WatchedDesk, proxy: ForwardProxy):
    desk.forget_tokens()
    scripted(desk, marks.QUESTION, text=marks.ANSWER)

    assert desk.answers(desk.customer("behind-a-proxy"), marks.QUESTION) == {"batchItemFailures": []}

    assert through(proxy) == of_wecom(desk)
    assert {"gettoken", "message/send"} <= set(through(proxy))
    assert [call for call in desk.vendors.calls if call.vendor == "fastgpt"]


def test_the_collector_calls_wecom_through_it(desk: WatchedDesk, proxy: ForwardProxy):
    desk.forget_tokens()
    desk.writes(desk.kf_customer("behind-a-proxy"), marks.QUESTION)
    desk.notified()
    desk.settle()

    assert through(proxy) == of_wecom(desk)
    assert {"gettoken", "kf/sync_msg", "kf/send_msg"} <= set(through(proxy))


def test_tickets_call_wecom_through_it_and_the_companys_system_on_their_own_way(desk: WatchedDesk, proxy: ForwardProxy):
    records = asked_for(desk, "behind-a-proxy")
    desk.forget_tokens()
    proxy.asked.clear()
    desk.vendors.calls.clear()

    assert desk.see_to(records) == {"batchItemFailures": []}

    assert through(proxy) == of_wecom(desk)
    assert {"gettoken", "message/send"} <= set(through(proxy))
    assert [call.path for call in desk.vendors.calls if call.vendor == "tickets"] == ["hook"]


def test_a_proxy_that_does_not_know_us_is_told_of_without_its_password(desk: WatchedDesk):
    with forward_proxy(credentials="desk:another") as proxy:
        desk.change_secret("wecom", EGRESS_PROXY_URL=proxy.url(USER))
        desk.forget_tokens()
        desk.answers(desk.customer("refused-by-a-proxy"), marks.QUESTION)

    assert of_wecom(desk) == []
    assert "proxy_refused" in said_in(desk.heard, "log")


def test_a_proxy_out_of_reach_is_told_of_without_its_password(desk: WatchedDesk, closed_port: int):
    desk.change_secret("wecom", EGRESS_PROXY_URL=f"http://{USER}@127.0.0.1:{closed_port}")
    desk.forget_tokens()
    desk.answers(desk.customer("no-proxy"), marks.QUESTION)

    assert of_wecom(desk) == []
    assert "proxy_unreachable" in said_in(desk.heard, "log")


@pytest.mark.parametrize(
    "value",
    [
        f"http://{USER}@proxy.example.com/path",
        f"socks5://{USER}@proxy.example.com",
        f"http://desk:{marks.PROXY_PASSWORD}@{marks.PROXY_PASSWORD}@proxy.example.com",
        f"http://{USER}@proxy.example.com:66000",
    ],
    ids=["path", "socks", "two", "port"],
)
def test_an_address_that_is_none_keeps_a_function_from_starting_and_is_not_shown(desk: WatchedDesk, value: str):
    desk.change_secret("wecom", EGRESS_PROXY_URL=value)

    for composed in (bootstrap.collector, bootstrap.responder, bootstrap.tickets):
        end = desk.run(f"start of {composed.__name__}", composed)
        assert isinstance(end, SettingsError)
        assert "EGRESS_PROXY_URL" in str(end)
