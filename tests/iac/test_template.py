"""What linters do not see in the template, asserted on what CloudFormation gets of it in either partition."""

from __future__ import annotations

import json
import re
import string
from typing import TYPE_CHECKING, Any

import pytest
from cfnlint.api import ManualArgs, lint

from frontdesk.protection.customer_keys import LONGEST_WORK_S
from ops.deployment import ROOT
from tests.iac.conftest import GIVEN, SECRETS, TEMPLATE, transformed

if TYPE_CHECKING:
    from collections.abc import Iterator

FUNCTIONS = (
    "CallbackFunction",
    "CollectorFunction",
    "ResponderFunction",
    "TicketsFunction",
    "AlarmTicketsFunction",
    "SweepFunction",
    "ArchiverFunction",
    "ArchiverStreamFunction",
    "AuditorFunction",
    "ReviewerFunction",
    "DoctorFunction",
    "ReleaseFunction",
)
# Those that CodeDeploy shifts traffic to: not the one who tries, nor the one whom only an operator calls.
SHIFTED = tuple(name for name in FUNCTIONS if name not in {"ReleaseFunction", "DoctorFunction"})
# SAM writes these, with the partition it was run for.
SCHEDULE_ROLES = ("EveryMinuteRole", "DailyRole")
STACK_NAME = 32  # characters
LINTED_REGIONS = ["us-east-1", "ap-east-1", "cn-north-1", "cn-northwest-1"]
# Each queue that is worked on, the function that does it, and where that function is told how often it may fail.
QUEUES = {
    "Inbox": ("ResponderFunction", "INBOX_MAX_RECEIVES"),
    "Pulls": ("CollectorFunction", "PULLS_MAX_RECEIVES"),
    "TicketQueue": ("TicketsFunction", "TICKETS_MAX_RECEIVES"),
}
# What keeps something, and what is to happen to it. Each "Delete" has its reason beside it in the template.
STATEFUL = {
    "AWS::DynamoDB::Table",
    "AWS::EC2::EIP",
    "AWS::KMS::Key",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::SQS::Queue",
    "AWS::SecretsManager::Secret",
}
MAY_GO_WITH_THE_STACK = {"AlarmKey", "FastgptSecret", "Inbox", "Pulls", "TicketQueue", "TicketSecret", "WecomSecret"}
# What may hold sealed words or their keys by the time a deployment that creates it is taken back.
STAYS_WHATEVER_HAPPENS = {"Audit", "AuditBucket", "AuditSecret", "CustomerKeys", "KeyringSecret", "Reviews", "Tickets"}
TABLES = {"Accounts", "Attendance", "Audit", "CustomerKeys", "Ledger", "Reviews", "Sessions", "Tickets"}
# What could alter or remove a record of the audit. A put could overwrite one, too: see the template.
CHANGES_AN_ITEM = {
    "dynamodb:UpdateItem",
    "dynamodb:DeleteItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:PartiQLInsert",
    "dynamodb:PartiQLUpdate",
    "dynamodb:PartiQLDelete",
}


def environment_bytes(resources: dict[str, Any], parameters: dict[str, Any], function: str) -> int:
    """Return how large a function's environment may be, in a stack whose name has up to 32 characters.

    What Lambda measures is the variables as one JSON object: when it refuses an environment, it quotes that text.
    """
    variables = resources[function]["Properties"]["Environment"]["Variables"]
    sizes = [len(name) + longest(value, resources, parameters) for name, value in variables.items()]
    return sum(sizes) + len('"":"",') * len(sizes) + 1


def longest(value: Any, resources: dict[str, Any], parameters: dict[str, Any]) -> int:
    """Return how many bytes the value of a variable may have."""
    if isinstance(value, str):
        return len(value)
    if "Fn::GetAtt" in value:  # a secret's ARN, in the longest of partitions and regions
        arn = "arn:aws-cn:secretsmanager:cn-northwest-1:123456789012:secret:-abcdefghijkl-abcdef"
        return len(arn) + len(value["Fn::GetAtt"][0])
    if "Fn::If" in value:
        return max(longest(each, resources, parameters) for each in value["Fn::If"][1:])
    name = value["Ref"]
    if name in parameters:
        return longest_of(name, parameters[name])
    if resources[name]["Type"] == "AWS::SQS::Queue":
        own = resources[name]["Properties"]["QueueName"]["Fn::Sub"].removeprefix("${AWS::StackName}")
        return len("https://sqs.cn-northwest-1.amazonaws.com.cn/123456789012/") + STACK_NAME + len(own)
    # What CloudFormation makes of the names of the stack and of the resource.
    return STACK_NAME + len(f"-{name}-1A2B3C4D5E6F7")


