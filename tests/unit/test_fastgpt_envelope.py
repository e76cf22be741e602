from __future__ import annotations

import json
from typing import Any

import pytest

from frontdesk.errors import FrontdeskError, MisconfiguredError, PermanentError, TransientError
from frontdesk.fastgpt.envelope import check

SPOKEN = "王小明的手机号是 13800138000"


def enveloped(code: Any, status_text: str = "", message: str = "") -> bytes:
    return json.dumps({"code": code, "statusText": status_text, "message": message, "data": None}).encode()


def test_a_success_in_both_numbers_is_one() -> None:
    check(enveloped(200), http_status=200)


@pytest.mark.parametrize(
    ("body", "http_status", "kind", "code"),
    [
        (enveloped(500, "error", "Chat item not found"), 500, PermanentError, "fastgpt_answer_unknown"),
        (enveloped(514, "unAuthApiKey"), 500, MisconfiguredError, "fastgpt_key_unknown"),
        (enveloped(504000, "unAuthChat"), 500, PermanentError, "fastgpt_chat_forbidden"),
        (enveloped(400, "error", "Data validation error"), 400, PermanentError, "fastgpt_request_invalid"),
        (enveloped(500, "error", SPOKEN), 500, TransientError, "fastgpt_server_error"),
        (enveloped(500, "error", SPOKEN), 200, TransientError, "fastgpt_server_error"),
        (enveloped(200), 502, TransientError, "fastgpt_unavailable"),
        (enveloped(200), 307, MisconfiguredError, "fastgpt_redirected"),
        (enveloped("200"), 200, TransientError, "fastgpt_reply_unreadable"),
        (b"<html>", 200, TransientError, "fastgpt_reply_unreadable"),
        (b"<html>", 404, MisconfiguredError, "fastgpt_wrong_address"),
        (b"", 200, TransientError, "fastgpt_reply_unreadable"),
        (b"[]", 200, TransientError, "fastgpt_reply_unreadable"),
        (enveloped(200)[:-1], 200, TransientError, "fastgpt_reply_unreadable"),
    ],
)
def test_anything_else_is_the_error_it_means(
    body: bytes, http_status: int, kind: type[FrontdeskError], code: str
) -> None:
    with pytest.raises(FrontdeskError) as raised:
        check(body, http_status=http_status)

    assert (type(raised.value), raised.value.code) == (kind, code)
    assert SPOKEN not in str(raised.value)


def test_the_wait_that_a_proxy_names_is_kept() -> None:
    with pytest.raises(TransientError) as raised:
        check(b"", http_status=429, retry_after_s=17.0)

    assert raised.value.retry_after_s == 17.0
