"""Every right of every role, statement by statement, in either partition: a change of rights is a change of these files.

`permissions/<logical id>.yaml` lists what a role or a policy of the template says, in its order: `Sid`, `Effect`,
`Action`, `Resource`, `Condition`. In short, `Inbox.Arn` stands for `!GetAtt Inbox.Arn`, and a text for itself or for the
text of its `!Sub`. A new function needs a new file; the failing comparison shows what it has to hold.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from ops.deployment import ROOT
from ops.template import load_template

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parent / "permissions"
HOLDERS = {"AWS::IAM::Role", "AWS::IAM::Policy"}
# Who may take on a role: the service that runs the function, the one that starts it, and the one that shifts traffic.
TRUSTED = {"lambda.amazonaws.com", "scheduler.amazonaws.com", "codedeploy.amazonaws.com"}
# Where something may speak of everything, by logical id and Sid, and why.
OF_EVERYTHING = {
    ("AlarmKey", "TheAccountAdministers"): "in a key's policy * is that key",
    ("AlarmKey", "CloudWatchPublishes"): "in a key's policy * is that key",
    ("SweepRole", "ReadCanaryAlarm"): "CloudWatch is asked for a list of alarms as a whole, and it reads",
    ("DeploymentRole", "ReadAlarms"): "CloudWatch is asked for a list of alarms as a whole, and it reads",
    ("ReleaseRole", "FindVersion"): "CodeDeploy knows no resources for these two, which read",
    ("EgressPolicy", "ManageNetworkInterfaces"): "EC2 lists interfaces and subnets for * only, and Lambda names none",
    ("S3Endpoint", "ThisAccountAlone"): "an endpoint narrows what roles allow, here to this account",
    ("DynamoDbEndpoint", "ThisAccountAlone"): "an endpoint narrows what roles allow, here to this account",
    ("SqsEndpoint", "ThisAccountAlone"): "an endpoint narrows what roles allow, here to this account",
    ("SecretsManagerEndpoint", "ThisAccountAlone"): "an endpoint narrows what roles allow, here to this account",
}


def short(node: Any) -> Any:
    """Return ``node`` with the template's functions in short."""
    if isinstance(node, list):
        return [short(each) for each in node]
    if not isinstance(node, dict):
        return node
    match list(node.items()):
        case [("Ref", name)]:
            return name
        case [("Fn::GetAtt", [*names])]:
            return ".".join(names)
        case [("Fn::Sub", str(text))]:
            return text
        case _:
            return {name: short(each) for name, each in node.items()}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def documents_of(resource: dict[str, Any]) -> list[dict[str, Any]]:
    properties = resource["Properties"]
    if resource["Type"] == "AWS::IAM::Policy":
        return [properties["PolicyDocument"]]
    return [policy["PolicyDocument"] for policy in properties["Policies"]]


def statements_of(resource: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what the role or policy says, in the form of the files."""
    found = []
    for document in documents_of(resource):
        for statement in document["Statement"]:
            whole = {name: short(each) for name, each in statement.items()}
            whole["Action"], whole["Resource"] = listed(whole["Action"]), listed(whole["Resource"])
            found.append(whole)
    return found


def holders(resources: dict[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in resources.items() if each["Type"] in HOLDERS}


def statements_in(node: Any) -> Iterator[dict[str, Any]]:
    """Yield every statement of every policy below ``node``."""
    if isinstance(node, dict):
        if "Effect" in node:
            yield node
        for child in node.values():
            yield from statements_in(child)
    elif isinstance(node, list):
        for child in node:
            yield from statements_in(child)


NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


def test_every_role_and_policy_has_its_file_and_every_file_its_role(resources: dict[str, Any]) -> None:
    assert sorted(holders(resources)) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_it_has_exactly_the_rights_that_were_reviewed(resources: dict[str, Any], name: str) -> None:
    reviewed = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    found = statements_of(resources[name])
    assert found == reviewed, "\n" + yaml.safe_dump(found, sort_keys=False, width=120, allow_unicode=True)


def test_each_right_of_ours_has_a_name_and_none_has_two_meanings(source: dict[str, Any]) -> None:
    """SAM's own roles, which start what a clock starts, come without."""
    for name, each in holders(source["Resources"]).items():
        sids = [statement.get("Sid") for statement in statements_of(each)]
        assert all(sids), name
        assert len(set(sids)) == len(sids), name


def test_nothing_is_allowed_by_a_policy_that_others_write(resources: dict[str, Any]) -> None:
    for name, each in resources.items():
        assert each["Type"] not in {"AWS::IAM::ManagedPolicy", "AWS::IAM::User", "AWS::IAM::Group"}, name
        assert not {"ManagedPolicyArns", "PermissionsBoundary"} & set(each.get("Properties", {})), name


def test_no_right_is_given_by_a_pattern_of_actions(resources: dict[str, Any]) -> None:
    for name, each in holders(resources).items():
        for statement in statements_of(each):
            assert "NotAction" not in statement, name
            assert "NotResource" not in statement, name
            if statement["Effect"] == "Allow":
                assert [action for action in statement["Action"] if "*" in action] == [], name


def test_only_what_is_named_here_with_its_reason_speaks_of_everything(resources: dict[str, Any]) -> None:
    found = {
        (name, statement.get("Sid"))
        for name, each in resources.items()
        for statement in statements_in(each)
        if statement["Effect"] == "Allow"
        and "*" in listed(statement.get("Resource")) + listed(statement.get("Principal"))
    }
    assert found == set(OF_EVERYTHING)
    assert all(OF_EVERYTHING.values())


def test_only_the_services_that_run_and_start_functions_take_on_a_role(resources: dict[str, Any]) -> None:
    for name, each in holders(resources).items():
        if each["Type"] == "AWS::IAM::Role":
            (trust,) = each["Properties"]["AssumeRolePolicyDocument"]["Statement"]
            assert listed(trust["Action"]) == ["sts:AssumeRole"], name
            assert set(listed(trust["Principal"]["Service"])) <= TRUSTED, name
            assert list(trust["Principal"]) == ["Service"], name


@pytest.mark.parametrize("name", NAMES)
def test_every_right_is_told_to_people(name: str) -> None:
    told = set(re.findall(r"`([^`]+)`", (ROOT / "docs" / "security.md").read_text(encoding="utf-8")))
    for statement in yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8")):
        assert set(statement["Action"]) <= told, statement


@pytest.mark.parametrize(
    "slipped_in",
    [
        {"Action": "sqs:*"},
        {"Action": ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DeleteLogGroup"]},
        {"Resource": "*"},
        {"Resource": {"Fn::Sub": "${SweepLogs.Arn}*"}},
        {"Effect": "Deny"},
        {"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
    ],
    ids=str,
)
def test_whatever_is_slipped_into_a_statement_shows(slipped_in: dict[str, Any]) -> None:
    role = load_template(ROOT / "template.yaml")["Resources"]["SweepRole"]
    reviewed = statements_of(role)
    documents_of(role)[0]["Statement"][0].update(slipped_in)
    assert statements_of(role) != reviewed
