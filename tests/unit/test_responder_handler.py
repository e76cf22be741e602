"""The responder function: a batch of the inbox in, answers out, and what must come again."""

from __future__ import annotations

import json
import runpy
import threading
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk import bootstrap
from frontdesk.bootstrap import Responder
from frontdesk.errors import MisconfiguredError, PermanentError, TransientError, UnopenableError
from frontdesk.messages import Action, Kind
from frontdesk.storage.inbox import encode
from frontdesk.storage.inbox_records import read_record
from frontdesk.telemetry import SafeFormatter
from functions.responder import handler
from tests.factories import CHANNEL, CUSTOMER, NOW_MS, SENTENCES, inbound, model_answer, sqs_record
from tests.fakes.desk import Desk
from tests.fakes.guard import HANDOFF_SENTENCE, SENTENCE
from tests.fakes.seals import FakeRing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from frontdesk.messages import ModelAnswer, Question

LIMIT_S = 10
MAX_RECEIVES = 5


class Context:
    """The part of Lambda's context that is read."""

    def get_remaining_time_in_millis(self) -> int:
        return 120_000


class Function:
    """The function, deployed over a desk: ``waits`` is what the queue was asked for, by receipt handle."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.waits: dict[str, int] = {}
        self.queue_error: Exception | None = None
        desk.clock.monotonic = time.monotonic  # type: ignore[method-assign]  # as the handler's own

    def deployed(self) -> Responder:
        return Responder(
            answering=self.desk.answering(),
            read=partial(read_record, max_receives=MAX_RECEIVES, seals=FakeRing()),
            max_receives=MAX_RECEIVES,
            retry_later=self._retry_later,
        )

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
    function = Function(Desk())
    monkeypatch.setattr(bootstrap, "responder", function.deployed)
    return function


def record(number: int, *, attempt: int = 1, **differently: Any) -> dict[str, Any]:
    """Return the record of a message; its text is its number."""
    values = {"message_id": str(number), "text": str(number), "received_at_ms": NOW_MS, **differently}
    return sqs_record(encode(inbound(**values), FakeRing()), attempt=attempt, number=number)


def item(number: int) -> str:
    return sqs_record("", number=number)["messageId"]


def metrics(output: str) -> dict[str, Any]:
    """Return what the output counts for the channel, for the system where it counts nothing for the channel."""
    counted = counts(output)
    return counted.get(CHANNEL) or counted.get("system", {})


def counts(output: str) -> dict[str, dict[str, Any]]:
    """Return the values of the EMF lines of the output by channel; each channel has one line at most."""
    lines = [json.loads(line) for line in output.splitlines() if '"_aws"' in line]
    found = {}
    for line in lines:
        names = {metric["Name"] for block in line["_aws"]["CloudWatchMetrics"] for metric in block["Metrics"]}
        assert line["channel"] not in found
        found[line["channel"]] = {name: line[name] for name in names}
    return found


# -- partial batches -------------------------------------------------------------------------------------------------


def test_a_batch_that_went_well_has_no_failures(function: Function):
    assert function(record(1), record(2)) == []
    assert function.desk.read == ["答：1\n2"]
    assert function.waits == {}


def test_the_messages_of_one_conversation_are_answered_in_their_order(function: Function):
    function(record(1), record(2, kind=Kind.IMAGE, text=""), record(3))

    assert function.desk.read == ["答：1", SENTENCES.unsupported, "答：3"]


def test_what_failed_comes_again_and_the_rest_does_not(function: Function):
    function.desk.model.script.append(only_for("bad", TransientError("busy")))
    function.desk.model.script.append(only_for("bad", TransientError("busy")))

    failed = function(record(1, conversation="good"), record(2, conversation="bad"), record(3, conversation="bad"))

    assert failed == [item(2), item(3)]
    assert function.waits == {"receipt-2": 5, "receipt-3": 5}
    assert function.desk.read == ["答：1"]


def only_for(conversation: str, error: Exception) -> Any:
    """Return a script's entry that fails for one conversation."""

    def entry(question: Question) -> ModelAnswer:
        if question.customer == conversation:
            raise error
        return model_answer(text=f"答：{question.text}")

    return entry


