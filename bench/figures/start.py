"""The callback's first invoke: from the start of the process to the answer, secrets and clients included.

Both sides are built alike (the same layers, bytecode shipped), run under the real Lambda runtime, and talk to the same
stand-in for AWS. The baseline does far less: a boto3 client of SQS made at import, the body queued unread, no secret,
no check, no log, no metric. WeCom's check of the callback URL waits one second; a third of it is the second goal.

What each group of imports costs is measured in the same turns, by functions that import and do nothing else.
"""

from __future__ import annotations

import compileall
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import TYPE_CHECKING

from bench.aws_stub import AwsStub
from bench.messages import KEYRING, CallbackMaker, gateway_event
from bench.rie import Function
from bench.sampling import MeasurementError, in_turns, median
from bench.table import Goal, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.lab import Lab

_ROUNDS = 9
_BASELINE = Path(__file__).parents[1] / "baseline_callback" / "handler.py"
_RATIO_GOAL = Goal(1.15, of="ratio", inclusive=True)
_THIRD_OF_WECOMS_SECOND = Goal(333, inclusive=True)
# In the callback's own order: each is measured on top of those before it, so the costs add up.
_IMPORTS = {
    "Powertools Logger and Metrics": (
        "from aws_lambda_powertools import Logger, Metrics",
        "from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter",
        "from aws_lambda_powertools.metrics import MetricUnit",
    ),
    "cryptography's ciphers": (
        "from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes",
        "from cryptography.hazmat.primitives.padding import PKCS7",
    ),
    "defusedxml": ("from defusedxml.ElementTree import fromstring",),
    "urllib3": ("import urllib3",),
    "our signer": ("from frontdesk.storage.sigv4 import signed_headers",),
    "botocore's signer, which is not used": (
        "from botocore.auth import SigV4Auth",
        "from botocore.awsrequest import AWSRequest",
    ),
}
_BOTO3 = ("import boto3", "boto3.client('sqs')")
_EMPTY_HANDLER = ("def lambda_handler(event, context):", "    return {}")
_ALIKE = (
    "baseline: a bare boto3 callback (client of SQS, body queued unread; no secret, check, log or metric); "
    "both over plain HTTP, so TLS comes on top of either in the cloud"
)
_SHARES = (
    "processor time of functions that only import, over an empty one, each on top of those above it; "
    "baseline: importing boto3 and making its SQS client, over the same empty function"
)


@dataclass(frozen=True, slots=True)
class _Start:
    """One first invoke: from the start of the process to the answer, initialisation in it, processor time for it."""

    total_ms: float
    init_ms: float
    processor_ms: float


def measure(lab: Lab) -> list[Row]:
    """Return the first invoke, its two parts, and the cost of each group of imports."""
    given = lab.vendors.settings
    maker = CallbackMaker(lab.vendors)
    secrets = {
        "wecom": {name: given[name] for name in ("WECOM_SECRET", "WECOM_TOKEN", "WECOM_ENCODING_AES_KEY")},
        "identity": {"CONVERSATION_KEY": "0123456789abcdef0123456789abcdef"},
        "keyring": {"SM4_KEYRING": KEYRING},
    }
    with AwsStub(secrets) as aws:
        functions = _functions(lab, aws.url)
        starts: dict[str, list[_Start]] = {name: [] for name in functions}

        def first_invoke(name: str) -> float:
            with lab.runtime(functions[name], f"start-{name}") as runtime:
                answer, total_ms = runtime.invoke(gateway_event(maker.text()))
                if name in {"ours", "boto3"} and answer["statusCode"] != 200:
                    raise MeasurementError(f"{name} answered {answer['statusCode']}: the comparison would mean nothing")
                starts[name].append(_Start(total_ms, runtime.init_ms(), runtime.processor_ms()))
                return total_ms

        in_turns({name: partial(first_invoke, name) for name in functions}, rounds=_ROUNDS)
        if aws.calls["SendMessage"] != 2 * (_ROUNDS + 1) or aws.calls["GetSecretValue"] != 3 * (_ROUNDS + 1):
            raise MeasurementError(f"unexpected calls: {dict(aws.calls)}")
    counted = {name: each[-_ROUNDS:] for name, each in starts.items()}
    return [*_first_invoke(counted), *_imports(counted)]


