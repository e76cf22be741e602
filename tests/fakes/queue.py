"""SQS in memory, spoken to as its JSON protocol is: one FIFO queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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


class BatchingSqs:
    """The operations of a boto3 client that put messages into one FIFO queue, one at a time or in batches.

    ``refuse`` is asked for each entry of a batch, by its deduplication id, whether it is refused this time.
    ``batches`` holds the entries of each call, ``taken`` group and deduplication id of what was new, ``bodies`` its
    bodies, all in order.
    """

    def __init__(self, refuse: Callable[[str], bool] = lambda _named: False) -> None:
        self._refuse = refuse
        self._seen: set[tuple[str, str]] = set()
        self.batches: list[list[Mapping[str, Any]]] = []
        self.taken: list[tuple[str, str]] = []
        self.bodies: list[str] = []

    def send_message(self, **message: Any) -> dict[str, Any]:
        """Take one message."""
        self._take(message)
        return {"MessageId": f"message-{len(self.taken)}"}

    def send_message_batch(self, *, QueueUrl: str, Entries: list[Mapping[str, Any]]) -> dict[str, Any]:  # noqa: N803
        """Take what is not refused; the call succeeds in any case."""
        assert QueueUrl == QUEUE_URL
        assert 0 < len(Entries) <= 10
        assert len({entry["Id"] for entry in Entries}) == len(Entries)
        self.batches.append(Entries)
        answer: dict[str, list[dict[str, Any]]] = {}
        for entry in Entries:
            if self._refuse(entry["MessageDeduplicationId"]):
                answer.setdefault("Failed", []).append(
                    {"Id": entry["Id"], "Code": "InternalError", "SenderFault": False}
                )
            else:
                self._take(entry)
                answer.setdefault("Successful", []).append({"Id": entry["Id"]})
        return answer

    def _take(self, message: Mapping[str, Any]) -> None:
        identity = (message["MessageGroupId"], message["MessageDeduplicationId"])
        if identity not in self._seen:
            self._seen.add(identity)
            self.taken.append(identity)
            self.bodies.append(message["MessageBody"])
