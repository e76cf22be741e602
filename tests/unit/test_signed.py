"""Signed calls: the same request as AWS's own client sends, and every answer as one of our errors."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import urllib3
from botocore import auth
from botocore.awsrequest import AWSResponse

from frontdesk.errors import MisconfiguredError, SettingsError, TransientError
from frontdesk.storage.inbox import queue_service
from frontdesk.storage.secrets import secrets_manager
from frontdesk.storage.signed import SignedJson, pool
from frontdesk.storage.sigv4 import Credentials
from tests.fakes.queue import QUEUE_URL

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:wecom-AbCdEf"
TEMPORARY = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "a-session-token")
LASTING = TEMPORARY._replace(token=None)
# What AWS's client adds about itself, and what no service needs to do the same work.
ABOUT_THE_CLIENT = {"User-Agent", "amz-sdk-invocation-id", "amz-sdk-request", "X-Amz-User-Agent", "Content-Length"}
# Asks SQS to name errors as its older protocol did: our error names are the newer one's.
OLD_ERROR_NAMES = "x-amzn-query-mode"


class ScriptedPool:
    """Connections that give one scripted answer and remember the request."""

    def __init__(self, status: int = 200, body: bytes = b"{}", *, failure: Exception | None = None) -> None:
        self.answer = urllib3.HTTPResponse(body=io.BytesIO(body), status=status)
        self.failure = failure
        self.method = self.url = ""
        self.body = b""
        self.headers: dict[str, str] = {}
        self.options: dict[str, Any] = {}

    def request(
        self, method: str, url: str, *, body: bytes, headers: dict[str, str], **options: Any
    ) -> urllib3.HTTPResponse:
        self.method, self.url, self.body, self.headers, self.options = method, url, body, headers, options
        if self.failure:
            raise self.failure
        return self.answer


@pytest.fixture
def same_moment(monkeypatch: pytest.MonkeyPatch) -> Callable[[ScriptedPool], None]:
    """Return what sets the clock that botocore signs by to the moment of a request of ours."""

    def set_clock(http: ScriptedPool) -> None:
        moment = datetime.strptime(http.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        monkeypatch.setattr(auth, "get_current_datetime", lambda: moment)

    return set_clock


def signed(http: Any, *, service: str = "sqs", credentials: Credentials = TEMPORARY) -> SignedJson:
    if service == "sqs":
        return queue_service(QUEUE_URL, region="us-east-1", credentials=credentials, http=http)
    return secrets_manager({}, arn=SECRET_ARN, region="us-east-1", credentials=credentials, http=http)


def what_aws_own_client_sends(service: str, operation: str, request: dict[str, Any], credentials: Credentials) -> Any:
    """Return the request that botocore's client would put on the wire."""
    client = boto3.client(
        service,
        region_name="us-east-1",
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        aws_session_token=credentials.token,
    )
    sent: list[Any] = []

    def answer(request: Any, **_: Any) -> AWSResponse:
        sent.append(request)
        return AWSResponse(request.url, 200, {}, _Body())

    def leave_out(request: Any, **_: Any) -> None:
        del request.headers[OLD_ERROR_NAMES]

    client.meta.events.register("before-sign", leave_out)
    client.meta.events.register("before-send", answer)
    getattr(client, operation)(**request)
    (request_sent,) = sent
    return request_sent


class _Body:
    def stream(self, **_: Any) -> list[bytes]:
        return [b"{}"]


def plain(headers: Any) -> dict[str, str]:
    """Return ``headers`` with lower-case names and text values, without what tells of the client."""
    left_out = {name.lower() for name in ABOUT_THE_CLIENT}
    return {
        name.lower(): value.decode() if isinstance(value, bytes) else value
        for name, value in headers.items()
        if name.lower() not in left_out
    }


@pytest.mark.parametrize("credentials", [TEMPORARY, LASTING], ids=["temporary keys", "lasting keys"])
class TestTheRequest:
    def test_a_message_is_sent_as_aws_own_client_sends_it(self, credentials: Credentials, same_moment: Any):
        request = {
            "QueueUrl": QUEUE_URL,
            "MessageBody": '{"text":"你好 🙂"}',
            "MessageGroupId": "group",
            "MessageDeduplicationId": "1",
        }
        http = ScriptedPool()
        signed(http, credentials=credentials).call("AmazonSQS.SendMessage", request)
        same_moment(http)
        theirs = what_aws_own_client_sends("sqs", "send_message", request, credentials)
        assert (http.method, http.url, http.body) == (theirs.method, theirs.url, theirs.body)
        assert plain(http.headers) == plain(theirs.headers)
        assert "Signature=" in http.headers["Authorization"]

    def test_a_secret_is_asked_for_as_aws_own_client_asks(self, credentials: Credentials, same_moment: Any):
        request = {"SecretId": SECRET_ARN}
        http = ScriptedPool()
        signed(http, service="secretsmanager", credentials=credentials).call("secretsmanager.GetSecretValue", request)
        same_moment(http)
        theirs = what_aws_own_client_sends("secretsmanager", "get_secret_value", request, credentials)
        assert (http.method, http.url, http.body) == (theirs.method, theirs.url, theirs.body)
        assert plain(http.headers) == plain(theirs.headers)

    def test_the_signature_depends_on_the_keys_and_the_body(self, credentials: Credentials):
        signatures = set()
        for keys in (credentials, credentials._replace(secret_key="another")):
            for body in ("one", "two"):
                http = ScriptedPool()
                signed(http, credentials=keys).call("AmazonSQS.SendMessage", {"MessageBody": body})
                signatures.add(http.headers["Authorization"])
        assert len(signatures) == 4


