"""How a test drives the deployed stack: customers at the simulated WeCom, waiting, reading the logs, opening seals."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from frontdesk.storage.items import to_session
from ops.desk import Desk, on_this_machine

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontdesk.records import Session
    from ops.local.stack import LocalStack

ROOT = Path(__file__).resolve().parents[2]
IDLE_S = 20


class Aws:
    """The clients of the local AWS, each made once and closed at the end."""

    def __init__(self, stack: LocalStack) -> None:
        """Talk to the AWS of ``stack``."""
        self._stack = stack
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """Return the boto3 client of ``service``."""
        if service not in self._clients:
            self._clients[service] = self._stack.client(service)
        return self._clients[service]

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            client.close()


class Wecom:
    """The simulated WeCom of the stack, through its control API."""

    def __init__(self, base: str) -> None:
        """Talk to the simulator mounted at ``base``."""
        self._http = httpx.Client(base_url=base, timeout=40)

    def says(self, customer: str, content: str, **options: Any) -> dict[str, Any]:
        """Let ``customer`` write a text; return how it was delivered."""
        return self.sends(customer, {"msgtype": "text", "content": content, **options})

    def sends(self, customer: str, message: dict[str, Any]) -> dict[str, Any]:
        """Let ``customer`` send any message; return how it was delivered."""
        return self.post(f"members/{customer}/messages", message)

    def post(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call the control API."""
        answer = self._http.post(f"/_control/{path}", json=body or {})
        assert answer.is_success, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def clear_faults(self) -> None:
        """Forget every scripted fault."""
        self._http.delete("/_control/faults")

    def entries(self, customer: str) -> list[dict[str, Any]]:
        """Return everything that went either way, in order."""
        answer = self._http.get(f"/_control/members/{customer}/timeline", params={"after": 0})
        entries: list[dict[str, Any]] = answer.json()["entries"]
        return entries

    def read(self, customer: str) -> list[str]:
        """Return what ``customer`` can read of the company's messages, in order."""
        return [
            entry["content"]
            for entry in self.entries(customer)
            if entry["direction"] == "outbound" and entry["visible"]
        ]


def open_desk(stack: LocalStack) -> Desk:
    """Return what an operator has who stands before ``stack``."""
    deployment = on_this_machine(stack.options.folder)
    return Desk(deployment, by="e2e", clock=time.time, monotonic=time.monotonic, sleep=time.sleep)


def sessions_of(desk: Desk, customer: str) -> list[Session]:
    """Return all sessions whose reply address is ``customer``, opened."""
    pages = desk.dynamodb.get_paginator("scan").paginate(TableName=desk.resource("Sessions"))
    sessions = [to_session(item, desk.seals) for page in pages for item in page["Items"]]
    return [session for session in sessions if session.customer == customer]


def words_in(desk: Desk, document: dict[str, Any]) -> dict[str, Any]:
    """Return what is sealed in an archived document."""
    place = ("session", document["conversation"], document["session_id"])
    words: dict[str, Any] = json.loads(desk.seals.open(document["conversation"], document["sealed"], *place))
    return words


def dead_letters(desk: Desk) -> list[str]:
    """Return the bodies among the inbox's dead letters, without taking one."""
    sqs, queue = desk.client("sqs"), desk.resource("InboxDeadLetters")
    answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=0)
    return [letter["Body"] for letter in answer.get("Messages", [])]


def wait_for(what: str, look: Callable[[], Any], *, seconds: float = 60) -> Any:
    """Return what ``look`` finds as soon as it finds something; fail after ``seconds``."""
    until = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > until:
            pytest.fail(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.2)


def logged(stack: LocalStack, aws: Aws, group: str, **fields: object) -> list[dict[str, Any]]:
    """Return the log lines of the group with logical id ``group`` that have all ``fields``."""
    logs = aws.client("logs")
    lines = []
    for page in logs.get_paginator("filter_log_events").paginate(logGroupName=stack.resources[group]):
        for event in page["events"]:
            if event["message"].startswith("{"):
                line = json.loads(event["message"])
                if all(line.get(name) == value for name, value in fields.items()):
                    lines.append(line)
    return lines
