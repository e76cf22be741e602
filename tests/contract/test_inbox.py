"""One suite over the queue in memory and over moto's: what the inbox promises the conversation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore import xform_name
from moto import mock_aws

from frontdesk.errors import MisconfiguredError, UnopenableError
from frontdesk.messages import Inbound, Kind
from frontdesk.protection.sealing import Keyring
from frontdesk.storage.inbox import BODY_VERSION, SqsInbox, encode, encode_bare
from frontdesk.storage.inbox_records import read_record, retry_later
from frontdesk.storage.inbox_writer import SqsInboxWriter
from tests.factories import ANOTHER_CONVERSATION, CONVERSATION, inbound, sqs_record
from tests.fakes.queue import QUEUE_URL, InMemoryQueue
from tests.fakes.seals import FakeRing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# What each release wrote, sealed with an invented key. It must stay readable as long as such a message can be in a
# queue: four days, or fourteen among the dead letters. A new version gets a golden body of its own beside these.
GOLDEN_V1 = (
    '{"v":1,"channel":"wecom_app","conversation":"5f0c2a9be1d34786a1b2c3d4e5f60718",'
    '"message_id":"7011223344556677889","sender":"lin.mei","kind":"location","sent_at":1790000000,'
    '"received_at_ms":1790000000250,"text":"","details":{"Location_X":"31.2","Label":"上海"}}'
)
GOLDEN_V2 = (
    '{"v":2,"channel":"wecom_app","conversation":"5f0c2a9be1d34786a1b2c3d4e5f60718",'
    '"message_id":"7011223344556677889","kind":"location","sent_at":1790000000,"received_at_ms":1790000000250,'
    '"sealed":"s1.k1.50IS6ekiu5y_KIkpz56J9Dm0EvOvk8UBLnJ9QtZ0fyBcsR8g5nIVQQlMVaOfozIJaiPgFEa6WhZw1fbyjnnS6LK_9'
    'YDC3mAi7fiGr25Bpl5i5zjV7XAVyE3doZnHRCZ8NQ3veM5C2pQQbOg"}'
)
# A moment that was waited for, as those write it who have no key.
GOLDEN_V2_BARE = (
    '{"v":2,"channel":"wecom_kf","conversation":"5f0c2a9be1d34786a1b2c3d4e5f60718",'
    '"message_id":"due-5f0c2a9be1d34786a1b2c3d4e5f60718-1790000180","kind":"due","sent_at":1790000180,'
    '"received_at_ms":1790000185000,"details":{"what":"attendance","at":"1790000180"}}'
)
RING = Keyring.read("00112233445566778899aabbccddeeff")
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

GOLDEN_MOMENT = Inbound(
    channel="wecom_kf",
    conversation="5f0c2a9be1d34786a1b2c3d4e5f60718",
    message_id="due-5f0c2a9be1d34786a1b2c3d4e5f60718-1790000180",
    sender="-",
    kind=Kind.DUE,
    sent_at=1790000180,
    received_at_ms=1790000185000,
    text="",
    details={"what": "attendance", "at": "1790000180"},
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
    SqsInbox(queue.service, queue.url, seals=FakeRing()).put(inbound(details={"Label": "上海 🙂"}))
    ((group, body),) = queue.bodies()
    assert group == CONVERSATION
    assert read_record(sqs_record(body), max_receives=5, seals=FakeRing()).inbound == inbound(
        details={"Label": "上海 🙂"}
    )


def test_a_message_put_twice_is_there_once_even_when_it_arrived_later(queue: InMemory | Moto):
    inbox = SqsInbox(queue.service, queue.url, seals=FakeRing())
    inbox.put(inbound())
    inbox.put(inbound(received_at_ms=inbound().received_at_ms + 5000))
    assert ids_in(queue, CONVERSATION) == [inbound().message_id]


def test_messages_of_one_conversation_stay_in_order(queue: InMemory | Moto):
    inbox = SqsInbox(queue.service, queue.url, seals=FakeRing())
    for number in range(7):
        inbox.put(inbound(message_id=str(number)))
        inbox.put(inbound(message_id=f"other-{number}", conversation=ANOTHER_CONVERSATION))
        inbox.put(inbound(message_id=str(number // 2)))
    bodies = [(group, json.loads(body)["message_id"]) for group, body in queue.bodies()]
    assert [name for group, name in bodies if group == CONVERSATION] == [str(n) for n in range(7)]
    assert [name for group, name in bodies if group == ANOTHER_CONVERSATION] == [f"other-{n}" for n in range(7)]


def test_the_same_id_in_two_conversations_is_two_messages():
    queue = InMemory()  # moto knows no deduplication scope: it drops an id that any group has had
    inbox = SqsInbox(queue.service, queue.url, seals=FakeRing())
    inbox.put(inbound())
    inbox.put(inbound(conversation=ANOTHER_CONVERSATION))
    assert [group for group, _ in queue.bodies()] == [CONVERSATION, ANOTHER_CONVERSATION]


def test_the_same_words_twice_are_two_messages(queue: InMemory | Moto):
    inbox = SqsInbox(queue.service, queue.url, seals=FakeRing())
    inbox.put(inbound(message_id="1"))
    inbox.put(inbound(message_id="2"))
    assert ids_in(queue, CONVERSATION) == ["1", "2"]


def test_the_longest_ids_fit(queue: InMemory | Moto):
    longest = inbound(message_id=f"{CONVERSATION}-{'9' * 20}-{'e' * 64}")
    SqsInbox(queue.service, queue.url, seals=FakeRing()).put(longest)
    assert ids_in(queue, CONVERSATION) == [longest.message_id]


def test_a_text_of_2048_bytes_fits(queue: InMemory | Moto):
    SqsInbox(queue.service, queue.url, seals=FakeRing()).put(inbound(text="🙂" * 512))
    ((_, body),) = queue.bodies()
    assert len(body.encode()) < 256 * 1024
    assert read_record(sqs_record(body), max_receives=5, seals=FakeRing()).inbound.text == "🙂" * 512


def test_nothing_of_a_customer_is_readable_in_the_queue(queue: InMemory | Moto):
    message = inbound(details={"Label": "上海"})
    SqsInbox(queue.service, queue.url, seals=FakeRing()).put(message)
    ((_, body),) = queue.bodies()
    assert not {"sender", "text", "details"} & json.loads(body).keys()
    for words in (message.sender, message.text, "上海"):
        assert words not in body
        assert json.dumps(words)[1:-1] not in body


@pytest.fixture
def moto() -> Iterator[Moto]:
    with mock_aws():
        yield Moto()


def test_many_messages_put_at_once_are_there_in_their_order(moto: Moto):
    sent = [
        inbound(conversation=conversation, message_id=f"{conversation}-{number}")
        for number in range(4)
        for conversation in (CONVERSATION, ANOTHER_CONVERSATION, *(f"c{n}" for n in range(11)))
    ]
    writer = SqsInboxWriter(moto.client, moto.url, seals=FakeRing())
    writer.put_all(sent)
    writer.put_all(sent)
    writer.put(sent[0])
    taken = [(group, json.loads(body)["message_id"]) for group, body in moto.bodies()]
    for conversation in {each.conversation for each in sent}:
        expected = [each.message_id for each in sent if each.conversation == conversation]
        assert [name for group, name in taken if group == conversation] == list(dict.fromkeys(expected))


def test_what_the_writer_puts_the_callbacks_writer_would_put_the_same(moto: Moto):
    SqsInboxWriter(moto.client, moto.url, seals=FakeRing()).put_all([inbound()])
    SqsInbox(moto.service, moto.url, seals=FakeRing()).put(inbound())
    assert moto.bodies() == [(CONVERSATION, encode(inbound(), FakeRing()))]


def test_a_queue_that_is_not_there_is_told(moto: Moto):
    writer = SqsInboxWriter(moto.client, moto.url + "-absent", seals=FakeRing())
    for call in (lambda: writer.put(inbound()), lambda: writer.put_all([inbound()])):
        with pytest.raises(MisconfiguredError):
            call()


def test_a_failed_message_is_there_again_at_once_when_its_wait_is_nothing():
    with mock_aws():
        queue = Moto()
        SqsInbox(queue.service, queue.url, seals=FakeRing()).put(inbound())
        (message,) = queue.receive()
        assert queue.receive() == []
        retry_later(queue.client, queue.url, [(message["ReceiptHandle"], 0)])
        (again,) = queue.receive()
        assert again["Body"] == message["Body"]
        record = sqs_record(again["Body"]) | {"attributes": again["Attributes"]}
        assert read_record(record, max_receives=2, seals=FakeRing()).last_attempt


@pytest.mark.parametrize("golden", [GOLDEN_V1, GOLDEN_V2])
def test_this_release_reads_what_each_release_wrote(golden: str):
    assert read_record(sqs_record(golden), max_receives=5, seals=RING).inbound == GOLDEN_INBOUND


def test_this_release_reads_and_writes_a_moment_like_each_release():
    assert encode_bare(GOLDEN_MOMENT) == GOLDEN_V2_BARE
    assert read_record(sqs_record(GOLDEN_V2_BARE), max_receives=5, seals=RING).inbound == GOLDEN_MOMENT


def test_this_release_writes_the_body_of_version_2():
    assert BODY_VERSION == 2
    written, golden = json.loads(encode(GOLDEN_INBOUND, RING)), json.loads(GOLDEN_V2)
    sealed, was_sealed = written.pop("sealed"), golden.pop("sealed")
    place = ("inbox", GOLDEN_INBOUND.conversation, GOLDEN_INBOUND.message_id)
    assert list(written) == list(golden)
    assert written == golden
    assert RING.open(sealed, *place) == RING.open(was_sealed, *place)
    assert sealed != was_sealed


@pytest.mark.parametrize("golden", [GOLDEN_V1, GOLDEN_V2])
def test_a_body_with_fields_of_a_later_release_is_read_by_this_one(golden: str):
    later = json.dumps({**json.loads(golden), "language": "zh", "attachments": [{"url": "u"}]})
    assert read_record(sqs_record(later), max_receives=5, seals=RING).inbound == GOLDEN_INBOUND


@pytest.mark.parametrize(
    "differently",
    [{"message_id": "7011223344556677880"}, {"conversation": "0" * 32}, {"sealed": ""}, {"sealed": "s1.k7.AAAA"}],
)
def test_a_body_whose_words_do_not_open_is_not_read_without_them(differently: dict[str, str]):
    body = json.dumps({**json.loads(GOLDEN_V2), **differently})
    with pytest.raises(UnopenableError):
        read_record(sqs_record(body), max_receives=5, seals=RING)


def test_a_body_that_does_not_open_names_the_key_that_is_lacking():
    with pytest.raises(UnopenableError) as caught:
        read_record(
            sqs_record(GOLDEN_V2),
            max_receives=5,
            seals=Keyring.read({"current": "k8", "keys": {"k8": "0" * 32}}),
        )
    assert caught.value.key_id == "k1"
