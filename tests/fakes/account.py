"""An AWS account with the whole deployment in it, as the clients of boto3 tell of it. All is well until a test says so."""

from __future__ import annotations

import copy
import io
import json
from dataclasses import asdict
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from frontdesk.protection.sealing import Keyring
from ops.deployment import ROOT
from ops.desk import Deployment
from ops.template import load_template
from tests.factories import NOW

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from frontdesk.records import Checked

TEMPLATE = load_template(ROOT / "template.yaml")
BUILD = "0123456789abcdef"
GIVEN = {
    "WecomCorpId": "ww0123456789abcdef",
    "WecomAgentId": "1000002",
    "FastgptBaseUrl": "https://fastgpt.example/api",
    "FastgptAppId": "0123456789abcdef01234567",
    "BuildId": BUILD,
}


class FakeAccount:
    """One stack. ``secrets`` are the values of each secret; what clients tell can be changed in the other attributes."""

    def __init__(
        self, secrets: Mapping[str, Mapping[str, Any]], *, parameters: Mapping[str, str] | None = None
    ) -> None:
        self.resources = {name: f"physical-{name}" for name in TEMPLATE["Resources"]}
        self.parameters = {
            name: str(each["Default"]) for name, each in TEMPLATE["Parameters"].items() if "Default" in each
        } | {**GIVEN, **(parameters or {})}
        self.secrets = {name: dict(values) for name, values in secrets.items()}
        self.status = "UPDATE_COMPLETE"
        self.clock_ahead_s = 0.0
        self.environments = {name: self._environment(name) for name in self.of_type("AWS::Serverless::Function")}
        self.states: dict[str, str] = {}
        """Of event source mappings, schedules and alarms, by logical id, where it is not the good one."""
        self.letters: dict[str, int] = {}
        self.oldest_s: dict[str, int] = {}
        self.bare: set[tuple[str, str]] = set()
        """What is off, and for which table: ttl, stream, backups; or logs, for a log group."""
        self.subscriptions = ["arn:aws:sns:us-east-1:123456789012:topic:1"]
        self.allowed = 1000
        self.accounts = 1
        self.refused: set[str] = set()
        """Services that refuse everything."""
        self.found: Sequence[Checked] | str = ()
        """What the function tells, or the type of its error."""
        self.asked: list[Any] = []
        ring = Keyring.read(self.secrets["KeyringSecret"]["SM4_KEYRING"])
        self.checks = {key_id: ring.check_token(key_id) for key_id in ring.ids}
        for function, properties in self.of_type("AWS::Serverless::Function").items():
            for name in properties.get("Events", {}):
                self.resources[f"{function}{name}"] = f"physical-{function}{name}"

    def of_type(self, kind: str) -> dict[str, Any]:
        return {name: each["Properties"] for name, each in TEMPLATE["Resources"].items() if each["Type"] == kind}

    def logical(self, physical: str) -> str:
        return physical.rpartition("physical-")[2]

    def deployment(self, *, callback_url: str = "") -> Deployment:
        """Return it as a stack in the cloud; its output tells ``callback_url``."""
        self.callback_url = callback_url
        return Deployment("frontdesk", self.resources, self.client)

    def client(self, service: str) -> Any:
        if service in self.refused:
            return _Refusing()
        return {
            "cloudformation": _CloudFormation,
            "lambda": _Lambda,
            "secretsmanager": _SecretsManager,
            "sqs": _Sqs,
            "cloudwatch": _CloudWatch,
            "scheduler": _Scheduler,
            "dynamodb": _DynamoDb,
            "sns": _Sns,
            "logs": _Logs,
        }[service](self)

    def _environment(self, function: str) -> dict[str, str]:
        shared = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
        own = TEMPLATE["Resources"][function]["Properties"]["Environment"]["Variables"]
        return {name: self._value(given) for name, given in {**shared, **own}.items()}

    def _value(self, given: Any) -> str:
        if isinstance(given, str):
            return given
        if "Fn::GetAtt" in given:
            return f"arn:aws:secretsmanager:us-east-1:123456789012:secret:{given['Fn::GetAtt'][0]}"
        if "Fn::If" in given:  # this account has none of what is optional
            return self._value(given["Fn::If"][2])
        name = given["Ref"]
        if name in TEMPLATE["Parameters"]:
            return self.parameters.get(name, "")
        is_queue = TEMPLATE["Resources"][name]["Type"] == "AWS::SQS::Queue"
        return f"https://sqs.us-east-1.amazonaws.com/123456789012/{name}" if is_queue else self.resources[name]


class _Refusing:
    def __getattr__(self, operation: str) -> Any:
        def refuse(**_request: Any) -> Any:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, operation)

        return refuse


class _Client:
    def __init__(self, account: FakeAccount) -> None:
        self.account = account


class _CloudFormation(_Client):
    def describe_stacks(self, *, StackName: str) -> Any:  # noqa: N803  # as boto3 has it, here and below
        account = self.account
        parameters = [
            {
                "ParameterKey": name,
                "ParameterValue": "****" if each.get("NoEcho") else account.parameters.get(name, ""),
            }
            for name, each in TEMPLATE["Parameters"].items()
        ]
        outputs = [{"OutputKey": "CallbackUrl", "OutputValue": account.callback_url}]
        return {"Stacks": [{"StackStatus": account.status, "Parameters": parameters, "Outputs": outputs}]}


