"""The page's server on a real socket, over a deployment that is a plain object a test fills in."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import uvicorn

from simulators.console.app import create_app
from simulators.console.deployment import AttendanceState, SessionState, UnreachableError
from simulators.console.journeys import LogLine, read_line
from simulators.console.settings import RunSettings, read_settings
from tests.integration.simulators.wecom_platform import AGENT_ID, CORP_ID, ENCODING_AES_KEY, SECRET, TOKEN, eventually

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LIMIT_S = 10.0
LIN, WANG = "a" * 32, "b" * 32


def document(**changes: Any) -> dict[str, Any]:
    """Return what `make run` writes for the simulators."""
    return {
        "port": 8080,
        "callback_url": "http://127.0.0.1:9/wecom/callback",
        "wecom": {
            "corp_id": CORP_ID,
            "agent_id": AGENT_ID,
            "secret": SECRET,
            "token": TOKEN,
            "encoding_aes_key": ENCODING_AES_KEY,
        },
        "fastgpt": {"api_key": "fastgpt-an-invented-key", "app_id": "66f2a9c41d7e3b5508c6e1a4"},
        "aws": {"endpoint_url": "http://127.0.0.1:9", "region": "us-east-1", "resources": {}},
        **changes,
    }


def line(stage: str, at_ms: int, message_id: str = "", conversation: str = LIN, **fields: Any) -> LogLine:
    """Return a line as the functions write it; with stage "" one that tells of a failure."""
    named = {"message_id": message_id} if message_id else {}
    told = {"stage": stage, "at_ms": at_ms} if stage else {}
    text = json.dumps(
        {"level": "INFO", "conversation": conversation, "channel": "wecom_app", **named, **told, **fields}
    )
    read = read_line(text, at_ms)
    assert read is not None
    return read


def queued(message_id: str, at_ms: int, kind: str = "text", conversation: str = LIN) -> LogLine:
    """Return the line of a message that was received 5 ms before it was queued."""
    times = {"received_at_ms": at_ms - 5, "verified_at_ms": at_ms - 2}
    return line("queued", at_ms, message_id, conversation, kind=kind, **times)


def session(conversation: str = LIN, **changes: Any) -> SessionState:
    """Return a session that lives until the end of these tests."""
    values: dict[str, Any] = {
        "conversation": conversation,
        "session_id": "1795380201800-33555eb7b3b1a9fd",
        "channel": "wecom_app",
        "opened_at": 1_795_380_201,
        "last_activity_at": 1_795_380_260,
        "expires_at": 4_000_000_000,
        "archived": False,
    }
    return SessionState(**{**values, **changes})


def attendance(state: str = "waiting", conversation: str = LIN, **changes: Any) -> AttendanceState:
    """Return who attends to a customer that asked for a person."""
    values: dict[str, Any] = {"agent": "", "reason": "asked", "due_at": 4_000_000_000, "reminders": 0, **changes}
    return AttendanceState(conversation=conversation, state=state, **values)


@dataclass
class PlainWindow:
    """A deployment that has logged, saved and archived what a test says."""

    lines: list[LogLine] = field(default_factory=list)
    sessions: dict[str, SessionState] = field(default_factory=dict)
    attendances: dict[str, AttendanceState] = field(default_factory=dict)
    archive: dict[str, dict[str, Any]] = field(default_factory=dict)
    problem: str = ""

    def new_lines(self) -> list[LogLine]:
        self._check()
        new, self.lines = self.lines, []
        return new

    def session(self, conversation: str) -> SessionState | None:
        self._check()
        return self.sessions.get(conversation)

    def attendance(self, conversation: str) -> AttendanceState | None:
        self._check()
        return self.attendances.get(conversation)

    def archived(
        self, conversation: str, session_id: str, channel: str, near: Iterable[int]
    ) -> tuple[str, dict[str, Any]] | None:
        self._check()
        assert channel
        assert list(near)
        name = f"sessions/conversation={conversation}/{session_id}.json"
        return (name, self.archive[session_id]) if session_id in self.archive else None

    def _check(self) -> None:
        if self.problem:
            raise UnreachableError(self.problem)


@dataclass
class Run:
    """The running server, its deployment, and a client to speak to it."""

    base: str
    window: PlainWindow
    client: httpx.Client
    server: uvicorn.Server
    feed: Any

    def write(self, userid: str, **message: Any) -> dict[str, Any]:
        answer = self.client.post(f"/wecom/_control/members/{userid}/messages", json={"wait": False, **message})
        assert answer.status_code == 202, answer.text
        written: dict[str, Any] = answer.json()
        return written

    @contextlib.contextmanager
    def changes(self, last_event_id: str = "") -> Iterator[Iterator[dict[str, Any]]]:
        """Follow the stream of changes; each comes with its `id`."""
        headers = {"last-event-id": last_event_id} if last_event_id else {}
        with self.client.stream("GET", "/console/api/events", headers=headers) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            yield _events(answer.iter_lines())

    def until(self, topic: str, wanted: Any) -> dict[str, Any]:
        """Return the first value of `topic` in the stream that `wanted` accepts."""
        with self.changes() as changes:
            for change in changes:
                for value in change.get(topic, ()):
                    if wanted(value):
                        found: dict[str, Any] = value
                        return found
        raise AssertionError("the stream ended")


def _events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    number = ""
    for text in lines:
        if text.startswith("id: "):
            number = text.removeprefix("id: ")
        elif text.startswith("data: "):
            yield {"id": number, **json.loads(text.removeprefix("data: "))}


@contextlib.contextmanager
def serving(settings: RunSettings | None = None) -> Iterator[Run]:
    """Serve until left."""
    window = PlainWindow()
    app = create_app(settings or read_settings(document()), window=window)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="critical", access_log=False, timeout_graceful_shutdown=1)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        eventually(lambda: server.started)
        try:
            with httpx.Client(base_url=base, trust_env=False, timeout=LIMIT_S) as client:
                yield Run(base, window, client, server, app.state.feed)
        finally:
            app.state.feed.close()
            server.should_exit = True
            thread.join(LIMIT_S)
            assert not thread.is_alive()