@pytest.mark.parametrize(
    "body",
    [
        *("", "{", "[]", "null", '{"v":2}'),
        encode(inbound(), FakeRing()).replace('"v":2', '"v":9'),
        encode(inbound(kind="hologram"), FakeRing()),
    ],
    ids=["empty", "broken", "list", "null", "incomplete", "another version", "unknown kind"],
)
def test_what_cannot_be_read_joins_the_dead_letters_and_harms_nobody(function: Function, body: str):
    failed = function(record(1), sqs_record(body, number=2), record(3))

    assert failed == [item(2)]
    assert function.waits == {"receipt-2": 0}
    assert function.desk.read == ["答：1\n3"]


def sealed_otherwise(number: int, *, attempt: int = 1) -> dict[str, Any]:
    """Return the record of a message whose words no key here opens."""
    return sqs_record(encode(inbound(message_id=str(number)), FakeRing("k9")), attempt=attempt, number=number)


@pytest.mark.parametrize(("attempt", "wait_s"), [(1, 5), (2, 15), (3, 45), (4, 120), (5, 0)])
def test_what_does_not_open_waits_for_its_key_and_harms_nobody(function: Function, attempt: int, wait_s: int):
    failed = function(record(1), sealed_otherwise(2, attempt=attempt), record(3))

    assert failed == [item(2)]
    assert function.waits == {"receipt-2": wait_s}
    assert function.desk.read == ["答：1\n3"]


def test_a_keyring_that_cannot_be_read_again_keeps_nobody_else_waiting(
    function: Function, monkeypatch: pytest.MonkeyPatch
):
    deployed = function.deployed()

    def read(record: Any) -> Any:
        if record["messageId"] == item(2):
            raise TransientError("secretsmanager could not be reached", code="secretsmanager_unreachable")
        return deployed.read(record)

    monkeypatch.setattr(bootstrap, "responder", lambda: replace(deployed, read=read))
    assert function(record(1), record(2, attempt=2), record(3)) == [item(2)]
    assert function.waits == {"receipt-2": 15}
    assert function.desk.read == ["答：1\n3"]


def test_the_log_names_the_key_that_is_missing_and_the_metric_counts_it(
    function: Function, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
):
    function(sealed_otherwise(1))

    (line,) = [json.loads(SafeFormatter(serialize_stacktrace=False).format(each)) for each in caplog.records]
    assert (line["code"], line["key_id"]) == ("unopened", "k9")
    output = capsys.readouterr().out
    assert metrics(output) == {"Unopened": [1]}
    assert '"channel":"system"' in output.replace(" ", "")


def test_a_stored_value_that_does_not_open_is_counted_too(function: Function, capsys: pytest.CaptureFixture[str]):
    def closed(conversation: str) -> Any:
        raise UnopenableError("a value does not open", key_id="c0123456789ab")

    function.desk.sessions.latest = closed  # type: ignore[method-assign]
    assert function(record(1)) == [item(1)]
    assert metrics(capsys.readouterr().out) == {"Unopened": [1]}


def test_what_a_rule_decided_is_counted_by_what_it_decided(function: Function, capsys: pytest.CaptureFixture[str]):
    function.desk.rules.questions = {"底价": Action.BLOCK, "经理": Action.HANDOFF}

    function(record(1, text="底价", conversation="a"), record(2, text="找经理", conversation="b"))

    assert sorted(function.desk.read) == sorted([SENTENCE, HANDOFF_SENTENCE])
    counted = metrics(capsys.readouterr().out)
    assert (counted["Blocked"], counted["Handoff"]) == ([1], [1])
    assert "Answered" not in counted


def test_a_batch_of_nothing_readable_asks_nobody(function: Function, capsys: pytest.CaptureFixture[str]):
    assert function(sqs_record("{", number=1)) == [item(1)]
    assert function.desk.model.questions == []
    assert metrics(capsys.readouterr().out) == {}


def test_what_cannot_be_read_is_told_without_its_words(function: Function, caplog: pytest.LogCaptureFixture):
    function(sqs_record(encode(inbound(text="我的密码是 1234", message_id=""), FakeRing()), number=1))

    (line,) = [SafeFormatter(serialize_stacktrace=False).format(record) for record in caplog.records]
    assert "message_malformed" in line
    assert "unreadable: message_id" in line
    assert not any(secret in line for secret in ("1234", "密码", CUSTOMER))


