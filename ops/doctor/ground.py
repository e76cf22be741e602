"""What the checks stand on: the desk, the template, and facts that several of them need, each fetched once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from frontdesk.diagnosis import NeedsError
from frontdesk.errors import FrontdeskError
from frontdesk.storage.aws import translated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ops.desk import Desk

ALIAS = "live"


@dataclass(frozen=True, slots=True)
class Source:
    """What calls a function by itself: a queue, a stream or a schedule. ``most`` is how many run at the same time."""

    name: str
    function: str
    kind: str
    most: Any = None


class Ground:
    """One deployment under examination. Every property raises `FrontdeskError`."""

    def __init__(self, desk: Desk, *, template: Mapping[str, Any], settings: Mapping[str, str]) -> None:
        """``template`` is this release's, ``settings`` are those in force on this machine."""
        self.desk = desk
        self.template = template
        self.settings = settings

    def of_type(self, kind: str) -> dict[str, Mapping[str, Any]]:
        """Return the template's resources of a type that are deployed: some are made on a condition only."""
        return {
            name: each.get("Properties", {})
            for name, each in self.template["Resources"].items()
            if each["Type"] == kind and self.desk.has(name)
        }

    def sources(self) -> Iterator[Source]:
        """Yield what calls a function by itself. SAM names each after its function and itself."""
        for function, properties in self.of_type("AWS::Serverless::Function").items():
            for name, event in properties.get("Events", {}).items():
                most = event["Properties"].get("ScalingConfig", {}).get("MaximumConcurrency")
                yield Source(f"{function}{name}", function, event["Type"], most)

    @cached_property
    def stack(self) -> Mapping[str, Any]:
        """What CloudFormation tells of the stack."""
        with translated("cloudformation"):
            answer = self.desk.client("cloudformation").describe_stacks(StackName=self.desk.name)
        stack: Mapping[str, Any] = answer["Stacks"][0]
        return stack

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """The stack's parameters; secret ones are asterisks."""
        return {each["ParameterKey"]: each["ParameterValue"] for each in self.stack.get("Parameters", [])}

    @cached_property
    def environments(self) -> Mapping[str, Mapping[str, str]]:
        """The environment of each function, as its live version has it."""
        client = self.desk.client("lambda")
        found = {}
        for function in self.of_type("AWS::Serverless::Function"):
            with translated("lambda"):
                told = client.get_function_configuration(FunctionName=self.desk.resource(function), Qualifier=ALIAS)
            found[function] = told.get("Environment", {}).get("Variables", {})
        return found

    @cached_property
    def secrets(self) -> Mapping[str, Mapping[str, Any]]:
        """The values of each secret, by its logical id; one that is no JSON object has none."""
        client = self.desk.client("secretsmanager")
        found = {}
        for secret in self.of_type("AWS::SecretsManager::Secret"):
            with translated("secrets"):
                text = client.get_secret_value(SecretId=self.desk.resource(secret)).get("SecretString", "")
            try:
                values = json.loads(text)
            except ValueError:
                values = {}
            found[secret] = values if isinstance(values, dict) else {}
        return found

    @cached_property
    def ahead_of_aws_s(self) -> float:
        """How far this machine's clock is ahead of AWS's, in seconds."""
        began = self.desk.clock()
        with translated("sqs"):
            answer = self.desk.client("sqs").get_queue_attributes(
                QueueUrl=self.desk.resource("Inbox"), AttributeNames=["QueueArn"]
            )
        return ahead_of(answer["ResponseMetadata"]["HTTPHeaders"]["date"], began, self.desk.clock())

    def environment_of(self, function: str) -> Mapping[str, str]:
        """Return a function's environment; raises `NeedsError` when it could not be read."""
        try:
            return self.environments[function]
        except (FrontdeskError, KeyError):
            raise NeedsError("function_settings") from None

    def values_of(self, secret: str) -> Mapping[str, Any]:
        """Return the values of a secret; raises `NeedsError` when they could not be read."""
        try:
            return self.secrets[secret]
        except (FrontdeskError, KeyError):
            raise NeedsError("secrets") from None

    def aws_now(self) -> float:
        """Return the time by AWS's clock, by which the functions judge; raises `NeedsError` when AWS does not tell."""
        try:
            return self.desk.clock() - self.ahead_of_aws_s
        except (FrontdeskError, KeyError, ValueError):
            raise NeedsError("clock_here") from None


def ahead_of(date: str, began: float, ended: float) -> float:
    """Return how far a clock is ahead, at least, of the one that wrote ``date`` between ``began`` and ``ended`` by it.

    An HTTP date has whole seconds, and nobody knows when within the request it was written: what that can explain is
    no difference. Raises `ValueError` for what is no date.
    """
    told = parsedate_to_datetime(date).timestamp()
    if began > told + 1:
        return began - (told + 1)
    return min(0.0, ended - told)
