"""Secrets Manager: one JSON secret per vendor, read once while a function initialises."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from frontdesk.errors import SettingsError
from frontdesk.storage.signed import SignedJson, regional_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    import urllib3

    from frontdesk.storage.signed import JsonService
    from frontdesk.storage.sigv4 import Credentials


def secrets_manager(
    environ: Mapping[str, str], *, arn: str, region: str, credentials: Credentials, http: urllib3.PoolManager
) -> SignedJson:
    """Return the regional Secrets Manager, in the partition of ``arn``."""
    return SignedJson(
        service="secretsmanager",
        url=regional_url(environ, "secretsmanager", "AWS_ENDPOINT_URL_SECRETS_MANAGER", arn=arn, region=region),
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
