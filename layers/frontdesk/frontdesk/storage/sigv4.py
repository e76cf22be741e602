"""AWS Signature Version 4, for what the callback sends: a JSON POST to the root of a service.

Source: IAM user guide, "Create a signed AWS API request". AWS's own signer does the same and more, and takes
three times as long to load as all of this; tests hold each signature against it. docs/adr/0003 has the figures.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import TYPE_CHECKING, NamedTuple

from frontdesk.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

_ALGORITHM = "AWS4-HMAC-SHA256"


class Credentials(NamedTuple):
    """AWS keys as the Lambda runtime gives them; they live as long as the execution environment."""

    access_key: str
    secret_key: str
    token: str | None

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Credentials:
        """Return the keys of the function's role; raises `SettingsError` when the runtime gave none."""
        access_key, secret_key = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
        if not access_key or not secret_key:
            raise SettingsError(
                ["AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are missing: the Lambda runtime sets them"]
            )
        return cls(access_key, secret_key, environ.get("AWS_SESSION_TOKEN"))


def signed_headers(
    headers: Mapping[str, str],
    body: bytes,
    *,
    host: str,
    service: str,
    region: str,
    credentials: Credentials,
    now: float,
) -> dict[str, str]:
    """Return ``headers`` and those that prove who sends ``body`` to the root of ``host`` at ``now`` (epoch seconds).

    ``host`` is as the Host header has it, with the port where it is not the scheme's own.
    """
    at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    sent = {**headers, "X-Amz-Date": at}
    if credentials.token:
        sent["X-Amz-Security-Token"] = credentials.token
    signed = sorted((name.lower(), value) for name, value in {**sent, "Host": host}.items())
    names = ";".join(name for name, _ in signed)
    request = "\n".join(["POST", "/", "", *(f"{name}:{value}" for name, value in signed), "", names, _digest(body)])
    scope = f"{at[:8]}/{region}/{service}/aws4_request"
    key = f"AWS4{credentials.secret_key}".encode()
    for part in scope.split("/"):
        key = _mac(key, part)
    signature = _mac(key, "\n".join([_ALGORITHM, at, scope, _digest(request.encode())])).hex()
    credential = f"{credentials.access_key}/{scope}"
    sent["Authorization"] = f"{_ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"
    return sent


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
