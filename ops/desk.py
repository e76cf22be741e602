"""The deployment that an operator stands before, and what the commands work with, each built when it is first used.

A deployment is found by the logical ids of its template: in the cloud through CloudFormation, on this machine through
the file that the local run writes. Everything here acts with the operator's own AWS rights, not with a function's.
"""

from __future__ import annotations

import json
import os
import threading
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from frontdesk.errors import FrontdeskError
from frontdesk.protection import chain
from frontdesk.protection.customer_keys import CustomerKeys, KeyKeeping
from frontdesk.protection.identity import Pseudonyms
from frontdesk.protection.sealing import Keyring, check_keyring
from frontdesk.records import Happening
from frontdesk.storage.attendances import DynamoAttendances
from frontdesk.storage.audit import DynamoAudit
from frontdesk.storage.aws import code_of, translated
from frontdesk.storage.customer_keys import DynamoCustomerKeys
from frontdesk.storage.tickets import DynamoTickets
from ops.deployment import ROOT
from ops.local.aws import LocalAws
from ops.stages import StageError, stage_in_force

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

# What belongs to no customer has a chain of its own in the audit. No conversation's digest begins so.
OPERATIONS = "#operations"
_CONFIG = Config(
    connect_timeout=5, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 5}, max_pool_connections=20
)


