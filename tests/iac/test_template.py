"""What linters do not see in the template, asserted on what CloudFormation gets of it in either partition."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from cfnlint.api import ManualArgs, lint

from ops.deployment import ROOT
from tests.iac.conftest import GIVEN, TEMPLATE, transformed

if TYPE_CHECKING:
    from collections.abc import Iterator

FUNCTIONS = ("CallbackFunction", "ResponderFunction", "ArchiverFunction", "ArchiverStreamFunction")
LINTED_REGIONS = ["us-east-1", "ap-east-1", "cn-north-1", "cn-northwest-1"]
# What keeps something, and what is to happen to it. Each "Delete" has its reason beside it in the template.
STATEFUL = {
    "AWS::DynamoDB::Table",
    "AWS::KMS::Key",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::SQS::Queue",
    "AWS::SecretsManager::Secret",
}
MAY_GO_WITH_THE_STACK = {"AlarmKey", "FastgptSecret", "Inbox", "WecomSecret"}
# Every right of every function; a new one is a decision.
RIGHTS = {
    "CallbackRole": {
        ("CallbackLogs", "logs:CreateLogStream logs:PutLogEvents"),
        ("Inbox", "sqs:SendMessage"),
        ("WecomSecret IdentitySecret", "secretsmanager:GetSecretValue"),
    },
    "ResponderRole": {
        ("ResponderLogs", "logs:CreateLogStream logs:PutLogEvents"),
        ("Inbox", "sqs:ReceiveMessage sqs:DeleteMessage sqs:GetQueueAttributes sqs:ChangeMessageVisibility"),
        ("Sessions", "dynamodb:GetItem dynamodb:Query dynamodb:PutItem dynamodb:UpdateItem"),
        (
            "Ledger",
            (
                "dynamodb:GetItem dynamodb:BatchGetItem dynamodb:PutItem dynamodb:UpdateItem dynamodb:DeleteItem "
                "dynamodb:ConditionCheckItem"
            ),
        ),
        ("WecomSecret FastgptSecret", "secretsmanager:GetSecretValue"),
    },
    "ArchiverRole": {
        ("ArchiverLogs", "logs:CreateLogStream logs:PutLogEvents"),
        ("${Sessions.Arn}/index/idle", "dynamodb:Query"),
        ("Sessions", "dynamodb:UpdateItem"),
        ("${ArchiveBucket.Arn}/sessions/*", "s3:PutObject s3:GetObject"),
    },
    "ArchiverStreamRole": {
        ("ArchiverStreamLogs", "logs:CreateLogStream logs:PutLogEvents"),
        ("Sessions", "dynamodb:DescribeStream dynamodb:GetRecords dynamodb:GetShardIterator"),
        ("${Sessions.Arn}/stream/*", "dynamodb:ListStreams"),
        ("${ArchiveBucket.Arn}/sessions/*", "s3:PutObject s3:GetObject"),
        ("ArchiverStreamDeadLetters", "sqs:SendMessage"),
    },
    "ArchiverFunctionEveryMinuteRole": {("ArchiverFunctionAliaslive", "lambda:InvokeFunction")},
}


def of_type(resources: dict[str, Any], kind: str) -> dict[str, Any]:
    return {name: each for name, each in resources.items() if each["Type"] == kind}


def walk(node: Any) -> Iterator[Any]:
    yield node
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from walk(child)


def seconds(text: str | int) -> int:
    return int(text)


def named(resource: Any) -> str:
    """Return a policy's resource in short: logical ids, or the text of its `Fn::Sub`."""
    if isinstance(resource, list):
        return " ".join(named(each) for each in resource)
    if "Fn::Sub" in resource:
        return str(resource["Fn::Sub"])
    return str(resource["Ref"] if "Ref" in resource else resource["Fn::GetAtt"][0])


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def event_sources(resources: dict[str, Any]) -> dict[str, Any]:
    mappings = of_type(resources, "AWS::Lambda::EventSourceMapping").items()
    return {name: each["Properties"] for name, each in mappings}


