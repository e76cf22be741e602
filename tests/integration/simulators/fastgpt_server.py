"""Runs the FastGPT simulator on a real socket for the tests beside this file, and reads its answers."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from simulators.fastgpt.app import FastgptSettings, create_app

COMPLETIONS = "/api/v1/chat/completions"
LIMIT_S = 10
Event = tuple[str, Any]


class Caller:
    """A FastGPT client with the right key and app, unless told otherwise."""

    def __init__(self, base: str, settings: FastgptSettings) -> None:
        self.base = base
        self.settings = settings
        self.http = httpx.Client(
            base_url=base, headers={"Authorization": f"Bearer {settings.api_key}"}, timeout=LIMIT_S
        )

    def body(self, text: str, **fields: Any) -> dict[str, Any]:
        body: dict[str, Any] = {"appId": self.settings.app_id, "messages": [{"role": "user", "content": text}]}
        return {name: value for name, value in {**body, **fields}.items() if value is not ...}

    def post(
        self, text: str = "怎么开发票", *, headers: Mapping[str, str] | None = None, **fields: Any
    ) -> httpx.Response:
        return self.http.post(COMPLETIONS, json=self.body(text, **fields), headers=headers)

    def ask(self, text: str, **fields: Any) -> dict[str, Any]:
        response = self.post(text, **fields)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def words(self, text: str, **fields: Any) -> str:
        content = self.ask(text, **fields)["choices"][0]["message"]["content"]
        assert isinstance(content, str)
        return content

    def stream(self, text: str, **fields: Any) -> list[Event]:
        fields = {"detail": True, **fields}
        return events_of(self.post(text, stream=True, **fields).text)

    def control(self, path: str, wish: Any) -> None:
        response = self.http.post(f"/_control/{path}", json=wish)
        assert response.status_code == 200, response.text

    def runs(self, **chosen: str) -> list[dict[str, Any]]:
        runs: list[dict[str, Any]] = self.http.get("/_control/runs", params=chosen).json()["runs"]
        return runs

    def feedback(self, **chosen: str) -> list[dict[str, Any]]:
        given: list[dict[str, Any]] = self.http.get("/_control/feedback", params=chosen).json()["feedback"]
        return given

    def data(self, method: str, path: str, **fields: Any) -> Any:
        """Return `data` of another endpoint; POST sends the fields as JSON, GET as a query."""
        response = self.http.post(path, json=fields) if method == "POST" else self.http.get(path, params=fields)
        assert response.status_code == 200, response.text
        return response.json()["data"]


@contextmanager
def serving(*, mount: str = "", **changes: Any) -> Iterator[Caller]:
    """Serve until left, under a prefix if one is given. Without changes: the newest version, and no delays."""
    settings = FastgptSettings(**{"model_delay": 0.0, "chunk_delay": 0.0, **changes})
    listener = socket.create_server(("127.0.0.1", 0))
    # asyncio only does this itself for sockets that name their protocol; without it each answer waits 40 ms for an ACK
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    app = create_app(settings)
    config = uvicorn.Config(
        Starlette(routes=[Mount(mount, app)]) if mount else app,
        log_level="critical",
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    caller = Caller(f"http://127.0.0.1:{listener.getsockname()[1]}{mount}", settings)
    try:
        eventually(lambda: server.started)
        yield caller
    finally:
        caller.http.close()
        server.should_exit = True
        thread.join(LIMIT_S)
        listener.close()


def events_of(text: str) -> list[Event]:
    """Read a stream: (event, data), the event "" where none is named; JSON decoded."""
    events: list[Event] = []
    for block in text.split("\n\n"):
        lines = block.split("\n")
        name = "".join(line.removeprefix("event: ") for line in lines if line.startswith("event: "))
        for line in lines:
            if line.startswith("data: "):
                data = line.removeprefix("data: ")
                events.append((name, data if data == "[DONE]" else json.loads(data)))
    return events


def said(events: list[Event]) -> str:
    """Join the words of a stream."""
    deltas = [choice["delta"] for _, data in events if isinstance(data, dict) for choice in data.get("choices", ())]
    return "".join(delta.get("content") or "" for delta in deltas)


def named(events: list[Event], name: str) -> list[Any]:
    """Return the data of all events of that name."""
    return [data for event, data in events if event == name]


def node(results: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """Return the only node result of that type."""
    (result,) = [each for each in results if each["moduleType"] == kind]
    return result


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until it holds, ten seconds at most."""
    ends = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < ends, "it did not happen in time"
        time.sleep(0.005)
