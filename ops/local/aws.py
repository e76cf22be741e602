"""The AWS of a local run: ministack, an AWS in one process, and what it needs to behave like the real one."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import requests
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ops.deployment import ROOT, DeploymentError, deploy
from ops.template import load_template

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ops.local.processes import Processes

REGION = "us-east-1"
MINISTACK = ROOT / ".venv-aws" / "bin" / "ministack"

_START_LIMIT_S = 60.0
_SENDING = re.compile(r"(?P<indent> *)(?P<listed>- |Action: )(?P<action>sqs:SendMessage)\n")
_COMPOSITE = re.compile(r"^  \w+:\n    Type: AWS::CloudWatch::CompositeAlarm\n(?:(?:    .*)?\n)*", re.MULTILINE)
# The versions' logical ids are made of the one; the other tells whether there is anything of CodeDeploy.
_WANTED_BY_THE_TRANSFORM = ("BuildId", "GradualDeployment")
_AGREE_LIMIT_S = 20.0
# ministack takes any key; with permissions enforced, this one is the account's owner.
_ACCESS_KEY = "test"
# What its functions inherit of our environment. Nothing else: a vendor's key in it would reach every function.
_INHERITED = re.compile(
    r"PATH|HOME|LANG|LC_\w+|TZ|(https?|no|all)_proxy|SSL_CERT_\w+|REQUESTS_CA_BUNDLE", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class LocalAws:
    """An AWS that listens on ``port`` of this machine and keeps its files in ``folder``.

    With ``enforces_permissions`` it checks signatures, roles and resource policies as AWS does, and therefore speaks
    TLS: the queues and the bucket refuse everything else. The plain one is easier to talk to by hand.
    """

    port: int
    folder: Path
    enforces_permissions: bool = False

    @property
    def endpoint_url(self) -> str:
        """Where all its services answer."""
        return f"{'https' if self.enforces_permissions else 'http'}://127.0.0.1:{self.port}"

    @property
    def ca_bundle(self) -> Path | None:
        """The certificate to trust; None when it does not speak TLS."""
        return self.folder / "tmp" / "ministack-tls" / "server.crt" if self.enforces_permissions else None

    def client_environ(self) -> dict[str, str]:
        """Return an environment in which any AWS tool talks to this AWS and to no other."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environ.update(
            AWS_ENDPOINT_URL=self.endpoint_url,
            AWS_ACCESS_KEY_ID=_ACCESS_KEY,
            AWS_SECRET_ACCESS_KEY=_ACCESS_KEY,
            AWS_DEFAULT_REGION=REGION,
            AWS_REGION=REGION,
            AWS_CONFIG_FILE=os.devnull,
            AWS_SHARED_CREDENTIALS_FILE=os.devnull,
            AWS_EC2_METADATA_DISABLED="true",
        )
        if self.ca_bundle:
            bundle = str(self.ca_bundle)
            environ.update(AWS_CA_BUNDLE=bundle, SSL_CERT_FILE=bundle, REQUESTS_CA_BUNDLE=bundle)
        return environ

    def client(self, service: str) -> Any:
        """Return a boto3 client of ``service`` for this AWS."""
        return boto3.Session(
            aws_access_key_id=_ACCESS_KEY,
            aws_secret_access_key=_ACCESS_KEY,
            region_name=REGION,
        ).client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.endpoint_url,
            verify=str(self.ca_bundle) if self.ca_bundle else None,
            config=Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "max_attempts": 3}),
        )

    def start(self, processes: Processes) -> None:
        """Start it and wait until it answers. Raises `ProcessError`."""
        temporary = self.folder / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        environ = {name: value for name, value in os.environ.items() if _INHERITED.fullmatch(name)}
        environ.update(
            BIND_HOST="127.0.0.1",
            MINISTACK_HOST="127.0.0.1",
            GATEWAY_PORT=str(self.port),
            MINISTACK_REGION=REGION,
            STATE_DIR=str(self.folder / "state"),
            TMPDIR=str(temporary),
            AWS_ACCESS_KEY_ID=_ACCESS_KEY,
            AWS_SECRET_ACCESS_KEY=_ACCESS_KEY,
            PYTHONDONTWRITEBYTECODE="",
        )
        if self.enforces_permissions:
            # Functions inherit its certificate as the one to trust, but only where none is chosen yet.
            for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
                environ.pop(name, None)
            environ.update(AUTH="true", USE_SSL="1")
        processes.start("aws", [str(MINISTACK)], environ, self.folder)
        processes.wait_until("aws", self._answers, _START_LIMIT_S)

    def _answers(self) -> bool:
        verify = str(self.ca_bundle) if self.ca_bundle and self.ca_bundle.is_file() else True
        try:
            return requests.get(f"{self.endpoint_url}/_ministack/health", timeout=2, verify=verify).ok
        except requests.RequestException:
            return False

    def deploy(self, built: Path, parameters: Mapping[str, str], stack: str, log: Path) -> dict[str, str]:
        """Deploy the build in ``built`` as ``stack``; return the physical id of each resource by its logical id.

        Raises `DeploymentError`.
        """
        template = self._as_understood_here(built, parameters)
        deploy(
            template,
            parameters,
            arguments=["--stack-name", stack, "--region", REGION, "--no-confirm-changeset"],
            environ=self.client_environ(),
            log=log,
        )
        resources = {
            resource["LogicalResourceId"]: resource["PhysicalResourceId"]
            for resource in self.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
        }
        self._apply_what_was_dropped(resources, parameters, stack)
        return resources

    def _as_understood_here(self, built: Path, parameters: Mapping[str, str]) -> Path:
        """Return a copy of the built template in which three things are said as ministack (1.5.33) understands them.

        It runs SAM's transform without the parameters' values, defaults apart, and the transform wants to know some:
        those become the defaults. It also knows an action of its own for messages sent in batches, where AWS asks for
        sqs:SendMessage: who has the one gets the other. And it knows composite alarms by its API only, so they are left
        out here. The copy stands beside links to the artefacts, because it names them relatively.
        """
        folder = self.folder / "deployment"
        folder.mkdir(parents=True, exist_ok=True)
        for artefact in built.iterdir():
            if artefact.is_dir():
                link = folder / artefact.name
                link.unlink(missing_ok=True)
                link.symlink_to(artefact)
        text = (built / "template.yaml").read_text(encoding="utf-8")
        for name in _WANTED_BY_THE_TRANSFORM:
            declared = re.compile(rf"(?m)^(  {name}:\n    Type: String\n)(?:    Default: .*\n)?")
            text, count = declared.subn(rf"\g<1>    Default: '{parameters[name]}'\n", text)
            if count != 1:
                raise DeploymentError(f"the built template does not declare {name} as expected")
        copy = folder / "template.yaml"
        copy.write_text(_COMPOSITE.sub("", _SENDING.sub(_sending_batches, text)), encoding="utf-8")
        return copy

    def _apply_what_was_dropped(self, resources: dict[str, str], parameters: Mapping[str, str], stack: str) -> None:
        """Give tables and buckets what ministack drops of the template, see that it holds, and add what was left out.

        These are time-to-live and backups of the tables, the lock of the bucket that nothing is removed from, and the
        composite alarms.
        """
        cloudwatch = self.client("cloudwatch")
        dynamodb, s3 = self.client("dynamodb"), self.client("s3")
        for name, resource in load_template(ROOT / "template.yaml")["Resources"].items():
            wanted = resource.get("Properties", {})
            if resource["Type"] == "AWS::DynamoDB::Table":
                _complete_table(dynamodb, resources[name], wanted)
            elif resource["Type"] == "AWS::S3::Bucket" and "ObjectLockConfiguration" in wanted:
                _lock_bucket(s3, resources[name], _with_values(wanted["ObjectLockConfiguration"], parameters))
            elif resource["Type"] == "AWS::CloudWatch::CompositeAlarm":
                resources[name] = _put_composite(cloudwatch, f"{stack}-{name}", wanted, resources)


