"""A release reaches 5 % of the traffic first, is tried before that, and is taken back by alarms; or all of it is off."""

from __future__ import annotations

import json
from graphlib import TopologicalSorter
from typing import Any

import pytest

from frontdesk.records import Version
from frontdesk.rehearsal import CHECKS, logical_id
from tests.iac.conftest import transformed
from tests.iac.test_template import FUNCTIONS, SHIFTED, of_type, waits_for

BUSINESS = {"FailedAlarm", "KfFailedAlarm", "FallbackAlarm", "KfFallbackAlarm"}


@pytest.fixture(scope="session")
def at_once(partition: str, source: dict[str, Any]) -> dict[str, Any]:
    """Return the resources of a stack whose traffic is not shifted."""
    found: dict[str, Any] = transformed(partition, source, GradualDeployment="false")["Resources"]
    return found


def group_of(resources: dict[str, Any], function: str) -> dict[str, Any]:
    properties: dict[str, Any] = resources[f"{function}DeploymentGroup"]["Properties"]
    return properties


def alarms_of(group: dict[str, Any]) -> list[str]:
    return [each["Name"]["Ref"] for each in group["AlarmConfiguration"]["Alarms"]]


class TestGradual:
    @pytest.mark.parametrize("function", SHIFTED)
    def test_the_alias_of_each_function_is_shifted_after_the_hook(
        self, resources: dict[str, Any], function: str
    ) -> None:
        assert resources[f"{function}Aliaslive"]["UpdatePolicy"] == {
            "CodeDeployLambdaAliasUpdate": {
                "ApplicationName": {"Ref": "ServerlessDeploymentApplication"},
                "DeploymentGroupName": {"Ref": f"{function}DeploymentGroup"},
                "BeforeAllowTrafficHook": {"Ref": "ReleaseFunction"},
            }
        }

    def test_five_percent_come_first_for_as_long_as_the_parameter_says(self, template: dict[str, Any]) -> None:
        first = template["Resources"]["FivePercentFirst"]
        assert first["Condition"] == "TrafficIsShifted"
        assert first["Properties"]["ComputePlatform"] == "Lambda"
        assert first["Properties"]["TrafficRoutingConfig"] == {
            "Type": "TimeBasedCanary",
            "TimeBasedCanary": {"CanaryPercentage": 5, "CanaryInterval": {"Ref": "CanaryMinutes"}},
        }
        minutes = template["Parameters"]["CanaryMinutes"]
        assert (minutes["Default"], minutes["MinValue"]) == (5, 1)

    @pytest.mark.parametrize("function", SHIFTED)
    def test_each_group_has_five_percent_a_role_of_its_own_and_takes_back_by_itself(
        self, resources: dict[str, Any], function: str
    ) -> None:
        group = group_of(resources, function)
        assert group["DeploymentConfigName"]["Fn::If"][:2] == ["TrafficIsShifted", {"Ref": "FivePercentFirst"}]
        assert group["ServiceRoleArn"] == {"Fn::GetAtt": ["DeploymentRole", "Arn"]}
        assert group["AutoRollbackConfiguration"] == {
            "Enabled": True,
            "Events": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"],
        }

    @pytest.mark.parametrize("function", SHIFTED)
    def test_each_group_stops_at_errors_of_its_new_version_and_at_what_customers_notice(
        self, resources: dict[str, Any], function: str
    ) -> None:
        group = group_of(resources, function)
        own = f"{function.removesuffix('Function')}ReleaseAlarm"
        assert group["AlarmConfiguration"]["Enabled"] is True
        assert sorted(alarms_of(group)) == sorted({own, *BUSINESS})
        assert len(alarms_of(group)) <= 10  # CodeDeploy's limit
        assert {resources[name]["Properties"]["Namespace"] for name in BUSINESS} == {"Frontdesk"}

    @pytest.mark.parametrize("function", SHIFTED)
    def test_an_alarm_of_a_release_watches_the_version_that_this_release_brings(
        self, resources: dict[str, Any], function: str
    ) -> None:
        alarm = resources[f"{function.removesuffix('Function')}ReleaseAlarm"]["Properties"]
        watched = {each["Name"]: each["Value"] for each in alarm["Dimensions"]}
        assert watched["FunctionName"] == {"Ref": function}
        assert watched["ExecutedVersion"] == resources[f"{function}Aliaslive"]["Properties"]["FunctionVersion"]
        assert (alarm["MetricName"], alarm["Statistic"], alarm["Threshold"]) == ("Errors", "Sum", 0)
        # It must be able to rise within the shortest time that a release has 5 %.
        assert alarm["Period"] * alarm["EvaluationPeriods"] <= 60

    def test_each_function_that_traffic_reaches_has_a_rehearsal(self, resources: dict[str, Any]) -> None:
        assert set(CHECKS) == set(SHIFTED)
        assert set(of_type(resources, "AWS::Lambda::Function")) == {*SHIFTED, "ReleaseFunction", "DoctorFunction"}

    def test_the_hook_has_the_name_that_codedeploy_may_call_and_all_the_time_there_is(
        self, resources: dict[str, Any]
    ) -> None:
        hook = resources["ReleaseFunction"]["Properties"]
        assert hook["FunctionName"]["Fn::Sub"].startswith("CodeDeployHook_${AWS::StackName}")
        assert hook["Timeout"] == 900 >= max(resources[name]["Properties"]["Timeout"] for name in SHIFTED)
        for function in ("ReleaseFunction", "DoctorFunction"):
            assert "UpdatePolicy" not in resources[f"{function}Aliaslive"]

    def test_codedeploy_alone_takes_the_role_that_shifts(self, resources: dict[str, Any]) -> None:
        (trust,) = resources["DeploymentRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "codedeploy.amazonaws.com"}

    def test_who_reads_is_still_shifted_before_who_writes_begins(self, resources: dict[str, Any]) -> None:
        """CloudFormation counts an alias as updated when CodeDeploy has shifted all of its traffic."""
        assert "ResponderFunctionAliaslive" in waits_for(resources, "CallbackFunctionAliaslive")
        assert "ReleaseFunction" in waits_for(resources, "ArchiverStreamFunctionAliaslive")

    def test_nothing_waits_for_itself(self, resources: dict[str, Any]) -> None:
        order = TopologicalSorter({name: waits_for(resources, name) for name in resources}).static_order()
        assert set(order) == set(resources)


class TestAtOnce:
    def test_nothing_of_codedeploy_is_left(self, at_once: dict[str, Any]) -> None:
        left = {name: each for name, each in at_once.items() if each["Type"].startswith("AWS::CodeDeploy::")}
        assert set(left) == {"FivePercentFirst"}
        assert left["FivePercentFirst"]["Condition"] == "TrafficIsShifted"
        aliases = of_type(at_once, "AWS::Lambda::Alias")
        assert len(aliases) == len(FUNCTIONS)
        assert not any("UpdatePolicy" in alias for alias in aliases.values())

    def test_the_condition_is_the_parameter(self, template: dict[str, Any]) -> None:
        assert template["Conditions"]["TrafficIsShifted"] == {"Fn::Equals": [{"Ref": "GradualDeployment"}, "true"]}
        gradual = template["Parameters"]["GradualDeployment"]
        assert (gradual["Default"], gradual["AllowedValues"]) == ("true", ["true", "false"])

    def test_everything_else_is_the_same(self, resources: dict[str, Any], at_once: dict[str, Any]) -> None:
        def others(found: dict[str, Any]) -> dict[str, str]:
            return {
                name: json.dumps(each.get("Properties", {}), sort_keys=True)
                for name, each in found.items()
                if not each["Type"].startswith("AWS::CodeDeploy::")
            }

        assert others(resources) == others(at_once)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_is_known_by_the_name_that_cloudformation_gives_it(function: str) -> None:
    assert logical_id(Version(f"frontdesk-staging-{function}-1aBcDeF2gH3i", "7")) == function


@pytest.mark.parametrize("name", ["", "ResponderFunction", "desk-Responder-1aBcDe", "desk-ResponderFunction"])
def test_another_name_is_nobodys(name: str) -> None:
    assert logical_id(Version(name, "7")) == ""
