"""A drill counts what customers saw: of a bot that falls back, of one that loses questions, of one that says all twice."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.routing import Mount, Route

from ops.drill import Drill, DrillError, Plan
from simulators.fastgpt.app import FastgptSettings
from simulators.fastgpt.app import create_app as fastgpt
from simulators.wecom import envelope
from simulators.wecom.app import WecomSimulator, serve
from simulators.wecom.xmltext import read_document
from tests.integration.simulators.wecom_platform import AGENT_ID, CORP_ID, KEY, SECRET, eventually, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

INTERIM, APOLOGY = "请稍等", "抱歉"
PLAN = Plan("503", lasts_s=3.0, kill_s=1.0, restore_s=2.0, rate=5, patience_s=4, warm_s=10)


class Vice(StrEnum):
    """How a bot is bad."""

    LOSES = "has no standby and keeps silent"
    REPEATS = "says everything twice"
    APOLOGISES = "has no standby and says so"


@dataclass
class Bot:
    """Asks the primary, and the standby when that fails, and sends the answer."""

    base: str
    vices: set[Vice] = field(default_factory=set)

    async def receive(self, request: Request) -> Response:
        """Acknowledge, and answer afterwards."""
        encrypted = read_document(await request.body()).findtext("Encrypt") or ""
        document = read_document(envelope.open_sealed(KEY, encrypted, CORP_ID))
        customer, text = document.findtext("FromUserName") or "", document.findtext("Content") or ""
        return Response(background=BackgroundTask(self._answer, customer, text))

    async def _answer(self, customer: str, text: str) -> None:
        async with httpx.AsyncClient(base_url=self.base, timeout=5, trust_env=False) as http:
            words = await self._asked(http, "fastgpt", customer, text)
            if not words:
                if Vice.LOSES in self.vices:
                    return
                apology = APOLOGY if Vice.APOLOGISES in self.vices else ""
                words = apology or await self._asked(http, "fastgpt-standby", customer, text)
            query = {"corpid": CORP_ID, "corpsecret": SECRET}
            token = (await http.get("/wecom/cgi-bin/gettoken", params=query)).json()["access_token"]
            for mark in ("", "。") if Vice.REPEATS in self.vices else ("",):
                body = {"touser": customer, "msgtype": "text", "agentid": AGENT_ID, "text": {"content": words + mark}}
                sent = await http.post("/wecom/cgi-bin/message/send", params={"access_token": token}, json=body)
                assert sent.json()["errcode"] == 0, sent.text

    async def _asked(self, http: httpx.AsyncClient, which: str, customer: str, text: str) -> str:
        body = {"appId": FastgptSettings().app_id, "chatId": customer, "messages": [{"role": "user", "content": text}]}
        key = {"Authorization": f"Bearer {FastgptSettings().api_key}"}
        answer = await http.post(f"/{which}/api/v1/chat/completions", json=body, headers=key)
        words: str = answer.json()["choices"][0]["message"]["content"] if answer.status_code == 200 else ""
        return words


@pytest.fixture(scope="module")
def bot() -> Iterator[Bot]:
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)) as listening:
        listening.bind(("127.0.0.1", 0))
        bot = Bot(f"http://127.0.0.1:{listening.getsockname()[1]}")
        apps = FastgptSettings(model_delay=0.01, chunk_delay=0.0)
        routes = [
            Mount("/wecom", serve(WecomSimulator(settings(f"{bot.base}/bot"), clock=time.time))),
            Mount("/fastgpt-standby", fastgpt(apps)),
            Mount("/fastgpt", fastgpt(apps)),
            Route("/bot", bot.receive, methods=["POST"]),
        ]
        server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_level="critical", access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        eventually(lambda: server.started)
        yield bot
        server.should_exit = True
        thread.join(10)


def drill(bot: Bot, *vices: Vice) -> Drill:
    bot.vices = set(vices)
    return Drill(f"{bot.base}/", interim=INTERIM, apology=APOLOGY, settle_s=0.1)


def test_a_bot_that_falls_back_loses_nothing(bot: Bot):
    verdict = drill(bot).hold(PLAN)

    assert verdict.kept, verdict
    assert (verdict.accepted, verdict.lost, verdict.doubled) == (15, 0, 0)
    assert verdict.by_rung["primary"] > 0
    assert verdict.by_rung["standby"] > 0
    assert verdict.back_s is not None


def test_what_a_bot_loses_and_what_it_says_twice_is_counted(bot: Bot):
    lossy = drill(bot, Vice.LOSES).hold(PLAN)
    talkative = drill(bot, Vice.REPEATS).hold(PLAN)

    assert 0 < lossy.lost < 15
    assert talkative.doubled == 15
    assert not lossy.kept
    assert not talkative.kept


def test_an_apology_is_no_answer_of_a_rung_and_no_loss(bot: Bot):
    verdict = drill(bot, Vice.APOLOGISES).hold(PLAN)

    assert verdict.by_rung["apology"] > 0
    assert verdict.lost == 0


def test_the_primary_is_restored_when_a_drill_is_broken_off(bot: Bot):
    bot.vices = set()

    def sleep(seconds: float) -> None:
        outage = httpx.get(f"{bot.base}/fastgpt/_control/outage").json()["outage"]
        if outage:
            raise KeyboardInterrupt
        time.sleep(seconds)

    held = Drill(f"{bot.base}/", interim=INTERIM, apology=APOLOGY, sleep=sleep, settle_s=0.1)
    with pytest.raises(KeyboardInterrupt):
        held.hold(PLAN)

    assert httpx.get(f"{bot.base}/fastgpt/_control/outage").json() == {"outage": None}


def test_vendors_that_are_not_simulated_are_said():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{probe.getsockname()[1]}/"

        with pytest.raises(DrillError, match="needs a local run with simulated vendors"):
            Drill(nowhere, interim=INTERIM, apology=APOLOGY).hold(PLAN)