def _functions(lab: Lab, aws_url: str) -> dict[str, Function]:
    environ = lab.environment(
        "CallbackFunction",
        {
            "WecomSecret": "wecom",
            "IdentitySecret": "identity",
            "KeyringSecret": "keyring",
            "CustomerKeys": "customer-keys",
            "Inbox": f"{aws_url}/000000000000/inbox.fifo",
            "Pulls": f"{aws_url}/000000000000/pulls.fifo",
        },
    )
    environ["AWS_ENDPOINT_URL"] = aws_url
    ours = Function(folder=lab.built / "CallbackFunction", layers=lab.layers, environ=environ, timeout_s=5)
    folders = lab.folder / "functions"
    functions = {
        "ours": ours,
        "boto3": replace(ours, folder=_written(folders / "boto3", [_BASELINE.read_text(encoding="utf-8")])),
        "empty": replace(ours, folder=_written(folders / "empty", _EMPTY_HANDLER)),
        "imports boto3": replace(ours, folder=_written(folders / "imports-boto3", [*_BOTO3, *_EMPTY_HANDLER])),
    }
    statements: list[str] = []
    for number, (name, more) in enumerate(_IMPORTS.items()):
        statements += more
        functions[name] = replace(ours, folder=_written(folders / f"imports-{number}", [*statements, *_EMPTY_HANDLER]))
    return functions


def _written(folder: Path, handler: Sequence[str]) -> Path:
    """Return ``folder`` with a handler of these lines and its bytecode in it, as the build leaves a function."""
    folder.mkdir(parents=True)
    (folder / "handler.py").write_text("\n".join([*handler, ""]), encoding="utf-8")
    compileall.compile_dir(folder, quiet=1, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
    return folder


def _first_invoke(starts: dict[str, list[_Start]]) -> list[Row]:
    def row(figure: str, ours: Sequence[float], theirs: Sequence[float], goals: tuple[Goal, ...] = ()) -> Row:
        return Row(
            figure=figure,
            ours=median(ours),
            baseline=median(theirs),
            unit="ms",
            goals=goals,
            note=_ALIKE,
            ours_samples=tuple(ours),
            baseline_samples=tuple(theirs),
        )

    ours, theirs = starts["ours"], starts["boto3"]
    return [
        row(
            "callback: first invoke, from process start to answer",
            [each.total_ms for each in ours],
            [each.total_ms for each in theirs],
            (_RATIO_GOAL, _THIRD_OF_WECOMS_SECOND),
        ),
        row("  of it initialisation", [each.init_ms for each in ours], [each.init_ms for each in theirs]),
        row(
            "  of it the invoke itself",
            [each.total_ms - each.init_ms for each in ours],
            [each.total_ms - each.init_ms for each in theirs],
        ),
        row(
            "  processor time of all of it",
            [each.processor_ms for each in ours],
            [each.processor_ms for each in theirs],
        ),
    ]


def _imports(starts: dict[str, list[_Start]]) -> list[Row]:
    taken = {name: tuple(each.processor_ms for each in counted) for name, counted in starts.items()}
    empty = median(taken["empty"])
    whole_boto3 = median(taken["imports boto3"]) - empty
    rows = [Row("  the runtime alone, an empty function", empty, "ms", note=_SHARES, ours_samples=taken["empty"])]
    before = empty
    for name in _IMPORTS:
        after = median(taken[name])
        rows.append(
            Row(
                figure=f"  imports: {name}",
                ours=after - before,
                baseline=whole_boto3,
                unit="ms",
                note=_SHARES,
                ours_samples=taken[name],
                baseline_samples=taken["imports boto3"],
            )
        )
        before = after
    return rows
