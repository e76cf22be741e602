"""A responder at work: its execution environment, the emulator's tables, and the simulated vendors it talks to."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

import requests

from bench.messages import KEYRING, batch_event
from bench.relay import Relay, aws_operation, wecom_call
from bench.rie import Function
from bench.sampling import MeasurementError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from bench.lab import Lab
    from bench.relay import Call
    from bench.rie import LambdaRuntime

_LIMIT_S = 30


class Desk:
    """The built responder under the Lambda runtime, twice: talking to AWS emulator and WeCom directly, and recorded.

    Use it as a context manager. The recorded one is only there to tell what the shares of these two are.
    """

    def __init__(self, lab: Lab, name: str, **settings: str) -> None:
        """``name`` tells its logs from those of other desks; ``settings`` go over those of the template."""
        self._lab = lab
        self._settings = settings
        self._name = name
        self._exits = ExitStack()
        self._customers = 0
        self._plain: LambdaRuntime
        self._recorded: LambdaRuntime
        self._aws = Relay(lab.aws.port, named=aws_operation)
        self._wecom = Relay(lab.wecom_port, named=wecom_call)

    def __enter__(self) -> Self:
        """Start both."""
        lab = self._lab
        vault = lab.aws.client("secretsmanager")
        given = lab.vendors.settings
        secrets = {
            "WecomSecret": {"WECOM_SECRET": given["WECOM_SECRET"]},
            "FastgptSecret": {"FASTGPT_API_KEY": given["FASTGPT_API_KEY"]},
            "KeyringSecret": {"SM4_KEYRING": KEYRING},
        }
        arns = {
            name: vault.create_secret(Name=f"{self._name}-{name}", SecretString=json.dumps(values))["ARN"]
            for name, values in secrets.items()
        }
        environ = lab.environment("ResponderFunction", {**lab.resources, **arns}) | {
            "WECOM_API_BASE": lab.wecom_url,
            "FASTGPT_BASE_URL": f"{lab.fastgpt_url}/api",
            **self._settings,
        }
        for relay in (self._aws, self._wecom):
            self._exits.enter_context(relay)
        relayed = {"AWS_ENDPOINT_URL": self._aws.url, "WECOM_API_BASE": self._wecom.url}
        self._plain = self._start(environ | {"AWS_ENDPOINT_URL": lab.aws.endpoint_url}, "direct")
        self._recorded = self._start(environ | relayed, "recorded")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End both."""
        self._exits.close()

    def _start(self, environ: dict[str, str], name: str) -> LambdaRuntime:
        function = Function(folder=self._lab.built / "ResponderFunction", layers=self._lab.layers, environ=environ)
        return self._exits.enter_context(self._lab.runtime(function, f"{self._name}-{name}"))

    def let_model_say(self, text: str, *, delay_ms: int) -> None:
        """Let every question be answered with ``text``, whose first words take ``delay_ms``."""
        script = {"text": text, "delay_ms": delay_ms, "between_ms": 0}
        requests.delete(f"{self._lab.fastgpt_url}/_control/answers", timeout=_LIMIT_S).raise_for_status()
        requests.post(f"{self._lab.fastgpt_url}/_control/answers", json=script, timeout=_LIMIT_S).raise_for_status()

    def answer_ms(self, conversations: int, words: str) -> float:
        """Return how long one invoke takes that answers as many conversations, one message each."""
        return self._invoke(self._plain, conversations, words)

    def recorded(self, conversations: int, words: str) -> list[Call]:
        """Return the calls to the AWS emulator that one such invoke makes."""
        self._aws.take()
        self._invoke(self._recorded, conversations, words)
        return self._aws.take()

    def take(self, event: Mapping[str, Any]) -> float:
        """Return how long it takes to handle ``event``, all of it."""
        return self._taken(self._plain, event)

    def take_recorded(self, event: Mapping[str, Any]) -> tuple[list[Call], list[Call]]:
        """Return the calls to the AWS emulator and to WeCom that handling ``event`` makes."""
        self._aws.take()
        self._wecom.take()
        self._taken(self._recorded, event)
        return self._aws.take(), self._wecom.take()

    def new_member(self) -> str:
        """Return a member whom WeCom knows and who has not written before: nobody runs into a limit of sends."""
        self._customers += 1
        sender = f"{self._name}.{self._customers}"
        self.control("members", userid=sender)
        return sender

    def control(self, path: str, **document: Any) -> None:
        """Script the simulated WeCom."""
        url = f"{self._lab.wecom_url}/_control/{path}"
        requests.post(url, json=document, timeout=_LIMIT_S).raise_for_status()

    def _invoke(self, runtime: LambdaRuntime, conversations: int, words: str) -> float:
        senders = [self.new_member() for _ in range(conversations)]
        took_ms = self._taken(runtime, batch_event(senders, words))
        self._require_answers(senders)
        return took_ms

    def _taken(self, runtime: LambdaRuntime, event: Mapping[str, Any]) -> float:
        answer, took_ms = runtime.invoke(event)
        if answer != {"batchItemFailures": []}:
            raise MeasurementError("a message was not answered: the time would mean nothing")
        return took_ms

    def _require_answers(self, senders: Iterable[str]) -> None:
        for sender in senders:
            timeline = requests.get(f"{self._lab.wecom_url}/_control/members/{sender}/timeline", timeout=_LIMIT_S)
            if not any(entry["visible"] for entry in timeline.json()["entries"]):
                raise MeasurementError("a customer saw no answer: the time would mean nothing")