# -- when it comes again ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("attempt", "wait_s"), [(1, 5), (2, 15), (3, 45), (4, 120)])
def test_a_failed_message_comes_again_after_longer_and_longer_waits(function: Function, attempt: int, wait_s: int):
    function.desk.model.script.append(TransientError("busy"))

    assert function(record(1, attempt=attempt)) == [item(1)]
    assert function.waits == {"receipt-1": wait_s}


def test_a_message_that_came_more_often_than_foreseen_waits_no_longer(
    function: Function, monkeypatch: pytest.MonkeyPatch
):
    function.desk.model.script.append(TransientError("busy"))
    patient = Responder(
        function.desk.answering(), partial(read_record, max_receives=99, seals=FakeRing()), 99, function._retry_later
    )
    monkeypatch.setattr(bootstrap, "responder", lambda: patient)

    function(record(1, attempt=50))

    assert function.waits == {"receipt-1": 120}


@pytest.mark.parametrize(("named_s", "wait_s"), [(0.0, 5), (4.9, 5), (5.1, 6), (60.0, 60), (119.2, 120)])
def test_a_wait_that_the_other_side_named_is_kept(function: Function, named_s: float, wait_s: int):
    function.desk.model.script.append(TransientError("busy", retry_after_s=named_s))

    function(record(1))

    assert function.waits == {"receipt-1": wait_s}


def test_after_the_last_attempt_a_message_joins_the_dead_letters_at_once(
    function: Function, capsys: pytest.CaptureFixture[str]
):
    function.desk.model.script.append(TransientError("busy", retry_after_s=60))

    assert function(record(1, attempt=MAX_RECEIVES)) == [item(1)]
    assert function.waits == {"receipt-1": 0}
    assert function.desk.read == [SENTENCES.fallback]
    assert metrics(capsys.readouterr().out)["Failed"] == [1]


@pytest.mark.parametrize("error", [TransientError("down"), MisconfiguredError("refused")])
def test_a_wait_that_cannot_be_shortened_is_no_failure(function: Function, error: Exception):
    function.desk.model.script.append(TransientError("busy"))
    function.queue_error = error

    assert function(record(1)) == [item(1)]


# -- side by side ----------------------------------------------------------------------------------------------------


def test_ten_conversations_are_answered_side_by_side(function: Function):
    together = threading.Barrier(10, timeout=LIMIT_S)

    def when_all_have_asked(question: Question) -> ModelAnswer:
        together.wait()
        return model_answer(text=f"答：{question.text}")

    function.desk.model.script.extend([when_all_have_asked] * 10)

    failed = function(*[record(n, conversation=f"c{n}", sender=f"customer-{n}") for n in range(10)])

    assert failed == []
    assert [function.desk.channel.read_by(f"customer-{n}") for n in range(10)] == [[f"答：{n}"] for n in range(10)]


def test_a_conversation_that_hangs_back_does_not_hold_up_another(function: Function):
    other_answered = threading.Event()
    deliver = function.desk.channel.deliver

    def watched(outbound: Any, *, deadline: float) -> None:
        deliver(outbound, deadline=deadline)
        if outbound.recipient == "quick":
            other_answered.set()

    function.desk.channel.deliver = watched  # type: ignore[method-assign]

    def slow_for_one(question: Question) -> ModelAnswer:
        if question.customer == "slow":
            assert other_answered.wait(LIMIT_S)
        return model_answer(text="好")

    function.desk.model.script.extend([slow_for_one] * 2)

    assert (
        function(record(1, conversation="slow", sender="slow"), record(2, conversation="quick", sender="quick")) == []
    )
    assert [outbound.recipient for outbound in function.desk.channel.shown] == ["quick", "slow"]


# -- figures ---------------------------------------------------------------------------------------------------------


def test_an_answer_is_counted_and_timed(function: Function, capsys: pytest.CaptureFixture[str]):
    def slowly(question: Question) -> ModelAnswer:
        function.desk.clock.advance(2)
        return model_answer(text="好", total_ms=1900)

    function.desk.model.script.append(slowly)

    function(record(1))

    output = capsys.readouterr().out
    assert metrics(output) == {
        "Answered": [1],
        "AnsweredPrimary": [1],
        "FirstResponseTime": [2000],
        "ResponseTime": [2000],
        "ModelTime": [1900],
        "Served": [1],
        "Unserved": [0],
    }
    line, _ = [json.loads(each) for each in output.splitlines() if '"_aws"' in each]
    assert line["channel"] == CHANNEL
    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Frontdesk"
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["channel"]]


