"""Wherever the responder dies, the customer reads one answer: no more, no less."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from frontdesk.messages import Inbound, Kind
from frontdesk.storage.inbox import encode
from tests.e2e.crash_worker import DIED
from tests.e2e.driver import ROOT

if TYPE_CHECKING:
    import httpx

    from ops.local.stack import LocalStack
    from tests.e2e.driver import Aws, Wecom

LONG_QUESTION = "详细介绍一下你们的服务"
SEGMENTS = 3


def an_event(customer: str, message_id: str) -> str:
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
        "body": encode(inbound),
        "attributes": {"ApproximateReceiveCount": "1", "MessageGroupId": inbound.conversation},
    }
    return json.dumps({"Records": [record]})


def respond(stack: LocalStack, aws: Aws, step: str, event: str) -> subprocess.CompletedProcess[str]:
    """Run a responder process that dies at ``step``."""
    function = aws.client("lambda").get_function_configuration(FunctionName=stack.resources["ResponderFunction"])
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
    step: str, stack: LocalStack, aws: Aws, wecom: Wecom, fastgpt: httpx.Client
):
    paragraphs = [f"{number}. " + "这一段说明我们的服务。" * 60 for number in range(1, SEGMENTS + 1)]
    chunks = [paragraph + "\n\n" for paragraph in paragraphs]
    fastgpt.post("/answers", json={"match": LONG_QUESTION, "chunks": chunks}).raise_for_status()
    customer = "crash-" + step.replace(" ", "-").replace(":", "-")
    wecom.post("members", {"userid": customer})
    event = an_event(customer, str(uuid4().int)[:18])

    died = respond(stack, aws, step, event)
    finished = respond(stack, aws, "never", event)

    assert died.returncode == DIED, died.stderr
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout.splitlines()[-1]) == {"batchItemFailures": []}
    read = wecom.read(customer)
    assert len(read) == SEGMENTS
    assert ["".join(text.split())[:2] for text in read] == ["1.", "2.", "3."]
    assert turns(stack, aws, customer) == [LONG_QUESTION]


def turns(stack: LocalStack, aws: Aws, customer: str) -> list[str]:
    """Return the questions in all sessions of ``customer``."""
    items: list[dict[str, Any]] = aws.client("dynamodb").scan(TableName=stack.resources["Sessions"])["Items"]
    return [
        turn["question"]
        for item in items
        if item["customer"]["S"] == customer
        for turn in json.loads(item["turns"]["S"])
    ]
