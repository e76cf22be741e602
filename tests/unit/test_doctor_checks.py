"""Each check of the doctor that asks AWS finds what it is for, and names it; a healthy account has nothing to tell."""

from __future__ import annotations

import ast
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.diagnosis import Checkup, side_by_side
from frontdesk.protection.sealing import Keyring
from frontdesk.records import Checked
from ops.deployment import ROOT, setting_name
from ops.desk import Desk
from ops.doctor import aws, deployed, inside
from ops.doctor.ground import Ground, ahead_of
from ops.doctor.words import advice_on
from tests.fakes.account import GIVEN, TEMPLATE, FakeAccount
from tests.fakes.clock import FakeClock
from tests.integration import marks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# What the template puts there where nothing is set.
NO_LADDER = {
    name: str(each.get("Default", ""))
    for parameter, each in TEMPLATE["Parameters"].items()
    if (name := setting_name(parameter)).startswith(("FASTGPT_STANDBY", "FASTGPT_CANARY", "FASTGPT_HEDGE"))
}
SECRETS: dict[str, dict[str, Any]] = {
    "WecomSecret": {
        "WECOM_SECRET": marks.WECOM_SECRET,
        "WECOM_TOKEN": marks.WECOM_TOKEN,
        "WECOM_ENCODING_AES_KEY": marks.ENCODING_AES_KEY,
        "WECOM_KF_SECRET": "",
        "WECOM_KF_TOKEN": "",
        "WECOM_KF_ENCODING_AES_KEY": "",
    },
    "FastgptSecret": {"FASTGPT_API_KEY": marks.FASTGPT_KEY, "FASTGPT_LITE_API_KEY": "", **NO_LADDER},
    "IdentitySecret": {"CONVERSATION_KEY": marks.CONVERSATION_KEY},
    "KeyringSecret": {"SM4_KEYRING": {"current": "k1", "keys": {"k1": marks.KEYRING["k1"]}}},
    "AuditSecret": {"SM2_PRIVATE_KEY": marks.SM2_KEY},
    "TicketSecret": {"TICKET_WEBHOOK_SECRET": marks.TICKET_SECRET},
}
SETTINGS_HERE = {
    "WECOM_CORP_ID": GIVEN["WecomCorpId"],
    "WECOM_AGENT_ID": GIVEN["WecomAgentId"],
    "WECOM_SECRET": marks.WECOM_SECRET,
    "WECOM_TOKEN": marks.WECOM_TOKEN,
    "WECOM_ENCODING_AES_KEY": marks.ENCODING_AES_KEY,
    "FASTGPT_BASE_URL": GIVEN["FastgptBaseUrl"],
    "FASTGPT_APP_ID": GIVEN["FastgptAppId"],
    "FASTGPT_API_KEY": marks.FASTGPT_KEY,
}


@pytest.fixture
def account() -> FakeAccount:
    return FakeAccount(SECRETS)


def ground(
    account: FakeAccount, *, settings: Mapping[str, str] | None = None, callback_url: str = "https://callback.example"
) -> Ground:
    clock = FakeClock()
    desk = Desk(
        account.deployment(callback_url=callback_url),
        by="chen.yu",
        clock=clock,
        monotonic=clock.monotonic,
        sleep=clock.advance,
    )
    return Ground(desk, template=TEMPLATE, settings=SETTINGS_HERE if settings is None else settings)


def found(names: tuple[str, ...], work: Callable[[], Iterable[Checked]]) -> list[Checked]:
    """Return what a checkup finds; no secret may be told by any of it."""
    told = list(side_by_side([Checkup(names, work, limit_s=20)]))
    for text in (repr(told), *(repr(advice_on(each)) for each in told)):
        assert [mark.what for mark in marks.SECRETS if mark.text in text] == []
    return told


def of_aws(account: FakeAccount) -> dict[str, list[Checked]]:
    at = ground(account)
    told = [
        *found(aws.QUEUES, partial(aws.queues, at)),
        *found(aws.STARTS, partial(aws.starts, at)),
        *found(aws.TABLES, partial(aws.tables, at)),
        *found(aws.ALARMS, partial(aws.alarms, at)),
        *found(aws.LOGS, partial(aws.logs, at)),
        *found(aws.QUOTA, partial(aws.quota, at)),
    ]
    return {name: [each for each in told if each.name == name] for name in {each.name for each in told}}


def of_deployed(account: FakeAccount, **more: Any) -> dict[str, Checked]:
    at = ground(account, **more)
    told = [
        *found(deployed.DEPLOYED, partial(deployed.deployed, at)),
        *found(deployed.SECRETS, partial(deployed.secrets, at)),
        *found(deployed.HERE, partial(deployed.settings_here, at)),
    ]
    return {each.name: each for each in told}


