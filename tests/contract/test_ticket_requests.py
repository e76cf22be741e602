"""What every queue in front of the tickets does: the fake as well as the real one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from frontdesk.errors import MalformedMessageError, MisconfiguredError, UnopenableError
from frontdesk.protection.sealing import Keyring
from frontdesk.records import Ticket, TicketRequest
from frontdesk.storage.ticket_requests import (
    SqsAlarmTickets,
    SqsTicketOffers,
    SqsTicketRequests,
    encode_opening,
    place_of,
    read_ticket_request,
)
from tests.contract.test_inbox import Moto
from tests.factories import ANOTHER_CONVERSATION, CONVERSATION, KF_CUSTOMER, MESSAGE_ID, NOW, WORDS, sqs_record, ticket
from tests.fakes.seals import FakeRing
from tests.fakes.tickets import InMemoryTicketRequests

if TYPE_CHECKING:
    from collections.abc import Iterator

RING = Keyring.read("00112233445566778899aabbccddeeff")
OPENED = ticket(number="T20261128-0007", version=1)
# What this release writes, sealed with an invented key: it must stay readable for as long as it can be in a queue.
GOLDEN_OPEN = (
    '{"v":1,"what":"open","conversation":"5f0c2a9be1d34786a1b2c3d4e5f60718","request_id":"7011223344556677889",'
    '"channel":"wecom_kf","reason":"asked","opened_at":1790000000,"offer_at":null,"sealed":"s1.k1.9azeE6eyh_ERp-m7OfzMKmVAq9fG5B1Jof6Ykwh_pDLcqeN8xeRRSt-sJux-Z-'
    "5EAWVFueBgcPA5Ed99T10jL4eSowBalP2KnsD5xk_l9LjWeNFjaDWc9h3TXiZb3rl9_lvdKGNE8Odf3fwsRFEyqE_e"
    'oVD0sDzeeJfaZWQ4VrGAJmyVyvEXsEF27gazOjzYJ7NhGrk"}'
)
GOLDEN_OFFER = '{"v":1,"what":"offer","number":"T20261128-0007"}'
GOLDEN_ALARM = (
    '{"v":1,"what":"alarm","alarm":"frontdesk-ErrorLinesAlarm-1A2B3C","day":"2026-11-28",'
    '"description":"Over 100 error lines.","opened_at":1790000000}'
)
GOLDEN_CHANGED = '{"v":1,"what":"changed","number":"T20261128-0007","event":"assigned"}'


def read(body: str, seals: Any = None) -> TicketRequest:
    return read_ticket_request(sqs_record(body), seals=seals or FakeRing())


class Real:
    """The queue in moto, and what a consumer reads of it."""

    def __init__(self, moto: Moto) -> None:
        self._moto = moto
        queue = SqsTicketRequests(moto.client, moto.url, seals=FakeRing())
        self.put, self.put_offer, self.put_changed = queue.put, queue.put_offer, queue.put_changed

    @property
    def requests(self) -> list[TicketRequest]:
        return [read(body) for _, body in self._moto.bodies()]


@pytest.fixture
def moto() -> Iterator[Moto]:
    with mock_aws():
        yield Moto()


@pytest.fixture(params=["in memory", "SQS"])
def queue(request: pytest.FixtureRequest) -> InMemoryTicketRequests | Real:
    if request.param == "in memory":
        return InMemoryTicketRequests()
    return Real(request.getfixturevalue("moto"))


def test_a_request_put_is_a_request_read(queue: InMemoryTicketRequests | Real):
    queue.put(ticket(offer_at=NOW + 60))

    assert queue.requests == [TicketRequest("open", ticket=ticket(offer_at=NOW + 60))]


def test_a_request_that_is_put_twice_is_there_once(queue: InMemoryTicketRequests | Real):
    queue.put(ticket())
    queue.put(ticket(question="别的", opened_at=NOW + 5))
    queue.put(ticket(request_id="2"))

    assert [each.ticket.request_id for each in queue.requests if each.ticket] == [MESSAGE_ID, "2"]


def test_an_offer_is_asked_for_by_number_once(queue: InMemoryTicketRequests | Real):
    queue.put_offer("T20261128-0007")
    queue.put_offer("T20261128-0008")
    queue.put_offer("T20261128-0007")

    assert queue.requests == [TicketRequest("offer", number=f"T20261128-000{n}") for n in (7, 8)]


def test_a_change_is_told_by_number_and_state_once(queue: InMemoryTicketRequests | Real):
    for state in ("assigned", "assigned", "closed"):
        queue.put_changed(ticket(number="T20261128-0007", state=state))

    assert queue.requests == [
        TicketRequest("changed", number="T20261128-0007", event=event) for event in ("assigned", "closed")
    ]


# -- SQS's own -------------------------------------------------------------------------------------------------------


def test_what_is_asked_for_a_conversation_stays_in_order_behind_its_request(moto: Moto):
    queue = SqsTicketRequests(moto.client, moto.url, seals=FakeRing())
    queue.put(ticket())
    queue.put_changed(OPENED)
    queue.put(ticket(conversation=ANOTHER_CONVERSATION, request_id="other"))
    queue.put_offer("T20261128-0009")

    taken = [(group, read(body).what) for group, body in moto.bodies()]
    assert [what for group, what in taken if group == CONVERSATION] == ["open", "changed"]
    assert ("T20261128-0009", "offer") in taken
    assert (ANOTHER_CONVERSATION, "open") in taken


def test_an_alarm_asks_for_one_ticket_a_day_without_any_key(moto: Moto):
    queue = SqsAlarmTickets(moto.client, moto.url)
    for day in ("2026-11-28", "2026-11-28", "2026-11-29"):
        queue.put_alarm("frontdesk-ErrorLinesAlarm-1A2B3C", "Over 100 error lines.", day=day, at=NOW)

    (group, first), (_, second) = moto.bodies()
    assert (group, first) == ("#operations", GOLDEN_ALARM)
    asked = [read(body).ticket for body in (first, second)]
    assert all(each and not each.has_customer for each in asked)
    assert [each.request_id for each in asked if each] == [
        "alarm-2026-11-28-206832a2efa075de",
        "alarm-2026-11-29-206832a2efa075de",
    ]
    assert asked[0] == ticket(
        request_id="alarm-2026-11-28-206832a2efa075de",
        conversation="#operations",
        channel="system",
        customer="-",
        reason="alarm",
        question="Over 100 error lines.",
        brief="frontdesk-ErrorLinesAlarm-1A2B3C",
    )


def test_offers_are_asked_for_and_read_without_any_key(moto: Moto):
    SqsTicketOffers(moto.client, moto.url).put_offer("T20261128-0007")

    ((_, body),) = moto.bodies()
    assert body == GOLDEN_OFFER
    assert read(body, FakeRing("k9")) == TicketRequest("offer", number="T20261128-0007")


def test_the_longest_ids_fit(moto: Moto):
    queue = SqsTicketRequests(moto.client, moto.url, seals=FakeRing())
    queue.put(ticket(request_id=f"{CONVERSATION}-{'m' * 64}"))

    assert len(moto.bodies()) == 1


def test_a_queue_that_is_not_there_is_told(moto: Moto):
    queue = SqsTicketRequests(moto.client, moto.url + "-absent", seals=FakeRing())
    for call in (
        lambda: queue.put(ticket()),
        lambda: queue.put_offer("T20261128-0007"),
        lambda: queue.put_changed(OPENED),
    ):
        with pytest.raises(MisconfiguredError):
            call()


# -- the body --------------------------------------------------------------------------------------------------------


def test_this_release_reads_what_each_release_wrote():
    assert read(GOLDEN_OPEN, RING) == TicketRequest("open", ticket=ticket())
    assert read(GOLDEN_OFFER, RING) == TicketRequest("offer", number="T20261128-0007")
    assert read(GOLDEN_CHANGED, RING) == TicketRequest("changed", number="T20261128-0007", event="assigned")


def test_this_release_writes_what_it_is_known_to_write():
    written, golden = json.loads(encode_opening(ticket(), RING)), json.loads(GOLDEN_OPEN)
    sealed, was_sealed = written.pop("sealed"), golden.pop("sealed")
    place = ("ticket", CONVERSATION, MESSAGE_ID)

    assert list(written.items()) == list(golden.items())
    assert RING.open(sealed, *place) == RING.open(was_sealed, *place)


def test_nothing_of_a_customer_is_readable_in_the_queue():
    body = encode_opening(ticket(), FakeRing())

    assert json.loads(body).keys() == set(json.loads(GOLDEN_OPEN))
    for words in (KF_CUSTOMER, "wmXYZ001", WORDS, ticket().brief):
        assert words not in body
        assert json.dumps(words)[1:-1] not in body


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
names = texts.filter(len)


@given(
    st.builds(
        Ticket,
        number=st.just(""),
        request_id=names,
        conversation=names,
        channel=names,
        customer=names,
        reason=texts,
        question=texts,
        brief=texts,
        opened_at=st.integers(0, 2**40),
        offer_at=st.none() | st.integers(0, 2**40),
    )
)
def test_every_request_is_read_as_it_was_written(written: Ticket):
    assert read(encode_opening(written, FakeRing())) == TicketRequest("open", ticket=written)


@pytest.mark.parametrize("golden", [GOLDEN_OPEN, GOLDEN_OFFER, GOLDEN_CHANGED, GOLDEN_ALARM])
def test_a_field_of_a_later_release_is_left_alone(golden: str):
    assert read(json.dumps({**json.loads(golden), "priority": "high"}), RING) == read(golden, RING)


def test_what_may_be_absent_has_a_default():
    less = {name: value for name, value in json.loads(GOLDEN_OPEN).items() if name != "offer_at"}

    assert read(json.dumps(less), RING) == TicketRequest("open", ticket=ticket())


def sealed_words(words: str) -> str:
    token = FakeRing().seal(words, *place_of(CONVERSATION, MESSAGE_ID))
    return json.dumps({**json.loads(GOLDEN_OPEN), "sealed": token})


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("", "body"),
        ("null", "body"),
        ("{}", "v, what"),
        (GOLDEN_OFFER.replace('"v":1', '"v":2'), "v"),
        (GOLDEN_OFFER.replace("offer", "burn"), "what"),
        (GOLDEN_OFFER.replace("T20261128-0007", ""), "number"),
        (GOLDEN_CHANGED.replace("assigned", ""), "event"),
        (GOLDEN_ALARM.replace("2026-11-28", "").replace('"alarm":"frontdesk', '"alert":"'), "alarm, day"),
        (GOLDEN_CHANGED.replace('"event"', '"events"'), "event"),
        (GOLDEN_OPEN.replace('"sealed"', '"unsealed"'), "sealed"),
        (GOLDEN_OPEN.replace("1790000000", '"soon"').replace("wecom_kf", ""), "channel, opened_at"),
        (sealed_words("[]"), "sealed"),
        (sealed_words('{"customer": "", "question": 5}'), "brief, customer, question"),
    ],
)
def test_a_body_that_no_release_wrote_is_malformed_and_told_by_names_only(body: str, named: str):
    with pytest.raises(MalformedMessageError) as caught:
        read(body)
    assert str(caught.value) == f"unreadable: {named}"


@pytest.mark.parametrize(
    "body",
    [
        GOLDEN_OPEN.replace(CONVERSATION, ANOTHER_CONVERSATION),
        GOLDEN_OPEN.replace(MESSAGE_ID, "7011223344556677880"),
        json.dumps({**json.loads(GOLDEN_OPEN), "sealed": ""}),
    ],
    ids=["another customer's", "another request's", "none"],
)
def test_words_that_do_not_open_are_not_taken_for_none(body: str):
    with pytest.raises(UnopenableError):
        read(body, RING)
