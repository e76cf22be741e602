"""One local run as an object: everything started, deployed and answering between `start` and `stop`."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

import requests

from ops.build_id import build_id
from ops.deployment import LOCAL_PYTHON, ROOT, DeploymentError, Target, build, parameters_from
from ops.local.aws import REGION, LocalAws
from ops.local.processes import Processes, require_free_port
from ops.local.vendors import Vendors, choose_vendors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

_ANSWER_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class LocalOptions:
    """What distinguishes one local run from another; two that share nothing here can run side by side.

    ``settings`` are the settings a person gave (vendors, texts, seconds); what they leave open is simulated or the
    template's default. ``enforces_permissions``: see `LocalAws`.
    """

    frontdesk_port: int = 8080
    aws_port: int = 4566
    folder: Path = ROOT / ".local"
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)
    stack: str = "frontdesk"
    enforces_permissions: bool = False


class LocalStack:
    """A deployed Frontdesk on this machine. Use it as a context manager, or call `start` and `stop`."""

    def __init__(self, options: LocalOptions, say: Callable[[str], None] = lambda _: None) -> None:
        """``say`` is told in a line what happens next."""
        self.options = options
        self.vendors: Vendors = choose_vendors(options.settings, f"http://127.0.0.1:{options.frontdesk_port}")
        self.processes = Processes(options.folder)
        self.aws = LocalAws(options.aws_port, options.folder / "aws", options.enforces_permissions)
        self.resources: dict[str, str] = {}
        self.build_id = ""
        self._say = say

    @property
    def callback_url(self) -> str:
        """Where WeCom's callbacks go."""
        return f"{self.aws.endpoint_url}/_aws/execute-api/{self.resources['HttpApi']}/wecom/callback"

    @property
    def console_url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.options.frontdesk_port}/"

    @property
    def description(self) -> Path:
        """The file that tells others about this run, written when everything answers."""
        return self.options.folder / "stack.json"

    def __enter__(self) -> Self:
        """Start everything."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything."""
        self.stop()

    def client(self, service: str) -> Any:
        """Return a boto3 client of ``service`` for the local AWS."""
        return self.aws.client(service)

    def start(self) -> None:
        """Start everything and return when it answers; stops what it started when something fails.

        Raises `ProcessError` or `DeploymentError`.
        """
        self._require_nothing_runs()
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> list[str]:
        """Stop everything this run or an earlier one in the same folder started; return the names of what ran."""
        stopped = self.processes.stop()
        self.description.unlink(missing_ok=True)
        (self.options.folder / "simulators.json").unlink(missing_ok=True)
        shutil.rmtree(self.aws.folder, ignore_errors=True)
        return stopped

    def _require_nothing_runs(self) -> None:
        if not sys.platform.startswith("linux"):
            raise DeploymentError("the local run needs Linux (on Windows: WSL): the layers are built for it")
        running = self.processes.running()
        if running:
            raise DeploymentError(f"a local run is still up ({', '.join(running)}): end it with `make stop`")
        require_free_port(self.options.frontdesk_port, "FRONTDESK_PORT")
        require_free_port(self.options.aws_port, "AWS_LOCAL_PORT")

    def _start(self) -> None:
        folder = self.options.folder
        shutil.rmtree(self.aws.folder, ignore_errors=True)
        self.processes.logs.mkdir(parents=True, exist_ok=True)
        self.description.unlink(missing_ok=True)
        self._sam_log.write_bytes(b"")
        target, built = self._build()
        self._say("Starting the local AWS …")
        self.aws.start(self.processes)
        self._deploy(target, built, {})
        self._say("Starting the simulators and the page …")
        self._start_simulators()
        self.processes.wait_until("aws", self._callback_answers, _ANSWER_LIMIT_S)
        _write_privately(self.description, json.dumps(self._described(), indent=2))
        self._say(f"Ready: {self.console_url}   (settings, logs and state: {folder})")

    def deploy(self, changed: Mapping[str, str] | None = None) -> None:
        """Deploy once more to what runs already, with ``changed`` settings; raises `DeploymentError`."""
        self._deploy(*self._build(), changed or {})

    @property
    def _sam_log(self) -> Path:
        return self.processes.logs / "sam.log"

    def _build(self) -> tuple[Target, Path]:
        target = Target.this_machine(LOCAL_PYTHON)
        self._say(f"Building for {target.runtime} on {target.architecture} …")
        return target, build(target, log=self._sam_log)

    def _deploy(self, target: Target, built: Path, changed: Mapping[str, str]) -> None:
        self._say("Deploying template.yaml to it …")
        parameters = self._parameters(target, changed)
        self.build_id = parameters["BuildId"]
        self.resources = self.aws.deploy(built, parameters, self.options.stack, self._sam_log)

    def _parameters(self, target: Target, changed: Mapping[str, str]) -> dict[str, str]:
        settings = {
            **self.vendors.settings,
            **changed,
            "PYTHON_RUNTIME": target.runtime,
            "ARCHITECTURE": target.architecture,
            # There is no network of AWS here, and no name to be given.
            "FIXED_EGRESS": "false",
            "DOMAIN_NAME": "",
            "CERTIFICATE_ARN": "",
            # The local AWS has no CodeDeploy; and whoever tries something here wants it live at once.
            "GRADUAL_DEPLOYMENT": "false",
        }
        parameters = parameters_from(settings, ROOT / "template.yaml")
        return {**parameters, "BuildId": build_id(ROOT, parameters)}

    def _start_simulators(self) -> None:
        config = self.options.folder / "simulators.json"
        content = {
            "port": self.options.frontdesk_port,
            "callback_url": self.callback_url,
            "wecom": self.vendors.wecom_simulator(),
            "fastgpt": self.vendors.fastgpt_simulator(),
            "fastgpt_standby": self.vendors.fastgpt_standby_simulator(),
            "aws": {"endpoint_url": self.aws.endpoint_url, "region": REGION, "resources": self.resources},
        }
        _write_privately(config, json.dumps(content))
        command = [sys.executable, "-m", "simulators", "--config", str(config)]
        self.processes.start("simulators", command, self.aws.client_environ(), ROOT)
        self.processes.wait_until("simulators", self._console_answers, _ANSWER_LIMIT_S)

    def _console_answers(self) -> bool:
        try:
            return requests.get(self.console_url, timeout=2).ok
        except requests.RequestException:
            return False

    def _callback_answers(self) -> bool:
        """Tell whether the callback refuses an unsigned request, which only the deployed function does."""
        verify = str(self.aws.ca_bundle) if self.aws.ca_bundle else True
        try:
            return requests.get(self.callback_url, timeout=10, verify=verify).status_code == HTTPStatus.FORBIDDEN
        except requests.RequestException:
            return False

    def _described(self) -> dict[str, object]:
        return {
            "callback_url": self.callback_url,
            "console_url": self.console_url,
            "aws_endpoint_url": self.aws.endpoint_url,
            "region": REGION,
            "stack": self.options.stack,
            "resources": self.resources,
        }


def _write_privately(path: Path, text: str) -> None:
    """Write ``text`` for the owner's eyes only; the file appears whole or not at all."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    unfinished.replace(path)
