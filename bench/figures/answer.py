"""What the responder adds to the model's own time, for one question an invoke.

The model's own time is that of the same question asked by plain HTTP, its stream read to the end. In turns with both,
the same work goes through a recorder, which tells how much of the rest the AWS emulator took.
"""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import uuid4

from bench.desk import Desk
from bench.messages import WORDS
from bench.sampling import MeasurementError, in_turns, median, milliseconds
from bench.table import Goal, Row

if TYPE_CHECKING:
    from bench.lab import Lab
    from bench.relay import Call

_ROUNDS = 30
_WARM_UPS = 5  # the first fetches WeCom's access token and opens all connections
_ANSWER = "您的订单 8812 已经在昨天下午发出，预计明天送到。快递单号已用短信发给您；如果后天还没有收到，请再告诉我们。"
_LIMIT_S = 30
_GOAL = Goal(60)


def measure(lab: Lab) -> list[Row]:
    """Return the whole, what is beyond the model, and the emulator's share of that."""
    with Desk(lab, "answer") as desk, closing(_connection(lab)) as model:
        desk.let_model_say(_ANSWER, delay_ms=0)
        recorded: list[list[Call]] = []

        def emulator_ms() -> float:
            recorded.append(desk.recorded(1, WORDS))
            return sum(call.took_ms for call in recorded[-1])

        samples = in_turns(
            {
                "ours": lambda: desk.answer_ms(1, WORDS),
                "model": lambda: milliseconds(lambda: _ask(model, lab)),
                "emulator": emulator_ms,
            },
            rounds=_ROUNDS,
            warm_ups=_WARM_UPS,
        )
    beyond = tuple(ours - model for ours, model in zip(samples["ours"], samples["model"], strict=True))
    calls = [call.operation for call in recorded[-1]]
    store = (
        f"the AWS emulator's own time for the {len(calls)} calls of one question ({', '.join(calls)}); "
        "baseline: all that is beyond the model"
    )
    model_alone = "baseline: the same question by plain HTTP, its stream read to the end"
    without = tuple(all_of - share for all_of, share in zip(beyond, samples["emulator"], strict=True))
    return [
        Row(
            figure="responder: one question, from invoke to answer",
            ours=median(samples["ours"]),
            baseline=median(samples["model"]),
            unit="ms",
            note=model_alone,
            ours_samples=samples["ours"],
            baseline_samples=samples["model"],
        ),
        Row(
            figure="  beyond the model's own time",
            ours=median(beyond),
            baseline=median(samples["model"]),
            unit="ms",
            goals=(_GOAL,),
            note=model_alone,
            ours_samples=beyond,
            baseline_samples=samples["model"],
        ),
        Row(
            figure=f"    of it the AWS emulator, {len(calls)} calls",
            ours=median(samples["emulator"]),
            baseline=median(beyond),
            unit="ms",
            note=store,
            ours_samples=samples["emulator"],
            baseline_samples=beyond,
        ),
        Row(
            figure="    of it the responder itself and WeCom",
            ours=median(without),
            baseline=median(beyond),
            unit="ms",
            note=store,
            ours_samples=without,
            baseline_samples=beyond,
        ),
    ]


def _connection(lab: Lab) -> http.client.HTTPConnection:
    url = urlsplit(lab.fastgpt_url)
    return http.client.HTTPConnection(str(url.hostname), url.port, timeout=_LIMIT_S)


def _ask(model: http.client.HTTPConnection, lab: Lab) -> None:
    """Ask the model in a talk of its own, as the responder does, and read all it says."""
    given = lab.vendors.settings
    question = {
        "appId": given["FASTGPT_APP_ID"],
        "chatId": uuid4().hex,
        "customUid": uuid4().hex,
        "responseChatItemId": uuid4().hex,
        "stream": True,
        "detail": True,
        "messages": [{"role": "user", "content": WORDS}],
    }
    headers = {"Authorization": f"Bearer {given['FASTGPT_API_KEY']}", "Content-Type": "application/json"}
    model.request("POST", "/api/v1/chat/completions", json.dumps(question), headers)
    response = model.getresponse()
    if _ANSWER[:2].encode() not in response.read() or response.status != 200:
        raise MeasurementError("the model gave another answer: the comparison would mean nothing")
