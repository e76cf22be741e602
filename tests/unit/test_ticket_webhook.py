"""Where tickets may be told to, how that is signed, and that a receiver can check it as the documentation says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontdesk.channels.ticket_webhook import TicketWebhook, signed
from frontdesk.errors import SettingsError, TransientError
from tests.factories import NOW, ticket

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = Path(__file__).parents[2] / "docs" / "tickets.md"
SECRET = "an-invented-secret-of-the-webhook"


def documented() -> Callable[..., bool]:
    """Return the check that the documentation gives to receivers."""
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(snippet, names)  # noqa: S102  # it is a part of this repository
    check: Callable[..., bool] = names["is_from_frontdesk"]
    return check


IS_FROM_FRONTDESK = documented()


@given(body=st.binary(), secret=st.text(min_size=1).map(str.encode), late=st.integers(-300, 300))
def test_the_documented_check_takes_what_is_signed(body: bytes, secret: bytes, late: int):
    assert IS_FROM_FRONTDESK(signed(body, secret, at=NOW), body, secret, now=NOW + late)


@given(st.data())
def test_the_documented_check_refuses_what_was_altered(data: st.DataObject):
    body = json.dumps({"number": "T20261128-0001"}).encode()
    headers = signed(body, SECRET.encode(), at=NOW)
    name = data.draw(st.sampled_from(sorted(headers)))
    place = data.draw(st.integers(0, len(headers[name]) - 1))
    other = data.draw(st.sampled_from("0123456789abcdef").filter(lambda each: each != headers[name][place]))
    altered = headers | {name: headers[name][:place] + other + headers[name][place + 1 :]}

    assert not IS_FROM_FRONTDESK(altered, body, SECRET.encode(), now=NOW)


@pytest.mark.parametrize(
    ("body", "secret", "now"),
    [(b"{} ", SECRET, NOW), (b"{}", SECRET + "x", NOW), (b"{}", SECRET, NOW + 301), (b"{}", SECRET, NOW - 301)],
    ids=["another body", "another secret", "too old", "from the future"],
)
def test_the_documented_check_refuses_what_is_not_signed_now(body: bytes, secret: str, now: int):
    assert not IS_FROM_FRONTDESK(signed(b"{}", SECRET.encode(), at=NOW), body, secret.encode(), now=now)


@pytest.mark.parametrize("headers", [{}, {"X-Frontdesk-Timestamp": "soon", "X-Frontdesk-Signature": "v1="}])
def test_the_documented_check_refuses_what_is_not_signed_at_all(headers: dict[str, str]):
    assert not IS_FROM_FRONTDESK(headers, b"{}", SECRET.encode(), now=NOW)


def test_the_signature_is_the_documented_one():
    # echo -n '1790000000.{"number":"T1"}' | openssl dgst -sha256 -hmac secret
    assert signed(b'{"number":"T1"}', b"secret", at=NOW) == {
        "X-Frontdesk-Timestamp": "1790000000",
        "X-Frontdesk-Signature": "v1=08a807e3ea266ccd1e8baf25813fcb636b6299842688e43e34802e823051e1dc",
    }


@pytest.mark.parametrize(
    "url",
    [
        "https://tickets.example.com/hook?key=1",
        "https://tickets.example.com:8443",
        "https://127.0.0.1:1/hook",
        "http://127.0.0.1:8080/hook",
        "http://localhost/hook",
        "http://[::1]:8080/hook",
    ],
)
def test_customers_words_go_over_https_or_stay_on_this_machine(url: str):
    assert TicketWebhook(url, SECRET)


@pytest.mark.parametrize(
    "url",
    [
        *("", "tickets.example.com", "https://", "https:///hook", "ftp://tickets.example.com", "file:///etc/hosts"),
        *("http://tickets.example.com/hook", "http://10.0.0.1/hook", "http://localhost.example.com/hook"),
        *("http://127.0.0.1.example.com/", "https://user:word@tickets.example.com/", "https://tickets.example.com:0/"),
        *("https://tickets.example.com:none/", "https://[::1/", "http://2130706433/"),
    ],
)
def test_no_other_address_is_taken(url: str):
    with pytest.raises(SettingsError) as caught:
        TicketWebhook(url, SECRET)

    assert caught.value.problems == ["TICKET_WEBHOOK_URL must be an https address"]


def test_nothing_is_sent_when_no_time_is_left():
    webhook = TicketWebhook("https://tickets.example.com/hook", SECRET, monotonic=lambda: 100.0)

    with pytest.raises(TransientError) as caught:
        webhook.post("opened", ticket(number="T20261128-0001"), deadline=100.01)

    assert caught.value.code == "no_time_left"
