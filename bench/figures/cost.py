"""What 1,000 conversations cost at list prices, for three loads, beside a container that is there for 24 hours.

What one conversation uses is measured: the built callback, responder and archiver run under the Lambda runtime, and
what stands between them and the AWS emulator counts calls and capacity units. How long the model takes is not ours to
measure: `MODEL_S` is assumed, and paid for, because the responder waits. A batch holds one message here, which is the
dearest way; under load up to ten wait side by side and are paid once.

Not in it: NAT or proxy for a fixed address, data sent to the internet, free tiers, people's work, FastGPT itself; the
nightly export and review; a customer of 微信客服 costs one more function and queue.
"""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import requests

from bench.aws_stub import AwsStub
from bench.messages import KEYRING, WORDS, CallbackMaker, gateway_event, question_event
from bench.meter import Meter
from bench.rie import Function
from bench.sampling import MeasurementError, median
from bench.table import Row
from ops.costs import (
    DAYS_A_MONTH,
    SHAPES,
    Bill,
    Measured,
    Prices,
    added,
    beside_functions,
    container_month,
    fixed_month,
    times,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bench.lab import Lab
    from bench.rie import LambdaRuntime

MODEL_S = 3.0
REGION = "us-east-1"
_CONVERSATIONS = 10
_QUESTIONS = 4
_WARM_UPS = 3
_CALLBACKS = 30
_EMPTY_SWEEPS = 5
_IDLE_S = 1
_LIMIT_S = 30
_GB = 1024**3
# AWS Lambda developer guide, "Configure Lambda function memory": with so many MB a function has one whole core.
_MB_OF_A_CORE = 1769
_ANSWER = "您的订单 8812 已经在昨天下午发出，预计明天送到。快递单号已用短信发给您；如果后天还没有收到，请再告诉我们。"
# How long things stay; audit and archive as the template has it by default.
_LEDGER_DAYS, _AUDIT_DAYS, _ARCHIVE_DAYS = 15, 180, 1095


@dataclass(frozen=True, slots=True)
class _Run:
    """One invoke: its time and its processor time in seconds, its log in bytes, and what it used of AWS."""

    took_s: float
    processor_s: float
    log_bytes: float
    used: Mapping[str, float]

    def lambda_s(self, memory_mb: int) -> float:
        """Return how long it lasts in the cloud, where ``memory_mb`` buy a share of a core; waiting stays the same."""
        share = min(1.0, memory_mb / _MB_OF_A_CORE)
        return max(0.0, self.took_s - self.processor_s) + self.processor_s / share


def measure(lab: Lab) -> list[Row]:
    """Return what a question uses, and for each load what 1,000 conversations cost."""
    callback = _callback(lab)
    with ExitStack() as exits:
        questions, archived, empty = _conversations(lab, exits)
    memory = {
        name: lab.template["Resources"][f"{name}Function"]["Properties"]["MemorySize"]
        for name in ("Callback", "Responder", "Archiver")
    }
    question = added(
        callback.used,
        questions.used,
        {
            "http_api_requests": 1,
            # Taken from the queue and deleted by Lambda, which nothing here stands between.
            "sqs_fifo_requests": 2,
            "lambda_requests": 2,
            "lambda_arm64_gb_s": callback.lambda_s(memory["Callback"]) * memory["Callback"] / 1024
            + (questions.lambda_s(memory["Responder"]) + MODEL_S) * memory["Responder"] / 1024,
            "logs_gb": (callback.log_bytes + questions.log_bytes) / _GB,
        },
    )
    session = added(
        archived.used,
        {
            "s3_puts": 1,
            "lambda_arm64_gb_s": archived.lambda_s(memory["Archiver"]) * memory["Archiver"] / 1024,
            "logs_gb": archived.log_bytes / _GB,
        },
        _kept(lab),
    )
    measured = Measured(question, session, processor_s=callback.processor_s + questions.processor_s)
    sweep_s = empty.lambda_s(memory["Archiver"])
    return [*_uses(measured), *_loads(lab, measured, sweep_s, empty)]


def _callback(lab: Lab) -> _Run:
    """Return what the callback of one message uses."""
    given = lab.vendors.settings
    secrets = {
        "wecom": {name: given[name] for name in ("WECOM_SECRET", "WECOM_TOKEN", "WECOM_ENCODING_AES_KEY")},
        "identity": {"CONVERSATION_KEY": "0123456789abcdef0123456789abcdef"},
        "keyring": {"SM4_KEYRING": KEYRING},
    }
    maker = CallbackMaker(lab.vendors)
    with AwsStub(secrets) as aws:
        values = {
            "WecomSecret": "wecom",
            "IdentitySecret": "identity",
            "KeyringSecret": "keyring",
            "CustomerKeys": "customer-keys",
            "Inbox": f"{aws.url}/000000000000/inbox.fifo",
            "Pulls": f"{aws.url}/000000000000/pulls.fifo",
        }
        environ = lab.environment("CallbackFunction", values) | {"AWS_ENDPOINT_URL": aws.url}
        function = Function(lab.built / "CallbackFunction", lab.layers, environ, timeout_s=5)
        runtime = lab.runtime(function, "cost-callback")
        with runtime:
            for _ in range(_WARM_UPS):
                runtime.invoke(gateway_event(maker.text()))
            aws.calls.clear()
            log, before = _size(lab, "cost-callback"), runtime.processor_ms()
            took = [runtime.invoke(gateway_event(maker.text()))[1] for _ in range(_CALLBACKS)]
            return _Run(
                took_s=median(took) / 1000,
                processor_s=(runtime.processor_ms() - before) / 1000 / _CALLBACKS,
                log_bytes=(_size(lab, "cost-callback") - log) / _CALLBACKS,
                used={"sqs_fifo_requests": aws.calls["SendMessage"] / _CALLBACKS},
            )


def _conversations(lab: Lab, exits: ExitStack) -> tuple[_Run, _Run, _Run]:
    """Return what one question, one archived session, and a run of the archiver that finds nothing use."""
    meter = exits.enter_context(Meter(lab.aws.port))
    responder = exits.enter_context(_responder(lab, meter))
    archiver = exits.enter_context(_archiver(lab, meter))
    script = {"text": _ANSWER, "delay_ms": 0, "between_ms": 0}
    requests.post(f"{lab.fastgpt_url}/_control/answers", json=script, timeout=_LIMIT_S).raise_for_status()
    for number in range(_WARM_UPS):
        _talk(lab, responder, f"warm.{number}")
    archiver.invoke({})
    _wait_until_idle(lab)
    archiver.invoke({})

    meter.used()
    log, before = _size(lab, "cost-responder"), responder.processor_ms()
    took = [each for number in range(_CONVERSATIONS) for each in _talk(lab, responder, f"cost.{number}")]
    asked = len(took)
    questions = _Run(
        took_s=median(took) / 1000,
        processor_s=(responder.processor_ms() - before) / 1000 / asked,
        log_bytes=(_size(lab, "cost-responder") - log) / asked,
        used=times(meter.used(), 1 / asked),
    )
    _wait_until_idle(lab)
    log, before = _size(lab, "cost-archiver"), archiver.processor_ms()
    _, took_ms = archiver.invoke({})
    archived = _Run(
        took_s=took_ms / 1000 / _CONVERSATIONS,
        processor_s=(archiver.processor_ms() - before) / 1000 / _CONVERSATIONS,
        log_bytes=(_size(lab, "cost-archiver") - log) / _CONVERSATIONS,
        used=times(meter.used(), 1 / _CONVERSATIONS),
    )
    before = archiver.processor_ms()
    empties = [archiver.invoke({})[1] for _ in range(_EMPTY_SWEEPS)]
    empty = _Run(
        took_s=median(empties) / 1000,
        processor_s=(archiver.processor_ms() - before) / 1000 / _EMPTY_SWEEPS,
        log_bytes=0,
        used=times(meter.used(), 1 / _EMPTY_SWEEPS),
    )
    return questions, archived, empty


def _responder(lab: Lab, meter: Meter) -> LambdaRuntime:
    vault, given = lab.aws.client("secretsmanager"), lab.vendors.settings
    secrets = {
        "WecomSecret": {"WECOM_SECRET": given["WECOM_SECRET"]},
        "FastgptSecret": {"FASTGPT_API_KEY": given["FASTGPT_API_KEY"]},
        "KeyringSecret": {"SM4_KEYRING": KEYRING},
    }
    arns = {
        name: vault.create_secret(Name=f"cost-{name}", SecretString=json.dumps(values))["ARN"]
        for name, values in secrets.items()
    }
    environ = lab.environment("ResponderFunction", {**lab.resources, **arns}) | {
        "AWS_ENDPOINT_URL": meter.url,
        "WECOM_API_BASE": lab.wecom_url,
        "FASTGPT_BASE_URL": f"{lab.fastgpt_url}/api",
    }
    return lab.runtime(Function(lab.built / "ResponderFunction", lab.layers, environ), "cost-responder")


def _archiver(lab: Lab, meter: Meter) -> LambdaRuntime:
    environ = lab.environment("ArchiverFunction", lab.resources) | {
        "AWS_ENDPOINT_URL": lab.aws.endpoint_url,
        "AWS_ENDPOINT_URL_DYNAMODB": meter.url,
        "SESSION_IDLE_SECONDS": str(_IDLE_S),
    }
    return lab.runtime(Function(lab.built / "ArchiverFunction", lab.layers, environ), "cost-archiver")


def _talk(lab: Lab, responder: LambdaRuntime, member: str) -> list[float]:
    """Have one customer ask all questions of a conversation; return the milliseconds of each invoke."""
    requests.post(f"{lab.wecom_url}/_control/members", json={"userid": member}, timeout=_LIMIT_S).raise_for_status()
    conversation, took = uuid4().hex, []
    for number in range(_QUESTIONS):
        event = question_event(member, f"{WORDS}（{number}）", conversation)
        answer, took_ms = responder.invoke(event)
        if answer != {"batchItemFailures": []}:
            raise MeasurementError("a question was not answered: what it used would mean nothing")
        took.append(took_ms)
    return took


def _wait_until_idle(lab: Lab) -> None:
    """Wait until every session has been quiet for long enough to be archived."""
    last = max(int(each["last_activity_at"]["N"]) for each in _items(lab, "Sessions"))
    while time.time() <= last + _IDLE_S + 1:
        time.sleep(0.1)


def _items(lab: Lab, table: str) -> list[dict[str, Any]]:
    pages = lab.aws.client("dynamodb").get_paginator("scan").paginate(TableName=lab.resources[table])
    return [dict(item) for page in pages for item in page["Items"]]


def _kept(lab: Lab) -> dict[str, float]:
    """Return the months that what a conversation leaves behind lies there, per conversation."""
    conversations = len(_items(lab, "Sessions"))
    bytes_of = {name: sum(map(_bytes, _items(lab, name))) / conversations for name in ("Ledger", "Audit")}
    objects = lab.aws.client("s3").list_objects_v2(Bucket=lab.resources["ArchiveBucket"]).get("Contents", [])
    if len(objects) < _CONVERSATIONS:
        raise MeasurementError("sessions were not archived: what they use would mean nothing")
    tables = (bytes_of["Ledger"] * _LEDGER_DAYS + bytes_of["Audit"] * _AUDIT_DAYS) / DAYS_A_MONTH / _GB
    return {
        "dynamodb_gb_months": tables,
        "dynamodb_backup_gb_months": tables,
        "s3_gb_months": sum(each["Size"] for each in objects) / len(objects) * _ARCHIVE_DAYS / DAYS_A_MONTH / _GB,
    }


def _bytes(item: Mapping[str, Any]) -> int:
    """Return about how many bytes an item takes: names and values (DynamoDB developer guide, "Item sizes")."""
    return sum(
        len(name) + len(json.dumps(value, ensure_ascii=False, default=str).encode()) - 8 for name, value in item.items()
    )


def _size(lab: Lab, log: str) -> int:
    path: Path = lab.folder / "logs" / f"{log}.log"
    return path.stat().st_size


def _uses(measured: Measured) -> list[Row]:
    note = (
        "per question of a conversation of four: callback and responder, one message a batch; "
        f"the model is taken to need {MODEL_S:g} s, for which Lambda is paid"
    )
    rows = {
        "read units of DynamoDB": ("dynamodb_read_units", 1.0, "units"),
        "write units of DynamoDB": ("dynamodb_write_units", 1.0, "units"),
        "requests of SQS": ("sqs_fifo_requests", 1.0, "calls"),
        "Lambda": ("lambda_arm64_gb_s", 1.0, "GB-s"),
        "logs": ("logs_gb", _GB / 1000, "kB"),
    }
    made = [
        Row(f"a question: {name}", measured.question[unit] * factor, what, note=note)
        for name, (unit, factor, what) in rows.items()
    ]
    return [*made, Row("a question: processor time", measured.processor_s * 1000, "ms", note=note)]


def _loads(lab: Lab, measured: Measured, sweep_s: float, empty: _Run) -> list[Row]:
    prices = Prices.read(REGION)
    by_the_minute = times(empty.used, DAYS_A_MONTH * 24 * 60)
    fixed = added(fixed_month(lab.template, sweep_s=sweep_s), by_the_minute)
    note = (
        f"list prices of {REGION} as of {prices.as_of}, arm64, before free tiers: check before relying; "
        "baseline: two tasks of Fargate at least and a load balancer in the place of functions, queues and API, "
        "the same tables, archive, logs and alarms; neither has what sends from a fixed address"
    )
    rows = [Row("a month whatever comes", Bill.of(fixed, prices).total, prices.currency, note=note)]
    for shape in SHAPES:
        load = measured.month(shape)
        ours = Bill.of(added(load, fixed), prices)
        container = Bill.of(
            added(container_month(shape, measured.processor_s), beside_functions(added(load, fixed))), prices
        )
        if ours.missing or container.missing:
            raise MeasurementError(f"no price of {', '.join({*ours.missing, *container.missing})}")
        thousands = shape.conversations_a_day * DAYS_A_MONTH / 1000
        rows.append(
            Row(
                f"1,000 conversations: {shape.name}",
                ours.total / thousands,
                prices.currency,
                baseline=container.total / thousands,
                note=note,
            )
        )
        rows.append(Row("  of it by use alone", Bill.of(load, prices).total / thousands, prices.currency, note=note))
    return rows
