"""The template as CloudFormation sees it: after SAM's transform, for either partition."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import pytest
from samtranslator.translator.transform import transform

from ops.deployment import ROOT
from ops.template import load_template

TEMPLATE = ROOT / "template.yaml"
REGIONS = {"aws": "us-east-1", "aws-cn": "cn-north-1"}
# A value for each parameter without a default.
GIVEN = {
    "WecomCorpId": "ww0123456789abcdef",
    "WecomAgentId": "1000002",
    "WecomSecretValue": "s" * 43,
    "WecomToken": "token",
    "WecomEncodingAesKey": "a" * 43,
    "FastgptBaseUrl": "https://fastgpt.example/api",
    "FastgptAppId": "0123456789abcdef01234567",
    "FastgptApiKey": "fastgpt-example",
    "BuildId": "0123456789abcdef",
}
# The parameters whose values are secrets.
SECRETS = {
    "WecomSecretValue",
    "WecomToken",
    "WecomEncodingAesKey",
    "WecomKfSecretValue",
    "WecomKfToken",
    "WecomKfEncodingAesKey",
    "EgressProxyUrl",
    "FastgptApiKey",
    "FastgptLiteApiKey",
    "FastgptStandbyApiKey",
    "FastgptCanaryApiKey",
}


def transformed(partition: str, template: dict[str, Any], **parameters: str) -> dict[str, Any]:
    """Return what CloudFormation gets of ``template`` in ``partition``."""
    packaged = copy.deepcopy(template)
    for resource in packaged["Resources"].values():
        for name in {"CodeUri", "ContentUri"} & set(resource.get("Properties", {})):
            resource["Properties"][name] = "s3://bucket/artefact"  # as `sam deploy` leaves them
    managed_policies = SimpleNamespace(load=dict)
    defaults = {name: str(p["Default"]) for name, p in template["Parameters"].items() if "Default" in p}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", REGIONS[partition])
        result: dict[str, Any] = transform(packaged, {**defaults, **GIVEN, **parameters}, managed_policies)
    return result


@pytest.fixture(scope="session")
def source() -> dict[str, Any]:
    return load_template(TEMPLATE)


@pytest.fixture(scope="session", params=sorted(REGIONS))
def partition(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def template(partition: str, source: dict[str, Any]) -> dict[str, Any]:
    return transformed(partition, source)


@pytest.fixture(scope="session")
def resources(template: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = template["Resources"]
    return found
