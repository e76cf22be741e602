"""Whoever reads the queue, a table, its stream or the archive reads nothing that a customer said, was told or is called.

Sealed with real keys, so that what is searched is what is stored.
"""

from __future__ import annotations

import json
import string
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from frontdesk.conversation.archiving import document
from frontdesk.messages import Choice, Field, Inbound, Kind, Pause
from frontdesk.protection.customer_keys import CustomerKeys
from frontdesk.protection.sealing import Keyring
from frontdesk.records import Attendance, Pending, Reply, Session, Ticket, TicketRequest, Turn
from frontdesk.storage.attendances import DynamoAttendances
from frontdesk.storage.inbox import encode
from frontdesk.storage.inbox_records import read_record
from frontdesk.storage.items import from_reply, from_session, to_reply, to_sealed_session, to_session
from frontdesk.storage.ticket_requests import encode_opening, read_ticket_request
from frontdesk.storage.tickets import DynamoTickets
from tests.factories import CHANNEL, CONVERSATION, MESSAGE_ID, NOW, NOW_MS, SESSION_ID, sqs_record
from tests.fakes.clock import FakeClock
from tests.fakes.keys import InMemoryCustomerKeys

if TYPE_CHECKING:
    from collections.abc import Iterable

RING = Keyring.read({"current": "k2", "keys": {"k1": "0" * 32, "k2": "00112233445566778899aabbccddeeff"}})
SEALS = CustomerKeys(keyring=RING, store=InMemoryCustomerKeys(), clock=FakeClock().monotonic)

# Every word has a mark that no token, number or name of ours can hold by chance, and anything around it.
around = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
marks = st.sampled_from(
    ["林梅", "订单号", "[手机号1]", "13900000000", "lin.mei@example.com", "🙂🙂", "quotation-marks"]
)
words = st.builds(lambda before, mark, after: before + mark + after, around, marks, around)
choices = st.builds(Choice, words, words)
choice_lists = st.lists(choices, max_size=2).map(tuple)
pauses = st.builds(
    Pause,
    words,
    choice_lists,
    st.lists(st.builds(Field, words, words, st.booleans(), choice_lists), max_size=2).map(tuple),
)
pendings = st.none() | st.builds(Pending, pauses, st.lists(st.tuples(words, words), max_size=2).map(tuple))
placeholders = st.lists(st.tuples(words, words), max_size=3).map(tuple)
turns = st.builds(
    Turn,
    st.just(MESSAGE_ID),
    st.just("answer"),
    words,
    words,
    st.just(NOW_MS),
    st.just(NOW_MS),
    st.none() | st.just(0.5),
    st.just("attempt-1"),
    st.booleans(),
)
inbounds = st.builds(
    Inbound,
    channel=st.just(CHANNEL),
    conversation=st.just(CONVERSATION),
    message_id=st.just(MESSAGE_ID),
    sender=words,
    kind=st.sampled_from(Kind),
    sent_at=st.just(NOW),
    received_at_ms=st.just(NOW_MS),
    text=words,
    details=st.dictionaries(words, words, max_size=3),
)
sessions = st.builds(
    Session,
    conversation=st.just(CONVERSATION),
    session_id=st.just(SESSION_ID),
    channel=st.just(CHANNEL),
    customer=words,
    opened_at=st.just(NOW),
    last_activity_at=st.just(NOW),
    expires_at=st.just(NOW),
    pending=pendings,
    turns=st.lists(turns, max_size=3).map(tuple),
    placeholders=placeholders,
    clarified=st.booleans(),
    rating=st.sampled_from(["", "good", "bad"]),
)
replies = st.builds(
    Reply,
    conversation=st.just(CONVERSATION),
    message_ids=st.just((MESSAGE_ID, "2")),
    channel=st.just(CHANNEL),
    recipient=words,
    session_id=st.just(SESSION_ID),
    kind=st.just("answer"),
    question=words,
    segments=st.lists(words, max_size=3).map(tuple),
    asked_at_ms=st.just(NOW_MS),
    answered_at_ms=st.just(NOW_MS),
    pending=pendings,
    placeholders=placeholders,
    attempt_id=st.just("attempt-1"),
    clarified=st.booleans(),
    menu=choice_lists,
    rest=words,
    handoff=st.sampled_from(["", "asked", "confidence"]),
    code=words,
    silent=st.booleans(),
)

