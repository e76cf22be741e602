"""The way of a message of 微信客服 into the inbox: the built callback and collector, and the queues at both ends.

Both functions run under the Lambda runtime, twice: talking to the AWS emulator directly, and through a relay that tells
what the emulator's share is. What stands between callback and collector in the cloud, Lambda's own reading of the
queue, is a reading of the emulator's queue here.
"""

from __future__ import annotations

import http.client
import json
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

import requests

from bench.loopback import LoopbackServer, Reply
from bench.messages import KEYRING, Callback, gateway_event
from bench.relay import Relay, aws_operation
from bench.rie import Function
from bench.sampling import MeasurementError, milliseconds
from frontdesk.messages import Pull
from frontdesk.storage.pulls import encode_bare

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from bench.lab import Lab
    from bench.relay import Call
    from bench.rie import LambdaRuntime

_LIMIT_S = 60
_PAGE = 200  # as the collector asks for


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a notification became a message in the inbox, in milliseconds; ``calls`` are those to AWS, if recorded."""

    callback_ms: float
    handed_over_ms: float
    collector_ms: float
    calls: tuple[Call, ...] = ()

    @property
    def total_ms(self) -> float:
        """Everything together."""
        return self.callback_ms + self.handed_over_ms + self.collector_ms


@dataclass(frozen=True, slots=True)
class _Way:
    """One callback and one collector, the queues as these two know them."""

    callback: LambdaRuntime
    collector: LambdaRuntime


class _Gateway(LoopbackServer):
    """Where WeCom's notifications come in: each is given to ``callback``, and its time noted."""

    def __init__(self) -> None:
        super().__init__()
        self.callback: LambdaRuntime | None = None
        self.took_ms: list[float] = []

    def respond(self, path: str, headers: Mapping[str, str], body: bytes) -> Reply:  # noqa: ARG002  # as all have it
        """Return the callback's answer."""
        assert self.callback is not None
        answer, took_ms = self.callback.invoke(gateway_event(Callback(urlsplit(path).query, body)))
        self.took_ms.append(took_ms)
        return Reply(answer["statusCode"], answer["headers"], answer["body"].encode())


