"""SQS in memory, spoken to as its JSON protocol is: one FIFO queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

QUEUE_URL = "https://sqs.us-east-1.amazonaws.com/123456789012/inbox.fifo"


class InMemoryQueue:
    """A queue that drops what it has seen in the same group, as high-throughput FIFO queues do.

    ``failure`` is raised by every call while it is set. ``bodies`` holds what was taken, in order.
    """

    def __init__(self, url: str = QUEUE_URL) -> None:
        self.url = url
        self.failure: Exception | None = None
        self.requests: list[Mapping[str, Any]] = []
        self.bodies: list[str] = []
        self.groups: list[str] = []
        self._seen: set[tuple[str, str]] = set()

    def call(self, target: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Take a message, or fail as told."""
        if self.failure is not None:
            raise self.failure
        assert target == "AmazonSQS.SendMessage"
        assert request["QueueUrl"] == self.url
        self.requests.append(request)
        identity = (request["MessageGroupId"], request["MessageDeduplicationId"])
        if identity not in self._seen:
            self._seen.add(identity)
            self.bodies.append(request["MessageBody"])
            self.groups.append(request["MessageGroupId"])
        return {"MessageId": f"message-{len(self.bodies)}"}
