"""The queue's body: written by one function, read by another, and by releases that never met."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontdesk.errors import MalformedMessageError, MisconfiguredError, TransientError, UnopenableError
from frontdesk.messages import Inbound, Kind
from frontdesk.storage.inbox import SqsInbox, encode
from frontdesk.storage.inbox_records import read_record, retry_later
from tests.factories import CONVERSATION, MESSAGE_ID, inbound, sqs_record
from tests.fakes.queue import QUEUE_URL, InMemoryQueue
from tests.fakes.seals import FakeRing

RING = FakeRing()
PLACE = ("inbox", CONVERSATION, MESSAGE_ID)
WORDS = st.text(alphabet=st.characters(exclude_categories=["Cs"]))
ANY_INBOUND = st.builds(
    Inbound,
    channel=WORDS.filter(len),
    conversation=WORDS.filter(len),
    message_id=WORDS.filter(len),
    sender=WORDS.filter(len),
    kind=st.sampled_from(Kind),
    sent_at=st.integers(0, 10**20),
    received_at_ms=st.integers(0, 10**15),
    text=WORDS,
    details=st.dictionaries(WORDS, WORDS),
)


def plain() -> dict[str, object]:
    """Return what the release before sealing wrote into a body."""
    message = inbound()
    return {"v": 1, **{name: getattr(message, name) for name in Inbound.__slots__}}


def changed(**fields: object) -> str:
    return json.dumps({**plain(), **fields})


def without(name: str) -> str:
    return json.dumps({each: value for each, value in plain().items() if each != name})


def sealed(**fields: object) -> str:
    """Return a body of this release, changed so."""
    return json.dumps({**json.loads(encode(inbound(), RING)), **fields})


def sealed_words(words: str) -> str:
    """Return a body of this release in which ``words`` are sealed."""
    return sealed(sealed=RING.seal(words, *PLACE))


class TestPutting:
    def test_a_message_goes_to_its_conversations_group_under_its_own_id(self):
        queue = InMemoryQueue()
        SqsInbox(queue, QUEUE_URL, seals=RING).put(inbound())
        (request,) = queue.requests
        assert request == {
            "QueueUrl": QUEUE_URL,
            "MessageBody": encode(inbound(), RING),
            "MessageGroupId": CONVERSATION,
            "MessageDeduplicationId": MESSAGE_ID,
        }

    @pytest.mark.parametrize("error", [TransientError("down"), MisconfiguredError("refused")])
    def test_a_queue_that_did_not_take_it_is_heard(self, error: Exception):
        queue = InMemoryQueue()
        queue.failure = error
        with pytest.raises(type(error)):
            SqsInbox(queue, QUEUE_URL, seals=RING).put(inbound())

    def test_the_body_is_compact_and_its_words_are_sealed_at_the_messages_own_place(self):
        body = encode(inbound(text="你好 🙂", details={"Label": "上海"}), RING)
        assert " " not in body
        assert json.loads(body)["v"] == 2
        words = RING.open(json.loads(body)["sealed"], *PLACE)
        assert words == '{"sender":"lin.mei","text":"你好 🙂","details":{"Label":"上海"}}'


class TestReading:
    @given(ANY_INBOUND)
    def test_what_was_written_is_read_back(self, message: Inbound):
        assert read_record(sqs_record(encode(message, RING)), max_receives=5, seals=RING).inbound == message

    def test_the_attempt_is_counted_and_the_last_one_is_known(self):
        body = encode(inbound(), RING)
        received = [
            read_record(sqs_record(body, attempt=attempt), max_receives=5, seals=RING) for attempt in (1, 4, 5, 6)
        ]
        assert [each.attempt for each in received] == [1, 4, 5, 6]
        assert [each.last_attempt for each in received] == [False, False, True, True]

    def test_a_field_of_a_later_release_is_left_alone(self):
        body = changed(language="zh", details={"MediaId": "m", "New": "n"})
        assert read_record(sqs_record(body), max_receives=5, seals=RING).inbound.details == {"MediaId": "m", "New": "n"}

    @pytest.mark.parametrize(("name", "default"), [("text", ""), ("details", {})])
    def test_a_field_that_may_be_absent_has_a_default(self, name: str, default: object):
        assert getattr(read_record(sqs_record(without(name)), max_receives=5, seals=RING).inbound, name) == default

    @pytest.mark.parametrize(
        "name", ["v", "channel", "conversation", "message_id", "sender", "kind", "sent_at", "received_at_ms"]
    )
    def test_a_body_without_a_needed_field_is_malformed_and_the_field_is_named(self, name: str):
        with pytest.raises(MalformedMessageError) as caught:
            read_record(sqs_record(without(name)), max_receives=5, seals=RING)
        assert str(caught.value) == f"unreadable: {name}"

    @pytest.mark.parametrize(
        ("body", "named"),
        [
            ("", "body"),
            ("hello", "body"),
            ("[]", "body"),
            ("null", "body"),
            ('{"v": 1', "body"),
            (changed(v=3), "v"),
            (changed(v=2), "sealed"),
            (changed(v="one"), "v"),
            (changed(kind="file"), "kind"),
            (changed(sender=""), "sender"),
            (changed(text=5), "text"),
            (changed(details=[]), "details"),
            (changed(sent_at="soon", conversation=""), "conversation, sent_at"),
            ('{"v": 1, "text": "\\ud800"}', "body"),
        ],
    )
    def test_a_body_that_no_release_wrote_is_malformed(self, body: str, named: str):
        with pytest.raises(MalformedMessageError) as caught:
            read_record(sqs_record(body), max_receives=5, seals=RING)
        assert str(caught.value) == f"unreadable: {named}"

    def test_a_malformed_body_is_told_by_names_of_ours_only(self):
        secret = "MarkedWordsOfACustomer"
        body = changed(details={secret: [secret]}, text=[secret], kind=secret, **{secret: secret})
        with pytest.raises(MalformedMessageError) as caught:
            read_record(sqs_record(body), max_receives=5, seals=RING)
        assert str(caught.value) == "unreadable: details, kind, text"
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__

    @pytest.mark.parametrize(
        ("body", "named"),
        [
            (sealed(sealed=5), "sealed"),
            (sealed(sealed=None), "sealed"),
            (sealed(message_id="", kind="file"), "kind, message_id"),
            (sealed_words(""), "sealed"),
            (sealed_words("[]"), "sealed"),
            (sealed_words('"hello"'), "sealed"),
            (sealed_words("{}"), "sender"),
            (sealed_words('{"sender": "\\ud800"}'), "sealed"),
            (sealed_words('{"sender": "", "text": 5, "details": []}'), "details, sender, text"),
            (sealed_words('{"sender": "lin.mei", "details": {"MarkedWords": 5}}'), "details"),
        ],
    )
    def test_a_sealed_body_that_no_release_wrote_is_malformed_inside_as_well(self, body: str, named: str):
        with pytest.raises(MalformedMessageError) as caught:
            read_record(sqs_record(body), max_receives=5, seals=RING)
        assert str(caught.value) == f"unreadable: {named}"
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__

    def test_a_sealed_field_that_may_be_absent_has_a_default_and_one_of_a_later_release_is_left_alone(self):
        body = sealed_words('{"sender": "lin.mei", "language": "zh"}')
        read = read_record(sqs_record(body), max_receives=5, seals=RING).inbound
        assert read == inbound(text="", details={})

    def test_plain_words_beside_sealed_ones_are_not_read(self):
        body = sealed(sender="mallory", text="other words", details={"Label": "elsewhere"})
        assert read_record(sqs_record(body), max_receives=5, seals=RING).inbound == inbound()

    def test_words_that_do_not_open_are_not_made_up_for_by_plain_ones(self):
        body = json.dumps({**plain(), "v": 2, "sealed": FakeRing("k9").seal("{}", *PLACE)})
        with pytest.raises(UnopenableError) as caught:
            read_record(sqs_record(body), max_receives=5, seals=RING)
        assert caught.value.key_id == "k9"

    @given(st.text())
    def test_no_body_does_anything_but_being_read_or_refused(self, body: str):
        with pytest.raises(MalformedMessageError):
            read_record(sqs_record(body), max_receives=5, seals=RING)


class RecordingSqs:
    """The one operation of an SQS client that a failed batch needs."""

    def __init__(self) -> None:
        self.calls: list[dict[str, object]] = []

    def change_message_visibility(self, **request: object) -> None:
        self.calls.append(request)


class TestRetryingLater:
    def test_each_message_becomes_visible_after_its_own_wait(self):
        sqs = RecordingSqs()
        retry_later(sqs, QUEUE_URL, [("one", 5), ("two", 0)])
        assert sqs.calls == [
            {"QueueUrl": QUEUE_URL, "ReceiptHandle": "one", "VisibilityTimeout": 5},
            {"QueueUrl": QUEUE_URL, "ReceiptHandle": "two", "VisibilityTimeout": 0},
        ]
