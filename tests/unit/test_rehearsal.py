"""The rehearsal of a release, against versions that are honest and against each way in which one can be broken."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.channels.envelope import Envelope
from frontdesk.channels.envelope_writer import EnvelopeWriter
from frontdesk.channels.wecom_callback import WecomCallback
from frontdesk.errors import ForbiddenCallbackError, MisconfiguredError, PermanentError, TransientError
from frontdesk.messages import Inbound, Kind
from frontdesk.records import Version, VersionAnswer
from frontdesk.rehearsal import CHECKS, NOBODY, Rehearsal
from frontdesk.storage.inbox import encode_bare
from frontdesk.storage.inbox_records import read_record
from tests.factories import AGENT_ID, CORP_ID, NOW

if TYPE_CHECKING:
    from collections.abc import Mapping

CALLBACKS = (("QDG6eK", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"), ("kf", "a" * 42 + "A"))


@dataclass
class Stack:
    """New versions of all functions; ``broken`` says what is wrong with them."""

    broken: str = ""
    inbox: list[Inbound] = field(default_factory=list)
    events: list[tuple[Version, Mapping[str, Any]]] = field(default_factory=list)

    def call(self, version: Version, event: Mapping[str, Any]) -> VersionAnswer:
        self.events.append((version, event))
        if self.broken == "unreachable":
            raise TransientError("lambda failed", code="lambda_failed")
        if self.broken == "does not start":
            return VersionAnswer({"errorType": "SettingsError", "errorMessage": "a secret"}, failed=True, log="")
        if "requestContext" in event:
            return self._callback(event)
        value = {"batchItemFailures": []} if "Records" in event else None
        if self.broken == "batch fails":
            value = {"batchItemFailures": [{"itemIdentifier": "1"}]}
        return VersionAnswer(value, failed=False, log="")

    def _callback(self, event: Mapping[str, Any]) -> VersionAnswer:
        callback = WecomCallback(
            [Envelope(token=t, encoding_aes_key=k, receive_id=CORP_ID, clock=lambda: NOW) for t, k in CALLBACKS],
            conversation_of=lambda sender: f"digest of {sender}",
        )
        query, method = event["rawQueryString"], event["requestContext"]["http"]["method"]
        try:
            if method == "GET":
                echo = callback.check_url(query).decode()
                return self._answer(200, "" if self.broken == "echoes nothing" else echo)
            opened = callback.open(query, base64.b64decode(event["body"]))
        except ForbiddenCallbackError:
            return self._answer(200 if self.broken == "believes everybody" else 403, "{}")
        read = callback.read(opened, received_at_ms=event["requestContext"]["timeEpoch"])
        self.inbox += [each for each in read if isinstance(each, Inbound)]
        ignored = self.broken == "ignores messages"
        status = 500 if self.broken == "has no inbox" else 200
        return self._answer(status, "", log="" if ignored else '{"channel":"wecom_app","Accepted":[1.0]}')

    def _answer(self, status: int, body: str, *, log: str = "") -> VersionAnswer:
        return VersionAnswer({"statusCode": status, "body": body}, failed=False, log=log)


def rehearsal(stack: Stack, *, member: str = "") -> Rehearsal:
    return Rehearsal(
        versions=stack,
        writers=[
            EnvelopeWriter(token=token, encoding_aes_key=key, receive_id=CORP_ID, clock=lambda: NOW)
            for token, key in CALLBACKS
        ],
        encode_due=encode_bare,
        agent_id=AGENT_ID,
        member=member,
        clock=lambda: NOW,
    )


def version(function: str) -> Version:
    return Version(f"frontdesk-{function}-1A2B3C4D5E6F", "12")


@pytest.mark.parametrize("function", CHECKS)
def test_an_honest_version_passes_and_no_other_is_called(function: str):
    stack = Stack()

    rehearsal(stack).perform(version(function))

    assert {called for called, _ in stack.events} == {version(function)}


@pytest.mark.parametrize("function", CHECKS)
def test_a_version_that_does_not_start_is_refused_by_its_errors_type_alone(function: str):
    with pytest.raises(PermanentError) as refused:
        rehearsal(Stack("does not start")).perform(version(function))

    assert refused.value.code == "rehearsal_failed"
    assert "SettingsError" in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("function", CHECKS)
def test_what_cannot_be_called_is_not_called_good(function: str):
    with pytest.raises(TransientError):
        rehearsal(Stack("unreachable")).perform(version(function))


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        ("echoes nothing", "URL check"),
        ("ignores messages", "did not reach the inbox"),
        ("has no inbox", "a signed message was answered 500"),
        ("believes everybody", "a forged message was answered 200"),
    ],
)
def test_a_callback_that_answers_wrongly_is_refused(broken: str, what: str):
    with pytest.raises(PermanentError, match=what):
        rehearsal(Stack(broken)).perform(version("CallbackFunction"))


@pytest.mark.parametrize("function", ["ResponderFunction", "CollectorFunction", "TicketsFunction"])
def test_a_reader_that_fails_its_batch_is_refused(function: str):
    with pytest.raises(PermanentError, match="a batch was not done"):
        rehearsal(Stack("batch fails")).perform(version(function))


def test_both_tokens_of_the_callback_are_tried():
    stack = Stack()

    rehearsal(stack).perform(version("CallbackFunction"))

    methods = [event["requestContext"]["http"]["method"] for _, event in stack.events]
    assert methods == ["GET", "GET", "POST", "POST"]


def test_without_a_colleague_the_message_is_a_button_that_nobody_answers():
    stack = Stack()

    rehearsal(stack).perform(version("CallbackFunction"))
    rehearsal(stack).perform(version("CallbackFunction"))

    first, second = stack.inbox
    assert (first.kind, first.sender, first.text) == (Kind.PRESSED, NOBODY, "")
    # No card of ours begins so: it is no hand-over, no ticket, no rating and no further page.
    assert first.details["key"] == "release-check"
    # The queue would take the second for a repetition of the first.
    assert first.message_id != second.message_id


def test_a_colleague_who_is_named_asks_something_real():
    stack = Stack()

    rehearsal(stack, member="lin.mei").perform(version("CallbackFunction"))

    (asked,) = stack.inbox
    assert (asked.kind, asked.sender) == (Kind.TEXT, "lin.mei")
    assert asked.text
    assert asked.message_id.isdecimal()


def test_the_responder_gets_a_message_that_it_can_read_without_a_key():
    stack = Stack()

    rehearsal(stack).perform(version("ResponderFunction"))

    ((_, event),) = stack.events
    (record,) = event["Records"]
    received = read_record(record, max_receives=5, seals=None)  # type: ignore[arg-type]  # it must not be asked
    assert (received.inbound.kind, received.attempt) == (Kind.DUE, 1)
    assert received.inbound.details["what"] == "rating"


def test_a_function_that_nobody_knows_is_refused():
    with pytest.raises(MisconfiguredError) as refused:
        rehearsal(Stack()).perform(version("NewFunction"))

    assert refused.value.code == "rehearsal_unknown"
