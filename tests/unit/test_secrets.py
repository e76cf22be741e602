"""Secrets: where they are asked for, and what is told when they are not as they should be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import urllib3

from frontdesk.errors import MisconfiguredError, SettingsError, TransientError
from frontdesk.storage.secrets import read_secret, secrets_manager
from frontdesk.storage.sigv4 import Credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:wecom-AbCdEf"
CHINA_ARN = "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:wecom-AbCdEf"


class Vault:
    """Secrets Manager's one operation, in memory."""

    def __init__(self, answer: dict[str, Any] | Exception) -> None:
        self.answer = answer

    def call(self, target: str, request: Mapping[str, Any]) -> dict[str, Any]:
        assert (target, request) == ("secretsmanager.GetSecretValue", {"SecretId": ARN})
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class AskedPool:
    """Connections that answer every request with an empty secret and remember its address."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def request(self, method: str, url: str, **_: Any) -> urllib3.HTTPResponse:
        self.asked.append((method, url))
        return urllib3.HTTPResponse(body=b'{"SecretString": "{}"}', status=200)


def test_the_values_in_a_secret_are_returned():
    vault = Vault({"SecretString": json.dumps({"WECOM_TOKEN": "QDG6eK"}), "VersionId": "1"})
    assert read_secret(vault, ARN, "WeCom") == {"WECOM_TOKEN": "QDG6eK"}


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"SecretBinary": "AAAA"},
        {"SecretString": ""},
        {"SecretString": None},
        {"SecretString": "MarkedSecret"},
        {"SecretString": '"MarkedSecret"'},
        {"SecretString": '["MarkedSecret"]'},
        {"SecretString": '{"WECOM_TOKEN": "MarkedSecret"'},
    ],
)
def test_a_secret_that_is_no_json_object_is_named_and_not_shown(answer: Any):
    with pytest.raises(SettingsError) as caught:
        read_secret(Vault(answer), ARN, "WeCom")
    assert caught.value.problems == ["the WeCom secret is not a JSON object"]
    assert "MarkedSecret" not in f"{caught.value!r}"


@pytest.mark.parametrize("error", [TransientError("down"), MisconfiguredError("refused")])
def test_a_vault_out_of_reach_is_heard(error: Exception):
    with pytest.raises(type(error)):
        read_secret(Vault(error), ARN, "WeCom")


@pytest.mark.parametrize(
    ("environ", "arn", "region", "url"),
    [
        ({}, ARN, "us-east-1", "https://secretsmanager.us-east-1.amazonaws.com/"),
        ({}, CHINA_ARN, "cn-north-1", "https://secretsmanager.cn-north-1.amazonaws.com.cn/"),
        ({}, "wecom", "eu-west-1", "https://secretsmanager.eu-west-1.amazonaws.com/"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}, ARN, "us-east-1", "http://127.0.0.1:4566"),
        ({"AWS_ENDPOINT_URL": ""}, ARN, "us-east-1", "https://secretsmanager.us-east-1.amazonaws.com/"),
        (
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://127.0.0.1:1"},
            ARN,
            "us-east-1",
            "http://127.0.0.1:1",
        ),
    ],
)
def test_the_vault_is_the_one_of_the_region_and_the_partition(environ: dict[str, str], arn: str, region: str, url: str):
    http = AskedPool()
    vault = secrets_manager(environ, arn=arn, region=region, credentials=Credentials("a", "b", None), http=http)
    assert read_secret(vault, arn, "WeCom") == {}
    assert http.asked == [("POST", url)]