def failure_of(http: Any, service: str = "sqs") -> TransientError | MisconfiguredError:
    with pytest.raises((TransientError, MisconfiguredError)) as caught:
        signed(http, service=service).call("AmazonSQS.SendMessage", {"MessageBody": "MarkedWords"})
    assert caught.value.__cause__ is None
    return caught.value


class TestTheAnswer:
    def test_an_object_is_returned(self):
        assert signed(ScriptedPool(body=b'{"MessageId": "1"}')).call("AmazonSQS.SendMessage", {}) == {"MessageId": "1"}

    @pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'"text"', b"\xff\xfe", b'{"MessageId": '])
    def test_a_good_status_with_anything_but_an_object_may_pass(self, body: Any):
        error = failure_of(ScriptedPool(body=body))
        assert isinstance(error, TransientError)
        assert (str(error), error.code) == ("sqs gave no JSON object", "sqs_failed")

    @pytest.mark.parametrize("status", [500, 502, 503, 504, 599, 429])
    def test_a_failing_or_overloaded_service_may_pass(self, status: int):
        error = failure_of(ScriptedPool(status, b'{"__type": "com.amazonaws.sqs#Whatever"}'))
        assert isinstance(error, TransientError)
        assert (str(error), error.code) == ("sqs failed: Whatever", "sqs_failed")

    @pytest.mark.parametrize(
        "name",
        [
            "ThrottlingException",
            "Throttling",
            "RequestThrottled",
            "KmsThrottled",
            "TooManyRequestsException",
            "RequestLimitExceeded",
            "ServiceUnavailable",
            "InternalFailure",
            "InternalError",
        ],
    )
    def test_a_refusal_that_is_a_matter_of_load_may_pass(self, name: str):
        error = failure_of(ScriptedPool(400, json.dumps({"__type": f"com.amazonaws.sqs#{name}"}).encode()))
        assert isinstance(error, TransientError)
        assert str(error) == f"sqs failed: {name}"

    @pytest.mark.parametrize(
        ("status", "name"),
        [
            (400, "AccessDeniedException"),
            (400, "com.amazonaws.sqs#QueueDoesNotExist"),
            (400, "UnrecognizedClientException"),
            (403, "InvalidSignatureException"),
            (404, "ResourceNotFoundException"),
            (413, "RequestEntityTooLarge"),
        ],
    )
    def test_a_refusal_is_for_a_person_to_mend(self, status: int, name: str):
        error = failure_of(ScriptedPool(status, json.dumps({"__type": name, "message": "MarkedWords"}).encode()))
        assert isinstance(error, MisconfiguredError)
        assert (str(error), error.code) == (f"sqs refused: {name.rpartition('#')[2]}", "sqs_refused")

    @pytest.mark.parametrize("body", [b"", b"<html>MarkedWords", b"[]", b"{}", b'{"__type": ""}', b"\xff"])
    @pytest.mark.parametrize("status", [301, 400, 403])
    def test_a_refusal_without_a_name_is_called_unnamed(self, status: int, body: Any):
        assert str(failure_of(ScriptedPool(status, body))) == "sqs refused: unnamed"

    @pytest.mark.parametrize(
        "failure",
        [
            urllib3.exceptions.MaxRetryError(pool=None, url="https://host/MarkedWords"),
            urllib3.exceptions.ProtocolError("Connection aborted: MarkedWords"),
            urllib3.exceptions.ReadTimeoutError(pool=None, url="MarkedWords", message="MarkedWords"),
            urllib3.exceptions.SSLError("MarkedWords"),
        ],
    )
    def test_a_service_out_of_reach_may_pass(self, failure: Any):
        error = failure_of(ScriptedPool(failure=failure), "secretsmanager")
        assert isinstance(error, TransientError)
        assert str(error) == f"secretsmanager could not be reached: {type(failure).__name__}"
        assert error.code == "secretsmanager_unreachable"

    def test_no_redirection_is_followed(self):
        http = ScriptedPool()
        signed(http).call("AmazonSQS.SendMessage", {})
        assert http.options["redirect"] is False


class TestCredentials:
    def test_they_are_what_the_runtime_sets(self):
        environ = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key", "AWS_SESSION_TOKEN": "token"}
        assert Credentials.read(environ) == ("id", "key", "token")

    def test_the_token_may_be_absent(self):
        assert Credentials.read({"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key"}).token is None

    @pytest.mark.parametrize("environ", [{}, {"AWS_ACCESS_KEY_ID": "id"}, {"AWS_SECRET_ACCESS_KEY": "MarkedSecret"}])
    def test_missing_keys_are_named(self, environ: dict[str, str]):
        with pytest.raises(SettingsError) as caught:
            Credentials.read(environ)
        assert "AWS_ACCESS_KEY_ID" in str(caught.value)
        assert "MarkedSecret" not in str(caught.value)


def test_three_attempts_end_within_the_five_seconds_of_wecom():
    timeout = pool().connection_pool_kw["timeout"]
    http = ScriptedPool()
    signed(http).call("AmazonSQS.SendMessage", {})
    retries = http.options["retries"]
    waits = sum(retries.backoff_factor * 2**n + retries.backoff_jitter for n in range(1, retries.total))
    assert timeout.connect_timeout == 1.0
    assert (retries.total + 1) * timeout.total + waits < 5
