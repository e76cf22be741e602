"""WeCom's API as a peer that answers each call as a test scripts it, where the simulated platform would know better."""

from __future__ import annotations

import json
import random
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from frontdesk.channels.wecom_calls import WecomCalls
from tests.factories import AGENT_ID, CORP_ID
from tests.fakes.tokens import InMemoryTokenStore
from tests.integration.scripted_peer import Talk, peer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.scripted_peer import Peer

HANG_UP = "hang up"
"""In the place of an answer: the call was heard, and the caller will never know what became of it."""
MOST_CALLS = 200
SECRET = "an-invented-secret"
TOKEN = {"errcode": 0, "access_token": "an-invented-token", "expires_in": 7200}


class WecomPeer:
    """What was asked; ``calls`` makes requests of it."""

    def __init__(self, heard: Peer) -> None:
        self._heard = heard
        self.tokens = InMemoryTokenStore()

    def calls(self, *, holder: str = str(AGENT_ID), secret: str = SECRET, **more: Any) -> WecomCalls:
        """Return what calls this peer, without any pause."""
        return WecomCalls(
            base_url=f"http://127.0.0.1:{self._heard.port}",
            corp_id=CORP_ID,
            holder=holder,
            secret=secret,
            tokens=self.tokens,
            sleep=lambda _seconds: None,
            rng=random.Random(1),
            **more,
        )

    def paths(self) -> list[str]:
        """Return the calls in order, without those for access tokens."""
        return [path for path in (_path(request.line) for request in self._heard.requests) if path != "gettoken"]

    def bodies(self, path: str) -> list[Any]:
        """Return what was sent to one call."""
        return [request.body for request in self._heard.requests if _path(request.line) == path]

    def queries(self, path: str) -> list[dict[str, str]]:
        """Return the query of each request to one call."""
        return [_query(request.line) for request in self._heard.requests if _path(request.line) == path]


@contextmanager
def wecom(answers: dict[str, Any]) -> Iterator[WecomPeer]:
    """Serve ``answers`` by call: a document, an errcode, `HANG_UP`, or a list of them of which the last one lasts."""
    waiting = {path: list(each) if isinstance(each, list) else [each] for path, each in answers.items()}

    def script(talk: Talk) -> None:
        path = _path(talk.hear().line)
        queue = [TOKEN] if path == "gettoken" else waiting[path]
        answer = queue.pop(0) if len(queue) > 1 else queue[0]
        if answer == HANG_UP:
            return
        document = {"errcode": answer, "errmsg": "invented"} if isinstance(answer, int) else answer
        body = json.dumps(document).encode()
        talk.say(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body), body)

    with peer(*[script] * MOST_CALLS) as heard:
        yield WecomPeer(heard)


def _path(line: str) -> str:
    return urlsplit(line.split(" ")[1]).path.removeprefix("/cgi-bin/")


def _query(line: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(line.split(" ")[1]).query))