def longest_of(name: str, parameter: dict[str, Any]) -> int:
    """Return how many bytes the value of a parameter may have; of an address, what one may count on: 100."""
    pattern = parameter.get("AllowedPattern", "")
    if "MaxLength" in parameter:
        # Without a pattern that says otherwise a character takes up to four bytes.
        return int(parameter["MaxLength"]) * (1 if ascii_alone(pattern) else 4)
    if "MaxValue" in parameter:
        return len(str(parameter["MaxValue"]))
    if "AllowedValues" in parameter:
        return max(map(len, parameter["AllowedValues"]))
    counted = re.findall(r"(\d+)\}", pattern)
    if counted:  # an id: the longest that its pattern lets through, with the two letters before it
        return int(counted[-1]) + 2
    assert "Base" in name, name
    return 100


def ascii_alone(pattern: str) -> bool:
    """Tell whether what fits ``pattern`` is ASCII: every character is named, as itself or in a set or a range."""
    sets = re.sub(r"\[[^]]*\]", "", pattern)
    return pattern.isascii() and pattern != "" and not re.search(r"\[\^|\\[DSWdsw]", pattern) and "." not in sets


def evaluated(node: Any, parameters: dict[str, str]) -> Any:
    """Return the value of an expression of the template's rules."""
    if not isinstance(node, dict):
        return node
    ((function, given),) = node.items()
    if function == "Ref":
        return parameters[given]
    values = [evaluated(each, parameters) for each in given]
    if function == "Fn::Equals":
        return values[0] == values[1]
    if function == "Fn::Not":
        return not values[0]
    return {"Fn::And": all, "Fn::Or": any}[function](values)


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
    if isinstance(resource, str):
        return resource
    if "Fn::Sub" in resource:
        return str(resource["Fn::Sub"])
    return str(resource["Ref"] if "Ref" in resource else resource["Fn::GetAtt"][0])


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements_of(role: dict[str, Any]) -> list[dict[str, Any]]:
    return [s for policy in role["Properties"]["Policies"] for s in policy["PolicyDocument"]["Statement"]]