class TestLint:
    def test_the_source_is_clean_in_every_region(self) -> None:
        assert lint(TEMPLATE.read_text(encoding="utf-8"), config=ManualArgs(regions=LINTED_REGIONS)) == []

    def test_what_cloudformation_gets_is_clean_in_every_region(self, template: dict[str, Any], partition: str) -> None:
        regions = [region for region in LINTED_REGIONS if region.startswith("cn-") == (partition == "aws-cn")]
        assert lint(json.dumps(template), config=ManualArgs(regions=regions)) == []

    def test_no_partition_is_written_out(self, template: dict[str, Any]) -> None:
        own = {name: each for name, each in template["Resources"].items() if not name.endswith("EveryMinuteRole")}
        texts = [text for text in walk(own) if isinstance(text, str)]
        assert [text for text in texts if re.search(r"arn:aws(-cn)?:", text)] == []
        # Service principals are the same everywhere.
        hosts = [
            text for text in texts if "amazonaws.com" in text and not re.fullmatch(r"[a-z]+\.amazonaws\.com", text)
        ]
        stream_filter = [text for text in hosts if '"principalId":["dynamodb.amazonaws.com"]' in text]
        assert hosts == stream_filter


class TestInbox:
    def test_it_is_a_queue_in_high_throughput_mode_that_deduplicates_by_given_ids(
        self, resources: dict[str, Any]
    ) -> None:
        inbox = resources["Inbox"]["Properties"]
        assert inbox["FifoQueue"] is True
        assert inbox["DeduplicationScope"] == "messageGroup"
        assert inbox["FifoThroughputLimit"] == "perMessageGroupId"
        assert inbox["ContentBasedDeduplication"] is False

    def test_it_hides_a_message_for_six_times_the_responders_time(self, resources: dict[str, Any]) -> None:
        timeout = resources["ResponderFunction"]["Properties"]["Timeout"]
        assert resources["Inbox"]["Properties"]["VisibilityTimeout"] >= 6 * timeout

    def test_five_failures_make_a_dead_letter_and_the_responder_knows_the_number(
        self, resources: dict[str, Any]
    ) -> None:
        redrive = resources["Inbox"]["Properties"]["RedrivePolicy"]
        variables = resources["ResponderFunction"]["Properties"]["Environment"]["Variables"]
        assert redrive["maxReceiveCount"] == 5
        assert redrive["deadLetterTargetArn"] == {"Fn::GetAtt": ["InboxDeadLetters", "Arn"]}
        assert seconds(variables["INBOX_MAX_RECEIVES"]) == redrive["maxReceiveCount"]

    def test_dead_letters_outlive_the_inbox_and_come_from_it_alone(self, resources: dict[str, Any]) -> None:
        letters = resources["InboxDeadLetters"]["Properties"]
        assert letters["FifoQueue"] is True
        assert letters["MessageRetentionPeriod"] == 14 * 86_400
        assert letters["MessageRetentionPeriod"] > resources["Inbox"]["Properties"]["MessageRetentionPeriod"]
        (source,) = letters["RedriveAllowPolicy"]["sourceQueueArns"]
        assert letters["RedriveAllowPolicy"]["redrivePermission"] == "byQueue"
        assert source["Fn::Sub"].endswith(resources["Inbox"]["Properties"]["QueueName"]["Fn::Sub"])

    def test_every_queue_is_encrypted_and_takes_tls_only(self, resources: dict[str, Any]) -> None:
        queues = of_type(resources, "AWS::SQS::Queue")
        assert all(queue["Properties"]["SqsManagedSseEnabled"] is True for queue in queues.values())
        guarded = set()
        for policy in of_type(resources, "AWS::SQS::QueuePolicy").values():
            (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
            assert statement["Effect"] == "Deny"
            assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
            guarded |= {queue["Ref"] for queue in policy["Properties"]["Queues"]}
        assert guarded == set(queues)

    def test_the_responder_takes_batches_and_reports_each_failure_by_itself(self, resources: dict[str, Any]) -> None:
        mapping = event_sources(resources)["ResponderFunctionInboxMessages"]
        assert mapping["BatchSize"] == 10
        assert "MaximumBatchingWindowInSeconds" not in mapping  # a FIFO queue has none
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert mapping["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "ResponderConcurrency"}}


class TestFunctions:
    def test_there_are_four(self, resources: dict[str, Any]) -> None:
        assert set(of_type(resources, "AWS::Lambda::Function")) == set(FUNCTIONS)

    @pytest.mark.parametrize("function", FUNCTIONS)
    def test_each_has_its_own_role_and_its_own_log_group_with_an_end(
        self, resources: dict[str, Any], function: str
    ) -> None:
        properties = resources[function]["Properties"]
        stem = function.removesuffix("Function")
        assert properties["Role"] == {"Fn::GetAtt": [f"{stem}Role", "Arn"]}
        assert properties["LoggingConfig"]["LogGroup"] == {"Ref": f"{stem}Logs"}
        assert resources[f"{stem}Logs"]["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}

    @pytest.mark.parametrize("function", FUNCTIONS)
    def test_each_carries_both_layers_and_the_build(self, resources: dict[str, Any], function: str) -> None:
        properties = resources[function]["Properties"]
        layers = [resources[layer["Ref"]]["Properties"]["LayerName"] for layer in properties["Layers"]]
        assert layers == ["DependenciesLayer", "FrontdeskLayer"]
        assert properties["Environment"]["Variables"]["BUILD_ID"] == {"Ref": "BuildId"}

    @pytest.mark.parametrize("function", FUNCTIONS)
    def test_another_build_is_another_version_behind_the_alias(
        self, source: dict[str, Any], partition: str, function: str
    ) -> None:
        versions = set()
        for build in ("a" * 16, "b" * 16):
            resources = transformed(partition, source, BuildId=build)["Resources"]
            alias = resources[f"{function}Aliaslive"]["Properties"]
            assert alias["Name"] == "live"
            versions.add(alias["FunctionVersion"]["Fn::GetAtt"][0])
        assert len(versions) == 2

    def test_the_build_has_no_default_and_is_hexadecimal(self, template: dict[str, Any]) -> None:
        build = template["Parameters"]["BuildId"]
        assert "Default" not in build
        assert re.fullmatch(build["AllowedPattern"], GIVEN["BuildId"])
        assert not re.fullmatch(build["AllowedPattern"], "release-1.2.3-final")

    def test_layers_stay_for_versions_that_use_them(self, resources: dict[str, Any]) -> None:
        layers = of_type(resources, "AWS::Lambda::LayerVersion").values()
        assert [layer["DeletionPolicy"] for layer in layers] == ["Retain", "Retain"]

    def test_every_source_of_events_calls_an_alias(self, resources: dict[str, Any]) -> None:
        targets = [mapping["FunctionName"] for mapping in event_sources(resources).values()]
        schedules = of_type(resources, "AWS::Scheduler::Schedule").values()
        targets += [schedule["Properties"]["Target"]["Arn"] for schedule in schedules]
        permissions = of_type(resources, "AWS::Lambda::Permission").values()
        targets += [permission["Properties"]["FunctionName"] for permission in permissions]
        targets += listed(resources["CallbackIntegration"]["Properties"]["IntegrationUri"]["Fn::Sub"][1]["Alias"])
        assert len(targets) == 5
        assert all(target["Ref"].endswith("FunctionAliaslive") for target in targets)

    def test_texts_of_full_length_fit_into_an_environment(self, template: dict[str, Any]) -> None:
        variables = template["Resources"]["ResponderFunction"]["Properties"]["Environment"]["Variables"]
        total = 0
        for name, value in variables.items():
            parameter = template["Parameters"].get(value["Ref"], {}) if "Ref" in value else {}
            # A character takes up to four bytes; addresses, ids and ARNs stay under 80 on average.
            total += len(name) + (parameter["MaxLength"] * 4 if "MaxLength" in parameter else 60)
        assert total <= 4096


class TestApi:
    def test_only_the_callback_path_leads_in(self, resources: dict[str, Any]) -> None:
        routes = of_type(resources, "AWS::ApiGatewayV2::Route").values()
        assert {route["Properties"]["RouteKey"] for route in routes} == {"GET /wecom/callback", "POST /wecom/callback"}
        source = resources["CallbackPermission"]["Properties"]["SourceArn"]["Fn::Sub"]
        assert source.endswith("${HttpApi}/*/*/wecom/callback")

    def test_it_is_throttled(self, resources: dict[str, Any]) -> None:
        settings = resources["HttpApiStage"]["Properties"]["DefaultRouteSettings"]
        assert settings["ThrottlingRateLimit"] == {"Ref": "CallbackRateLimit"}
        assert settings["ThrottlingBurstLimit"] == {"Ref": "CallbackBurstLimit"}

    def test_its_log_is_json_without_query_string_and_address(self, resources: dict[str, Any]) -> None:
        format_ = resources["HttpApiStage"]["Properties"]["AccessLogSettings"]["Format"]
        assert set(json.loads(format_)) >= {"requestId", "status", "latencyMs", "integrationStatus", "error"}
        for secret in ("queryString", "routeKey", "sourceIp", "authorizer", "userAgent"):
            assert secret not in format_

    def test_nobody_waits_longer_than_wecom_does(self, resources: dict[str, Any]) -> None:
        assert resources["CallbackFunction"]["Properties"]["Timeout"] == 5
        assert resources["CallbackIntegration"]["Properties"]["TimeoutInMillis"] == 5000
        assert resources["CallbackIntegration"]["Properties"]["PayloadFormatVersion"] == "2.0"


class TestStorage:
    @pytest.mark.parametrize("table", ["Sessions", "Ledger"])
    def test_tables_forget_by_themselves_and_can_be_restored(self, resources: dict[str, Any], table: str) -> None:
        properties = resources[table]["Properties"]
        assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
        assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert properties["SSESpecification"] == {"SSEEnabled": True}
        assert properties["BillingMode"] == "PAY_PER_REQUEST"

    def test_sessions_have_a_stream_of_old_images_and_an_index_of_the_idle(self, resources: dict[str, Any]) -> None:
        properties = resources["Sessions"]["Properties"]
        (index,) = properties["GlobalSecondaryIndexes"]
        assert properties["StreamSpecification"] == {"StreamViewType": "OLD_IMAGE"}
        assert [key["AttributeName"] for key in index["KeySchema"]] == ["idle_shard", "last_activity_at"]
        variables = resources["ArchiverFunction"]["Properties"]["Environment"]["Variables"]
        assert variables["SESSIONS_IDLE_INDEX"] == index["IndexName"]

    def test_the_archive_is_private_versioned_encrypted_and_has_an_end(self, resources: dict[str, Any]) -> None:
        bucket = resources["ArchiveBucket"]["Properties"]
        assert all(bucket["PublicAccessBlockConfiguration"].values())
        assert len(bucket["PublicAccessBlockConfiguration"]) == 4
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
        assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        sessions, uploads = bucket["LifecycleConfiguration"]["Rules"]
        assert sessions["ExpirationInDays"] == {"Ref": "ArchiveRetentionDays"}
        assert uploads["AbortIncompleteMultipartUpload"]
        (statement,) = resources["ArchiveBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})

    def test_what_keeps_state_says_what_happens_to_it(self, resources: dict[str, Any]) -> None:
        policies = {
            name: (each.get("DeletionPolicy"), each.get("UpdateReplacePolicy"))
            for name, each in resources.items()
            if each["Type"] in STATEFUL
        }
        kept = {name for name, each in policies.items() if each == ("RetainExceptOnCreate", "Retain")}
        going = {name for name, each in policies.items() if each == ("Delete", "Delete")}
        assert going == MAY_GO_WITH_THE_STACK
        assert kept | going == set(policies)


class TestArchiver:
    def test_it_starts_every_minute_and_ends_before_the_next(self, resources: dict[str, Any]) -> None:
        schedule = resources["ArchiverFunctionEveryMinute"]["Properties"]
        assert schedule["ScheduleExpression"] == "rate(1 minute)"
        assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
        assert resources["ArchiverFunction"]["Properties"]["Timeout"] < 60
        assert resources["ArchiverFunctionEventInvokeConfig"]["Properties"]["MaximumRetryAttempts"] == 0

    def test_the_stream_hands_over_only_what_time_to_live_removed(self, resources: dict[str, Any]) -> None:
        mapping = event_sources(resources)["ArchiverStreamFunctionRemovedSessions"]
        (only,) = mapping["FilterCriteria"]["Filters"]
        assert json.loads(only["Pattern"]) == {
            "eventName": ["REMOVE"],
            "userIdentity": {"type": ["Service"], "principalId": ["dynamodb.amazonaws.com"]},
        }
        assert mapping["StartingPosition"] == "TRIM_HORIZON"

    def test_one_bad_record_holds_up_nothing_and_is_not_lost(self, resources: dict[str, Any]) -> None:
        mapping = event_sources(resources)["ArchiverStreamFunctionRemovedSessions"]
        assert mapping["BisectBatchOnFunctionError"] is True
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert mapping["MaximumRetryAttempts"] == 5
        assert mapping["MaximumRecordAgeInSeconds"] < 86_400
        destination = mapping["DestinationConfig"]["OnFailure"]["Destination"]
        assert destination == {"Fn::GetAtt": ["ArchiverStreamDeadLetters", "Arn"]}


class TestRights:
    def test_every_role_has_exactly_the_reviewed_rights(self, resources: dict[str, Any]) -> None:
        found = {}
        for name, role in of_type(resources, "AWS::IAM::Role").items():
            statements = [s for p in role["Properties"]["Policies"] for s in p["PolicyDocument"]["Statement"]]
            assert all(statement["Effect"] == "Allow" for statement in statements)
            found[name] = {(named(s["Resource"]), " ".join(listed(s["Action"]))) for s in statements}
            assert "ManagedPolicyArns" not in role["Properties"]
        assert found == RIGHTS

    def test_only_the_keys_own_policy_speaks_of_everything(self, resources: dict[str, Any]) -> None:
        """In a key's policy "*" is that key. Elsewhere it stands in refusals only."""
        for name, each in resources.items():
            for node in walk(each):
                if isinstance(node, dict) and node.get("Effect") == "Allow":
                    everything = "*" in (listed(node.get("Resource")) + listed(node.get("Principal")))
                    assert not everything or name == "AlarmKey"

    def test_secrets_come_in_unseen_and_go_to_secrets_manager_alone(self, template: dict[str, Any]) -> None:
        hidden = {name for name, each in template["Parameters"].items() if each.get("NoEcho")}
        assert hidden == {"WecomSecretValue", "WecomToken", "WecomEncodingAesKey", "FastgptApiKey"}
        others = {name: each for name, each in template["Resources"].items() if "SecretsManager" not in each["Type"]}
        mentioned = json.dumps([others, template["Outputs"]])
        assert [name for name in hidden if f'"{name}"' in mentioned or f"${{{name}}}" in mentioned] == []

    @pytest.mark.parametrize("secret", ["WecomSecret", "FastgptSecret"])
    def test_a_secret_is_json_whatever_the_values_allowed(self, template: dict[str, Any], secret: str) -> None:
        text = template["Resources"][secret]["Properties"]["SecretString"]["Fn::Sub"]
        for name in re.findall(r"\$\{(\w+)\}", text):
            pattern = template["Parameters"][name]["AllowedPattern"]
            allowed = "".join(
                chr(code) for code in range(1, 127) if re.search(pattern.replace("^", "").split("{")[0], chr(code))
            )
            assert not set(allowed) & set('"\\\n')
            text = text.replace(f"${{{name}}}", allowed)
        assert all(json.loads(text).values())

    def test_every_secret_of_a_vendor_has_a_pattern(self, template: dict[str, Any]) -> None:
        assert all("AllowedPattern" in p for p in template["Parameters"].values() if p.get("NoEcho"))


def test_the_documented_resources_have_their_documented_names(source: dict[str, Any]) -> None:
    names = {"HttpApi", "Inbox", "InboxDeadLetters", "Sessions", "Ledger", "ArchiveBucket", "AlarmTopic", *FUNCTIONS}
    names |= {"WecomSecret", "FastgptSecret", "IdentitySecret", "DependenciesLayer", "FrontdeskLayer"}
    assert names <= set(source["Resources"])
    assert (ROOT / "samconfig.toml").is_file()