@pytest.mark.parametrize(
    ("attempt_id", "metric"),
    [
        ("standby/m1-1", "AnsweredStandby"),
        ("lite/m1-1", "AnsweredLite"),
        ("canary/m1-1", "AnsweredCanary"),
        ("cached/returns", "AnsweredCached"),
    ],
)
def test_who_gave_an_answer_is_counted(
    function: Function, capsys: pytest.CaptureFixture[str], attempt_id: str, metric: str
):
    function.desk.model.script.append(model_answer(text="好", attempt_id=attempt_id))

    function(record(1))

    counted = metrics(capsys.readouterr().out)
    assert counted[metric] == [1]
    assert "AnsweredPrimary" not in counted


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (PermanentError("refused"), {"Fallback": [1]}),
        (MisconfiguredError("wrong key"), {"Fallback": [1], "Misconfigured": [1]}),
    ],
)
def test_an_apology_is_counted_as_one(
    function: Function, capsys: pytest.CaptureFixture[str], error: Exception, expected: dict[str, Any]
):
    function.desk.model.script.append(error)

    function(record(1))

    counted = metrics(capsys.readouterr().out)
    served = {"Served": [1], "Unserved": [0]}
    assert {name: value for name, value in counted.items() if not name.endswith("Time")} == expected | served


def test_a_repetition_is_counted_as_one(function: Function, capsys: pytest.CaptureFixture[str]):
    function(record(1))
    capsys.readouterr()

    assert function(record(1)) == []
    assert metrics(capsys.readouterr().out) == {"Duplicate": [1]}


def test_who_cannot_be_reached_is_counted_as_a_failure(function: Function, capsys: pytest.CaptureFixture[str]):
    function.desk.channel.failures.append(PermanentError("unknown", code="recipient_unknown"))

    assert function(record(1)) == []
    assert metrics(capsys.readouterr().out)["Failed"] == [1]


def test_what_will_come_again_is_not_counted_yet(function: Function, capsys: pytest.CaptureFixture[str]):
    function.desk.model.script.append(TransientError("busy"))

    function(record(1))

    assert metrics(capsys.readouterr().out) == {}


def test_each_channel_has_figures_of_its_own(function: Function, capsys: pytest.CaptureFixture[str]):
    function(record(1, conversation="a"), record(2, conversation="b", channel="another"))

    counted = counts(capsys.readouterr().out)
    assert {name: each["Answered"] for name, each in counted.items() if name != "system"} == {
        CHANNEL: [1],
        "another": [1],
    }


def test_the_promise_is_counted_for_each_message_and_for_both_channels_together(
    function: Function, capsys: pytest.CaptureFixture[str]
):
    function.desk.channel.failures.append(PermanentError("unknown", code="recipient_unknown"))

    function(record(1, conversation="a"), record(2, conversation="b", channel="another"))

    counted = counts(capsys.readouterr().out)
    shares = {name: (sorted(each["Served"]), sorted(each["Unserved"])) for name, each in counted.items()}
    assert shares.pop("system") == ([0, 1], [0, 1])
    assert sorted(shares.values()) == [([0], [1]), ([1], [0])]


def test_what_was_given_up_unread_counts_as_unserved_and_only_then(
    function: Function, capsys: pytest.CaptureFixture[str]
):
    broken = sqs_record("{", attempt=MAX_RECEIVES - 1, number=1)
    assert function(broken) == [item(1)]
    assert counts(capsys.readouterr().out) == {}

    assert function(sqs_record("{", attempt=MAX_RECEIVES, number=1)) == [item(1)]
    assert counts(capsys.readouterr().out) == {"system": {"Served": [0], "Unserved": [1]}}


def test_the_function_is_built_while_it_initialises(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "frontdesk-responder")
    asked: list[str] = []
    monkeypatch.setattr(bootstrap, "responder", lambda: asked.append("responder"))

    runpy.run_path(handler.__file__)

    assert asked == ["responder"]
