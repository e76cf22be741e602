"""The doctor before the deployed stack, as somebody types it: all is well, and then it is not, by name.

The local AWS checks the rights of the doctor's own function.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.e2e.driver import wait_for
from tests.e2e.test_protection import ops

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from ops.local.stack import LocalStack
    from tests.e2e.driver import Aws, Kf, Wecom

# What a local run has not, and why.
NOT_HERE = {
    "settings_here": "local_run",
    "kf_token": "kf_uses_application",
    "points": "not_asked",
    "alarm_mail": "alarm_mail_nobody",
}
# Other tests of this stack leave letters behind on purpose, and slow it down while they run.
OF_OTHERS = {"dead_letters", "queue_age", "callback", "latency"}


def examined(stack: LocalStack, *arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Return the exit status, and each check by its name and what it is about."""
    status, facts = ops(stack, "doctor", *arguments)
    told = json.dumps(facts, ensure_ascii=False)
    secrets = {value for name, value in stack.vendors.settings.items() if name.endswith(("SECRET", "TOKEN", "KEY"))}
    assert len(secrets) >= 5
    assert [each for each in secrets if each in told] == []
    return status, {f"{each['name']} {each['about']}".strip(): each for each in facts["checks"]}


def unwell(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {
        name: each["code"]
        for name, each in found.items()
        if each["result"] != "ok" and NOT_HERE.get(each["name"]) != each["code"] and each["name"] not in OF_OTHERS
    }


@contextmanager
def secret_with(stack: LocalStack, aws: Aws, secret: str, **values: str) -> Iterator[None]:
    """Have other values in a secret for as long as it lasts."""
    vault, arn = aws.client("secretsmanager"), stack.resources[secret]
    before = vault.get_secret_value(SecretId=arn)["SecretString"]
    vault.put_secret_value(SecretId=arn, SecretString=json.dumps({**json.loads(before), **values}))
    try:
        yield
    finally:
        vault.put_secret_value(SecretId=arn, SecretString=before)


def test_a_healthy_deployment_is_told_to_be_one(stack: LocalStack, wecom: Wecom, fastgpt: httpx.Client):
    wait_for("a started callback", lambda: examined(stack)[1]["callback application"]["result"] == "ok", seconds=90)

    _, found = examined(stack, "--ask")

    assert unwell(found) == {}
    not_here = {name: each["code"] for name, each in found.items() if each["name"] in NOT_HERE and each["code"]}
    assert not_here == {name: code for name, code in NOT_HERE.items() if name != "points"}
    assert found["trusted_address"]["seen"] == {"address": "127.0.0.1"}
    assert found["handoff_agents"]["seen"] == {"members": 2}
    assert {found[f"points {rung}"]["result"] for rung in ("primary", "lite")} == {"ok"}
    assert found["callback_forged application"]["seen"] == {"status": 403}


def test_an_untrusted_address_and_a_team_without_points_are_found_by_name(
    stack: LocalStack, wecom: Wecom, fastgpt: httpx.Client
):
    wecom.post("faults", {"path": "agent/get", "errcode": 60020, "times": 0})
    fastgpt.post("/faults", json={"kind": "error", "statusText": "aiPointsNotEnough", "times": None})

    status, found = examined(stack, "--ask")

    assert status == 1
    assert {name: code for name, code in unwell(found).items() if code != "needs"} == {
        "trusted_address": "wecom_60020",
        "points primary": "fastgpt_out_of_points",
    }
    assert "127.0.0.1" in found["trusted_address"]["why"]["zh"]
    assert found["kf_accounts"]["seen"] == {"needs": "trusted_address"}


def test_values_that_were_typed_in_wrongly_are_found_by_name(stack: LocalStack, aws: Aws, wecom: Wecom):
    wrong = {"WECOM_SECRET": "not-the-secret-of-this-app", "WECOM_ENCODING_AES_KEY": "A" * 42}
    with (
        secret_with(stack, aws, "WecomSecret", **wrong),
        secret_with(stack, aws, "FastgptSecret", FASTGPT_API_KEY="fastgpt-of-another-server"),
    ):
        status, found = examined(stack)

    assert status == 1
    assert {name: code for name, code in unwell(found).items() if code != "needs"} == {
        "aes_key": "aes_key_malformed",
        "access_token": "wecom_40001",
        "fastgpt primary": "fastgpt_key_unknown",
    }
    assert found["aes_key"]["seen"] == {"WECOM_ENCODING_AES_KEY": 42}
    assert found["callback application"]["seen"] == {"needs": "aes_key"}


def test_what_somebody_switched_off_in_aws_is_found_by_name(stack: LocalStack, aws: Aws, kf: Kf):
    functions, alarms = aws.client("lambda"), aws.client("cloudwatch")
    mapping, alarm = stack.resources["TicketsFunctionRequests"], stack.resources["SuspiciousAlarm"]
    functions.update_event_source_mapping(UUID=mapping, Enabled=False)
    alarms.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="a test")
    try:
        status, found = examined(stack)
    finally:
        functions.update_event_source_mapping(UUID=mapping, Enabled=True)
        alarms.set_alarm_state(AlarmName=alarm, StateValue="OK", StateReason="a test")

    assert status == 1
    assert unwell(found) == {
        "event_sources TicketsFunctionRequests": "event_source_off",
        "alarms SuspiciousAlarm": "alarm_rings",
    }
    assert found["alarms SuspiciousAlarm"]["seen"]["page"] == "docs/operations.md#suspicious"
