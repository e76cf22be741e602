"""The keyring's checks, read without boto3: by them the callback finds out whether it was given the right keys.

They are one item of the table of customers' keys, which `frontdesk.storage.customer_keys` writes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from frontdesk.storage.signed import SignedJson, regional_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    import urllib3

    from frontdesk.storage.signed import JsonService
    from frontdesk.storage.sigv4 import Credentials

KEYRING = "#keyring"


def dynamodb_service(
    environ: Mapping[str, str], *, arn: str, region: str, credentials: Credentials, http: urllib3.PoolManager
) -> SignedJson:
    """Return the regional DynamoDB, in the partition of ``arn``."""
    return SignedJson(
        service="dynamodb",
        url=regional_url(environ, "dynamodb", "AWS_ENDPOINT_URL_DYNAMODB", arn=arn, region=region),
        version="1.0",
        region=region,
        credentials=credentials,
        http=http,
    )


def read_checks(dynamodb: JsonService, table: str) -> dict[str, str]:
    """Return the check token of each ring key id that has one; raises `TransientError` or `MisconfiguredError`."""
    request = {"TableName": table, "Key": {"conversation": {"S": KEYRING}}, "ConsistentRead": True}
    return checks_in(dynamodb.call("DynamoDB_20120810.GetItem", request).get("Item", {}))


def checks_in(item: Mapping[str, Any]) -> dict[str, str]:
    """Return the checks that the item holds."""
    checks: dict[str, str] = json.loads(item["checks"]["S"]) if "checks" in item else {}
    return checks