def test_a_healthy_account_has_nothing_but_good_to_tell(account: FakeAccount):
    told = [*of_deployed(account).values(), *(each for listed in of_aws(account).values() for each in listed)]

    assert [each for each in told if each.result != "ok"] == []


def test_every_function_of_the_template_is_read_as_it_reads_itself():
    functions = {name for name, each in TEMPLATE["Resources"].items() if each["Type"] == "AWS::Serverless::Function"}

    assert set(deployed.READERS) == functions


# -- AWS -----------------------------------------------------------------------------------------------------------


def off(account: FakeAccount, **changes: Any) -> None:
    for name, value in changes.items():
        setattr(account, name, value)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"letters": {"InboxDeadLetters": 3}}, ("dead_letters", "failed", "dead_letters_there", "InboxDeadLetters")),
        ({"oldest_s": {"Pulls": 121}}, ("queue_age", "failed", "queue_waits", "Pulls")),
        (
            {"states": {"ResponderFunctionInboxMessages": "Disabled"}},
            ("event_sources", "failed", "event_source_off", "ResponderFunctionInboxMessages"),
        ),
        (
            {"states": {"SweepFunctionEveryMinute": "DISABLED"}},
            ("schedules", "failed", "schedule_off", "SweepFunctionEveryMinute"),
        ),
        ({"bare": {("ttl", "Ledger")}}, ("table_ttl", "failed", "ttl_off", "Ledger")),
        ({"bare": {("stream", "Sessions")}}, ("table_stream", "failed", "stream_off", "Sessions")),
        ({"bare": {("backups", "Audit")}}, ("table_backups", "failed", "backups_off", "Audit")),
        ({"states": {"FallbackAlarm": "ALARM"}}, ("alarms", "failed", "alarm_rings", "FallbackAlarm")),
        ({"states": {"FallbackAlarm": "muted"}}, ("alarms", "warning", "alarm_muted", "FallbackAlarm")),
        ({"subscriptions": []}, ("alarm_mail", "warning", "alarm_mail_nobody", "")),
        ({"subscriptions": ["PendingConfirmation"]}, ("alarm_mail", "failed", "alarm_mail_unconfirmed", "")),
        ({"bare": {("logs", "ResponderLogs")}}, ("log_retention", "failed", "logs_for_ever", "ResponderLogs")),
        ({"allowed": 10}, ("concurrency", "failed", "concurrency_small", "")),
    ],
    ids=lambda each: each[2] if isinstance(each, tuple) else "",
)
def test_what_is_wrong_in_aws_is_found_by_name(
    account: FakeAccount, changes: dict[str, Any], expected: tuple[str, str, str, str]
):
    off(account, **changes)

    told = of_aws(account)

    wrong = [each for listed in told.values() for each in listed if each.result != "ok"]
    assert [(each.name, each.result, each.code, each.about) for each in wrong] == [expected]


def test_an_alarm_that_rings_tells_its_page(account: FakeAccount):
    account.states = {"InboxDeadLettersAlarm": "ALARM"}

    (ringing,) = of_aws(account)["alarms"]

    advice = advice_on(ringing)
    assert advice is not None
    assert advice.fix is not None
    assert "docs/operations.md#inbox-dead-letters" in advice.fix.zh


def test_a_queue_may_wait_as_long_as_no_alarm_would_rise(account: FakeAccount):
    account.oldest_s = {"Inbox": aws.WAITING_S}

    assert of_aws(account)["queue_age"][0].result == "ok"


def test_the_quota_is_measured_against_what_the_template_lets_run_at_once():
    few, many = (FakeAccount(SECRETS, parameters={"ResponderConcurrency": str(each)}) for each in (2, 500))

    needs = [of_aws(each)["concurrency"][0].seen["needed"] for each in (few, many)]

    assert needs[1] - needs[0] == 498


def test_a_service_that_refuses_fails_its_own_check_only(account: FakeAccount):
    account.refused = {"scheduler", "sns"}

    told = of_aws(account)

    wrong = {
        name: [(each.result, each.code) for each in listed if each.result != "ok"] for name, listed in told.items()
    }
    assert {name: each for name, each in wrong.items() if each} == {
        "schedules": [("failed", "scheduler_refused")],
        "alarm_mail": [("failed", "sns_refused")],
    }


def test_a_resource_that_a_condition_leaves_out_is_not_missed(account: FakeAccount):
    del account.resources["AlarmMail"]

    assert all(each.result == "ok" for listed in of_aws(account).values() for each in listed)


