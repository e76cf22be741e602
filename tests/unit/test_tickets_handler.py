"""The tickets function: a batch of requests in, tickets out, and what must come again."""

from __future__ import annotations

import json
import runpy
import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk import bootstrap
from frontdesk.conversation.hours import Hours
from frontdesk.conversation.ticketing import Ticketing
from frontdesk.errors import MisconfiguredError, PermanentError, TransientError, UnopenableError
from frontdesk.storage.ticket_requests import SqsTicketRequests, read_ticket_request
from frontdesk.telemetry import SafeFormatter
from functions.tickets import handler
from tests.factories import KF_CHANNEL, sqs_record, ticket
from tests.fakes.agents import ZHOU, RecordingCards, RecordingTicketSystem
from tests.fakes.clock import FakeClock
from tests.fakes.inbox import InMemoryInbox
from tests.fakes.seals import FakeRing
from tests.fakes.tickets import InMemoryTickets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from frontdesk.records import Ticket, TicketRequest

LIMIT_S = 10
MAX_RECEIVES = 5


class Context:
    """The part of Lambda's context that is read."""

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


@dataclass(frozen=True)
class Deployed:
    """What the composition gives to the function."""

    ticketing: Ticketing
    read: Callable[[Mapping[str, Any]], TicketRequest]
    max_receives: int
    retry_later: Callable[[Iterable[tuple[str, int]]], None]


class Function:
    """The function, deployed over stores in memory: ``waits`` is what the queue was asked for, by receipt handle."""

    def __init__(self) -> None:
        self.tickets = InMemoryTickets()
        self.inbox = InMemoryInbox()
        self.cards = RecordingCards()
        self.system = RecordingTicketSystem()
        self.read: Callable[[Mapping[str, Any]], TicketRequest] = partial(read_ticket_request, seals=FakeRing())
        self.waits: dict[str, int] = {}
        self.queue_error: Exception | None = None

    def deployed(self) -> Deployed:
        ticketing = Ticketing(
            tickets=self.tickets,
            queue=self.inbox,
            cards=self.cards,
            system=self.system,
            hours=Hours.read(""),
            agents=[ZHOU],
            clock=FakeClock(),
        )
        return Deployed(ticketing, self.read, MAX_RECEIVES, self._retry_later)

    def _retry_later(self, waits: Iterable[tuple[str, int]]) -> None:
        if self.queue_error:
            raise self.queue_error
        self.waits = dict(waits)

    def __call__(self, *records: dict[str, Any]) -> list[str]:
        answer = handler.lambda_handler({"Records": list(records)}, Context())
        assert answer.keys() == {"batchItemFailures"}
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> Function:
    function = Function()
    monkeypatch.setattr(bootstrap, "tickets", function.deployed, raising=False)
    return function


