"""What all commands of the operator have in common: options, how an outcome is told, and the exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner

from frontdesk.errors import SettingsError, TransientError
from ops.cli.frame import FOUND, Outcome, moment, of_person, operates, plural, printable, tells
from tests.factories import CONVERSATION, KF_CUSTOMER, NOW

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    from ops.cli.frame import Wanted


class FakeDesk:
    """A desk that only knows people."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted

    def conversation_of(self, channel: str, address: str) -> str:
        return f"digest of {address} on {channel}"


def run(work: Callable[..., Outcome], *arguments: str) -> Result:
    command = click.command()(operates(work))
    return CliRunner().invoke(command, arguments, obj=FakeDesk, env={"LOGNAME": "lin.mei"})


def told(**facts: Any) -> Callable[..., Outcome]:
    return lambda _desk, **_: Outcome(facts, ["for a person"])


def test_a_person_reads_lines_and_a_program_one_object():
    assert run(told(answer="四")).output == "for a person\n"
    assert json.loads(run(told(answer="四"), "--json").output) == {"answer": "四"}


def test_what_was_found_is_in_the_exit_status():
    assert run(told()).exit_code == 0
    assert run(lambda _desk: Outcome({}, [], FOUND)).exit_code == 1


def test_an_error_of_ours_is_told_with_its_code_and_is_no_success():
    def fails(_desk: FakeDesk) -> Outcome:
        raise TransientError("audit failed: Throttled", code="audit_failed")

    plain, as_json = run(fails), run(fails, "--json")

    assert (plain.exit_code, plain.stdout, plain.stderr) == (1, "", "audit failed: Throttled (audit_failed)\n")
    assert as_json.exit_code == 1
    assert json.loads(as_json.stdout)["error"]["code"] == "audit_failed"


def test_every_problem_of_an_error_has_a_line():
    def fails(_desk: FakeDesk) -> Outcome:
        raise SettingsError(["the first", "the second"])

    assert run(fails).stderr == "the first\nthe second\n(settings_invalid)\n"
    assert json.loads(run(fails, "--json").stdout)["error"]["problems"] == ["the first", "the second"]


def test_half_a_surrogate_pair_does_not_stop_the_telling():
    assert json.loads(run(told(text="\ud83d"), "--json").output) == {"text": "\ud83d"}


def which(desk: FakeDesk) -> Outcome:
    return Outcome({"stack": desk.wanted.stack, "local": str(desk.wanted.local_folder), "by": desk.wanted.by})


def test_the_stack_of_make_deploy_is_meant_by_default():
    assert json.loads(run(which, "--json").output) == {"stack": "", "local": "None", "by": "lin.mei"}


def test_another_stack_or_the_local_run_can_be_meant():
    assert json.loads(run(which, "--json", "--stack", "trial").output)["stack"] == "trial"
    assert Path(json.loads(run(which, "--json", "--local").output)["local"]).name == ".local"
    assert json.loads(run(which, "--json", "--local", "--local-folder", "/x/y").output)["local"] == "/x/y"


def test_a_stack_and_the_local_run_exclude_each_other():
    assert run(which, "--stack", "trial", "--local").exit_code == 2


def test_who_acts_is_a_name():
    assert json.loads(run(which, "--json", "--by", "张三").output)["by"] == "张三"
    assert run(which, "--by", "chen yu; on behalf of").exit_code == 2


def test_without_any_name_somebody_has_to_say_who_they_are(monkeypatch: pytest.MonkeyPatch):
    def nobody() -> str:
        raise OSError

    monkeypatch.setattr("getpass.getuser", nobody)

    assert run(which).exit_code == 2
    assert run(which, "--by", "chen.yu").exit_code == 0


def test_a_command_without_a_deployment_tells_in_the_same_way():
    command = click.command()(tells(lambda: Outcome({"a": 1}, ["one"])))

    assert CliRunner().invoke(command).output == "one\n"
    assert json.loads(CliRunner().invoke(command, ["--json"]).output) == {"a": 1}


def person(*arguments: str) -> Result:
    return run(of_person(lambda _desk, conversation: Outcome({"conversation": conversation})), "--json", *arguments)


def test_a_person_is_named_by_user_id_or_by_digest():
    assert json.loads(person("--customer", "lin.mei").output) == {"conversation": "digest of lin.mei on wecom_app"}
    assert json.loads(person("--conversation", CONVERSATION).output) == {"conversation": CONVERSATION}


def test_a_customer_of_customer_service_is_named_by_account_and_customer():
    named = person("--channel", "wecom_kf", "--customer", KF_CUSTOMER)

    assert json.loads(named.output) == {"conversation": f"digest of {KF_CUSTOMER} on wecom_kf"}
    help_text = " ".join(person("--help").output.split())
    assert "<open_kfid>:<external_userid>" in help_text


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--channel", "wecom_kf"],
        ["--channel", "wecom_kf", "--customer", "lin.mei"],
        ["--channel", "wecom_kf", "--customer", "wkAbCdEf0001:"],
        ["--channel", "wecom_kf", "--conversation", CONVERSATION],
        ["--channel", "wechat", "--customer", "lin.mei"],
        ["--customer", "lin.mei", "--conversation", CONVERSATION],
        ["--conversation", "#operations"],
        ["--conversation", CONVERSATION.upper()],
    ],
)
def test_a_person_is_named_once_and_well(arguments: list[str]):
    assert person(*arguments).exit_code == 2


def test_what_people_sent_does_not_steer_a_terminal():
    assert printable("第一行\n\x1b[2Jred\x9b\u202e\ud83d") == "第一行\n\\x1b[2Jred\\x9b\\u202e\\ud83d"


def test_a_moment_is_told_in_utc():
    assert moment(NOW) == "2026-09-21 14:13:20"


def test_one_and_several_are_told_apart():
    assert (plural(1, "key"), plural(0, "key"), plural(2, "key")) == ("1 key", "0 keys", "2 keys")