attendances = st.builds(
    Attendance,
    conversation=st.just(CONVERSATION),
    channel=st.just(CHANNEL),
    customer=words,
    state=st.sampled_from(["bot", "waiting", "person"]),
    reason=st.sampled_from(["", "asked"]),
    question_id=st.just(MESSAGE_ID),
    agent=st.just("zhou.min"),
    due_at=st.none() | st.just(NOW),
    rated=st.tuples(words, words, words),
    brief=words,
    notice=words,
)
tickets = st.builds(
    Ticket,
    number=st.just("T20261128-0001"),
    request_id=st.just(MESSAGE_ID),
    conversation=st.just(CONVERSATION),
    channel=st.just(CHANNEL),
    customer=words,
    reason=st.just("asked"),
    question=words,
    brief=words,
    opened_at=st.just(NOW),
    answer=words,
    offer_at=st.none() | st.just(NOW),
    done=st.just(("carded",)),
    version=st.just(1),
)

MARKS = ("林梅", "订单号", "手机号", "13900000000", "lin.mei", "example.com", "🙂", "quotation-marks")
PLAIN_WRITING = frozenset(string.ascii_letters + string.digits + string.punctuation)


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield name
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)


def readable(stored: object) -> list[str]:
    """Return what of a customer can be read in ``stored``, as it is written or as JSON would escape it."""
    found = list(_texts(stored))
    forms = {form for mark in MARKS for form in (mark, json.dumps(mark)[1:-1], mark.encode().hex())}
    told = [form for form in forms for text in found if form in text]
    # Around the marks stands any text: where only letters, digits and punctuation are left, none of it came through.
    return told + [text for text in found if not PLAIN_WRITING.issuperset(text)]


@given(inbounds)
def test_a_queue_body_tells_nothing(message: Inbound):
    body = encode(message, RING)

    assert readable(json.loads(body)) == []
    assert readable(body) == []
    assert read_record(sqs_record(body), max_receives=5, seals=RING).inbound == message


@given(sessions)
def test_a_sessions_item_and_its_document_tell_nothing(session: Session):
    item = from_session(session, SEALS)
    archived = document(to_sealed_session(item), archived_at=NOW)

    assert readable(item) == []
    assert readable(archived) == []
    assert to_session(item, SEALS) == session


@given(replies)
def test_a_replys_item_tells_nothing(reply: Reply):
    item = from_reply(reply, SEALS)

    assert readable(item) == []
    assert to_reply(item, SEALS) == reply


class OneItem:
    """A table of one item."""

    def __init__(self) -> None:
        self.item: dict[str, Any] = {}

    def put_item(self, **request: Any) -> None:
        self.item = request["Item"]

    def get_item(self, **_: Any) -> dict[str, Any]:
        return {"Item": self.item}


@given(attendances)
def test_an_attendances_item_tells_nothing(attendance: Attendance):
    table = OneItem()
    store = DynamoAttendances(table, "attendance", seals=SEALS)  # type: ignore[arg-type]
    saved = store.save(attendance)

    assert readable(table.item) == []
    assert store.get(CONVERSATION) == saved


@given(tickets)
def test_a_tickets_item_and_the_request_for_it_tell_nothing(ticket: Ticket):
    table = OneItem()
    store = DynamoTickets(table, "tickets", seals=SEALS)  # type: ignore[arg-type]
    saved = store.save(ticket)
    body = encode_opening(ticket, RING)

    assert readable(table.item) == []
    assert store.get(ticket.number) == saved
    assert readable(json.loads(body)) == []
    asked = replace(ticket, number="", answer="", done=(), version=0)
    assert read_ticket_request(sqs_record(body), seals=RING) == TicketRequest("open", ticket=asked)


@given(words)
def test_a_word_in_clear_would_be_found(word: str):
    assert readable({"customer": {"S": word}})
    assert readable(json.dumps({"customer": word}))