class DeskError(FrontdeskError):
    """The deployment is not there, or lacks something; the message says what to do."""

    code = "desk_not_found"


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment: the physical id of each resource by its logical id, and clients for where it is.

    A local run says itself where its callback answers and, where that speaks TLS, which certificate to trust.
    ``simulators_url`` is where the simulated vendors of a local run are; a stack in the cloud has none.
    """

    name: str
    resources: Mapping[str, str]
    client: Callable[[str], Any] = field(repr=False)
    callback_url: str = ""
    ca_bundle: str = ""
    simulators_url: str = ""


def stack_name(root: Path = ROOT, environ: Mapping[str, str] = os.environ) -> str:
    """Return the name that `make deploy` gives the stack of the stage in force; raises `DeskError`."""
    try:
        return stage_in_force(root, environ).stack
    except StageError as error:
        raise DeskError(str(error)) from None


def cloud_client(service: str) -> Any:
    """Return a client for the AWS account and region in force."""
    return boto3.client(service, config=_CONFIG)  # type: ignore[call-overload]


def in_the_cloud(stack: str, client: Callable[[str], Any] = cloud_client) -> Deployment:
    """Return the deployment named ``stack``; raises `DeskError`."""
    try:
        pages = client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
        resources = {
            each["LogicalResourceId"]: each["PhysicalResourceId"]
            for page in pages
            for each in page["StackResourceSummaries"]
            if "PhysicalResourceId" in each
        }
    except ClientError as error:
        raise DeskError(
            f"no stack {stack} to be seen in this account and region ({code_of(error)}); --stack names another one"
        ) from None
    except BotoCoreError as error:
        raise DeskError(f"AWS is out of reach ({type(error).__name__}): check credentials and region") from None
    return Deployment(stack, resources, client)


def on_this_machine(folder: Path) -> Deployment:
    """Return the local run that keeps its files in ``folder``; raises `DeskError`."""
    try:
        told = json.loads((folder / "stack.json").read_text(encoding="utf-8"))
        where = urlsplit(told["aws_endpoint_url"])
        aws = LocalAws(int(where.port or 0), folder / "aws", enforces_permissions=where.scheme == "https")
        return Deployment(
            told["stack"],
            told["resources"],
            aws.client,
            callback_url=told.get("callback_url", ""),
            ca_bundle=str(aws.ca_bundle or ""),
            simulators_url=told.get("console_url", ""),
        )
    except (OSError, ValueError, KeyError):
        raise DeskError(f"no local run is described in {folder}: start one with `make run`") from None


class Desk:
    """What the commands work with. ``by`` is who acts; ``say`` is told what happens while it happens."""

    def __init__(
        self,
        deployment: Deployment,
        *,
        by: str,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        sleep: Callable[[float], None],
        say: Callable[[str], None] = lambda _: None,
        silence_s: int = 2,
    ) -> None:
        """``clock`` returns epoch seconds, ``monotonic`` seconds that never go back.

        A queue that gives nothing for ``silence_s`` seconds has no more.
        """
        self.by = by
        self.clock = clock
        self.monotonic = monotonic
        self.sleep = sleep
        self.say = say
        self.silence_s = silence_s
        self._deployment = deployment
        self._clients: dict[str, Any] = {}
        self._making = threading.Lock()  # boto3 makes its clients in one thread at a time

    @property
    def actor(self) -> str:
        """Who acts, as the audit names them."""
        return f"operator:{self.by}"

    @property
    def name(self) -> str:
        """The name of the stack."""
        return self._deployment.name

    @property
    def is_local(self) -> bool:
        """Whether this is a local run, which makes up settings of its own."""
        return bool(self._deployment.callback_url)

    @property
    def ca_bundle(self) -> str:
        """The certificate to trust at the callback's address, "" for those that everybody trusts."""
        return self._deployment.ca_bundle

    @cached_property
    def callback_url(self) -> str:
        """The address that WeCom calls; raises `DeskError`."""
        if self._deployment.callback_url:
            return self._deployment.callback_url
        with translated("cloudformation"):
            stack = self.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"][0]
        for output in stack.get("Outputs", []):
            if output["OutputKey"] == "CallbackUrl":
                url: str = output["OutputValue"]
                return url
        raise DeskError(f"the stack {self.name} does not tell its CallbackUrl: deploy this release first")

    def has(self, logical_id: str) -> bool:
        """Return whether the stack has this resource."""
        return logical_id in self._deployment.resources

    def resource(self, logical_id: str) -> str:
        """Return the physical id of a resource; raises `DeskError`."""
        try:
            return self._deployment.resources[logical_id]
        except KeyError:
            raise DeskError(
                f"the stack {self._deployment.name} has no {logical_id}: deploy this release first"
            ) from None

    def resources(self, ending: str) -> dict[str, str]:
        """Return the physical ids of those resources whose logical ids end so, by logical id."""
        return {name: found for name, found in sorted(self._deployment.resources.items()) if name.endswith(ending)}

    @property
    def simulators_url(self) -> str:
        """Where the simulated vendors of a local run are; empty in the cloud."""
        return self._deployment.simulators_url

    def client(self, service: str) -> Any:
        """Return a client for where the deployment is, the same one each time. Threads may share it."""
        with self._making:
            if service not in self._clients:
                self._clients[service] = self._deployment.client(service)
            return self._clients[service]

    @cached_property
    def dynamodb(self) -> Any:
        """DynamoDB."""
        return self.client("dynamodb")

    @cached_property
    def s3(self) -> Any:
        """S3."""
        return self.client("s3")

    def secret(self, logical_id: str, name: str) -> str:
        """Return the value of ``name`` in a secret, as text; raises `DeskError` naming what is missing."""
        with translated("secrets"):
            answer = self.client("secretsmanager").get_secret_value(SecretId=self.resource(logical_id))
        try:
            value = json.loads(answer["SecretString"])[name]
        except (KeyError, TypeError, ValueError):
            # The original error may quote the secret.
            raise DeskError(f"the secret {logical_id} has no {name}") from None
        return value if isinstance(value, str) else json.dumps(value)

    def setting(self, function: str, name: str) -> str:
        """Return what a deployed function has in its environment under ``name``; raises `DeskError`."""
        with translated("lambda"):
            found = self.client("lambda").get_function_configuration(FunctionName=self.resource(function))
        try:
            value: str = found["Environment"]["Variables"][name]
        except KeyError:
            raise DeskError(f"{function} has no {name}: deploy this release first") from None
        return value

    @cached_property
    def key_store(self) -> DynamoCustomerKeys:
        """The customers' wrapped keys, and the checks of the keyring."""
        return DynamoCustomerKeys(self.dynamodb, self.resource("CustomerKeys"))

    @cached_property
    def keyring(self) -> Keyring:
        """The keyring, checked as every function checks it; raises `SettingsError`."""
        keyring = Keyring.read(
            self.secret("KeyringSecret", "SM4_KEYRING"), reread=lambda: self.secret("KeyringSecret", "SM4_KEYRING")
        )
        check_keyring(keyring, self.key_store)
        return keyring

    @cached_property
    def seals(self) -> CustomerKeys:
        """What seals and opens under the customers' data keys."""
        return CustomerKeys(keyring=self.keyring, store=self.key_store, clock=self.monotonic)

    @cached_property
    def keeping(self) -> KeyKeeping:
        """What retires, destroys and re-wraps data keys."""
        return KeyKeeping(keyring=self.keyring, store=self.key_store)

    @cached_property
    def attendances(self) -> DynamoAttendances:
        """Who attends to whom."""
        return DynamoAttendances(self.dynamodb, self.resource("Attendance"), seals=self.seals, clock=self.clock)

    @cached_property
    def tickets(self) -> DynamoTickets:
        """The tickets."""
        return DynamoTickets(self.dynamodb, self.resource("Tickets"), seals=self.seals)

    @cached_property
    def audit(self) -> DynamoAudit:
        """The audit, for reading and adding."""
        return DynamoAudit(
            self.dynamodb,
            self.resource("Audit"),
            seals=self.seals,
            chain=chain,
            clock=self.clock,
            retention_days=self.retention_days,
        )

    @cached_property
    def retention_days(self) -> int:
        """How long the audit's exports are kept."""
        return int(self.setting("ResponderFunction", "AUDIT_RETENTION_DAYS"))

    def note(
        self,
        kind: str,
        conversation: str = OPERATIONS,
        *,
        about: str = "",
        after: str = "",
        details: Mapping[str, object],
    ) -> None:
        """Record in the audit that this operator did something; ``details`` are codes, ids and counts."""
        happening = Happening(
            kind=kind,
            actor=self.actor,
            at_ms=int(self.clock() * 1000),
            about=about,
            after=after,
            details={name: str(value) for name, value in details.items()},
        )
        self.audit.append(conversation, [happening])

    def conversation_of(self, channel: str, address: str) -> str:
        """Return the digest that stands for whom replies at ``address`` reach on ``channel``.

        An address is a member's user id at the self-built application, `<open_kfid>:<external_userid>` at 微信客服.
        """
        pseudonyms = Pseudonyms(self.secret("IdentitySecret", "CONVERSATION_KEY"))
        return pseudonyms.conversation(channel, self.setting("CallbackFunction", "WECOM_CORP_ID"), address)
