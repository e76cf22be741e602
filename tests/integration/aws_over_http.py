"""AWS on a real socket: moto's services in this process behind one address, and faults that quote what they were asked.

Every client of the package speaks to it as to AWS, through `AWS_ENDPOINT_URL`. It keeps each request as it came in:
nothing can be stored but by one of them.
"""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from botocore.awsrequest import AWSPreparedRequest
from botocore.compat import HTTPHeaders
from moto.core.botocore_stubber import BotocoreStubber
from moto.moto_api._internal.models import moto_api_backend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SIGNED_FOR = re.compile(r"Credential=[^/]+/[0-9]+/[^/]+/([^/]+)/aws4_request")


@dataclass(frozen=True)
class AwsCall:
    """One request. ``operation`` is e.g. "GetItem", or of S3 the method and the bucket: "PUT archive"."""

    service: str
    operation: str
    path: str
    headers: str
    body: bytes

    def is_about(self, text: str) -> bool:
        """Return whether ``text`` is part of the request."""
        return text.encode() in self.body or text in self.path


@dataclass(frozen=True)
class Fault:
    """What happens to the calls that it ``hits``, instead of an answer."""

    kind: str
    hits: Callable[[AwsCall], bool]


# Kind of fault: the HTTP status, and the error's name at DynamoDB and its like, and at S3.
_NAMED = {
    "throttled": (400, "ThrottlingException", 503, "SlowDown"),
    "refused": (400, "AccessDeniedException", 403, "AccessDenied"),
    "conflict": (400, "ConditionalCheckFailedException", 412, "PreconditionFailed"),
    "broken": (500, "InternalServerError", 500, "InternalError"),
}
FAULTS = (*_NAMED, "dropped", "garbage")
IN_PART = "in part"
"""Only for SendMessageBatch: the call succeeds, and none of its entries does."""


@dataclass
class AwsOverHttp:
    """The running server. ``quoted`` is part of every error text, as AWS's own can quote a request."""

    url: str
    quoted: str = ""
    calls: list[AwsCall] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def fault_for(self, call: AwsCall) -> Fault | None:
        return next((fault for fault in self.faults if fault.hits(call)), None)


def _refusal_in_part(call: AwsCall, quoted: str) -> tuple[int, dict[str, str], bytes]:
    text = f"{quoted} {call.body.decode(errors='replace')}"
    failed = [
        {"Id": entry["Id"], "Code": "InternalError", "Message": text, "SenderFault": False}
        for entry in json.loads(call.body)["Entries"]
    ]
    return 200, {"content-type": "application/x-amz-json-1.0"}, json.dumps({"Failed": failed}).encode()


def _refusal(fault: Fault, call: AwsCall, quoted: str) -> tuple[int, dict[str, str], bytes]:
    status, name, s3_status, s3_name = _NAMED[fault.kind]
    text = f"{quoted} {call.path} {call.body.decode(errors='replace')}"
    if call.service == "s3":
        body = f"<Error><Code>{s3_name}</Code><Message>{escape(re.sub('[^ -~一-鿿]', '?', text))}</Message></Error>"
        return s3_status, {"content-type": "application/xml"}, body.encode()
    error: dict[str, Any] = {"__type": f"com.amazonaws#{name}", "message": text, "Message": text}
    if fault.kind == "conflict" and call.operation == "TransactWriteItems":
        writes = json.loads(call.body)["TransactItems"]
        reason = {"Code": "ConditionalCheckFailed", "Message": text, "Item": writes[0].get("Put", {}).get("Item", {})}
        error |= {"__type": "com.amazonaws#TransactionCanceledException", "CancellationReasons": [reason] * len(writes)}
    return status, {"content-type": "application/x-amz-json-1.0"}, json.dumps(error).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else the second piece of each answer waits 40 ms for the first one's receipt
    aws: AwsOverHttp
    moto = BotocoreStubber()
    one_at_a_time = threading.Lock()  # moto's services were not made for several threads

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        signed = _SIGNED_FOR.search(self.headers.get("authorization", ""))
        service = signed[1] if signed else "unsigned"
        operation = self.headers.get("x-amz-target", "").rpartition(".")[2]
        if service == "s3":
            operation = f"{self.command} {self.path.partition('?')[0].split('/')[1]}"
        call = AwsCall(service, operation, self.path, str(self.headers), body)
        self.aws.calls.append(call)
        fault = self.aws.fault_for(call)
        if fault and fault.kind == "dropped":
            self.close_connection = True
            return
        if fault and fault.kind == "garbage":
            status, headers, answer = 200, {}, self.aws.quoted.encode()
        elif fault and fault.kind == IN_PART:
            status, headers, answer = _refusal_in_part(call, self.aws.quoted)
        elif fault:
            status, headers, answer = _refusal(fault, call, self.aws.quoted)
        else:
            status, headers, answer = self._moto(service, body)
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in {"content-length", "date", "server", "connection"}:
                self.send_header(name, str(value))
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    def _moto(self, service: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        headers = HTTPHeaders()
        for name, value in self.headers.items():
            headers[name] = value
        url = f"https://{service}.us-east-1.amazonaws.com{self.path}"
        request = AWSPreparedRequest(self.command, url, headers, body, stream_output=False)
        with self.one_at_a_time:
            answered = self.moto.process_request(request)
        assert answered is not None, f"moto has no {service}"
        status, answer_headers, answer = answered
        return status, answer_headers, answer.encode() if isinstance(answer, str) else bytes(answer)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _answer  # noqa: N815  # the standard library's names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the standard library's name
        """Say nothing: what a test reads of this process's output is the package's."""


@contextmanager
def aws_over_http(*, quoted: str) -> Iterator[AwsOverHttp]:
    """Serve an AWS without anything in it until left."""
    moto_api_backend.reset()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    aws = AwsOverHttp(f"http://127.0.0.1:{server.server_address[1]}", quoted)
    _Handler.aws = aws
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield aws
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
        moto_api_backend.reset()