# -- what was deployed ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "result", "code"),
    [
        ("CREATE_COMPLETE", "ok", ""),
        ("UPDATE_IN_PROGRESS", "warning", "stack_in_progress"),
        ("UPDATE_ROLLBACK_COMPLETE", "warning", "stack_rolled_back"),
        ("ROLLBACK_COMPLETE", "failed", "stack_failed"),
        ("UPDATE_ROLLBACK_FAILED", "failed", "stack_failed"),
    ],
)
def test_the_stacks_status_is_told_for_what_it_means(account: FakeAccount, status: str, result: str, code: str):
    account.status = status

    told = of_deployed(account)["stack"]

    assert (told.result, told.code, told.seen["status"]) == (result, code, status)


def test_a_setting_that_a_function_lacks_is_named_with_the_function(account: FakeAccount):
    del account.environments["SweepFunction"]["TICKETS_URL"]

    told = of_deployed(account)["function_settings"]

    assert (told.result, told.code) == ("failed", "settings_invalid")
    assert told.seen["problems"] == "SweepFunction: TICKETS_URL is missing"


def test_a_function_that_an_earlier_release_did_not_have_is_named(account: FakeAccount):
    del account.resources["TicketsFunction"]

    assert of_deployed(account)["function_settings"].seen["functions"] == "TicketsFunction"


def test_functions_of_two_builds_are_found(account: FakeAccount):
    account.environments["CallbackFunction"]["BUILD_ID"] = "fedcba9876543210"

    told = of_deployed(account)["build"]

    assert (told.result, told.code) == ("failed", "build_differs")
    assert told.seen["builds"] == "0123456789abcdef, fedcba9876543210"


@pytest.mark.parametrize(
    ("key", "characters"),
    [(marks.ENCODING_AES_KEY[:-1], 42), (marks.ENCODING_AES_KEY + "A", 44), ("!" * 43, 43), ("", 0)],
)
def test_a_key_that_is_not_43_characters_of_32_bytes_is_found_and_its_length_told(
    account: FakeAccount, key: str, characters: int
):
    account.secrets["WecomSecret"]["WECOM_ENCODING_AES_KEY"] = key

    told = of_deployed(account)

    assert (told["aes_key"].result, told["aes_key"].code) == ("failed", "aes_key_malformed")
    assert told["aes_key"].seen == {"WECOM_ENCODING_AES_KEY": characters}
    assert told["secrets"].result == "ok"


def test_the_key_of_customer_service_is_looked_at_too(account: FakeAccount):
    account.secrets["WecomSecret"] |= {"WECOM_KF_TOKEN": marks.KF_TOKEN, "WECOM_KF_ENCODING_AES_KEY": "short"}

    told = of_deployed(account)["aes_key"]

    assert told.result == "failed"
    assert told.seen == {"WECOM_ENCODING_AES_KEY": 43, "WECOM_KF_ENCODING_AES_KEY": 5}


@pytest.mark.parametrize(
    ("secret", "name", "value"),
    [
        ("WecomSecret", "WECOM_SECRET", ""),
        ("WecomSecret", "WECOM_TOKEN", "a token with spaces"),
        ("FastgptSecret", "FASTGPT_API_KEY", ""),
        ("IdentitySecret", "CONVERSATION_KEY", "short"),
        ("TicketSecret", "TICKET_WEBHOOK_SECRET", ""),
        ("AuditSecret", "SM2_PRIVATE_KEY", "no key"),
    ],
)
def test_a_secret_that_is_malformed_is_named_and_not_shown(account: FakeAccount, secret: str, name: str, value: str):
    account.secrets[secret][name] = value

    told = of_deployed(account)["secrets"]

    assert (told.result, told.code) == ("failed", "settings_invalid")
    assert name in told.seen["problems"]
    assert not value or value not in told.seen["problems"]


def test_a_keyring_that_lacks_a_key_that_has_been_in_use_is_found(account: FakeAccount):
    other = Keyring.read({"current": "k2", "keys": {"k2": marks.KEYRING["k2"]}})
    account.checks["k2"] = other.check_token("k2")

    told = of_deployed(account)["keyring"]

    assert (told.result, told.code) == ("failed", "keyring_unfit")
    assert "lacks key k2" in told.seen["problems"]


def test_a_keyring_with_another_key_under_an_old_id_is_found(account: FakeAccount):
    account.secrets["KeyringSecret"] = {"SM4_KEYRING": marks.KEYRING["k2"]}

    assert of_deployed(account)["keyring"].code == "keyring_unfit"


def test_secrets_that_cannot_be_read_fail_and_what_stands_on_them_is_not_run(account: FakeAccount):
    account.refused = {"secretsmanager"}

    told = of_deployed(account)

    assert (told["secrets"].result, told["secrets"].code) == ("failed", "secrets_refused")
    assert {told[name].result for name in ("aes_key", "keyring", "settings_here")} == {"not_run"}


