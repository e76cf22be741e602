"""The queue's body: written by one function, read by another, and by releases that never met."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontdesk.errors import MalformedMessageError, MisconfiguredError, TransientError, UnopenableError
from frontdesk.messages import Inbound, Kind
from frontdesk.storage.inbox import SqsInbox, encode, encode_bare
from frontdesk.storage.inbox_records import NOBODY, read_record, retry_later
from frontdesk.storage.inbox_writer import SqsInboxWriter
from tests.factories import ANOTHER_CONVERSATION, CONVERSATION, MESSAGE_ID, NOW, inbound, sqs_record
from tests.fakes.queue import QUEUE_URL, BatchingSqs, InMemoryQueue
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
            (changed(kind="hologram"), "kind"),
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
            (sealed(message_id="", kind="hologram"), "kind, message_id"),
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


def due(**differently: object) -> Inbound:
    """Return a moment that has come."""
    values = {"kind": Kind.DUE, "sender": NOBODY, "text": "", "details": {"what": "attendance", "at": str(NOW)}}
    return inbound(**{**values, **differently})


def bare(**fields: object) -> str:
    """Return the body of a moment that has come, changed so."""
    return json.dumps({**json.loads(encode_bare(due())), **fields})


class TestMoments:
    """What the clock says has no words, and is put in by those who have no key."""

    def test_a_moment_is_read_back(self):
        assert read_record(sqs_record(encode_bare(due())), max_receives=5, seals=RING).inbound == due()

    def test_it_needs_no_key_to_be_read_either(self):
        assert read_record(sqs_record(encode_bare(due())), max_receives=5, seals=FakeRing("k9")).inbound == due()

    def test_its_details_are_plain_and_it_has_neither_sender_nor_text_nor_seal(self):
        body = json.loads(encode_bare(due(sender="mallory", text="words")))
        assert body == {
            "v": 2,
            "channel": "wecom_app",
            "conversation": CONVERSATION,
            "message_id": MESSAGE_ID,
            "kind": "due",
            "sent_at": NOW,
            "received_at_ms": NOW * 1000 + 250,
            "details": {"what": "attendance", "at": str(NOW)},
        }

    def test_one_that_was_sealed_is_read_like_any_message(self):
        message = due(sender="lin.mei", details={"what": "rating"})
        assert read_record(sqs_record(encode(message, RING)), max_receives=5, seals=RING).inbound == message

    def test_plain_fields_beside_a_seal_are_not_read(self):
        body = json.dumps({**json.loads(encode(due(details={}), RING)), "details": {"what": "elsewhere"}})
        assert read_record(sqs_record(body), max_receives=5, seals=RING).inbound == due(details={})

    def test_a_moment_may_have_no_details_and_a_field_of_a_later_release_is_left_alone(self):
        body = {name: value for name, value in json.loads(bare(language="zh")).items() if name != "details"}
        read = read_record(sqs_record(json.dumps(body)), max_receives=5, seals=RING).inbound
        assert read == due(details={})

    @pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.DUE])
    def test_nothing_else_is_written_or_read_without_a_seal(self, kind: Kind):
        with pytest.raises(ValueError, match="words"):
            encode_bare(due(kind=kind))
        with pytest.raises(MalformedMessageError) as caught:
            read_record(sqs_record(bare(kind=kind)), max_receives=5, seals=RING)
        assert str(caught.value) == "unreadable: sealed"

    @pytest.mark.parametrize(
        ("body", "named"),
        [
            (bare(conversation=""), "conversation"),
            (bare(details={"at": NOW}), "details"),
            (bare(sealed=5), "sealed"),
            (bare(sent_at="soon", message_id=None), "message_id, sent_at"),
        ],
    )
    def test_one_that_no_release_wrote_is_malformed(self, body: str, named: str):
        with pytest.raises(MalformedMessageError) as caught:
            read_record(sqs_record(body), max_receives=5, seals=RING)
        assert str(caught.value) == f"unreadable: {named}"


def writer(sqs: BatchingSqs, waits: list[float] | None = None) -> SqsInboxWriter:
    return SqsInboxWriter(sqs, QUEUE_URL, seals=RING, pause=(waits if waits is not None else []).append)


def messages(*names: str) -> list[Inbound]:
    """Return messages named by their conversation and a number in it."""
    return [inbound(conversation=name[0], message_id=name) for name in names]


class TestPuttingMany:
    def test_what_is_put_is_what_the_callback_would_put(self):
        sqs = BatchingSqs()
        writer(sqs).put(inbound())
        writer(sqs).put_all([inbound(conversation=ANOTHER_CONVERSATION)])
        assert sqs.taken == [(CONVERSATION, MESSAGE_ID), (ANOTHER_CONVERSATION, MESSAGE_ID)]
        assert sqs.bodies == [encode(inbound(), RING), encode(inbound(conversation=ANOTHER_CONVERSATION), RING)]

    def test_nothing_is_put_without_a_call(self):
        sqs = BatchingSqs()
        writer(sqs).put_all([])
        assert sqs.batches == []

    def test_ten_conversations_go_at_once_and_one_conversation_one_by_one(self):
        sqs = BatchingSqs()
        writer(sqs).put_all(messages(*"abcdefghijkl"))
        writer(sqs).put_all(messages("x1", "x2", "x3"))
        assert [len(batch) for batch in sqs.batches] == [10, 2, 1, 1, 1]

    def test_a_batch_never_has_two_messages_of_one_conversation(self):
        sqs = BatchingSqs()
        writer(sqs).put_all(messages("a1", "a2", "b1", "a3", "c1", "b2"))
        groups = [[entry["MessageGroupId"] for entry in batch] for batch in sqs.batches]
        assert all(len(set(each)) == len(each) for each in groups)
        assert len(sqs.batches) == 3

    def test_long_messages_go_in_smaller_batches(self):
        sqs = BatchingSqs()
        writer(sqs).put_all([inbound(conversation=name, text="长" * 20_000) for name in "abcdef"])
        sizes = [sum(len(entry["MessageBody"].encode()) for entry in batch) for batch in sqs.batches]
        assert max(sizes) <= 256 * 1024
        assert len(sqs.batches) > 1
        assert [group for group, _ in sqs.taken] == list("abcdef")

    def test_a_message_longer_than_a_batch_goes_alone(self):
        sqs = BatchingSqs()
        writer(sqs).put_all([inbound(conversation=name, text="长" * 100_000) for name in "ab"])
        assert [len(batch) for batch in sqs.batches] == [1, 1]

    def test_what_was_refused_is_sent_again_before_its_conversations_next_one(self):
        refusals = iter([True, True])
        sqs = BatchingSqs(lambda named: named == "a1" and next(refusals, False))
        waits: list[float] = []
        writer(sqs, waits).put_all(messages("a1", "a2", "b1", "b2"))
        assert [named for group, named in sqs.taken if group == "a"] == ["a1", "a2"]
        assert sorted(sqs.taken) == [("a", "a1"), ("a", "a2"), ("b", "b1"), ("b", "b2")]
        assert len(waits) == 2
        assert all(0 < wait <= 1 for wait in waits)

    def test_many_that_are_refused_once_are_no_reason_to_give_up(self):
        refused: set[str] = set()

        def once(named: str) -> bool:
            first = named not in refused
            refused.add(named)
            return first

        sqs = BatchingSqs(once)
        names = [f"{group}{number}" for number in range(10) for group in "abc"]
        writer(sqs).put_all(messages(*names))
        assert sorted(named for _, named in sqs.taken) == sorted(names)

    def test_what_is_refused_again_and_again_may_be_put_later(self):
        sqs = BatchingSqs(lambda named: named == "b1")
        waits: list[float] = []
        with pytest.raises(TransientError) as caught:
            writer(sqs, waits).put_all(messages("a1", "b1", "b2", "c1"))
        assert caught.value.code == "inbox_failed"
        assert "InternalError" in str(caught.value)
        assert len(waits) == 3
        assert "b" not in {group for group, _ in sqs.taken}

    @given(
        st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 3)), max_size=30),
        st.lists(st.booleans(), max_size=60),
    )
    def test_whatever_is_refused_each_conversation_keeps_its_order(
        self, sent: list[tuple[str, int]], refusals: list[bool]
    ):
        script = iter(refusals)
        sqs = BatchingSqs(lambda _named: next(script, False))
        names = [f"{conversation}{number}" for conversation, number in sent]
        for _ in range(len(refusals) + 1):
            try:
                writer(sqs).put_all(messages(*names))
                break
            except TransientError:
                continue
        expected = list(dict.fromkeys(names))
        for conversation in "abcde":
            taken = [named for group, named in sqs.taken if group == conversation]
            assert taken == [name for name in expected if name[0] == conversation]

    def test_without_a_key_moments_can_be_put_and_nothing_else(self):
        sqs = BatchingSqs()
        keyless = SqsInboxWriter(sqs, QUEUE_URL)
        keyless.put(due(message_id="1"))
        keyless.put_all([due(message_id="2")])
        assert sqs.bodies == [encode_bare(due(message_id="1")), encode_bare(due(message_id="2"))]
        for call in (lambda: keyless.put(inbound()), lambda: keyless.put_all([inbound()])):
            with pytest.raises(ValueError, match="words"):
                call()


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
