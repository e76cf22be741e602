"""The AWS calls of a callback, answered at once, so that a start is measured and not an emulator.

GetSecretValue, DynamoDB's GetItem and SQS's SendMessage in their JSON protocols; signatures are not checked.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from bench.loopback import LoopbackServer, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping


class AwsStub(LoopbackServer):
    """All services at one address. ``calls`` counts what was called, by the operation's name."""

    def __init__(self, secrets: Mapping[str, Mapping[str, str]]) -> None:
        """``secrets`` are the values by id."""
        super().__init__()
        self.calls: Counter[str] = Counter()
        self._secrets = secrets

    def respond(self, path: str, headers: Mapping[str, str], body: bytes) -> Reply:  # noqa: ARG002  # one path
        """Return what the service says."""
        operation = headers["x-amz-target"].rpartition(".")[2]
        answer = self._answer(operation, json.loads(body))
        content = json.dumps(answer or {"__type": "UnknownOperationException"}).encode()
        return Reply(400 if answer is None else 200, {"Content-Type": headers["content-type"]}, content)

    def _answer(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any] | None:
        self.calls[operation] += 1
        if operation == "SendMessage":
            digest = hashlib.md5(request["MessageBody"].encode(), usedforsecurity=False).hexdigest()
            return {"MD5OfMessageBody": digest, "MessageId": "5f1b6ef0", "SequenceNumber": "18849496460467696128"}
        if operation == "GetSecretValue" and request["SecretId"] in self._secrets:
            return {"ARN": request["SecretId"], "SecretString": json.dumps(self._secrets[request["SecretId"]])}
        if operation == "GetItem":
            return {}
        return None