def test_settings_that_differ_here_are_named_without_their_values(account: FakeAccount):
    here = {**SETTINGS_HERE, "SESSION_TTL_SECONDS": "600", "WECOM_SECRET": "another-secret-of-the-app"}

    told = of_deployed(account, settings=here)["settings_here"]

    assert (told.result, told.code) == ("warning", "settings_differ")
    assert told.seen == {"settings": "SESSION_TTL_SECONDS, WECOM_SECRET"}


def test_a_deployed_setting_that_is_not_given_here_would_go_back_to_its_default():
    account = FakeAccount(SECRETS, parameters={"HandoffAgents": "zhou.min"})

    assert of_deployed(account)["settings_here"].seen == {"settings": "HANDOFF_AGENTS"}


def test_a_machine_without_settings_is_not_compared(account: FakeAccount):
    told = of_deployed(account, settings={"PATH": "/bin"})["settings_here"]

    assert (told.result, told.code) == ("not_run", "no_settings_here")


def test_a_local_run_makes_up_its_own(account: FakeAccount):
    at = ground(account)
    at.desk._deployment = replace(at.desk._deployment, callback_url="http://127.0.0.1:1/wecom/callback")

    (told,) = deployed.settings_here(at)

    assert (told.result, told.code) == ("not_run", "local_run")


# -- inside --------------------------------------------------------------------------------------------------------


def from_inside(account: FakeAccount, *, ask: bool = False) -> list[Checked]:
    return found(inside.NAMES, partial(inside.examine, ground(account), ask=ask))


def test_what_the_function_finds_is_told_as_it_is(account: FakeAccount):
    account.found = [Checked("access_token", "ok"), Checked("kf_accounts", "failed", code="wecom_48002")]

    told = from_inside(account, ask=True)

    assert told[:3] == [Checked("doctor_function", "ok"), *account.found]
    assert account.asked == [{"ask": True}]


@pytest.mark.parametrize(
    ("accounts", "own_secret", "result"), [(0, "", "warning"), (1, "", "failed"), (0, "s", "failed")]
)
def test_customer_service_that_nobody_uses_is_a_warning_only(
    account: FakeAccount, accounts: int, own_secret: str, result: str
):
    account.accounts = accounts
    account.secrets["WecomSecret"]["WECOM_KF_SECRET"] = own_secret
    account.found = [Checked("kf_accounts", "failed", code="wecom_48002"), Checked("latency", "failed", code="x")]

    told = {each.name: each.result for each in from_inside(account)}

    assert (told["kf_accounts"], told["latency"]) == (result, "failed")


def test_a_function_that_fails_is_told_by_its_errors_type_and_nothing_is_said_of_what_it_would_have_found(
    account: FakeAccount,
):
    account.found = "SettingsError"

    told = from_inside(account)

    assert told[0] == Checked("doctor_function", "failed", code="function_failed", seen={"error": "SettingsError"})
    assert {each.result for each in told[1:]} == {"not_run"}
    assert {each.seen["needs"] for each in told[1:]} == {"doctor_function"}


def test_a_stack_without_the_function_is_told_to_be_deployed_again(account: FakeAccount):
    del account.resources["DoctorFunction"]

    assert (from_inside(account)[0].result, from_inside(account)[0].code) == ("failed", "desk_not_found")


def keywords_of(name: str, path: str) -> set[str]:
    """Return the keywords with which a module makes a ``name``."""
    calls = [
        node
        for node in ast.walk(ast.parse((ROOT / "layers" / "frontdesk" / "frontdesk" / path).read_text("utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == name
    ]
    assert calls
    return {str(keyword.arg) for call in calls for keyword in call.keywords}


def test_wecom_is_called_by_the_same_way_out_as_by_who_answers_customers():
    """A way out that the doctor did not take, such as a proxy, would make it tell of another address."""
    of_who_answers = keywords_of("WecomHttp", "channels/wecom_calls.py") - {"monotonic"}

    assert of_who_answers <= keywords_of("WecomHttp", "bootstrap.py")


# -- clocks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("began", "ended", "ahead_s"),
    [
        (784111777.2, 784111777.9, 0),  # within the second that the date names
        (784111775.0, 784111779.0, 0),  # a slow answer explains it
        (784111787.0, 784111787.5, 9),
        (784111700.0, 784111701.0, -76),
    ],
)
def test_a_clock_is_ahead_by_what_neither_the_second_nor_the_way_explains(began: float, ended: float, ahead_s: float):
    assert ahead_of("Sun, 06 Nov 1994 08:49:37 GMT", began, ended) == ahead_s
