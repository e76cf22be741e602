"""Secrets Manager: one JSON secret per vendor, read once while a function initialises."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from frontdesk.errors import SettingsError
from frontdesk.storage.signed import SignedJson

if TYPE_CHECKING:
    from collections.abc import Mapping

    import urllib3

    from frontdesk.storage.signed import JsonService
    from frontdesk.storage.sigv4 import Credentials

_SUFFIX = {"aws-cn": "amazonaws.com.cn"}


def secrets_manager(
    environ: Mapping[str, str], *, arn: str, region: str, credentials: Credentials, http: urllib3.PoolManager
) -> SignedJson:
    """Return the regional Secrets Manager: the partition in ``arn`` tells its domain, AWS_ENDPOINT_URL overrides it."""
    partition = arn.split(":")[1] if arn.count(":") >= 5 else "aws"
    regional = f"https://secretsmanager.{region}.{_SUFFIX.get(partition, 'amazonaws.com')}/"
    return SignedJson(
        service="secretsmanager",
        url=environ.get("AWS_ENDPOINT_URL_SECRETS_MANAGER") or environ.get("AWS_ENDPOINT_URL") or regional,
        version="1.1",
        region=region,
        credentials=credentials,
        http=http,
    )


def read_secret(service: JsonService, arn: str, name: str) -> Mapping[str, str]:
    """Return the named values in the secret at ``arn``; ``name`` is what an operator calls it.

    Raises `SettingsError` when it is not a JSON object, `TransientError` or `MisconfiguredError` when it is
    out of reach.
    """
    answer: dict[str, Any] = service.call("secretsmanager.GetSecretValue", {"SecretId": arn})
    try:
        values = json.loads(answer.get("SecretString") or "")
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise SettingsError([f"the {name} secret is not a JSON object"])
    return values
