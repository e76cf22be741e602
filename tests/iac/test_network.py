"""How calls leave and how they come in: the fixed egress, the company's own name, and what the routes let through."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.iac.conftest import GIVEN
from tests.iac.test_template import evaluated, of_type, waits_for, walk

if TYPE_CHECKING:
    from collections.abc import Mapping

ZONES = ("A", "B")
DOMAIN = {
    "DomainName": "wecom.example.com",
    "CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/01234567-89ab-cdef-0123-456789abcdef",
}
ABSENT: Any = object()


def in_force(node: Any, conditions: Mapping[str, bool]) -> Any:
    """Return ``node`` as CloudFormation uses it: each `Fn::If` decided, what is `AWS::NoValue` left out."""
    if isinstance(node, list):
        return [each for each in (in_force(each, conditions) for each in node) if each is not ABSENT]
    if not isinstance(node, dict):
        return node
    if node == {"Ref": "AWS::NoValue"}:
        return ABSENT
    if set(node) == {"Fn::If"}:
        condition, then, otherwise = node["Fn::If"]
        return in_force(then if conditions[condition] else otherwise, conditions)
    inside = {name: in_force(each, conditions) for name, each in node.items()}
    return {name: each for name, each in inside.items() if each is not ABSENT}


def deployed(template: dict[str, Any], **parameters: str) -> dict[str, Any]:
    """Return the resources and outputs that a stack with ``parameters`` has."""
    defaults = {name: str(each["Default"]) for name, each in template["Parameters"].items() if "Default" in each}
    values = {"AWS::Partition": "aws", **defaults, **GIVEN, **parameters}
    conditions = {name: bool(evaluated(each, values)) for name, each in template["Conditions"].items()}
    return {
        part: {
            name: in_force(each, conditions)
            for name, each in template[part].items()
            if conditions.get(each.get("Condition"), True)
        }
        for part in ("Resources", "Outputs")
    }


def dangling(stack: dict[str, Any], template: dict[str, Any]) -> set[str]:
    """Return what is referred to in ``stack`` and not there."""
    absent = set(template["Resources"]) - set(stack["Resources"])
    found = set()
    for node in walk(stack):
        if isinstance(node, dict):
            named = [node.get("Ref"), *node.get("Fn::GetAtt", [])[:1]]
            text = node.get("Fn::Sub", "")
            named += re.findall(r"\$\{(\w+)", text if isinstance(text, str) else text[0])
            found |= absent & {each for each in named if each}
    return found


@pytest.fixture
def fixed(template: dict[str, Any]) -> dict[str, Any]:
    resources: dict[str, Any] = deployed(template, FixedEgress="true")["Resources"]
    return resources


@pytest.mark.parametrize("egress", ["true", "false"])
@pytest.mark.parametrize("domain", [{}, DOMAIN], ids=["", "domain"])
def test_a_stack_refers_to_nothing_that_it_has_not(
    template: dict[str, Any], egress: str, domain: dict[str, str]
) -> None:
    stack = deployed(template, FixedEgress=egress, **domain)
    assert dangling(stack, template) == set()
    assert bool(of_type(stack["Resources"], "AWS::EC2::VPC")) == (egress == "true")


class TestFixedEgress:
    def test_it_is_off_and_leaves_no_trace(self, template: dict[str, Any]) -> None:
        stack = deployed(template)
        assert [name for name, each in stack["Resources"].items() if each["Type"].startswith("AWS::EC2::")] == []
        assert "EgressPolicy" not in stack["Resources"]
        assert "EgressAddresses" not in stack["Outputs"]
        functions = of_type(stack["Resources"], "AWS::Lambda::Function").values()
        assert not any("VpcConfig" in each["Properties"] for each in functions)

    def test_who_calls_wecom_is_in_it_and_nobody_else(self, fixed: dict[str, Any]) -> None:
        """The callback is called by WeCom and calls AWS alone: a network would only make its cold start longer."""
        functions = of_type(fixed, "AWS::Lambda::Function")
        joined = {name for name, each in functions.items() if "VpcConfig" in each["Properties"]}
        calling = {
            name
            for name, each in functions.items()
            if "WECOM_API_BASE" in each["Properties"]["Environment"]["Variables"]
        }
        assert joined == calling == {"CollectorFunction", "ResponderFunction", "TicketsFunction", "DoctorFunction"}
        for name in joined:
            assert functions[name]["Properties"]["VpcConfig"] == {
                "SubnetIds": [{"Ref": "PrivateSubnetA"}, {"Ref": "PrivateSubnetB"}],
                "SecurityGroupIds": [{"Ref": "EgressGroup"}],
            }

    def test_who_joins_may_have_network_interfaces_before_and_until_it_has_none(self, fixed: dict[str, Any]) -> None:
        joined = {name for name, each in fixed.items() if "VpcConfig" in each.get("Properties", {})}
        roles = {fixed[name]["Properties"]["Role"]["Fn::GetAtt"][0] for name in joined}
        assert {each["Ref"] for each in fixed["EgressPolicy"]["Properties"]["Roles"]} == roles
        for name in joined:
            assert "EgressPolicy" in waits_for(fixed, name)

    def test_the_code_in_a_function_may_not_use_that_right(self, fixed: dict[str, Any]) -> None:
        *_, refusal = fixed["EgressPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        assert (refusal["Effect"], refusal["Action"]) == ("Deny", "ec2:*")
        assert list(refusal["Condition"]) == ["ArnLike"]
        assert list(refusal["Condition"]["ArnLike"]) == ["lambda:SourceFunctionArn"]

    def test_each_zone_has_its_own_way_out(self, fixed: dict[str, Any]) -> None:
        for number, zone in enumerate(ZONES):
            for kind in ("Public", "Private"):
                subnet = fixed[f"{kind}Subnet{zone}"]["Properties"]
                assert subnet["AvailabilityZone"] == {"Fn::Select": [number, {"Fn::GetAZs": ""}]}
                assert "MapPublicIpOnLaunch" not in subnet
            nat = fixed[f"Nat{zone}"]["Properties"]
            assert nat["SubnetId"] == {"Ref": f"PublicSubnet{zone}"}
            assert nat["AllocationId"] == {"Fn::GetAtt": [f"Address{zone}", "AllocationId"]}
            route = fixed[f"PrivateRoute{zone}"]["Properties"]
            assert (route["DestinationCidrBlock"], route["NatGatewayId"]) == ("0.0.0.0/0", {"Ref": f"Nat{zone}"})
            association = fixed[f"PrivateSubnetRoutes{zone}"]["Properties"]
            assert association["SubnetId"] == {"Ref": f"PrivateSubnet{zone}"}
            assert association["RouteTableId"] == route["RouteTableId"] == {"Ref": f"PrivateRoutes{zone}"}
            public = fixed[f"PublicSubnetRoutes{zone}"]["Properties"]
            assert (public["SubnetId"], public["RouteTableId"]) == (nat["SubnetId"], {"Ref": "PublicRoutes"})
        assert fixed["PublicRoute"]["Properties"]["GatewayId"] == {"Ref": "InternetGateway"}
        assert fixed["PublicRoute"]["DependsOn"] == "InternetAttachment"

    def test_the_networks_parts_fit_into_it_and_do_not_overlap(self, fixed: dict[str, Any]) -> None:
        whole = ipaddress.ip_network(fixed["Network"]["Properties"]["CidrBlock"])
        subnets = of_type(fixed, "AWS::EC2::Subnet").values()
        parts = [ipaddress.ip_network(each["Properties"]["CidrBlock"]) for each in subnets]
        assert len(parts) == 4
        assert whole.is_private
        assert all(part.subnet_of(whole) for part in parts)  # type: ignore[arg-type]
        assert sum(one.overlaps(other) for one in parts for other in parts) == len(parts)

    def test_the_addresses_stay_and_are_told(self, template: dict[str, Any], fixed: dict[str, Any]) -> None:
        addresses = of_type(fixed, "AWS::EC2::EIP")
        assert set(addresses) == {f"Address{zone}" for zone in ZONES}
        for address in addresses.values():
            assert (address["DeletionPolicy"], address["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
        assert template["Outputs"]["EgressAddresses"]["Value"] == {"Fn::Sub": "${AddressA};${AddressB}"}

    def test_aws_is_reached_from_inside_under_the_names_that_the_partition_has(
        self, template: dict[str, Any], fixed: dict[str, Any], partition: str
    ) -> None:
        found = {}
        for endpoint in of_type(fixed, "AWS::EC2::VPCEndpoint").values():
            properties = endpoint["Properties"]
            name = properties["ServiceName"]["Fn::Sub"]
            if not isinstance(name, str):
                text, values = name
                mapped, of_partition, service = values["Prefix"]["Fn::FindInMap"]
                assert of_partition == {"Ref": "AWS::Partition"}
                name = text.replace("${Prefix}", template["Mappings"][mapped][partition][service])
            found[name.replace("${AWS::Region}", "here")] = properties["VpcEndpointType"]
        queues = "cn.com.amazonaws.here.sqs" if partition == "aws-cn" else "com.amazonaws.here.sqs"
        assert found == {
            "com.amazonaws.here.s3": "Gateway",
            "com.amazonaws.here.dynamodb": "Gateway",
            queues: "Interface",
            "com.amazonaws.here.secretsmanager": "Interface",
        }

    def test_both_zones_use_every_endpoint(self, fixed: dict[str, Any]) -> None:
        for name, endpoint in of_type(fixed, "AWS::EC2::VPCEndpoint").items():
            properties = endpoint["Properties"]
            if properties["VpcEndpointType"] == "Gateway":
                assert properties["RouteTableIds"] == [{"Ref": f"PrivateRoutes{zone}"} for zone in ZONES], name
            else:
                assert properties["SubnetIds"] == [{"Ref": f"PrivateSubnet{zone}"} for zone in ZONES], name
                assert properties["SecurityGroupIds"] == [{"Ref": "EndpointGroup"}], name
                assert properties["PrivateDnsEnabled"] is True, name
        network = fixed["Network"]["Properties"]
        assert network["EnableDnsSupport"] is network["EnableDnsHostnames"] is True

    def test_an_endpoint_leads_into_this_account_only(self, fixed: dict[str, Any]) -> None:
        for endpoint in of_type(fixed, "AWS::EC2::VPCEndpoint").values():
            (statement,) = endpoint["Properties"]["PolicyDocument"]["Statement"]
            assert statement["Condition"] == {"StringEquals": {"aws:ResourceAccount": {"Ref": "AWS::AccountId"}}}

    def test_only_https_leaves_and_nothing_comes_in(self, fixed: dict[str, Any]) -> None:
        groups = of_type(fixed, "AWS::EC2::SecurityGroup")
        assert set(groups) == {"EgressGroup", "EndpointGroup"}
        assert of_type(fixed, "AWS::EC2::SecurityGroupIngress") == of_type(fixed, "AWS::EC2::SecurityGroupEgress") == {}
        own = groups["EgressGroup"]["Properties"]
        (out,) = own["SecurityGroupEgress"]
        assert (out["IpProtocol"], out["FromPort"], out["ToPort"], out["CidrIp"]) == ("tcp", 443, 443, "0.0.0.0/0")
        assert "SecurityGroupIngress" not in own
        (into,) = groups["EndpointGroup"]["Properties"]["SecurityGroupIngress"]
        assert (into["IpProtocol"], into["FromPort"], into["ToPort"]) == ("tcp", 443, 443)
        assert into["SourceSecurityGroupId"] == {"Ref": "EgressGroup"}
        (nothing,) = groups["EndpointGroup"]["Properties"]["SecurityGroupEgress"]
        assert nothing["CidrIp"] == "127.0.0.1/32"
        for group in groups.values():
            rules = [*group["Properties"].get("SecurityGroupIngress", []), *group["Properties"]["SecurityGroupEgress"]]
            assert all(rule["Description"] for rule in rules)
            # What EC2 takes in a description.
            texts = [group["Properties"]["GroupDescription"], *(rule["Description"] for rule in rules)]
            assert all(re.fullmatch(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{1,255}", text) for text in texts)


class TestProxy:
    def test_its_address_is_with_wecoms_secrets_and_nowhere_else(self, resources: dict[str, Any]) -> None:
        assert "EGRESS_PROXY_URL" in resources["WecomSecret"]["Properties"]["SecretString"]["Fn::Sub"]
        for function in of_type(resources, "AWS::Lambda::Function").values():
            assert "EGRESS_PROXY_URL" not in function["Properties"]["Environment"]["Variables"]

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "http://10.0.3.7:3128",
            "https://proxy.example.com",
            "http://desk:p%40ss-word@proxy.example.com:8080",
            "http://desk@proxy.example.com:8080",
        ],
    )
    def test_what_a_proxys_address_may_look_like(self, template: dict[str, Any], value: str) -> None:
        assert re.fullmatch(template["Parameters"]["EgressProxyUrl"]["AllowedPattern"], value)

    @pytest.mark.parametrize(
        "value",
        [
            "proxy.example.com:3128",
            "socks5://proxy.example.com:1080",
            "http://proxy.example.com:3128/",
            "http://proxy.example.com:3128/path",
            'http://desk:pa"ss@proxy.example.com:3128',
            "http://desk:p@ss@proxy.example.com:3128",
            "http://desk:pa\\ss@proxy.example.com:3128",
            "http://proxy.example.com:3128?a=b",
        ],
    )
    def test_what_it_may_not(self, template: dict[str, Any], value: str) -> None:
        assert not re.fullmatch(template["Parameters"]["EgressProxyUrl"]["AllowedPattern"], value)


class TestDomain:
    def test_without_one_the_apis_own_name_is_the_way_in(self, template: dict[str, Any]) -> None:
        stack = deployed(template)
        assert "DisableExecuteApiEndpoint" not in stack["Resources"]["HttpApi"]["Properties"]
        assert not {"Domain", "DomainMapping"} & set(stack["Resources"])
        assert not {"DomainTarget", "DomainTargetZone"} & set(stack["Outputs"])
        assert ".execute-api." in stack["Outputs"]["CallbackUrl"]["Value"]["Fn::Sub"]

    def test_with_one_it_is_the_only_way_in_and_speaks_no_old_tls(self, template: dict[str, Any]) -> None:
        stack = deployed(template, **DOMAIN)
        assert stack["Resources"]["HttpApi"]["Properties"]["DisableExecuteApiEndpoint"] is True
        (configured,) = stack["Resources"]["Domain"]["Properties"]["DomainNameConfigurations"]
        assert configured == {
            "CertificateArn": {"Ref": "CertificateArn"},
            "EndpointType": "REGIONAL",
            "SecurityPolicy": "TLS_1_2",
        }
        mapping = stack["Resources"]["DomainMapping"]["Properties"]
        assert mapping == {
            "ApiId": {"Ref": "HttpApi"},
            "DomainName": {"Ref": "Domain"},
            "Stage": {"Ref": "HttpApiStage"},
        }
        assert stack["Outputs"]["CallbackUrl"]["Value"] == {"Fn::Sub": "https://${DomainName}/wecom/callback"}

    def test_the_outputs_tell_what_the_name_has_to_point_at(self, template: dict[str, Any]) -> None:
        outputs = deployed(template, **DOMAIN)["Outputs"]
        assert outputs["DomainTarget"]["Value"] == {"Fn::GetAtt": ["Domain", "RegionalDomainName"]}
        assert outputs["DomainTargetZone"]["Value"] == {"Fn::GetAtt": ["Domain", "RegionalHostedZoneId"]}

    def test_nobody_but_the_company_has_its_zone(self, template: dict[str, Any]) -> None:
        assert [each for each in template["Resources"].values() if each["Type"].startswith("AWS::Route53::")] == []

    @pytest.mark.parametrize(
        ("name", "value", "fits"),
        [
            ("DomainName", "wecom.example.com", True),
            ("DomainName", "kf.xn--fiqs8s.cn", True),
            ("DomainName", "WeCom.example.com", False),
            ("DomainName", "https://wecom.example.com", False),
            ("DomainName", "*.example.com", False),
            ("DomainName", "localhost", False),
            ("CertificateArn", DOMAIN["CertificateArn"], True),
            ("CertificateArn", DOMAIN["CertificateArn"].replace("arn:aws:", "arn:aws-cn:"), True),
            ("CertificateArn", DOMAIN["CertificateArn"].replace(":acm:", ":iam:"), False),
        ],
    )
    def test_what_a_name_and_a_certificate_look_like(
        self, template: dict[str, Any], name: str, value: str, *, fits: bool
    ) -> None:
        assert bool(re.fullmatch(template["Parameters"][name]["AllowedPattern"], value)) is fits


class TestThrottling:
    def test_each_route_has_its_own_limit(self, resources: dict[str, Any]) -> None:
        """Nobody who floods the check of the URL takes anything of what messages need."""
        settings = resources["HttpApiStage"]["Properties"]["RouteSettings"]
        routes = {each["Properties"]["RouteKey"] for each in of_type(resources, "AWS::ApiGatewayV2::Route").values()}
        assert set(settings) == routes
        assert settings["POST /wecom/callback"] == {
            "ThrottlingRateLimit": {"Ref": "CallbackRateLimit"},
            "ThrottlingBurstLimit": {"Ref": "CallbackBurstLimit"},
            "DetailedMetricsEnabled": True,
        }
        assert settings["GET /wecom/callback"] == {
            "ThrottlingRateLimit": 10,
            "ThrottlingBurstLimit": 20,
            "DetailedMetricsEnabled": True,
        }

    def test_a_stage_comes_after_the_routes_that_it_speaks_of(self, resources: dict[str, Any]) -> None:
        """API Gateway refuses settings of a route that is not there."""
        routes = set(of_type(resources, "AWS::ApiGatewayV2::Route"))
        assert routes <= waits_for(resources, "HttpApiStage")
