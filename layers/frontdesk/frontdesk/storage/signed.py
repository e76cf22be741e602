"""Signed calls to AWS services that speak JSON, without the weight of a full client.

The callback makes two kinds of AWS call, and its cold start is a customer's wait: this is loaded in a fraction of
the time that a boto3 client takes. docs/adr/0003 has the measurement.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import urllib3

from frontdesk.errors import MisconfiguredError, TransientError
from frontdesk.storage.sigv4 import signed_headers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from frontdesk.storage.sigv4 import Credentials

_SUFFIX = {"aws-cn": "amazonaws.com.cn"}
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


def regional_url(environ: Mapping[str, str], service: str, override: str, *, arn: str, region: str) -> str:
    """Return where ``service`` answers in ``region``: the partition in ``arn`` tells its domain.

    AWS_ENDPOINT_URL and the service's own variable, called ``override``, come before that.
    """
    partition = arn.split(":")[1] if arn.count(":") >= 5 else "aws"
    regional = f"https://{service}.{region}.{_SUFFIX.get(partition, 'amazonaws.com')}/"
    return environ.get(override) or environ.get("AWS_ENDPOINT_URL") or regional


class JsonService(Protocol):
    """An AWS service called by operation name."""

    def call(self, target: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the operation's answer; raises `TransientError` or `PermanentError`."""


class SignedJson:
    """One AWS service with a JSON protocol, at the root of one address."""

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
        self._host = urlsplit(url).netloc
        self._service = service
        self._region = region
        self._credentials = credentials
        self._http = http

    def call(self, target: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer of the operation ``target``, e.g. ``AmazonSQS.SendMessage``.

        Raises `TransientError` when the service could not be reached, was overloaded or failed, and
        `MisconfiguredError` when it refused: no rights, no such resource, a malformed request.
        """
        body = json.dumps(request).encode()
        headers = signed_headers(
            {"Content-Type": self._content_type, "X-Amz-Target": target},
            body,
            host=self._host,
            service=self._service,
            region=self._region,
            credentials=self._credentials,
            now=time.time(),
        )
        try:
            response = self._http.request(
                "POST", self._url, body=body, headers=headers, retries=_RETRIES, redirect=False
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
