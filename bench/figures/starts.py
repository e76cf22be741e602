"""The first invoke of every function that a queue, a table, a topic or the clock calls: its cold start.

From the start of the process to the answer, from the built artefacts, under the real Lambda runtime, with nothing to
do: an empty batch, or an empty table. What is measured is the interpreter, the imports, the secrets that are read and
the clients that are made. The baseline makes bare boto3 clients of the same AWS services, in the same layers, and
answers.

The functions, the services that their roles let them call, and their environment are read from the template.
"""

from __future__ import annotations

import compileall
import json
from dataclasses import dataclass
from functools import partial
from py_compile import PycInvalidationMode
from typing import TYPE_CHECKING, Any

from bench.lab import table_properties
from bench.messages import KEYRING
from bench.rie import Function
from bench.sampling import in_turns, median
from bench.table import Row

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bench.lab import Lab

_ROUNDS = 5
_NOTE = (
    "from process start to the answer, nothing to do, a whole processor; baseline: bare boto3 clients of the same AWS "
    "services, in the same layers"
)
_IMPORTED = "import boto3"
_ANSWERING = "def lambda_handler(event, context): return {}"


@dataclass(frozen=True, slots=True)
class _Start:
    total_ms: float
    init_ms: float


def measure(lab: Lab) -> list[Row]:
    """Return each function's first invoke, and how much of it is initialisation."""
    known = _known(lab)
    rows = []
    for name, resource in lab.template["Resources"].items():
        # The callback, which has a figure of its own, and what an operator calls have no source of events.
        if resource["Type"] == "AWS::Serverless::Function" and "Events" in resource["Properties"]:
            rows += _first_invokes(lab, name, resource["Properties"], known)
    return rows


def _first_invokes(lab: Lab, name: str, properties: Mapping[str, Any], known: Mapping[str, str]) -> list[Row]:
    environ = lab.environment(name, known) | {"AWS_ENDPOINT_URL": lab.aws.endpoint_url}
    services = _services(lab, name)
    functions = {
        "ours": Function(lab.built / name, lab.layers, environ, handler=properties["Handler"]),
        "boto3": Function(_bare(lab.folder / "functions" / f"boto3-{name}", services), lab.layers, environ),
    }
    starts: dict[str, list[_Start]] = {side: [] for side in functions}
    event: dict[str, Any] = {"Records": []} if _is_fed_by_records(properties) else {}

    def first_invoke(side: str) -> float:
        with lab.runtime(functions[side], f"starts-{name}-{side}") as runtime:
            _, total_ms = runtime.invoke(event)
            starts[side].append(_Start(total_ms, runtime.init_ms()))
            return total_ms

    in_turns({side: partial(first_invoke, side) for side in functions}, rounds=_ROUNDS)
    counted = {side: each[-_ROUNDS:] for side, each in starts.items()}
    title = name.removesuffix("Function")
    return [
        _row(f"{title}: first invoke", [(side, [each.total_ms for each in found]) for side, found in counted.items()]),
        _row("  of it initialisation", [(side, [each.init_ms for each in found]) for side, found in counted.items()]),
    ]


def _row(figure: str, taken: list[tuple[str, list[float]]]) -> Row:
    (_, ours), (_, theirs) = taken
    return Row(
        figure=figure,
        ours=median(ours),
        baseline=median(theirs),
        unit="ms",
        note=_NOTE,
        ours_samples=tuple(ours),
        baseline_samples=tuple(theirs),
    )


def _is_fed_by_records(properties: Mapping[str, Any]) -> bool:
    return any(event["Type"] in {"SQS", "SNS", "DynamoDB"} for event in properties["Events"].values())


def _services(lab: Lab, function: str) -> list[str]:
    """Return the AWS services that the function's role lets it call, but for its logs."""
    role = lab.template["Resources"][function]["Properties"]["Role"]["Fn::GetAtt"][0]
    statements = [
        statement
        for policy in lab.template["Resources"][role]["Properties"]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]
    actions = [
        action
        for statement in statements
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    ]
    return sorted({action.partition(":")[0] for action in actions} - {"logs"})


def _bare(folder: Path, services: list[str]) -> Path:
    """Return ``folder`` with a handler that makes the clients, and its bytecode, as the build leaves a function."""
    folder.mkdir(parents=True)
    lines = [_IMPORTED, *(f"boto3.client({service!r})" for service in services), _ANSWERING, ""]
    (folder / "handler.py").write_text("\n".join(lines), encoding="utf-8")
    compileall.compile_dir(folder, quiet=1, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
    return folder


def _known(lab: Lab) -> dict[str, str]:
    """Return every table, queue, bucket and secret that a function may ask for, by logical id, made where missing."""
    known = dict(lab.resources)
    vault = lab.aws.client("secretsmanager")
    values = dict(lab.vendors.settings) | {
        "CONVERSATION_KEY": "0123456789abcdef0123456789abcdef",
        "SM4_KEYRING": KEYRING,
        "SM2_PRIVATE_KEY": "128b2fa8bd433c6c068c8d803dff79792a519a55171b1b650c23661d15897263",
        "TICKET_WEBHOOK_SECRET": "0123456789abcdef0123456789abcdef",
    }
    for name, resource in lab.template["Resources"].items():
        if name in known:
            continue
        if resource["Type"] == "AWS::SecretsManager::Secret":
            known[name] = vault.create_secret(Name=f"starts-{name}", SecretString=json.dumps(values))["ARN"]
        elif resource["Type"] == "AWS::DynamoDB::Table":
            lab.aws.client("dynamodb").create_table(TableName=name, **table_properties(resource["Properties"]))
            known[name] = name
        elif resource["Type"] == "AWS::S3::Bucket":
            known[name] = f"starts-{name.lower()}"
            lab.aws.client("s3").create_bucket(Bucket=known[name])
        elif resource["Type"] == "AWS::SQS::Queue":
            known[name] = f"{lab.aws.endpoint_url}/000000000000/{name.lower()}.fifo"
    return known
