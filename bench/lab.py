"""What the figures are measured in: the built functions, an AWS emulator and simulated vendors, each started once.

Nothing is started before a figure asks for it, and everything ends with the lab.
"""

from __future__ import annotations

import shutil
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import requests

from bench.rie import Function, LambdaRuntime, Runtime, free_port
from ops.deployment import ROOT, Target, build, parameters_from
from ops.local.aws import LocalAws
from ops.local.processes import Processes
from ops.local.vendors import Vendors, choose_vendors
from ops.template import load_template

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

STACK = "stack"
"""The folder, in the lab's own, of the whole local stack that one figure needs."""

_START_LIMIT_S = 30.0
_TABLES = ("Sessions", "Ledger", "CustomerKeys", "Audit", "Accounts", "Attendance", "Tickets")
_QUEUES = ("Inbox", "Pulls", "TicketQueue")
_BUILD_ID = "0" * 16


class Lab:
    """The place of one run. Use it as a context manager."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        """``folder`` takes all logs and state; ``say`` is told what goes on."""
        self.folder = folder
        self.say = say
        self._processes = Processes(folder)

    def __enter__(self) -> Self:
        """Make the folder, empty."""
        for left_behind in (self._processes, Processes(self.folder / STACK)):
            left_behind.stop()  # by an earlier run that was killed
        shutil.rmtree(self.folder, ignore_errors=True)
        self._processes.logs.mkdir(parents=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End everything that was started."""
        self._processes.stop()
        shutil.rmtree(self.folder / "aws", ignore_errors=True)

    @cached_property
    def template(self) -> dict[str, Any]:
        """The template, as data."""
        return load_template(ROOT / "template.yaml")

    @cached_property
    def built(self) -> Path:
        """The folder with the built functions and layers, for this interpreter and processor."""
        self.say("building …")
        return build(Target.this_machine(Path(sys.executable)), log=self._processes.logs / "sam.log")

    @cached_property
    def layers(self) -> tuple[Path, ...]:
        """The built layers' python folders, in the order in which the template attaches them."""
        names = (layer["Ref"] for layer in self.template["Globals"]["Function"]["Layers"])
        # Lambda lays them over each other in this order, so the last one is looked into first.
        return tuple(self.built / name / "python" for name in reversed(list(names)))

    @cached_property
    def _runtime(self) -> Runtime:
        return Runtime.install(self.folder / "runtime")

    @cached_property
    def vendors(self) -> Vendors:
        """Invented credentials; the addresses are those of the simulators, once they run."""
        return choose_vendors({}, "http://127.0.0.1:9")  # port 9 discards: nothing is called before they run

    def runtime(self, function: Function, log: str) -> LambdaRuntime:
        """Return an execution environment of ``function``, not started yet, whose output goes to ``log``."""
        return LambdaRuntime(function, runtime=self._runtime, log=self._processes.logs / f"{log}.log")

    def environment(self, function: str, values: Mapping[str, str]) -> dict[str, str]:
        """Return the environment that the template gives ``function``; ``values`` are resources by logical id."""
        known = {**parameters_from(self.vendors.settings, ROOT / "template.yaml"), "BuildId": _BUILD_ID, **values}
        shared = self.template["Globals"]["Function"]["Environment"]["Variables"]
        own = self.template["Resources"][function]["Properties"]["Environment"]["Variables"]
        return {name: _resolved(value, known) for name, value in {**shared, **own}.items()}

    @cached_property
    def aws(self) -> LocalAws:
        """A running AWS emulator without any of our resources."""
        self.say("starting the AWS emulator …")
        aws = LocalAws(free_port(), self.folder / "aws")
        aws.start(self._processes)
        return aws

    @cached_property
    def resources(self) -> dict[str, str]:
        """The template's tables and buckets in the emulator, by logical id; without queues or functions."""
        tables = self.aws.client("dynamodb")
        for name in _TABLES:
            tables.create_table(TableName=name, **table_properties(self.template["Resources"][name]["Properties"]))
        for bucket in ("archive", "rules"):
            self.aws.client("s3").create_bucket(Bucket=bucket)
        return {
            **{name: name for name in _TABLES},
            "ArchiveBucket": "archive",
            "RulesBucket": "rules",
            **{name: f"{self.aws.endpoint_url}/000000000000/{name.lower()}.fifo" for name in _QUEUES},
        }

    @cached_property
    def wecom_url(self) -> str:
        """Where the simulated WeCom answers, in a process of its own."""
        return f"http://127.0.0.1:{self.wecom_port}"

    @cached_property
    def wecom_port(self) -> int:
        """The port of the simulated WeCom, which is started by asking for it."""
        port = free_port()
        self._simulate("wecom", ["--port", str(port)], f"http://127.0.0.1:{port}/_control/members")
        return port

    @cached_property
    def fastgpt_url(self) -> str:
        """Where the simulated FastGPT answers, in a process of its own; its model takes no time unless told so."""
        port = free_port()
        options = ["--port", str(port), "--model-delay", "0", "--chunk-delay", "0"]
        self._simulate("fastgpt", options, f"http://127.0.0.1:{port}/_control/runs")
        return f"http://127.0.0.1:{port}"

    def _simulate(self, name: str, options: list[str], probe: str) -> None:
        self.say(f"starting the simulated {name} …")
        command = [sys.executable, "-m", f"simulators.{name}", *options]
        environ = {**self.aws.client_environ(), **self.vendors.settings}
        self._processes.start(name, command, environ, ROOT)
        self._processes.wait_until(name, lambda: _answers(probe), _START_LIMIT_S)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


def _resolved(value: Any, known: Mapping[str, str]) -> str:
    """Return the value of a template's expression: a text, a `Ref`, or a `GetAtt` of what has one address only."""
    if isinstance(value, dict):
        (expression,) = value.values()
        return known[expression if isinstance(expression, str) else expression[0]]
    return str(value)


def table_properties(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return what CreateTable wants to be told of a table in the template."""
    names = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
    wanted = {name: properties[name] for name in names if name in properties}
    if "StreamSpecification" in properties:
        wanted["StreamSpecification"] = {"StreamEnabled": True, **properties["StreamSpecification"]}
    return wanted