class Door:
    """The two functions and the queues. Use it as a context manager."""

    def __init__(self, lab: Lab, name: str) -> None:
        """``name`` tells its queues, secrets and logs from those of other figures."""
        self._lab = lab
        self._name = name
        self._exits = ExitStack()
        self._relay = Relay(lab.aws.port, named=aws_operation)
        self._gateway = _Gateway()
        self._sqs: Any = lab.aws.client("sqs")
        self._customers = 0
        self._ways: dict[bool, _Way] = {}
        self._inbox = self._pulls = ""

    def __enter__(self) -> Self:
        """Make the queues and secrets and start everything."""
        lab, given = self._lab, self._lab.vendors.settings
        vault = lab.aws.client("secretsmanager")
        secrets = {
            "WecomSecret": {key: given[key] for key in ("WECOM_SECRET", "WECOM_TOKEN", "WECOM_ENCODING_AES_KEY")},
            "IdentitySecret": {"CONVERSATION_KEY": "0123456789abcdef0123456789abcdef"},
            "KeyringSecret": {"SM4_KEYRING": KEYRING},
        }
        known = {
            name: vault.create_secret(Name=f"{self._name}-{name}", SecretString=json.dumps(values))["ARN"]
            for name, values in secrets.items()
        }
        self._inbox, self._pulls = (self._queue(name) for name in ("inbox", "pulls"))
        known |= {**lab.resources, **known, "Inbox": self._inbox, "Pulls": self._pulls}
        self._exits.enter_context(self._relay)
        self._exits.enter_context(self._gateway)
        for recorded in (False, True):
            address = self._relay.url if recorded else lab.aws.endpoint_url
            started = {
                name: self._start(f"{name}Function", known, address, f"{self._name}-{name}-{recorded}")
                for name in ("Callback", "Collector")
            }
            self._ways[recorded] = _Way(started["Callback"], started["Collector"])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End everything."""
        self._exits.close()

    # -- a message ---------------------------------------------------------------------------------------------

    def arrival(self, words: str, *, recorded: bool = False) -> Arrival:
        """Let a customer write, WeCom tell of it, and return how it came into the inbox."""
        way = self._ways[recorded]
        self._gateway.callback = way.callback
        self._customers += 1
        self._relay.take()
        self._control("config", callback_url=f"{self._gateway.url}/wecom/callback")
        self._control(f"kf/customers/wm{self._name}{self._customers}/messages", content=words, wait=True)
        told: list[dict[str, Any]] = []
        handed_over_ms = milliseconds(lambda: told.extend(self._receive(self._pulls)))
        collector_ms = self._collect(way.collector, told)
        calls = tuple(self._relay.take())
        for message in told:
            self._sqs.delete_message(QueueUrl=self._pulls, ReceiptHandle=message["ReceiptHandle"])
        arrived = self._receive(self._inbox)
        if len(arrived) != 1:
            raise MeasurementError(f"{len(arrived)} messages are in the inbox: the time would mean nothing")
        self._sqs.delete_message(QueueUrl=self._inbox, ReceiptHandle=arrived[0]["ReceiptHandle"])
        return Arrival(self._gateway.took_ms[-1], handed_over_ms, collector_ms, calls)

    # -- a backlog ---------------------------------------------------------------------------------------------

    def backlog(self, customers: int, messages: int) -> str:
        """Return an account, seen by nobody yet, to which so many customers have just written so many messages."""
        account = f"wk{uuid4().hex[:20]}"
        self._control("kf/accounts", open_kfid=account, name="客服")
        self._control("kf/history", open_kfid=account, customers=customers, messages=messages, prefix="wmB")
        return account

    def drained_ms(self, account: str, messages: int, *, recorded: bool = False) -> tuple[float, tuple[Call, ...]]:
        """Return how long one invoke of the collector takes to put a backlog into the inbox, and its calls to AWS."""
        self._relay.take()
        body = encode_bare(Pull(account=account, noticed_at_ms=int(time.time() * 1000)))
        told = {"MessageId": str(uuid4()), "ReceiptHandle": "unknown", "Body": body}
        took_ms = self._collect(self._ways[recorded].collector, [told])
        calls = tuple(self._relay.take())
        there = self._sqs.get_queue_attributes(QueueUrl=self._inbox, AttributeNames=["ApproximateNumberOfMessages"])
        found = int(there["Attributes"]["ApproximateNumberOfMessages"])
        if found != messages:
            raise MeasurementError(f"{found} of {messages} messages are in the inbox: the rate would mean nothing")
        self._sqs.purge_queue(QueueUrl=self._inbox)
        return took_ms, calls

    # -- WeCom alone -------------------------------------------------------------------------------------------

    def bare_sync(self) -> BareSync:
        """Return what calls sync_msg and does nothing else."""
        return BareSync(self._lab)

    # -- pieces ------------------------------------------------------------------------------------------------

    def _queue(self, name: str) -> str:
        attributes = {"FifoQueue": "true", "DeduplicationScope": "messageGroup", "VisibilityTimeout": "60"}
        attributes["FifoThroughputLimit"] = "perMessageGroupId"
        url: str = self._sqs.create_queue(QueueName=f"{self._name}-{name}.fifo", Attributes=attributes)["QueueUrl"]
        return url

    def _start(self, function: str, known: Mapping[str, str], address: str, log: str) -> LambdaRuntime:
        queues = {name: f"{address}{urlsplit(known[name]).path}" for name in ("Inbox", "Pulls")}
        environ = self._lab.environment(function, {**known, **queues}) | {
            "AWS_ENDPOINT_URL": address,
            "WECOM_API_BASE": self._lab.wecom_url,
        }
        built = Function(folder=self._lab.built / function, layers=self._lab.layers, environ=environ)
        return self._exits.enter_context(self._lab.runtime(built, log))

    def _collect(self, collector: LambdaRuntime, told: list[dict[str, Any]]) -> float:
        records = [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": {"ApproximateReceiveCount": "1"},
            }
            for message in told
        ]
        answer, took_ms = collector.invoke({"Records": records})
        if answer != {"batchItemFailures": []} or not told:
            raise MeasurementError("the account was not fetched: the time would mean nothing")
        return took_ms

    def _receive(self, queue: str) -> list[dict[str, Any]]:
        answer = self._sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=5)
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    def _control(self, path: str, **document: Any) -> None:
        url = f"{self._lab.wecom_url}/_control/{path}"
        requests.post(url, json=document, timeout=_LIMIT_S).raise_for_status()


class BareSync:
    """kf/sync_msg by plain HTTP over one connection, each account from where the last call ended."""

    def __init__(self, lab: Lab) -> None:
        given, url = lab.vendors.settings, urlsplit(lab.wecom_url)
        self._connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=_LIMIT_S)
        asked = urlencode({"corpid": given["WECOM_CORP_ID"], "corpsecret": given["WECOM_SECRET"]})
        self._token = self._call("GET", f"/cgi-bin/gettoken?{asked}", None)["access_token"]
        self._cursors: dict[str, str] = {}

    def page_ms(self, account: str) -> tuple[float, int, bool]:
        """Return how long one page took, how many messages it had, and whether there are more."""
        asked = {"open_kfid": account, "limit": _PAGE, "cursor": self._cursors.get(account, "")}
        self._connection.close()  # the simulator may have closed it meanwhile
        self._connection.connect()
        start = time.perf_counter()
        page = self._call("POST", f"/cgi-bin/kf/sync_msg?access_token={self._token}", json.dumps(asked))
        took_ms = (time.perf_counter() - start) * 1000
        self._cursors[account] = page["next_cursor"]
        return took_ms, len(page["msg_list"]), bool(page["has_more"])

    def all_ms(self, account: str, messages: int) -> float:
        """Return how long it took to get to the end of an account."""
        took_ms, count, more = 0.0, 0, True
        while more:
            page_ms, found, more = self.page_ms(account)
            took_ms += page_ms
            count += found
        if count != messages:
            raise MeasurementError(f"{count} of {messages} messages were fetched: the comparison would mean nothing")
        return took_ms

    def _call(self, method: str, path: str, body: str | None) -> dict[str, Any]:
        self._connection.request(method, path, body)
        answer: dict[str, Any] = json.loads(self._connection.getresponse().read())
        if answer.get("errcode"):
            raise MeasurementError(f"WeCom refused with {answer['errcode']}: the comparison would mean nothing")
        return answer
