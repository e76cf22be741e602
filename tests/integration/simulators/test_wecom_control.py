"""The control API, the timeline under concurrency, the Python object, and the command line."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Match, Route

import simulators.wecom
from simulators.wecom.app import Behaviour, WecomSettings, WecomSimulator, create_app, serve
from simulators.wecom.control import Control
from simulators.wecom.jsonfields import Fields
from simulators.wecom.messages import read_message
from simulators.wecom.settings import SettingsError
from simulators.wecom.timeline import Direction, Entry, Timeline
from tests.integration.simulators.wecom_platform import (
    AGENT_ID,
    CORP_ID,
    ENCODING_AES_KEY,
    SECRET,
    TOKEN,
    MovableClock,
    Platform,
    eventually,
    settings,
)

if TYPE_CHECKING:
    from starlette.requests import Request


def said(userid: str, content: str) -> Entry:
    return Entry(userid, Direction.INBOUND, "text", content, at_ms=0, msgid=None, via="callback")


class TestTimeline:
    def test_both_directions_stand_in_one_order(self, platform: Platform):
        platform.write(content="question")
        platform.send()
        platform.write(msgtype="event", event="click", event_key="k")

        entries = platform.timeline()

        shown = [(entry["direction"], entry["msgtype"], entry["content"]) for entry in entries]
        assert shown == [("inbound", "text", "question"), ("outbound", "text", "您好"), ("inbound", "event", "click")]
        seqs = [entry["seq"] for entry in entries]
        assert seqs == sorted(set(seqs))
        assert {entry["at_ms"] for entry in entries} == {1_790_000_000_000}

    def test_only_what_came_after_a_number_is_given(self, platform: Platform):
        platform.write(content="a")
        platform.write(content="b")
        first = platform.timeline()[0]["seq"]

        answer = platform.control("GET", "/members/lin.mei/timeline", after=first)

        assert [entry["content"] for entry in answer["entries"]] == ["b"]
        assert platform.timeline(after=answer["last_seq"]) == []

    def test_a_long_poll_ends_with_the_next_entry(self, platform: Platform):
        platform.add_members("lin.mei")
        got: list[Any] = []
        asking = threading.Thread(target=lambda: got.append(platform.timeline(wait=8)))
        asking.start()
        eventually(lambda: platform.simulator.state.timeline._waiters)

        platform.send(touser="lin.mei")

        asking.join(5)
        assert [entry["content"] for entry in got[0]] == ["您好"]

    def test_a_long_poll_without_news_ends_empty_after_its_wait(self, platform: Platform):
        answer = platform.control("GET", "/members/lin.mei/timeline", after=7, wait=0.05)

        assert answer == {"entries": [], "last_seq": 7}

    @pytest.mark.parametrize("query", ["after=x", "wait=-1", "wait=nan"])
    def test_a_number_that_is_none_is_refused(self, platform: Platform, query: str):
        assert platform.refused("GET", f"/members/lin.mei/timeline?{query}").status_code == 400

    def test_entries_written_from_many_threads_are_all_there_with_unique_numbers(self):
        timeline = Timeline()

        def write(name: str) -> None:
            for number in range(200):
                timeline.append(said(f"u{number % 2}", f"{name}{number}"))

        writers = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join(10)

        entries = timeline.entries("u0") + timeline.entries("u1")
        assert sorted(entry.seq for entry in entries) == list(range(1, 801))
        assert timeline.last_seq == 800
        assert [e.seq for e in timeline.entries("u0")] == sorted(e.seq for e in timeline.entries("u0"))

    def test_waiters_in_other_event_loops_are_woken(self):
        timeline = Timeline()
        got: list[list[Entry]] = []
        waiting = [threading.Thread(target=lambda: got.append(asyncio.run(timeline.wait("u", 0, 8)))) for _ in range(3)]
        for thread in waiting:
            thread.start()
        eventually(lambda: len(timeline._waiters) == 3)

        timeline.append(said("somebody.else", "a"))
        timeline.append(said("u", "b"))

        for thread in waiting:
            thread.join(5)
        assert [[entry.content for entry in entries] for entries in got] == [["b"]] * 3

    def test_numbers_go_on_after_a_reset(self, platform: Platform):
        platform.write(content="a")
        last = platform.timeline()[-1]["seq"]

        platform.control("POST", "/reset")
        platform.write(content="b")

        assert [entry["content"] for entry in platform.timeline(after=last)] == ["b"]


class TestConfiguration:
    def test_settings_are_shown_without_secrets(self, platform: Platform):
        shown = platform.control("GET", "/config")

        assert (shown["corp_id"], shown["agent_id"], shown["max_attempts"]) == (CORP_ID, AGENT_ID, 3)
        for secret in (SECRET, TOKEN, ENCODING_AES_KEY):
            assert secret not in str(shown)

    def test_changes_hold_from_the_next_message_on(self, platform: Platform):
        platform.control("POST", "/config", {"corp_id": "ww99", "agent_id": 7, "content_type": "application/xml"})
        platform.write(content="hello")

        assert platform.bot.received[0].content_type == "application/xml"
        assert "ww99" in platform.bot.received[0].body.decode()

    @pytest.mark.parametrize(
        "changes",
        [
            {"colour": "red"},
            {"agent_id": "7"},
            {"agent_id": True},
            {"agent_id": 0},
            {"retry_non_200": 1},
            {"encoding_aes_key": "short"},
            {"token": "with space"},
            {"callback_url": "ftp://example.com"},
            {"callback_url": "http://example.com:99999/"},
            {"max_attempts": 0},
            {"sends_per_hour": -1},
            {"overlong_text": "shorten"},
            ["corp_id"],
        ],
    )
    def test_a_wrong_change_is_refused_whole(self, platform: Platform, changes: Any):
        before = platform.control("GET", "/config")
        if isinstance(changes, dict):
            changes["secret"] = "another"

        answer = platform.refused("POST", "/config", changes)

        assert answer.status_code == 400
        assert "another" not in answer.text
        assert platform.control("GET", "/config") == before

    def test_a_body_that_is_no_json_is_refused(self, platform: Platform):
        answer = platform.client.post(f"{platform.base}/wecom/_control/config", content=b"{")

        assert (answer.status_code, answer.json()) == (400, {"error": "the body is not JSON"})

    def test_every_wrong_setting_is_named_and_no_value_shown(self):
        with pytest.raises(SettingsError) as caught:
            WecomSettings("", 0, "", "a b", "c" * 42, "mailto:somebody")

        assert str(caught.value) == (
            "missing or malformed: corp_id, agent_id, secret, token, encoding_aes_key, callback_url"
        )

    def test_secrets_stay_out_of_the_representation(self):
        for secret in (SECRET, TOKEN, ENCODING_AES_KEY):
            assert secret not in repr(settings())

    def test_a_reset_forgets_everything_but_the_settings(self, platform: Platform):
        token = platform.token()
        platform.write(content="a")
        platform.control("POST", "/faults", {"errcode": -1, "times": 0})
        platform.control("POST", "/config", {"max_attempts": 2})

        platform.control("POST", "/reset")

        assert platform.timeline() == platform.calls() == []
        for path, name in (("/faults", "faults"), ("/members", "members"), ("/deliveries", "deliveries")):
            assert platform.control("GET", path)[name] == []
        assert platform.send(token)["errcode"] == 40014
        assert platform.control("GET", "/config")["max_attempts"] == 2

    def test_a_reset_ends_deliveries_that_still_run(self, platform: Platform):
        platform.write(content="a", wait=False, delay_ms=60_000)
        (delivery,) = platform.simulator.deliveries()

        platform.control("POST", "/reset")

        assert delivery.done
        assert platform.bot.received == []

    @pytest.mark.parametrize("member", [{}, {"userid": "a b"}, {"userid": "a", "department": ["x"]}])
    def test_a_malformed_member_is_refused(self, platform: Platform, member: dict[str, Any]):
        assert platform.refused("POST", "/members", member).status_code == 400


class TestInProcess:
    def test_a_bot_in_the_same_process_needs_no_network(self):
        contents: list[bytes] = []

        async def answer(request: Request) -> Response:
            contents.append(await request.body())
            return Response(b"")

        bot = Starlette(routes=[Route("/callback", answer, methods=["POST"])])
        simulator = WecomSimulator(
            settings("http://bot/callback"), clock=MovableClock(), transport=httpx.ASGITransport(bot)
        )
        delivery = simulator.write("lin.mei", read_message(Fields({"content": "hello"})))

        asyncio.run(simulator.deliver(delivery))
        asyncio.run(simulator.deliver(delivery))

        assert [attempt.status for attempt in delivery.attempts] == [200, 200]
        assert len(contents) == 2

    @pytest.mark.parametrize(
        ("failure", "error"),
        [
            (httpx.RemoteProtocolError("closed without an answer"), "protocol"),
            (httpx.ReadError("reset"), "connection"),
        ],
    )
    def test_a_connection_that_breaks_is_an_attempt_without_status(self, failure: httpx.TransportError, error: str):
        def break_off(_request: httpx.Request) -> httpx.Response:
            raise failure

        transport = httpx.MockTransport(break_off)
        simulator = WecomSimulator(
            settings("http://bot/callback"), behaviour=Behaviour(retry_interval_s=0), transport=transport
        )
        delivery = simulator.write("lin.mei", read_message(Fields({"content": "hello"})))

        asyncio.run(simulator.deliver(delivery))

        assert [(attempt.status, attempt.error) for attempt in delivery.attempts] == [(None, error)] * 3

    def test_the_same_seed_gives_the_same_requests(self):
        async def record(seed: int) -> list[tuple[str, bytes]]:
            requests: list[tuple[str, bytes]] = []

            def answer(request: httpx.Request) -> httpx.Response:
                requests.append((str(request.url), request.content))
                return httpx.Response(200)

            simulator = WecomSimulator(
                settings("http://bot/callback"),
                behaviour=Behaviour(),
                clock=MovableClock(),
                rng=Random(seed),
                transport=httpx.MockTransport(answer),
            )
            for content in ("a", "b"):
                await simulator.deliver(simulator.write("lin.mei", read_message(Fields({"content": content}))))
            return requests

        assert asyncio.run(record(1)) == asyncio.run(record(1)) != asyncio.run(record(2))

    def test_an_application_carries_its_simulator(self):
        app = create_app(settings(), MovableClock())

        assert isinstance(app.state.simulator, WecomSimulator)

    def test_the_application_ends_running_deliveries_when_it_stops(self):
        async def run() -> bool:
            simulator = WecomSimulator(settings("http://127.0.0.1:1/callback"))
            app = serve(simulator)
            async with app.router.lifespan_context(app):
                delivery = simulator.write("lin.mei", read_message(Fields({"content": "a", "delay_ms": 60_000})))
                simulator.in_background(simulator.deliver_all([delivery], concurrent=False, gap_ms=0))
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            return delivery.done

        assert asyncio.run(run())

    def test_nothing_is_imported_from_the_product_that_is_tested(self):
        folder = Path(simulators.wecom.__file__).parent
        modules: set[str] = set()
        for file in folder.rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    modules.update(alias.name for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module:
                    modules.add(node.module)

        roots = {name.split(".")[0] for name in modules if not name.startswith("simulators.wecom")}
        assert roots - sys.stdlib_module_names == {"cryptography", "defusedxml", "h11", "httpx", "starlette", "uvicorn"}


class TestReadme:
    CALL = re.compile(r'curl -sX? ?(POST|DELETE)? ?"?\$([CK])/([^\s?";]+)[^\s;]*(?: -d \'([^\']*)\')?')

    def test_every_call_it_shows_is_served_and_every_body_is_json(self, platform: Platform):
        text = (Path(simulators.wecom.__file__).parent / "README.md").read_text(encoding="utf-8")
        calls = [call.groups() for call in self.CALL.finditer(text.replace("$WHO", "wmZhouYu0001"))]
        routes = Control(platform.simulator).routes()
        shown = set()

        for method, base, path, body in calls:
            scope = {"type": "http", "method": method or "GET", "path": f"/{'kf/' if base == 'K' else ''}{path}"}
            (route,) = [route for route in routes if route.matches(scope)[0] is Match.FULL]
            shown.add(route.path)
            assert body is None or isinstance(json.loads(body.replace("…", "")), dict)

        assert len(calls) == text.count("curl -s")
        assert {route.path for route in routes} - shown == set()


class TestCommandLine:
    def run(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        root = Path(simulators.wecom.__file__).parents[2]
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "COVERAGE_PROCESS_START") if name in os.environ}
        return subprocess.Popen(
            [sys.executable, "-m", "simulators.wecom", *arguments],
            cwd=root,
            env={**kept, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def test_it_serves_and_prints_what_it_uses_without_secrets(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        process = self.run(
            "--port", str(port), "--corp-id", CORP_ID, "--callback-url", "http://127.0.0.1:1/callback",
            PYTHONIOENCODING="utf-8", WECOM_AGENT_ID=str(AGENT_ID), WECOM_SECRET=SECRET, WECOM_TOKEN=TOKEN,
            WECOM_ENCODING_AES_KEY=ENCODING_AES_KEY,
        )  # fmt: skip
        try:
            address = f"http://127.0.0.1:{port}/cgi-bin/gettoken"
            query = {"corpid": CORP_ID, "corpsecret": SECRET}
            answer = eventually(lambda: try_get(address, query))
            assert answer.json()["errcode"] == 0
        finally:
            process.terminate()
            printed, errors = process.communicate(timeout=10)

        assert f"http://127.0.0.1:{port}/cgi-bin/" in printed
        assert CORP_ID in printed
        for secret in (SECRET, TOKEN, ENCODING_AES_KEY):
            assert secret not in printed + errors

    def test_missing_settings_are_all_named(self):
        process = self.run("--port", "1", WECOM_AGENT_ID="not-a-number")
        printed, errors = process.communicate(timeout=20)

        assert process.returncode == 2
        assert printed == ""
        assert "corp_id, agent_id, secret, token, encoding_aes_key" in errors


def try_get(address: str, query: dict[str, str]) -> httpx.Response | None:
    try:
        return httpx.get(address, params=query, trust_env=False)
    except httpx.ConnectError:
        return None
