"""Wherever the responder dies, the customer reads one answer: no more, no less."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from frontdesk.messages import Inbound, Kind
from frontdesk.storage.inbox import encode
from tests.e2e.crash_worker import DIED
from tests.e2e.driver import ROOT, sessions_of

if TYPE_CHECKING:
    import httpx

    from ops.desk import Desk
    from ops.local.stack import LocalStack
    from tests.e2e.driver import Wecom

LONG_QUESTION = "详细介绍一下你们的服务"
SEGMENTS = 3


def an_event(desk: Desk, customer: str, message_id: str) -> str:
    """Return the event that hands one question of ``customer`` to the responder."""
    inbound = Inbound(
        channel="wecom_app",
        conversation=uuid4().hex,
        message_id=message_id,
        sender=customer,
        kind=Kind.TEXT,
        sent_at=int(time.time()),
        received_at_ms=int(time.time() * 1000),
        text=LONG_QUESTION,
    )
    record = {
        "messageId": message_id,
        "receiptHandle": "unknown",
        "body": encode(inbound, desk.keyring),
        "attributes": {"ApproximateReceiveCount": "1", "MessageGroupId": inbound.conversation},
    }
    return json.dumps({"Records": [record]})


def respond(stack: LocalStack, desk: Desk, step: str, event: str) -> subprocess.CompletedProcess[str]:
    """Run a responder process that dies at ``step``."""
    function = desk.client("lambda").get_function_configuration(FunctionName=stack.resources["ResponderFunction"])
    environment = {
        **stack.aws.client_environ(),
        **function["Environment"]["Variables"],
        "INTERIM_AFTER_SECONDS": "0",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "layers/frontdesk"), str(ROOT)]),
    }
    worker = Path(__file__).with_name("crash_worker.py")
    return subprocess.run(
        [sys.executable, str(worker), step, event],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "step",
    [
        "before ask",
        "after ask",
        "after record",
        *(f"after deliver:{number}" for number in range(1, SEGMENTS + 1)),
        *(f"after mark:{number}" for number in range(1, SEGMENTS + 1)),
        "before save",
        "after save",
    ],
)
def test_a_responder_that_dies_at_any_step_leaves_one_answer(
    step: str, stack: LocalStack, desk: Desk, wecom: Wecom, fastgpt: httpx.Client
):
    paragraphs = [f"{number}. " + "这一段说明我们的服务。" * 60 for number in range(1, SEGMENTS + 1)]
    chunks = [paragraph + "\n\n" for paragraph in paragraphs]
    fastgpt.post("/answers", json={"match": LONG_QUESTION, "chunks": chunks}).raise_for_status()
    customer = "crash-" + step.replace(" ", "-").replace(":", "-")
    wecom.post("members", {"userid": customer})
    event = an_event(desk, customer, str(uuid4().int)[:18])

    died = respond(stack, desk, step, event)
    finished = respond(stack, desk, "never", event)

    assert died.returncode == DIED, died.stderr
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout.splitlines()[-1]) == {"batchItemFailures": []}
    read = wecom.read(customer)
    assert len(read) == SEGMENTS
    assert ["".join(text.split())[:2] for text in read] == ["1.", "2.", "3."]
    assert [turn.question for session in sessions_of(desk, customer) for turn in session.turns] == [LONG_QUESTION]
