"""The probe of FastGPT over a real connection: what is asked, what is believed, and where the key goes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from frontdesk.errors import FrontdeskError
from frontdesk.fastgpt.client import FastGptClient
from tests.integration.scripted_peer import Talk, peer

if TYPE_CHECKING:
    from tests.integration.scripted_peer import Script

KEY = "fastgpt-a-key-of-the-app"
APP_ID = "66f2a9c41d7e3b5508c6e1a4"
WITHIN_S = 5.0


def answering(body: bytes, *, status: str = "200 OK", more: str = "") -> Script:
    def script(talk: Talk) -> None:
        talk.hear()
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{more}Content-Length: {len(body)}\r\n\r\n"
        talk.say(head.encode(), body)

    return script


def said(**fields: object) -> bytes:
    return json.dumps({"code": 200, "statusText": "", "message": "", "data": {}, **fields}).encode()


def probed(*scripts: Script) -> str:
    """Return the code of the error, "" for none."""
    with peer(*scripts) as fastgpt:
        try:
            FastGptClient(base_url=f"http://127.0.0.1:{fastgpt.port}", api_key=KEY, app_id=APP_ID).probe(WITHIN_S)
        except FrontdeskError as error:
            return error.code
    return ""


def test_it_asks_for_what_a_chat_begins_with_and_the_key_is_in_no_address():
    with peer(answering(said())) as fastgpt:
        FastGptClient(base_url=f"http://127.0.0.1:{fastgpt.port}", api_key=KEY, app_id=APP_ID).probe(WITHIN_S)

    (request,) = fastgpt.requests
    assert request.line.startswith(f"GET /api/core/chat/init?appId={APP_ID}&chatId=")
    assert KEY not in request.line
    assert request.headers["authorization"] == f"Bearer {KEY}"


def test_an_app_with_a_large_configuration_is_no_unreadable_one():
    assert probed(answering(said(data={"app": {"chatConfig": "问" * 200_000}}))) == ""


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (answering(said(code=514, statusText="unAuthApiKey"), status="500 No"), "fastgpt_key_unknown"),
        (answering(said(code=502000, statusText="appUnExist"), status="500 No"), "fastgpt_app_unknown"),
        (answering(said(code=502001, statusText="unAuthApp"), status="500 No"), "fastgpt_app_forbidden"),
        (answering(b"<html>a login page</html>"), "fastgpt_reply_unreadable"),
        (answering(b"", status="302 Found", more="Location: http://127.0.0.1:9/\r\n"), "fastgpt_redirected"),
        (answering(b"not here", status="404 No"), "fastgpt_wrong_address"),
        (Talk.hear, "fastgpt_cut"),
    ],
    ids=["key", "app", "forbidden", "html", "redirect", "404", "cut"],
)
def test_what_is_no_yes_is_told_for_what_it_is(script: Script, code: str):
    assert probed(script) == code
