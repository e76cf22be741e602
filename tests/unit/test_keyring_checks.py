"""The keyring's checks as the callback reads them: over DynamoDB's JSON protocol, and judged before it takes a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.errors import SettingsError
from frontdesk.protection.sealing import Keyring, verify_keyring
from frontdesk.storage.keyring_checks import dynamodb_service, read_checks
from frontdesk.storage.sigv4 import Credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

RING = Keyring.read("00112233445566778899aabbccddeeff")
ANOTHER = Keyring.read("ffeeddccbbaa99887766554433221100")
ARN = "arn:%s:secretsmanager:cn-north-1:123456789012:secret:keyring-AbCdEf"
CREDENTIALS = Credentials("AKIDEXAMPLE", "an-invented-secret", None)


class Table:
    """DynamoDB with one item."""

    def __init__(self, item: dict[str, Any]) -> None:
        self.item = item
        self.requests: list[tuple[str, Mapping[str, Any]]] = []

    def call(self, target: str, request: Mapping[str, Any]) -> dict[str, Any]:
        self.requests.append((target, request))
        return {"Item": self.item} if self.item else {}


def test_the_checks_are_read_from_the_rings_own_item_as_last_written():
    table = Table({"conversation": {"S": "#keyring"}, "checks": {"S": '{"k1":"s1.k1.AA"}'}, "version": {"N": "1"}})

    assert read_checks(table, "keys") == {"k1": "s1.k1.AA"}
    assert table.requests == [
        (
            "DynamoDB_20120810.GetItem",
            {"TableName": "keys", "Key": {"conversation": {"S": "#keyring"}}, "ConsistentRead": True},
        )
    ]


def test_a_deployment_that_never_ran_has_no_checks():
    assert read_checks(Table({}), "keys") == {}


def test_the_ring_that_made_the_checks_passes():
    verify_keyring(RING, {"k1": RING.check_token("k1")})
    verify_keyring(RING, {})


@pytest.mark.parametrize(
    ("checks", "problem"),
    [
        ({"k1": ANOTHER.check_token("k1")}, "key k1 is not the key that has been in use"),
        ({"k2": ANOTHER.check_token("k1")}, "lacks key k2"),
    ],
)
def test_a_wrong_ring_is_refused_with_the_key_named(checks: dict[str, str], problem: str):
    with pytest.raises(SettingsError, match=problem):
        verify_keyring(RING, checks)


@pytest.mark.parametrize(
    ("partition", "environ", "url"),
    [
        ("aws", {}, "https://dynamodb.cn-north-1.amazonaws.com/"),
        ("aws-cn", {}, "https://dynamodb.cn-north-1.amazonaws.com.cn/"),
        ("aws", {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}, "http://127.0.0.1:4566"),
        (
            "aws",
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:1"},
            "http://127.0.0.1:1",
        ),
    ],
)
def test_the_table_is_looked_for_in_the_secrets_own_partition(partition: str, environ: dict[str, str], url: str):
    service = dynamodb_service(environ, arn=ARN % partition, region="cn-north-1", credentials=CREDENTIALS, http=None)  # type: ignore[arg-type]

    assert service._url == url
