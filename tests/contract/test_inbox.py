"""One suite over the queue in memory and over moto's: what the inbox promises the conversation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore import xform_name
from moto import mock_aws

from frontdesk.messages import Inbound, Kind
from frontdesk.storage.inbox import BODY_VERSION, SqsInbox, encode
from frontdesk.storage.inbox_records import read_record, retry_later
from tests.factories import ANOTHER_CONVERSATION, CONVERSATION, inbound, sqs_record
from tests.fakes.queue import QUEUE_URL, InMemoryQueue

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# What release 0.1.0 writes. It must stay readable as long as such a message can be in a queue: four days, or
# fourteen among the dead letters. A new version gets a golden body of its own beside this one.
GOLDEN_V1 = (
    '{"v":1,"channel":"wecom_app","conversation":"5f0c2a9be1d34786a1b2c3d4e5f60718",'
    '"message_id":"7011223344556677889","sender":"lin.mei","kind":"location","sent_at":1790000000,'
    '"received_at_ms":1790000000250,"text":"","details":{"Location_X":"31.2","Label":"上海"}}'
)
GOLDEN_INBOUND = Inbound(
    channel="wecom_app",
    conversation="5f0c2a9be1d34786a1b2c3d4e5f60718",
    message_id="7011223344556677889",
    sender="lin.mei",
    kind=Kind.LOCATION,
    sent_at=1790000000,
    received_at_ms=1790000000250,
    text="",
    details={"Location_X": "31.2", "Label": "上海"},
)


class InMemory:
    """The queue in memory, and what a consumer sees of it."""

    def __init__(self) -> None:
        self.service = InMemoryQueue()
        self.url = QUEUE_URL

    def bodies(self) -> list[tuple[str, str]]:
        """Return (group, body) of all messages in order."""
        return list(zip(self.service.groups, self.service.bodies, strict=True))


class BotoService:
    """Operations by name, as moto's SQS understands them: parameters are checked against AWS's own model."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def call(self, target: str, request: Mapping[str, Any]) -> dict[str, Any]:
        service, _, operation = target.partition(".")
        assert service == "AmazonSQS"
        answer: dict[str, Any] = getattr(self._client, xform_name(operation))(**request)
        return answer


class Moto:
    """A FIFO queue with the settings of the deployment, in moto."""

    def __init__(self) -> None:
        self.client = boto3.client("sqs")
        self.url = self.client.create_queue(
            QueueName="inbox.fifo",
            Attributes={
                "FifoQueue": "true",
                "DeduplicationScope": "messageGroup",
                "FifoThroughputLimit": "perMessageGroupId",
            },
        )["QueueUrl"]
        self.service = BotoService(self.client)

    def receive(self) -> list[dict[str, Any]]:
        """Return the messages that can be had now."""
        messages: list[dict[str, Any]] = self.client.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, AttributeNames=["All"], VisibilityTimeout=30
        ).get("Messages", [])
        return messages

    def bodies(self) -> list[tuple[str, str]]:
        """Return (group, body) of all messages in order, each deleted once seen."""
        seen = []
        while messages := self.receive():
            for message in messages:
                seen.append((message["Attributes"]["MessageGroupId"], message["Body"]))
                self.client.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return seen


@pytest.fixture(params=[InMemory, Moto])
def queue(request: pytest.FixtureRequest) -> Iterator[InMemory | Moto]:
    with mock_aws():
        yield request.param()


def ids_in(queue: InMemory | Moto, group: str) -> list[str]:
    return [json.loads(body)["message_id"] for of, body in queue.bodies() if of == group]


def test_a_message_put_is_a_message_read(queue: InMemory | Moto):
    SqsInbox(queue.service, queue.url).put(inbound(details={"Label": "上海 🙂"}))
    ((group, body),) = queue.bodies()
    assert group == CONVERSATION
    assert read_record(sqs_record(body), max_receives=5).inbound == inbound(details={"Label": "上海 🙂"})


def test_a_message_put_twice_is_there_once_even_when_it_arrived_later(queue: InMemory | Moto):
    inbox = SqsInbox(queue.service, queue.url)
    inbox.put(inbound())
    inbox.put(inbound(received_at_ms=inbound().received_at_ms + 5000))
    assert ids_in(queue, CONVERSATION) == [inbound().message_id]


def test_messages_of_one_conversation_stay_in_order(queue: InMemory | Moto):
    inbox = SqsInbox(queue.service, queue.url)
    for number in range(7):
        inbox.put(inbound(message_id=str(number)))
        inbox.put(inbound(message_id=f"other-{number}", conversation=ANOTHER_CONVERSATION))
        inbox.put(inbound(message_id=str(number // 2)))
    bodies = [(group, json.loads(body)["message_id"]) for group, body in queue.bodies()]
    assert [name for group, name in bodies if group == CONVERSATION] == [str(n) for n in range(7)]
    assert [name for group, name in bodies if group == ANOTHER_CONVERSATION] == [f"other-{n}" for n in range(7)]


def test_the_same_id_in_two_conversations_is_two_messages():
    queue = InMemory()  # moto knows no deduplication scope: it drops an id that any group has had
    inbox = SqsInbox(queue.service, queue.url)
    inbox.put(inbound())
    inbox.put(inbound(conversation=ANOTHER_CONVERSATION))
    assert [group for group, _ in queue.bodies()] == [CONVERSATION, ANOTHER_CONVERSATION]


def test_the_same_words_twice_are_two_messages(queue: InMemory | Moto):
    inbox = SqsInbox(queue.service, queue.url)
    inbox.put(inbound(message_id="1"))
    inbox.put(inbound(message_id="2"))
    assert ids_in(queue, CONVERSATION) == ["1", "2"]


def test_the_longest_ids_fit(queue: InMemory | Moto):
    longest = inbound(message_id=f"{CONVERSATION}-{'9' * 20}-{'e' * 64}")
    SqsInbox(queue.service, queue.url).put(longest)
    assert ids_in(queue, CONVERSATION) == [longest.message_id]


def test_a_text_of_2048_bytes_fits(queue: InMemory | Moto):
    SqsInbox(queue.service, queue.url).put(inbound(text="🙂" * 512))
    ((_, body),) = queue.bodies()
    assert json.loads(body)["text"] == "🙂" * 512


def test_a_failed_message_is_there_again_at_once_when_its_wait_is_nothing():
    with mock_aws():
        queue = Moto()
        SqsInbox(queue.service, queue.url).put(inbound())
        (message,) = queue.receive()
        assert queue.receive() == []
        retry_later(queue.client, queue.url, [(message["ReceiptHandle"], 0)])
        (again,) = queue.receive()
        assert again["Body"] == message["Body"]
        record = sqs_record(again["Body"]) | {"attributes": again["Attributes"]}
        assert read_record(record, max_receives=2).last_attempt


def test_this_release_writes_the_body_of_version_1():
    assert BODY_VERSION == 1
    assert encode(GOLDEN_INBOUND) == GOLDEN_V1


def test_this_release_reads_the_body_of_version_1():
    assert read_record(sqs_record(GOLDEN_V1), max_receives=5).inbound == GOLDEN_INBOUND


def test_a_body_with_fields_of_a_later_release_is_read_by_this_one():
    later = json.dumps({**json.loads(GOLDEN_V1), "language": "zh", "attachments": [{"url": "u"}]})
    assert read_record(sqs_record(later), max_receives=5).inbound == GOLDEN_INBOUND