class Bodies:
    """An SQS client that keeps the bodies it was to send."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def send_message(self, **request: Any) -> None:
        self.sent.append(request)


def record(number: int, put: Callable[[SqsTicketRequests], None], *, attempt: int = 1) -> dict[str, Any]:
    """Return the record of what ``put`` puts into the queue."""
    bodies = Bodies()
    put(SqsTicketRequests(bodies, "https://sqs.example.com/tickets.fifo", seals=FakeRing()))  # type: ignore[arg-type]
    (request,) = bodies.sent
    made = sqs_record(request["MessageBody"], attempt=attempt, number=number)
    made["attributes"]["MessageGroupId"] = request["MessageGroupId"]
    return made


def opening(number: int, *, attempt: int = 1, **differently: Any) -> dict[str, Any]:
    asked = ticket(**{"request_id": f"request-{number}", **differently})
    return record(number, lambda requests: requests.put(asked), attempt=attempt)


def changed(number: int, ticket: Ticket) -> dict[str, Any]:
    return record(number, lambda requests: requests.put_changed(ticket))


def item(number: int) -> str:
    return sqs_record("", number=number)["messageId"]


def counted(output: str) -> list[tuple[str, str, list[float]]]:
    """Return channel, name and samples of each metric in the output."""
    lines = [json.loads(line) for line in output.splitlines() if '"_aws"' in line]
    return [
        (line["channel"], metric["Name"], line[metric["Name"]])
        for line in lines
        for block in line["_aws"]["CloudWatchMetrics"]
        for metric in block["Metrics"]
    ]


# -- what is asked ---------------------------------------------------------------------------------------------------


def test_what_is_asked_is_done_and_counted(function: Function, capsys: pytest.CaptureFixture[str]):
    assert function(opening(1), opening(2, channel="wecom_app")) == []

    assert len(function.tickets.kept) == len(function.inbox.taken) == len(function.system.heard) == 2
    assert counted(capsys.readouterr().out) == [(KF_CHANNEL, "TicketOpened", [1]), ("wecom_app", "TicketOpened", [1])]
    assert function.waits == {}


def test_a_change_is_told_after_the_opening_and_counts_as_none(function: Function, capsys: pytest.CaptureFixture[str]):
    function(opening(1))
    capsys.readouterr()
    (opened,) = function.tickets.kept.values()

    assert function(changed(2, opened), record(3, lambda requests: requests.put_offer(opened.number))) == []

    assert [event for event, _, _ in function.system.heard] == ["opened", "open"]
    assert counted(capsys.readouterr().out) == []


def test_what_is_asked_twice_is_counted_once(function: Function, capsys: pytest.CaptureFixture[str]):
    function(opening(1))
    function(opening(1))

    assert counted(capsys.readouterr().out) == [(KF_CHANNEL, "TicketOpened", [1])]


def test_different_conversations_are_worked_on_side_by_side(function: Function):
    together = threading.Barrier(10, timeout=LIMIT_S)
    put = function.inbox.put

    def when_all_are_there(inbound: Any) -> None:
        together.wait()
        put(inbound)

    function.inbox.put = when_all_are_there  # type: ignore[method-assign]

    assert function(*(opening(n, conversation=f"c{n}") for n in range(10))) == []
    assert len(function.inbox.taken) == 10


def test_what_is_asked_for_one_conversation_is_done_in_its_order(function: Function):
    function(*(opening(n) for n in range(10)))

    assert [each.request_id for each in function.tickets.kept.values()] == [f"request-{n}" for n in range(10)]


# -- what must come again --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [TransientError("down", code="down"), PermanentError("no", code="refused")])
def test_a_webhook_that_fails_is_tried_again_and_counted(
    function: Function, capsys: pytest.CaptureFixture[str], error: Any
):
    function.system.failures.append(error)

    assert function(opening(1)) == [item(1)]

    assert function.waits == {"receipt-1": 5}
    assert len(function.inbox.taken) == 1
    assert sorted(counted(capsys.readouterr().out)) == [
        (KF_CHANNEL, "TicketOpened", [1]),
        (KF_CHANNEL, "TicketWebhookFailed", [1]),
    ]


def test_what_comes_after_a_failed_request_does_not_wait_for_it(function: Function):
    function.system.failures.append(TransientError("down"))

    assert function(opening(1), opening(2)) == [item(1)]

    assert len(function.inbox.taken) == 2


@pytest.mark.parametrize(("attempt", "wait_s"), [(1, 5), (2, 15), (3, 45), (4, 120), (5, 0), (9, 0)])
def test_a_failed_request_comes_again_after_longer_and_longer_waits(function: Function, attempt: int, wait_s: int):
    function.system.failures.append(TransientError("down"))

    assert function(opening(1, attempt=attempt)) == [item(1)]
    assert function.waits == {"receipt-1": wait_s}


@pytest.mark.parametrize(("named_s", "wait_s"), [(4.9, 5), (5.1, 6), (600.0, 600)])
def test_a_wait_that_the_other_side_named_is_kept(function: Function, named_s: float, wait_s: int):
    function.system.failures.append(TransientError("down", retry_after_s=named_s))

    function(opening(1))

    assert function.waits == {"receipt-1": wait_s}


@pytest.mark.parametrize("error", [TransientError("down"), MisconfiguredError("refused")])
def test_a_wait_that_cannot_be_shortened_is_no_failure(function: Function, error: Exception):
    function.system.failures.append(TransientError("down"))
    function.queue_error = error

    assert function(opening(1)) == [item(1)]


@pytest.mark.parametrize("body", ["", "{", "[]", '{"v":1}', '{"v":9,"what":"offer","number":"T20261128-0001"}'])
def test_what_cannot_be_read_joins_the_dead_letters_and_harms_nobody(function: Function, body: str):
    assert function(opening(1), sqs_record(body, number=2), opening(3)) == [item(2)]

    assert function.waits == {"receipt-2": 0}
    assert len(function.tickets.kept) == 2


def test_what_does_not_open_waits_for_its_key_and_is_counted(
    function: Function, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
):
    function.read = partial(read_ticket_request, seals=FakeRing("k9"))

    assert function(opening(1, attempt=2)) == [item(1)]

    assert function.waits == {"receipt-1": 15}
    assert counted(capsys.readouterr().out) == [("system", "Unopened", [1])]
    assert "unopened" in "".join(SafeFormatter(serialize_stacktrace=False).format(each) for each in caplog.records)


def test_a_keyring_that_cannot_be_read_now_is_read_later(function: Function, capsys: pytest.CaptureFixture[str]):
    def read(record: Mapping[str, Any]) -> Any:
        raise TransientError("secretsmanager could not be reached", code="secretsmanager_unreachable")

    function.read = read

    assert function(opening(1, attempt=MAX_RECEIVES)) == [item(1)]
    assert function.waits == {"receipt-1": 0}
    assert counted(capsys.readouterr().out) == []


def test_a_ticket_whose_words_do_not_open_is_counted(function: Function, capsys: pytest.CaptureFixture[str]):
    def closed(ticket: Ticket, *, day: str) -> Any:
        raise UnopenableError("a value does not open", key_id="k9")

    function.tickets.open = closed  # type: ignore[method-assign]

    assert function(opening(1)) == [item(1)]
    assert counted(capsys.readouterr().out) == [("system", "Unopened", [1])]


def test_the_time_that_is_left_is_told_less_what_is_needed_afterwards(function: Function):
    deadlines: list[float] = []

    def post(event: str, ticket: Ticket, *, deadline: float) -> None:
        deadlines.append(deadline)

    function.system.post = post  # type: ignore[method-assign]
    before = time.monotonic()

    function(opening(1))

    assert before + 55 < deadlines[0] < time.monotonic() + 59


def test_nothing_of_a_request_is_logged(function: Function, caplog: pytest.LogCaptureFixture):
    function.system.failures.append(TransientError("down"))
    function(opening(1), sqs_record('{"v":1,"what":"open","customer":"wmXYZ001"}', number=2))

    lines = "".join(SafeFormatter(serialize_stacktrace=False).format(each) for each in caplog.records)
    assert "ticket request failed" in lines
    assert "ticket request malformed" in lines
    assert not [word for word in ("wmXYZ001", "8812", ZHOU) if word in lines]


def test_the_function_is_built_while_it_initialises(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "frontdesk-tickets")
    asked: list[str] = []
    monkeypatch.setattr(bootstrap, "tickets", lambda: asked.append("tickets"), raising=False)

    runpy.run_path(handler.__file__)

    assert asked == ["tickets"]
