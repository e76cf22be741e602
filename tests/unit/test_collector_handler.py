"""The collector function: news of accounts in, their messages into the inbox, and what must come again."""

from __future__ import annotations

import json
import runpy
import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk import bootstrap
from frontdesk.bootstrap import Collector
from frontdesk.conversation.collecting import Collecting
from frontdesk.errors import MisconfiguredError, PermanentError, TransientError
from frontdesk.storage.pull_records import read_pull
from frontdesk.storage.pulls import encode
from frontdesk.telemetry import SafeFormatter
from functions.collector import handler
from tests.factories import KF_ACCOUNT, KF_CHANNEL, KF_CUSTOMER, NOW_MS, WORDS, inbound, pull, sqs_record
from tests.fakes.accounts import InMemoryAccounts
from tests.fakes.clock import FakeClock
from tests.fakes.inbox import InMemoryInbox
from tests.fakes.puller import LoggedPuller
from tests.fakes.seals import FakeRing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from frontdesk.messages import Inbound, Pull

LIMIT_S = 10
MAX_RECEIVES = 5
TOKEN = pull().token


class Context:
    """The part of Lambda's context that is read."""

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


class Function:
    """The function, deployed over accounts: ``waits`` is what the queue was asked for, by receipt handle."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.accounts = InMemoryAccounts()
        self.puller = LoggedPuller()
        self.inbox = InMemoryInbox()
        self.waits: dict[str, int] = {}
        self.queue_error: Exception | None = None

    def deployed(self) -> Collector:
        collecting = Collecting(accounts=self.accounts, puller=self.puller, inbox=self.inbox, clock=self.clock)
        return Collector(
            collecting=collecting,
            read=partial(read_pull, seals=FakeRing()),
            max_receives=MAX_RECEIVES,
            retry_later=self._retry_later,
            channel=KF_CHANNEL,
        )

    def _retry_later(self, waits: Iterable[tuple[str, int]]) -> None:
        if self.queue_error:
            raise self.queue_error
        self.waits = dict(waits)

    def receives(self, *names: str, account: str = KF_ACCOUNT, channel: str = KF_CHANNEL) -> None:
        """Let an account receive messages."""
        self.puller.logs[account] += [message(name, channel=channel) for name in names]

    def __call__(self, *records: dict[str, Any]) -> list[str]:
        answer = handler.lambda_handler({"Records": list(records)}, Context())
        assert answer.keys() == {"batchItemFailures"}
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    @property
    def taken(self) -> list[str]:
        return [each.message_id for each in self.inbox.taken]


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> Function:
    function = Function()
    monkeypatch.setattr(bootstrap, "collector", function.deployed)
    return function


def message(name: str, **differently: Any) -> Inbound:
    return inbound(**{"channel": KF_CHANNEL, "sender": KF_CUSTOMER, "message_id": name, **differently})


def record(number: int = 1, *, attempt: int = 1, key_id: str = "k1", **differently: Any) -> dict[str, Any]:
    """Return the record of a notification."""
    return sqs_record(encode(pull(**differently), FakeRing(key_id)), attempt=attempt, number=number)


def item(number: int) -> str:
    return sqs_record("", number=number)["messageId"]


def metrics(output: str) -> list[tuple[str, dict[str, Any]]]:
    """Return channel and values of each EMF line of the output."""
    lines = [json.loads(line) for line in output.splitlines() if '"_aws"' in line]
    return [
        (
            line["channel"],
            {
                metric["Name"]: line[metric["Name"]]
                for each in line["_aws"]["CloudWatchMetrics"]
                for metric in each["Metrics"]
            },
        )
        for line in lines
    ]


# -- what is collected -----------------------------------------------------------------------------------------------


def test_news_bring_an_accounts_messages_into_the_inbox(function: Function, capsys: pytest.CaptureFixture[str]):
    function.receives("1", "2", "3")

    assert function(record()) == []

    assert function.taken == ["1", "2", "3"]
    assert function.waits == {}
    assert metrics(capsys.readouterr().out) == [(KF_CHANNEL, {"Collected": [3]})]


def test_all_news_of_an_account_are_served_by_one_pull_with_the_newest_token(function: Function):
    function.receives("1")

    failed = function(*(record(n, noticed_at_ms=NOW_MS + n, token=f"token-{n}") for n in (1, 3, 2)))

    assert failed == []
    assert function.puller.requests == [(KF_ACCOUNT, "", "token-3")]


def test_accounts_are_pulled_side_by_side(function: Function):
    together = threading.Barrier(4, timeout=LIMIT_S)
    function.puller.on_page = lambda: together.wait() and None
    for n in range(4):
        function.receives(f"m{n}", account=f"wk{n}")

    assert function(*(record(n, account=f"wk{n}") for n in range(4))) == []
    assert sorted(function.taken) == ["m0", "m1", "m2", "m3"]


def test_each_channel_is_counted_for_itself(function: Function, capsys: pytest.CaptureFixture[str]):
    function.receives("1", "2")
    function.receives("3", channel="another")

    function(record())

    assert metrics(capsys.readouterr().out) == [(KF_CHANNEL, {"Collected": [2]}), ("another", {"Collected": [1]})]


@pytest.mark.parametrize("served_before", [False, True])
def test_where_nothing_was_put_nothing_is_counted(
    function: Function, capsys: pytest.CaptureFixture[str], *, served_before: bool
):
    if served_before:
        function(record(noticed_at_ms=NOW_MS))
    capsys.readouterr()

    assert function(record(noticed_at_ms=NOW_MS - 60_000)) == []
    assert metrics(capsys.readouterr().out) == []


# -- what must come again --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("attempt", "wait_s"), [(1, 5), (2, 15), (3, 45), (4, 120), (5, 0), (6, 0)])
def test_all_news_of_an_account_that_was_not_fetched_come_again(function: Function, attempt: int, wait_s: int):
    function.receives("1", account="wkGood")
    function.puller.down[KF_ACCOUNT] = TransientError("down", code="wecom_unreachable")

    failed = function(record(1), record(2, attempt=attempt), record(3, account="wkGood"))

    assert failed == [item(1), item(2)]
    assert function.waits == {"receipt-1": 5, "receipt-2": wait_s}
    assert function.taken == ["1"]


@pytest.mark.parametrize(("named_s", "wait_s"), [(1.0, 5), (5.1, 6), (60.0, 60)])
def test_a_wait_that_the_other_side_named_is_kept(function: Function, named_s: float, wait_s: int):
    function.puller.failures.append(TransientError("slow down", retry_after_s=named_s))

    assert function(record()) == [item(1)]
    assert function.waits == {"receipt-1": wait_s}


def test_an_account_that_somebody_else_pulls_comes_again(function: Function):
    function.accounts.get_or_add(KF_ACCOUNT, answer_from=0)
    function.accounts.lease(KF_ACCOUNT, "another", now_ms=NOW_MS, until_ms=NOW_MS + 1000)

    assert function(record()) == [item(1)]
    assert function.waits == {"receipt-1": 5}
    assert function.puller.requests == []


def test_a_mistake_of_the_deployment_comes_again_until_it_is_a_dead_letter(function: Function):
    function.receives("1")
    function.inbox.failure = MisconfiguredError("no such queue", code="inbox_refused")

    assert function(record(attempt=5)) == [item(1)]
    assert function.waits == {"receipt-1": 0}


@pytest.mark.parametrize("body", ["", "{", "[]", '{"v":1}', '{"v":9,"account":"wk","noticed_at_ms":1}'])
def test_what_cannot_be_read_joins_the_dead_letters_and_harms_nobody(
    function: Function, body: str, caplog: pytest.LogCaptureFixture
):
    function.receives("1")

    assert function(sqs_record(body, number=2), record(1)) == [item(2)]
    assert function.waits == {"receipt-2": 0}
    assert function.taken == ["1"]
    assert [each.code for each in caplog.records if each.levelname == "ERROR"] == ["message_malformed"]


@pytest.mark.parametrize(("attempt", "wait_s"), [(1, 5), (4, 120), (5, 0)])
def test_a_token_that_does_not_open_waits_for_its_key_and_harms_nobody(
    function: Function, attempt: int, wait_s: int, capsys: pytest.CaptureFixture[str]
):
    function.receives("1", account="wkGood")

    failed = function(record(1, key_id="k9", attempt=attempt), record(2, account="wkGood"))

    assert failed == [item(1)]
    assert function.waits == {"receipt-1": wait_s}
    assert function.taken == ["1"]
    assert ("system", {"Unopened": [1]}) in metrics(capsys.readouterr().out)


def test_a_keyring_that_cannot_be_read_again_keeps_nobody_else_waiting(
    function: Function, monkeypatch: pytest.MonkeyPatch
):
    deployed = function.deployed()

    def read(record: Mapping[str, Any]) -> Pull:
        if record["messageId"] == item(2):
            raise TransientError("secretsmanager could not be reached", retry_after_s=20)
        return deployed.read(record)

    monkeypatch.setattr(bootstrap, "collector", lambda: replace(deployed, read=read))
    function.receives("1")

    assert function(record(1), record(2, account="wkOther")) == [item(2)]
    assert function.waits == {"receipt-2": 20}
    assert function.taken == ["1"]


@pytest.mark.parametrize("error", [TransientError("down"), MisconfiguredError("refused")])
def test_a_wait_that_cannot_be_shortened_is_no_failure(function: Function, error: Exception):
    function.puller.failures.append(TransientError("down"))
    function.queue_error = error

    assert function(record()) == [item(1)]


# -- accounts that cannot be fetched ---------------------------------------------------------------------------------


def test_a_withdrawn_account_is_counted_and_does_not_come_again(function: Function, capsys: pytest.CaptureFixture[str]):
    function.puller.failures.append(PermanentError("not authorised", code="wecom_48007"))

    assert function(record()) == []
    assert metrics(capsys.readouterr().out) == [(KF_CHANNEL, {"AccountUnreadable": [1]})]
    assert function.accounts.kept[KF_ACCOUNT].withdrawn


def test_a_mistake_in_the_settings_is_counted_as_one(function: Function, capsys: pytest.CaptureFixture[str]):
    function.puller.failures.append(MisconfiguredError("wrong secret", code="wecom_95011"))

    assert function(record()) == []
    assert metrics(capsys.readouterr().out) == [(KF_CHANNEL, {"Misconfigured": [1]})]
    assert not function.accounts.kept[KF_ACCOUNT].withdrawn


def test_what_was_collected_before_that_is_counted_too(function: Function, capsys: pytest.CaptureFixture[str]):
    function.receives("1", "2", "3")
    function.puller.failures.extend([None, PermanentError("not authorised", code="wecom_48007")])

    function(record())

    assert metrics(capsys.readouterr().out) == [
        (KF_CHANNEL, {"Collected": [2]}),
        (KF_CHANNEL, {"AccountUnreadable": [1]}),
    ]


# -- the log, and the start ------------------------------------------------------------------------------------------


def test_the_log_tells_no_words_no_customer_and_no_token(function: Function, caplog: pytest.LogCaptureFixture):
    function.receives("1")
    function.puller.failures.extend([None, TransientError("down")])
    with caplog.at_level("INFO"):
        function(record(1), record(2, key_id="k9"), sqs_record(f'{{"v":"{WORDS}"}}', number=3))
        function(record(4, noticed_at_ms=NOW_MS + 60_000))

    lines = [SafeFormatter(serialize_stacktrace=False).format(each) for each in caplog.records]
    assert len(lines) >= 4
    assert not any(secret in line for line in lines for secret in (WORDS, "订单", "wmXYZ001", TOKEN))


def test_the_function_is_built_while_it_initialises(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "frontdesk-collector")
    asked: list[str] = []
    monkeypatch.setattr(bootstrap, "collector", lambda: asked.append("collector"))

    runpy.run_path(handler.__file__)

    assert asked == ["collector"]
