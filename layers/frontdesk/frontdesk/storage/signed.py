"""Signed calls to AWS services that speak JSON, without the weight of a full client.

The callback makes two kinds of AWS call, and its cold start is a customer's wait: botocore's own signer over
urllib3 is loaded in about half the time of a boto3 client. docs/adr/0003 has the measurement.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from frontdesk.errors import MisconfiguredError, SettingsError, TransientError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.credentials import ReadOnlyCredentials

_CONNECT_TIMEOUT_S = 1.0
_ATTEMPT_TIMEOUT_S = 1.5  # connecting and waiting for the answer, together
# Two repeats with jitter still end within WeCom's five seconds: 3 x (connect and read) + waits. All calls made
# through here may be repeated: reading a secret changes nothing, and the queue drops a message it has seen.
_RETRIES = urllib3.Retry(
    total=2,
    backoff_factor=0.05,
    backoff_jitter=0.1,
    status_forcelist=(500, 502, 503, 504),
    allowed_methods=None,
    raise_on_status=False,
    respect_retry_after_header=False,
)
# Parts of the names that services give to refusals which pass: Throttling, RequestThrottled, KmsThrottled …
_PASSING = (
    "Throttl",
    "TooManyRequests",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "InternalFailure",
    "InternalError",
)


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


class SignedJson:
    """One AWS service with a JSON protocol, at one address."""

    def __init__(
        self,
        *,
        service: str,
        url: str,
        version: str,
        region: str,
        credentials: Credentials,
        http: urllib3.PoolManager,
    ) -> None:
        """``service`` is the signing name, ``version`` the protocol's: "1.0" for SQS, "1.1" for Secrets Manager."""
        self._url = url
        self._content_type = f"application/x-amz-json-{version}"
        self._service = service
        self._signer = SigV4Auth(cast("ReadOnlyCredentials", credentials), service, region)
        self._http = http

    def call(self, target: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer of the operation ``target``, e.g. ``AmazonSQS.SendMessage``.

        Raises `TransientError` when the service could not be reached, was overloaded or failed, and
        `MisconfiguredError` when it refused: no rights, no such resource, a malformed request.
        """
        body = json.dumps(request).encode()
        headers = {"Content-Type": self._content_type, "X-Amz-Target": target}
        signed = AWSRequest(method="POST", url=self._url, data=body, headers=headers)
        self._signer.add_auth(signed)
        try:
            response = self._http.request(
                "POST", self._url, body=body, headers=dict(signed.headers), retries=_RETRIES, redirect=False
            )
        except urllib3.exceptions.HTTPError as error:
            raise TransientError(
                f"{self._service} could not be reached: {type(error).__name__}",
                code=f"{self._service}_unreachable",
            ) from None
        answer = _object(response.data)
        if response.status == 200:
            if answer is None:
                raise TransientError(f"{self._service} gave no JSON object", code=f"{self._service}_failed")
            return answer
        # The service's own name of the error, e.g. "com.amazonaws.sqs#QueueDoesNotExist": it holds no content of ours.
        name = str((answer or {}).get("__type", "")).rpartition("#")[2] or "unnamed"
        if response.status >= 500 or response.status == 429 or any(part in name for part in _PASSING):
            raise TransientError(f"{self._service} failed: {name}", code=f"{self._service}_failed")
        raise MisconfiguredError(f"{self._service} refused: {name}", code=f"{self._service}_refused")


def _object(body: bytes) -> dict[str, Any] | None:
    """Return the JSON object in ``body``, ``None`` when it is anything else."""
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def pool() -> urllib3.PoolManager:
    """Return connections with timeouts that fit a callback's five seconds."""
    return urllib3.PoolManager(timeout=urllib3.Timeout(total=_ATTEMPT_TIMEOUT_S, connect=_CONNECT_TIMEOUT_S))