class _Lambda(_Client):
    def get_function_configuration(self, *, FunctionName: str, Qualifier: str) -> Any:  # noqa: N803
        assert Qualifier == "live"
        return {"Environment": {"Variables": self.account.environments[self.account.logical(FunctionName)]}}

    def get_event_source_mapping(self, *, UUID: str) -> Any:  # noqa: N803
        return {"State": self.account.states.get(self.account.logical(UUID), "Enabled")}

    def get_account_settings(self) -> Any:
        return {"AccountLimit": {"UnreservedConcurrentExecutions": self.account.allowed}}

    def invoke(self, *, FunctionName: str, Qualifier: str, Payload: str) -> Any:  # noqa: N803
        assert (self.account.logical(FunctionName), Qualifier) == ("DoctorFunction", "live")
        self.account.asked.append(json.loads(Payload))
        if isinstance(self.account.found, str):
            told = {"errorType": self.account.found, "errorMessage": "quotes a secret"}
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps(told).encode())}
        told = {"checks": [asdict(each) for each in self.account.found]}
        return {"Payload": io.BytesIO(json.dumps(told).encode())}


class _SecretsManager(_Client):
    def get_secret_value(self, *, SecretId: str) -> Any:  # noqa: N803
        return {"SecretString": json.dumps(self.account.secrets[self.account.logical(SecretId)])}


class _Sqs(_Client):
    def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: list[str]) -> Any:  # noqa: N803
        count = self.account.letters.get(self.account.logical(QueueUrl), 0)
        date = datetime.fromtimestamp(int(NOW - self.account.clock_ahead_s), UTC)
        return {
            "Attributes": {"ApproximateNumberOfMessages": str(count)} if AttributeNames == ["All"] else {},
            "ResponseMetadata": {"HTTPHeaders": {"date": format_datetime(date, usegmt=True)}},
        }


class _CloudWatch(_Client):
    def get_metric_statistics(self, **request: Any) -> Any:
        (dimension,) = request["Dimensions"]
        age = self.account.oldest_s.get(self.account.logical(dimension["Value"]))
        return {"Datapoints": [] if age is None else [{"Timestamp": request["EndTime"], "Maximum": float(age)}]}

    def describe_alarms(self, *, AlarmNames: list[str], MaxRecords: int) -> Any:  # noqa: N803
        assert len(AlarmNames) <= MaxRecords <= 100
        return {"MetricAlarms": [self._alarm(name) for name in AlarmNames]}

    def _alarm(self, physical: str) -> Any:
        name = self.account.logical(physical)
        state = self.account.states.get(name, "OK")
        return {
            "AlarmName": physical,
            "AlarmDescription": TEMPLATE["Resources"][name]["Properties"]["AlarmDescription"],
            "StateValue": "OK" if state == "muted" else state,
            "ActionsEnabled": state != "muted",
        }


class _Scheduler(_Client):
    def get_schedule(self, *, Name: str) -> Any:  # noqa: N803
        return {"State": self.account.states.get(self.account.logical(Name), "ENABLED")}


class _DynamoDb(_Client):
    def describe_time_to_live(self, *, TableName: str) -> Any:  # noqa: N803
        name = self.account.logical(TableName)
        if ("ttl", name) in self.account.bare:
            return {"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}}
        return {"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}}

    def describe_table(self, *, TableName: str) -> Any:  # noqa: N803
        name = self.account.logical(TableName)
        if ("stream", name) in self.account.bare:
            return {"Table": {}}
        wanted = copy.deepcopy(TEMPLATE["Resources"][name]["Properties"].get("StreamSpecification", {}))
        return {"Table": {"StreamSpecification": {"StreamEnabled": True, **wanted}}}

    def describe_continuous_backups(self, *, TableName: str) -> Any:  # noqa: N803
        off = ("backups", self.account.logical(TableName)) in self.account.bare
        told = {"PointInTimeRecoveryStatus": "DISABLED" if off else "ENABLED"}
        return {"ContinuousBackupsDescription": {"PointInTimeRecoveryDescription": told}}

    def get_item(self, **_request: Any) -> Any:
        return {"Item": {"conversation": {"S": "#keyring"}, "checks": {"S": json.dumps(self.account.checks)}}}

    def scan(self, *, TableName: str, Limit: int) -> Any:  # noqa: N803
        assert self.account.logical(TableName) == "Accounts"
        return {"Count": min(self.account.accounts, Limit)}


class _Sns(_Client):
    def list_subscriptions_by_topic(self, **_request: Any) -> Any:
        return {"Subscriptions": [{"SubscriptionArn": each} for each in self.account.subscriptions]}


class _Logs(_Client):
    def describe_log_groups(self, *, logGroupNamePrefix: str) -> Any:  # noqa: N803
        off = ("logs", self.account.logical(logGroupNamePrefix)) in self.account.bare
        group = {"logGroupName": logGroupNamePrefix} | ({} if off else {"retentionInDays": 30})
        # What merely begins alike is another group.
        return {"logGroups": [{"logGroupName": logGroupNamePrefix + "2", "retentionInDays": 30}, group]}
