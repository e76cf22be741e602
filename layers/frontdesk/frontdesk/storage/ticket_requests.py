"""The queue in front of the tickets: what is asked of them, in the order of asking.

SQS FIFO. The group is the conversation, and for an offer, which is asked by those who know no more than its number, the
ticket itself. What is asked twice within five minutes is asked once. A ticket that is to be opened has its words sealed
in the body, at the place of its request; the others have no words of a customer, and need no key.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from frontdesk.records import SYSTEM, Ticket, TicketRequest
from frontdesk.storage.aws import translated
from frontdesk.storage.bodies import Part, read_body
from frontdesk.storage.compact_json import compact_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_sqs import SQSClient

    from frontdesk.storage.seals import RingSeals

BODY_VERSION = 1
_PLAIN = ("conversation", "request_id", "channel", "reason", "opened_at", "offer_at")
_WORDS = ("customer", "question", "brief")
# What belongs to no customer is one conversation, as in the audit; no digest begins so.
_OPERATIONS = "#operations"
_NOBODY = "-"


class _Kind(Part):
    """What tells which of the four it is."""

    v: Literal[1]
    what: Literal["open", "offer", "changed", "alarm"]


class _Opening(Part):
    conversation: str = Field(min_length=1)
    request_id: str = Field(min_length=1)
    channel: str = Field(min_length=1)
    reason: str
    opened_at: int
    offer_at: int | None = None
    sealed: str


class _Words(Part):
    customer: str = Field(min_length=1)
    question: str
    brief: str


class _Offer(Part):
    number: str = Field(min_length=1)


class _Alarm(Part):
    alarm: str = Field(min_length=1)
    day: str = Field(min_length=1)
    description: str
    opened_at: int


class _Change(Part):
    number: str = Field(min_length=1)
    event: str = Field(min_length=1)


def read_ticket_request(record: Mapping[str, Any], *, seals: RingSeals) -> TicketRequest:
    """Return what one SQS record of a Lambda event asks for.

    Raises `MalformedMessageError` for a body that no release wrote, whose text names the fields, not their values;
    and `UnopenableError` for words that do not open.
    """
    body: str = record["body"]
    what = read_body(_Kind, body, whole="body").what
    if what == "offer":
        return TicketRequest(what, number=read_body(_Offer, body, whole="body").number)
    if what == "changed":
        change = read_body(_Change, body, whole="body")
        return TicketRequest(what, number=change.number, event=change.event)
    if what == "alarm":
        return TicketRequest("open", ticket=_about(read_body(_Alarm, body, whole="body")))
    opening = read_body(_Opening, body, whole="body")
    opened = seals.open(opening.sealed, *place_of(opening.conversation, opening.request_id))
    words = read_body(_Words, opened, whole="sealed")
    ticket = Ticket(number="", **opening.model_dump(exclude={"sealed"}), **words.model_dump())
    return TicketRequest(what, ticket=ticket)


def _about(raised: _Alarm) -> Ticket:
    """Return the ticket that an alarm asks for: the same one all day long, however often it is raised."""
    return Ticket(
        number="",
        request_id=f"alarm-{raised.day}-{_digest(raised.alarm)}",
        conversation=_OPERATIONS,
        channel=SYSTEM,
        customer=_NOBODY,
        reason="alarm",
        question=raised.description,
        brief=raised.alarm,
        opened_at=raised.opened_at,
    )


def _digest(alarm: str) -> str:
    return hashlib.sha256(alarm.encode()).hexdigest()[:16]


def place_of(conversation: str, request_id: str) -> tuple[str, ...]:
    """Return the place at which the words of a ticket to be opened are sealed."""
    return "ticket", conversation, request_id


def encode_opening(ticket: Ticket, seals: RingSeals) -> str:
    """Return the queue body that asks for ``ticket``."""
    words = {name: getattr(ticket, name) for name in _WORDS}
    token = seals.seal(compact_json(words), *place_of(ticket.conversation, ticket.request_id))
    return _body("open", **{name: getattr(ticket, name) for name in _PLAIN}, sealed=token)


def _body(what: str, **fields: str | int | None) -> str:
    return compact_json({"v": BODY_VERSION, "what": what, **fields})


class SqsAlarmTickets:
    """Asks for tickets about the service itself, without any key. Raises `TransientError` or `MisconfiguredError`."""

    def __init__(self, client: SQSClient, queue_url: str) -> None:
        """``queue_url`` is that of the tickets."""
        self._client = client
        self._queue_url = queue_url

    def put_alarm(self, alarm: str, description: str, *, day: str, at: int) -> None:
        """Ask for a ticket about ``alarm``, raised at ``at`` (epoch seconds); one a ``day`` is opened, asked twice too.

        Neither text may hold what a customer wrote: they are not sealed on their way.
        """
        with translated("tickets"):
            self._client.send_message(
                QueueUrl=self._queue_url,
                MessageBody=_body("alarm", alarm=alarm, day=day, description=description, opened_at=at),
                MessageGroupId=_OPERATIONS,
                MessageDeduplicationId=f"alarm-{day}-{_digest(alarm)}",
            )


class SqsTicketOffers:
    """Asks for offers, without any key. Raises `TransientError` or `MisconfiguredError`."""

    def __init__(self, client: SQSClient, queue_url: str) -> None:
        """``queue_url`` is that of the tickets."""
        self._client = client
        self._queue_url = queue_url

    def put_offer(self, number: str) -> None:
        """Ask that an open ticket be offered; asking again within five minutes is asking once."""
        self._send(_body("offer", number=number), group=number, named=f"{number}-offer")

    def _send(self, body: str, *, group: str, named: str) -> None:
        with translated("tickets"):
            self._client.send_message(
                QueueUrl=self._queue_url, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=named
            )


class SqsTicketRequests(SqsTicketOffers):
    """Asks for all three."""

    def __init__(self, client: SQSClient, queue_url: str, *, seals: RingSeals) -> None:
        """``queue_url`` is that of the tickets."""
        super().__init__(client, queue_url)
        self._seals = seals

    def put(self, ticket: Ticket) -> None:
        """Return when the queue has it; ``ticket.number`` is empty still."""
        self._send(encode_opening(ticket, self._seals), group=ticket.conversation, named=ticket.request_id)

    def put_changed(self, ticket: Ticket) -> None:
        """Tell that the ticket is in its present state now, behind whatever else is asked for its conversation.

        Telling the same state again within five minutes is telling it once.
        """
        body = _body("changed", number=ticket.number, event=ticket.state)
        self._send(body, group=ticket.conversation, named=f"{ticket.number}-{ticket.state}")
