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

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """Ask the control API."""
        answer = self._http.get(f"/_control/{path}", params=query)
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

    def card(self, member: str, about: str, *, seen: int = 0) -> dict[str, Any]:
        """Return the newest card before ``member`` that names ``about``, after ``seen`` entries, once it is there."""

        def newest() -> dict[str, Any] | None:
            cards = [each for each in self.entries(member)[seen:] if each["msgtype"] == "template_card"]
            return next((each for each in reversed(cards) if about in json.dumps(each, ensure_ascii=False)), None)

        found: dict[str, Any] = wait_for(f"{member} has a card about {about}", newest)
        return found

    def press(self, member: str, card: dict[str, Any], key: str) -> dict[str, Any]:
        """Let ``member`` press a button of a card."""
        return self.post(f"members/{member}/press", {"msgid": card["msgid"], "key": key})


class Kf:
    """The simulated 微信客服 of the stack: what its customers and servicers do, through the control API."""

    def __init__(self, wecom: Wecom) -> None:
        """Use the control API of ``wecom``."""
        self._wecom = wecom

    def says(self, customer: str, content: str, **options: Any) -> dict[str, Any]:
        """Let ``customer`` write a text; return how its notification was delivered."""
        return self._wecom.post(f"kf/customers/{customer}/messages", {"content": content, **options})

    def on_duty(self, *servicers: str) -> None:
        """Let these servicers receive customers, and no others."""
        for servicer in ("zhou.min", "he.yun"):
            self._wecom.post(f"kf/servicers/{servicer}", {"status": int(servicer not in servicers)})

    def servicer_takes(self, customer: str, servicer: str) -> None:
        """Let a servicer take a customer from the machine."""
        self._wecom.post("kf/sessions/take", {"external_userid": customer, "servicer_userid": servicer})

    def servicer_says(self, customer: str, content: str) -> None:
        """Let the servicer in charge write to the customer."""
        self._wecom.post("kf/sessions/say", {"external_userid": customer, "content": content})

    def servicer_ends(self, customer: str) -> None:
        """Let the servicer in charge end the session."""
        self._wecom.post("kf/sessions/end", {"external_userid": customer})

    def entries(self, customer: str) -> list[dict[str, Any]]:
        """Return everything in the customer's chat, in order."""
        entries: list[dict[str, Any]] = self._wecom.get(f"kf/customers/{customer}/timeline", after=0)["entries"]
        return entries

    def read(self, customer: str) -> list[str]:
        """Return what the machine said to ``customer``, in order."""
        return [each["content"] for each in self.entries(customer) if each["by"] in {"machine", "event_message"}]

    def answers(self, customer: str, count: int, *, seconds: float = 60) -> list[str]:
        """Return what the machine said as soon as it is ``count`` messages."""

        def enough() -> list[str] | None:
            read = self.read(customer)
            return read if len(read) >= count else None

        texts: list[str] = wait_for(f"{customer} reads {count} message(s)", enough, seconds=seconds)
        return texts

    def menus(self, customer: str) -> list[list[dict[str, str]]]:
        """Return the items of each menu that the customer was shown."""
        shown = [each["body"]["list"] for each in self.entries(customer) if each["msgtype"] == "msgmenu"]
        return [[item["click"] for item in items] for items in shown]

    def wait_for_state(self, customer: str, state: int) -> dict[str, Any]:
        """Return WeCom's state of the customer's session as soon as it is ``state``."""

        def there() -> dict[str, Any] | None:
            seen = self._wecom.get("kf/sessions/state", external_userid=customer)
            return seen if seen["service_state"] == state else None

        found: dict[str, Any] = wait_for(f"{customer} is in state {state}", there)
        return found


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