def waits_for(resources: dict[str, Any], name: str) -> set[str]:
    """Return every resource that is made or updated before ``name``: what it depends on or refers to, and so on."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        each = resources[waiting.pop()]
        parts = [each.get("Properties", {}), each.get("UpdatePolicy", {})]
        nodes = [node for node in walk(parts) if isinstance(node, dict)]
        needs = set(listed(each.get("DependsOn", [])))
        needs |= {node["Ref"] for node in nodes if "Ref" in node}
        needs |= {node["Fn::GetAtt"][0] for node in nodes if "Fn::GetAtt" in node}
        needs |= {
            text for node in nodes if "Fn::Sub" in node for text in re.findall(r"\$\{(\w+)", str(node["Fn::Sub"]))
        }
        new = (needs & set(resources)) - found
        found |= new
        waiting += new
    return found


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
        own = {name: each for name, each in template["Resources"].items() if not name.endswith(SCHEDULE_ROLES)}
        texts = [text for text in walk(own) if isinstance(text, str)]
        assert [text for text in texts if re.search(r"arn:aws(-cn)?:", text)] == []
        # Service principals are the same everywhere.
        hosts = [
            text for text in texts if "amazonaws.com" in text and not re.fullmatch(r"[a-z]+\.amazonaws\.com", text)
        ]
        stream_filter = [text for text in hosts if '"principalId":["dynamodb.amazonaws.com"]' in text]
        assert hosts == stream_filter


class TestQueues:
    @pytest.mark.parametrize("queue", QUEUES)
    def test_each_is_in_high_throughput_mode_and_deduplicates_by_given_ids(
        self, resources: dict[str, Any], queue: str
    ) -> None:
        properties = resources[queue]["Properties"]
        assert properties["FifoQueue"] is True
        assert properties["DeduplicationScope"] == "messageGroup"
        assert properties["FifoThroughputLimit"] == "perMessageGroupId"
        assert properties["ContentBasedDeduplication"] is False

    @pytest.mark.parametrize("queue", QUEUES)
    def test_each_hides_a_message_for_six_times_its_functions_time(self, resources: dict[str, Any], queue: str) -> None:
        timeout = resources[QUEUES[queue][0]]["Properties"]["Timeout"]
        assert resources[queue]["Properties"]["VisibilityTimeout"] >= 6 * timeout

    @pytest.mark.parametrize("queue", QUEUES)
    def test_five_failures_make_a_dead_letter_and_its_function_knows_the_number(
        self, resources: dict[str, Any], queue: str
    ) -> None:
        function, told = QUEUES[queue]
        redrive = resources[queue]["Properties"]["RedrivePolicy"]
        variables = resources[function]["Properties"]["Environment"]["Variables"]
        assert redrive["maxReceiveCount"] == 5
        assert redrive["deadLetterTargetArn"] == {"Fn::GetAtt": [f"{queue}DeadLetters", "Arn"]}
        assert seconds(variables[told]) == redrive["maxReceiveCount"]

    @pytest.mark.parametrize("queue", QUEUES)
    def test_dead_letters_outlive_their_queue_and_come_from_it_alone(
        self, resources: dict[str, Any], queue: str
    ) -> None:
        letters = resources[f"{queue}DeadLetters"]["Properties"]
        assert letters["FifoQueue"] is True
        assert letters["MessageRetentionPeriod"] == 14 * 86_400
        assert letters["MessageRetentionPeriod"] > resources[queue]["Properties"]["MessageRetentionPeriod"]
        (source,) = letters["RedriveAllowPolicy"]["sourceQueueArns"]
        assert letters["RedriveAllowPolicy"]["redrivePermission"] == "byQueue"
        assert source["Fn::Sub"].endswith(":" + resources[queue]["Properties"]["QueueName"]["Fn::Sub"])

    def test_the_fixed_names_are_the_stacks_and_differ(self, resources: dict[str, Any]) -> None:
        queues = of_type(resources, "AWS::SQS::Queue")
        names = {name: each["Properties"].get("QueueName") for name, each in queues.items()}
        fixed = {name: given["Fn::Sub"] for name, given in names.items() if given}
        assert set(fixed) == set(QUEUES)
        assert len(set(fixed.values())) == len(fixed)
        assert all(re.fullmatch(r"\$\{AWS::StackName\}-[a-z]+\.fifo", given) for given in fixed.values())

    def test_every_queue_is_encrypted_and_takes_tls_only(self, resources: dict[str, Any]) -> None:
        queues = of_type(resources, "AWS::SQS::Queue")
        assert all(queue["Properties"]["SqsManagedSseEnabled"] is True for queue in queues.values())
        guarded = set()
        for policy in of_type(resources, "AWS::SQS::QueuePolicy").values():
            (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
            assert statement["Effect"] == "Deny"
            assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
            assert policy["Properties"]["Queues"] == [{"Ref": named(statement["Resource"])}]
            guarded.add(named(statement["Resource"]))
        assert guarded == set(queues)

    @pytest.mark.parametrize("queue", QUEUES)
    def test_each_is_taken_in_batches_by_one_function_that_reports_each_failure_by_itself(
        self, resources: dict[str, Any], queue: str
    ) -> None:
        source = {"Fn::GetAtt": [queue, "Arn"]}
        (mapping,) = [each for each in event_sources(resources).values() if each["EventSourceArn"] == source]
        assert mapping["FunctionName"] == {"Ref": f"{QUEUES[queue][0]}Aliaslive"}
        assert mapping["BatchSize"] == 10
        assert "MaximumBatchingWindowInSeconds" not in mapping  # a FIFO queue has none
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]

    def test_each_function_has_a_most_that_run_at_the_same_time(self, resources: dict[str, Any]) -> None:
        mappings = event_sources(resources)
        most = {name: each["ScalingConfig"] for name, each in mappings.items() if "ScalingConfig" in each}
        assert most == {
            "ResponderFunctionInboxMessages": {"MaximumConcurrency": {"Ref": "ResponderConcurrency"}},
            "CollectorFunctionNews": {"MaximumConcurrency": 10},
            "TicketsFunctionRequests": {"MaximumConcurrency": 5},
        }


class TestFunctions:
    def test_there_are_eleven(self, resources: dict[str, Any]) -> None:
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

    def test_the_doctor_leaves_by_the_same_way_as_the_responder_and_with_the_same_values(
        self, resources: dict[str, Any]
    ) -> None:
        """What WeCom answers depends on the address that asks; from another one, the doctor would tell of another."""
        doctor, responder = (resources[name]["Properties"] for name in ("DoctorFunction", "ResponderFunction"))
        assert doctor.get("VpcConfig") == responder.get("VpcConfig")
        own = doctor["Environment"]["Variables"]
        assert own == {name: responder["Environment"]["Variables"][name] for name in own}

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
        assert len(targets) == 11
        assert all(target["Ref"].endswith("FunctionAliaslive") for target in targets)

    @pytest.mark.parametrize("function", FUNCTIONS)
    def test_the_longest_values_allowed_fit_into_an_environment(self, template: dict[str, Any], function: str) -> None:
        assert environment_bytes(template["Resources"], template["Parameters"], function) <= 4096

    def test_a_bound_in_characters_is_counted_in_bytes(self) -> None:
        assert longest_of("A", {"MaxLength": 10}) == 40
        assert longest_of("A", {"MaxLength": 10, "AllowedPattern": "^[^,]*$"}) == 40
        assert longest_of("A", {"MaxLength": 10, "AllowedPattern": "^.*$"}) == 40
        assert longest_of("A", {"MaxLength": 10, "AllowedPattern": r"^\S*$"}) == 40
        assert longest_of("A", {"MaxLength": 10, "AllowedPattern": r"^$|^[a-z.@-]{1,5}(\|[a-z]+)*$"}) == 10

    def test_who_reads_is_updated_before_who_writes(self, resources: dict[str, Any]) -> None:
        """A reader of the previous release cannot read what a new writer wrote."""
        before = {name: waits_for(resources, f"{name}Aliaslive") for name in FUNCTIONS}
        for writer, readers in {
            "ResponderFunction": {"ArchiverStreamFunction"},
            "CollectorFunction": {"ResponderFunction"},
            "TicketsFunction": {"ResponderFunction"},
            "ArchiverFunction": {"ResponderFunction"},
            "CallbackFunction": {"ResponderFunction", "CollectorFunction"},
            "SweepFunction": {"ResponderFunction", "CollectorFunction", "TicketsFunction"},
            "AlarmTicketsFunction": {"TicketsFunction"},
        }.items():
            assert {f"{reader}Aliaslive" for reader in readers} <= before[writer], writer

    def test_whoever_writes_to_a_queue_waits_for_who_reads_it_but_for_the_ring_that_is_cut_once(
        self, resources: dict[str, Any]
    ) -> None:
        """The responder opens tickets, and is told of them: a ticket can wait in its queue, a customer cannot."""
        late = set()
        for writer in FUNCTIONS:
            role = resources[f"{writer.removesuffix('Function')}Role"]
            for statement in statements_of(role):
                if statement["Action"] == "sqs:SendMessage":
                    for queue in set(named(statement["Resource"]).split()) & set(QUEUES):
                        reader = QUEUES[queue][0]
                        if writer != reader and f"{reader}Aliaslive" not in waits_for(resources, f"{writer}Aliaslive"):
                            late.add((writer, reader))
        assert late == {("ResponderFunction", "TicketsFunction")}


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
    @pytest.mark.parametrize("table", ["Sessions", "Ledger", "Attendance", "Tickets", "Audit"])
    def test_tables_forget_by_themselves(self, resources: dict[str, Any], table: str) -> None:
        properties = resources[table]["Properties"]
        assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}

    def test_keys_and_decisions_do_not_expire(self, resources: dict[str, Any]) -> None:
        lasting = {name for name, each in of_type(resources, "AWS::DynamoDB::Table").items()
                   if "TimeToLiveSpecification" not in each["Properties"]}  # fmt: skip
        assert lasting == {"Accounts", "CustomerKeys", "Reviews"}

    def test_tables_are_encrypted_and_can_be_restored(self, resources: dict[str, Any]) -> None:
        tables = of_type(resources, "AWS::DynamoDB::Table")
        assert set(tables) == TABLES
        for name, table in tables.items():
            properties = table["Properties"]
            assert properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True, name
            assert properties["SSESpecification"] == {"SSEEnabled": True}, name
            assert properties["BillingMode"] == "PAY_PER_REQUEST", name

    def test_a_destroyed_key_comes_back_from_no_backup_older_than_a_day(self, resources: dict[str, Any]) -> None:
        recovery = resources["CustomerKeys"]["Properties"]["PointInTimeRecoverySpecification"]
        assert recovery["RecoveryPeriodInDays"] == 1

    @pytest.mark.parametrize("table", ["CustomerKeys", "Tickets", "Audit", "Reviews"])
    def test_what_must_not_be_lost_cannot_be_deleted_in_passing(self, resources: dict[str, Any], table: str) -> None:
        """Such a table says Retain: taking back its creation would stop at the protection."""
        assert resources[table]["Properties"]["DeletionProtectionEnabled"] is True
        assert resources[table]["DeletionPolicy"] == "Retain"

    @pytest.mark.parametrize(
        ("table", "keys", "index"),
        [
            ("CustomerKeys", ["conversation"], {}),
            ("Accounts", ["account"], {}),
            (
                "Attendance",
                ["conversation"],
                {
                    "IndexName": "due",
                    "KeySchema": ["due_shard", "due_at"],
                    "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["channel"]},
                },
            ),
            (
                "Tickets",
                ["number"],
                {
                    "IndexName": "offer",
                    "KeySchema": ["offer_shard", "offer_at"],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                },
            ),
            (
                "Audit",
                ["conversation", "seq"],
                {"IndexName": "day", "KeySchema": ["day_shard", "at_ms"], "Projection": {"ProjectionType": "ALL"}},
            ),
            (
                "Reviews",
                ["conversation", "seq"],
                {"IndexName": "state", "KeySchema": ["state", "found_at"], "Projection": {"ProjectionType": "ALL"}},
            ),
        ],
    )
    def test_tables_have_the_keys_that_the_code_asks_for(
        self, resources: dict[str, Any], table: str, keys: list[str], index: dict[str, Any]
    ) -> None:
        properties = resources[table]["Properties"]
        assert [key["AttributeName"] for key in properties["KeySchema"]] == keys
        indexes = [
            {**each, "KeySchema": [key["AttributeName"] for key in each["KeySchema"]]}
            for each in properties.get("GlobalSecondaryIndexes", [])
        ]
        assert indexes == ([index] if index else [])
        types = {each["AttributeName"]: each["AttributeType"] for each in properties["AttributeDefinitions"]}
        numbers = {"seq", "at_ms", "found_at", "due_at", "offer_at"}
        named = [*keys, *index.get("KeySchema", [])]
        assert types == {name: "N" if name in numbers else "S" for name in named}

    def test_both_readers_of_a_day_know_the_index(self, resources: dict[str, Any]) -> None:
        (index,) = resources["Audit"]["Properties"]["GlobalSecondaryIndexes"]
        for function in ("AuditorFunction", "ReviewerFunction"):
            variables = resources[function]["Properties"]["Environment"]["Variables"]
            assert variables["AUDIT_DAY_INDEX"] == index["IndexName"]

    @pytest.mark.parametrize(
        ("table", "told"), [("Attendance", "ATTENDANCE_DUE_INDEX"), ("Tickets", "TICKETS_OFFER_INDEX")]
    )
    def test_the_sweep_knows_the_indexes_of_what_is_due(self, resources: dict[str, Any], table: str, told: str) -> None:
        (index,) = resources[table]["Properties"]["GlobalSecondaryIndexes"]
        assert resources["SweepFunction"]["Properties"]["Environment"]["Variables"][told] == index["IndexName"]

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

    @pytest.mark.parametrize("bucket", ["ArchiveBucket", "AuditBucket", "RulesBucket"])
    def test_every_bucket_is_private_versioned_encrypted_and_takes_tls_only(
        self, resources: dict[str, Any], bucket: str
    ) -> None:
        properties = resources[bucket]["Properties"]
        assert list(properties["PublicAccessBlockConfiguration"].values()) == [True] * 4
        assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
        assert properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        (statement,) = resources[f"{bucket}Policy"]["Properties"]["PolicyDocument"]["Statement"]
        assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert resources[f"{bucket}Policy"]["Properties"]["Bucket"] == {"Ref": bucket}

    def test_every_bucket_there_is_has_a_policy(self, resources: dict[str, Any]) -> None:
        policies = {name.removesuffix("Policy") for name in of_type(resources, "AWS::S3::BucketPolicy")}
        assert policies == set(of_type(resources, "AWS::S3::Bucket"))

    def test_the_exported_audit_is_locked_for_as_long_as_it_is_kept(self, resources: dict[str, Any]) -> None:
        bucket = resources["AuditBucket"]["Properties"]
        lock = bucket["ObjectLockConfiguration"]
        kept = {"Ref": "AuditRetentionDays"}
        assert bucket["ObjectLockEnabled"] is True
        assert lock["ObjectLockEnabled"] == "Enabled"
        assert lock["Rule"] == {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": kept}}
        gone, markers, uploads = bucket["LifecycleConfiguration"]["Rules"]
        assert gone["ExpirationInDays"] == kept
        assert gone["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}
        assert markers["ExpiredObjectDeleteMarker"] is True
        assert uploads["AbortIncompleteMultipartUpload"]
        assert all(rule["Status"] == "Enabled" for rule in (gone, markers, uploads))

    def test_the_audit_is_kept_for_the_laws_six_months_at_least(self, template: dict[str, Any]) -> None:
        retention = template["Parameters"]["AuditRetentionDays"]
        assert retention["Default"] == retention["MinValue"] == 180

    def test_earlier_rules_are_there_to_fall_back_on(self, resources: dict[str, Any]) -> None:
        earlier, _ = resources["RulesBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
        assert earlier["NoncurrentVersionExpiration"] == {
            "NoncurrentDays": {"Ref": "AuditRetentionDays"},
            "NewerNoncurrentVersions": 10,
        }
        assert "ExpirationInDays" not in earlier

    def test_what_keeps_state_says_what_happens_to_it(self, resources: dict[str, Any]) -> None:
        policies = {
            name: (each.get("DeletionPolicy"), each.get("UpdateReplacePolicy"))
            for name, each in resources.items()
            if each["Type"] in STATEFUL
        }
        kept = {name for name, each in policies.items() if each == ("RetainExceptOnCreate", "Retain")}
        going = {name for name, each in policies.items() if each == ("Delete", "Delete")}
        staying = {name for name, each in policies.items() if each == ("Retain", "Retain")}
        assert going == MAY_GO_WITH_THE_STACK
        assert staying == STAYS_WHATEVER_HAPPENS
        assert kept | going | staying == set(policies)


class TestEachMinute:
    @pytest.mark.parametrize("function", ["ArchiverFunction", "SweepFunction"])
    def test_each_starts_every_minute_and_ends_before_the_next(self, resources: dict[str, Any], function: str) -> None:
        schedule = resources[f"{function}EveryMinute"]["Properties"]
        assert schedule["ScheduleExpression"] == "rate(1 minute)"
        assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
        assert resources[function]["Properties"]["Timeout"] < 60
        assert resources[f"{function}EventInvokeConfig"]["Properties"]["MaximumRetryAttempts"] == 0


class TestArchiver:
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


class TestAuditorAndReviewer:
    @pytest.mark.parametrize(
        ("function", "starts"), [("AuditorFunction", "cron(20 1 * * ? *)"), ("ReviewerFunction", "cron(40 2 * * ? *)")]
    )
    def test_each_runs_once_a_night(self, resources: dict[str, Any], function: str, starts: str) -> None:
        schedule = resources[f"{function}Daily"]["Properties"]
        assert schedule["ScheduleExpression"] == starts
        assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
        assert "ScheduleExpressionTimezone" not in schedule  # UTC, as the days of the audit are

    @pytest.mark.parametrize("function", ["AuditorFunction", "ReviewerFunction"])
    def test_each_may_run_three_times_before_its_event_is_too_old(
        self, resources: dict[str, Any], function: str
    ) -> None:
        invocation = resources[f"{function}EventInvokeConfig"]["Properties"]
        timeout = resources[function]["Properties"]["Timeout"]
        assert invocation["MaximumRetryAttempts"] == 2
        # Lambda waits one minute before the second attempt and two before the third.
        assert 2 * timeout + 60 + 120 < invocation["MaximumEventAgeInSeconds"]

    def test_the_share_that_is_reviewed_is_a_percentage(self, template: dict[str, Any]) -> None:
        share = template["Parameters"]["ReviewSamplePercent"]
        assert (share["MinValue"], share["MaxValue"], share["Default"]) == (1, 100, 100)


class TestSecrets:
    @pytest.mark.parametrize(
        ("secret", "key", "digits"), [("KeyringSecret", "SM4_KEYRING", 32), ("AuditSecret", "SM2_PRIVATE_KEY", 64)]
    )
    def test_keys_are_generated_as_hexadecimal_digits(
        self, resources: dict[str, Any], secret: str, key: str, digits: int
    ) -> None:
        generated = resources[secret]["Properties"]["GenerateSecretString"]
        assert json.loads(generated["SecretStringTemplate"]) == {}
        assert (generated["GenerateStringKey"], generated["PasswordLength"]) == (key, digits)
        printable = {chr(code) for code in range(0x20, 0x7F)}
        assert printable - set(generated["ExcludeCharacters"]) == set(string.hexdigits.lower())
        # Else Secrets Manager would insist on a capital letter.
        assert generated["RequireEachIncludedType"] is False
        assert generated["IncludeSpace"] is False
        assert generated["ExcludeUppercase"] is generated["ExcludePunctuation"] is True

    def test_no_release_changes_how_keys_are_generated(self, resources: dict[str, Any]) -> None:
        """CloudFormation generates a new secret over the old one when any of this changes: all that is sealed is lost."""
        common = {
            "SecretStringTemplate": "{}",
            "ExcludePunctuation": True,
            "ExcludeUppercase": True,
            "IncludeSpace": False,
            "RequireEachIncludedType": False,
            "ExcludeCharacters": "".join(
                chr(code) for code in range(0x20, 0x7F) if chr(code) not in "0123456789abcdef"
            ),
        }
        assert resources["KeyringSecret"]["Properties"]["GenerateSecretString"] == {
            **common,
            "GenerateStringKey": "SM4_KEYRING",
            "PasswordLength": 32,
        }
        assert resources["AuditSecret"]["Properties"]["GenerateSecretString"] == {
            **common,
            "GenerateStringKey": "SM2_PRIVATE_KEY",
            "PasswordLength": 64,
        }
        for secret, key in (("IdentitySecret", "CONVERSATION_KEY"), ("TicketSecret", "TICKET_WEBHOOK_SECRET")):
            assert resources[secret]["Properties"]["GenerateSecretString"] == {
                "SecretStringTemplate": "{}",
                "GenerateStringKey": key,
                "PasswordLength": 64,
                "ExcludePunctuation": True,
            }


class TestRights:
    def test_nobody_may_change_or_remove_what_is_in_the_audit(self, resources: dict[str, Any]) -> None:
        for name, role in of_type(resources, "AWS::IAM::Role").items():
            of_audit = [s for s in statements_of(role) if re.search(r"\bAudit(?:\.Arn)?\b", named(s["Resource"]))]
            allowed = {action for s in of_audit if s["Effect"] == "Allow" for action in listed(s["Action"])}
            refused = {action for s in of_audit if s["Effect"] == "Deny" for action in listed(s["Action"])}
            assert allowed <= {"dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem"}, name
            # Whoever may write is refused the rest outright, whatever a later statement allows.
            assert refused == (CHANGES_AN_ITEM if "dynamodb:PutItem" in allowed else set()), name

    def test_nobody_may_remove_what_is_locked_or_lift_the_lock(self, resources: dict[str, Any]) -> None:
        allowed = {
            action
            for role in of_type(resources, "AWS::IAM::Role").values()
            for statement in statements_of(role)
            if statement["Effect"] == "Allow"
            for action in listed(statement["Action"])
        }
        on_buckets = {"s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket", "s3:ListBucketVersions", "s3:PutObject"}
        assert {action for action in allowed if action.startswith("s3:")} == on_buckets

    def test_who_has_the_keyring_is_few_and_the_archivers_are_not_among_them(self, resources: dict[str, Any]) -> None:
        holders = {
            name
            for name, role in of_type(resources, "AWS::IAM::Role").items()
            if any("KeyringSecret" in named(statement["Resource"]) for statement in statements_of(role))
        }
        assert holders == {"CallbackRole", "CollectorRole", "ResponderRole", "TicketsRole", "ReviewerRole"}

    def test_the_sweep_and_the_archivers_read_no_secret(self, resources: dict[str, Any]) -> None:
        for stem in ("Sweep", "Archiver", "ArchiverStream"):
            actions = {a for s in statements_of(resources[f"{stem}Role"]) for a in listed(s["Action"])}
            assert not any(action.startswith("secretsmanager:") for action in actions), stem
            variables = resources[f"{stem}Function"]["Properties"]["Environment"]["Variables"]
            assert not any(name.endswith("_SECRET_ARN") for name in variables), stem

    def test_only_a_table_of_a_handful_of_items_is_ever_scanned(self, resources: dict[str, Any]) -> None:
        scanned = {
            named(statement["Resource"])
            for role in of_type(resources, "AWS::IAM::Role").values()
            for statement in statements_of(role)
            if "dynamodb:Scan" in listed(statement["Action"])
        }
        assert scanned == {"Accounts"}

    def test_secrets_come_in_unseen_and_go_to_secrets_manager_alone(self, template: dict[str, Any]) -> None:
        hidden = {name for name, each in template["Parameters"].items() if each.get("NoEcho")}
        assert hidden == SECRETS
        others = {name: each for name, each in template["Resources"].items() if "SecretsManager" not in each["Type"]}
        mentioned = json.dumps([others, template["Outputs"]])
        assert [name for name in hidden if f'"{name}"' in mentioned or f"${{{name}}}" in mentioned] == []

    @pytest.mark.parametrize("secret", ["WecomSecret", "FastgptSecret"])
    def test_a_secret_is_json_whatever_the_values_allowed(self, template: dict[str, Any], secret: str) -> None:
        text = template["Resources"][secret]["Properties"]["SecretString"]["Fn::Sub"]
        for name in re.findall(r"\$\{(\w+)\}", text):
            definition = template["Parameters"][name]
            if "AllowedPattern" in definition:
                sets = re.findall(r"\[(?:\\.|[^\]\\])+\]", definition["AllowedPattern"])
                allowed = "".join(
                    chr(code) for code in range(1, 127) if any(re.fullmatch(one, chr(code)) for one in sets)
                )
            else:
                allowed = "".join(map(str, definition.get("AllowedValues", [0])))
            assert allowed
            assert not set(allowed) & set('"\\\n')
            text = text.replace(f"${{{name}}}", allowed)
        assert all(json.loads(text).values())

    def test_what_customer_service_has_of_its_own_and_the_endpoints_beside_the_first_may_be_left_out(
        self, template: dict[str, Any]
    ) -> None:
        optional = {name for name, each in template["Parameters"].items() if each.get("NoEcho") and "Default" in each}
        assert optional == {
            "WecomKfSecretValue",
            "WecomKfToken",
            "WecomKfEncodingAesKey",
            "FastgptLiteApiKey",
            "FastgptStandbyApiKey",
            "FastgptCanaryApiKey",
            "EgressProxyUrl",
        }
        others = {"FastgptLiteAppId", "HandoffAgents", "HandoffTriggers", "SatisfactionChannels", "TicketWebhookUrl"}
        others |= {"FastgptStandbyBaseUrl", "FastgptStandbyAppId", "FastgptCanaryAppId"}
        for name in optional | others:
            assert re.fullmatch(template["Parameters"][name]["AllowedPattern"], ""), name

    @pytest.mark.parametrize(
        ("rule", "first", "second"),
        [
            ("KfCallbackIsWhole", "WecomKfToken", "WecomKfEncodingAesKey"),
            ("CanaryIsWhole", "FastgptCanaryAppId", "FastgptCanaryApiKey"),
            ("LightApplicationIsWhole", "FastgptLiteAppId", "FastgptLiteApiKey"),
            ("DomainIsWhole", "DomainName", "CertificateArn"),
        ],
    )
    def test_half_of_a_pair_is_refused_before_anything_is_deployed(
        self, template: dict[str, Any], rule: str, first: str, second: str
    ) -> None:
        (assertion,) = template["Rules"][rule]["Assertions"]
        for one in ("", "value"):
            for other in ("", "value"):
                holds = evaluated(assertion["Assert"], {first: one, second: other})
                assert holds == (bool(one) == bool(other)), (one, other)

    def test_every_secret_of_a_vendor_has_a_pattern(self, template: dict[str, Any]) -> None:
        assert all("AllowedPattern" in p for p in template["Parameters"].values() if p.get("NoEcho"))


def test_the_documented_resources_have_their_documented_names(source: dict[str, Any]) -> None:
    names = {"HttpApi", "Inbox", "InboxDeadLetters", "Sessions", "Ledger", "ArchiveBucket", "AlarmTopic", *FUNCTIONS}
    names |= {"WecomSecret", "FastgptSecret", "IdentitySecret", "DependenciesLayer", "FrontdeskLayer"}
    names |= {"KeyringSecret", "AuditSecret", "CustomerKeys", "Audit", "Reviews", "AuditBucket", "RulesBucket"}
    names |= {"AuditorRole", "ReviewerRole", "Pulls", "PullsDeadLetters", "TicketQueue", "TicketQueueDeadLetters"}
    names |= {"Accounts", "Attendance", "Tickets", "TicketSecret"}
    assert names <= set(source["Resources"])
    assert (ROOT / "samconfig.toml").is_file()


def test_an_erasure_waits_for_longer_than_the_responder_may_work(source: dict[str, Any]) -> None:
    assert source["Resources"]["ResponderFunction"]["Properties"]["Timeout"] <= LONGEST_WORK_S