def _sending_batches(statement: re.Match[str]) -> str:
    indent, action = statement["indent"], statement["action"]
    if statement["listed"] == "- ":
        return f"{indent}- {action}\n{indent}- {action}Batch\n"
    return f"{indent}Action:\n{indent}- {action}\n{indent}- {action}Batch\n"


def _with_values(node: Any, parameters: Mapping[str, str]) -> Any:
    """Return ``node`` of the template with the parameters it refers to; whole numbers become numbers."""
    if isinstance(node, dict):
        if set(node) == {"Ref"}:
            value = parameters[node["Ref"]]
            return int(value) if value.isdecimal() else value
        return {name: _with_values(each, parameters) for name, each in node.items()}
    return node


def _put_composite(client: Any, name: str, wanted: Mapping[str, Any], resources: Mapping[str, str]) -> str:
    """Create the composite alarm ``name``, and return its name. What it would open in OpsCenter is left out."""
    rule = re.sub(r"\$\{(\w+)\}", lambda named: f'"{resources[named[1]]}"', wanted["AlarmRule"]["Fn::Sub"])
    actions = {
        kind: [resources[each["Ref"]] for each in wanted[kind] if set(each) == {"Ref"}]
        for kind in ("AlarmActions", "OKActions")
    }
    client.put_composite_alarm(AlarmName=name, AlarmRule=rule, AlarmDescription=wanted["AlarmDescription"], **actions)
    return name


def _complete_table(client: Any, table: str, wanted: Mapping[str, Any]) -> None:
    lifetime = wanted.get("TimeToLiveSpecification")
    if lifetime:
        client.update_time_to_live(TableName=table, TimeToLiveSpecification=lifetime)
    client.update_continuous_backups(
        TableName=table,
        PointInTimeRecoverySpecification=wanted["PointInTimeRecoverySpecification"],
    )
    expected = ("ENABLED", lifetime["AttributeName"]) if lifetime else ("DISABLED", None)
    deadline = time.monotonic() + _AGREE_LIMIT_S
    while not _agrees(client, table, expected):
        if time.monotonic() > deadline:
            raise DeploymentError(f"{table} did not take the template's time-to-live and backups")
        time.sleep(0.2)


def _agrees(client: Any, table: str, lifetime: tuple[str, str | None]) -> bool:
    try:
        found = client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
        backups = client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    except (BotoCoreError, ClientError) as exc:
        raise DeploymentError(f"{table} cannot be described: {exc}") from exc
    recovery = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
    return (found["TimeToLiveStatus"], found.get("AttributeName")) == lifetime and recovery == "ENABLED"


def _lock_bucket(client: Any, bucket: str, wanted: Mapping[str, Any]) -> None:
    try:
        client.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=wanted)
        found = client.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
    except (BotoCoreError, ClientError) as exc:
        raise DeploymentError(f"{bucket} cannot be locked: {exc}") from exc
    if found != wanted:
        raise DeploymentError(f"{bucket} did not take the template's object lock")
