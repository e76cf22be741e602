"""What the doctor says: every check has its title, every code its reason and its fix, in both languages."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from typing import TYPE_CHECKING

import pytest

from frontdesk.channels import wecom_checkup
from frontdesk.fastgpt import checkup
from frontdesk.records import Checked
from ops.deployment import ROOT
from ops.doctor import aws, callback, clocks, deployed, inside
from ops.doctor.words import ADVICE, RESULTS, TITLES, Advice, Words, advice_on

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = (
    *(*deployed.DEPLOYED, *deployed.SECRETS, *deployed.HERE, *clocks.NAMES, *callback.NAMES, *inside.NAMES),
    *(*aws.QUEUES, *aws.STARTS, *aws.TABLES, *aws.ALARMS, *aws.LOGS, *aws.QUOTA),
)
PACKAGE = ROOT / "layers" / "frontdesk" / "frontdesk"
SOURCES = [
    *(path for path in sorted((ROOT / "ops" / "doctor").glob("*.py")) if path.name != "words.py"),
    PACKAGE / "channels" / "wecom_checkup.py",
    PACKAGE / "fastgpt" / "checkup.py",
]
# Vendors' and AWS's codes are told by their family where they have no row of their own.
BY_FAMILY = [
    "wecom_-1",
    "proxy_refused",
    "wecom_84074",
    "wecom_timeout",
    "fastgpt_server_error",
    "sqs_refused",
    "lambda_unreachable",
    "x",
]


def texts(node: ast.AST | None) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from texts(node.body)
        yield from texts(node.orelse)


def codes() -> set[str]:
    """Return every code that a check gives out by itself: the third of what a `Checked` is made of, or a name's."""
    found: set[str] = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Checked":
                third = node.args[2] if len(node.args) > 2 else None
                found |= set(texts(third))
                found |= {each for key in node.keywords if key.arg == "code" for each in texts(key.value)}
            elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "code":
                found |= set(texts(node.value))
            elif isinstance(node, ast.FunctionDef) and node.name in {"_meaning", "_of_status"}:
                found |= {each for end in ast.walk(node) if isinstance(end, ast.Return) for each in texts(end.value)}
    return found - {""}


def of_pair(words: Words) -> list[str]:
    return [getattr(words, each.name) for each in fields(words)]


def test_every_check_has_its_title_and_no_other_has():
    assert set(TITLES) == set(NAMES)
    assert len(NAMES) == len(set(NAMES))


def test_every_code_that_a_check_gives_out_has_a_row_and_no_row_is_of_nothing():
    own = {row.rpartition(":")[2] for row in ADVICE}

    assert {"callback_slow", "stack_rolled_back", "kf_nobody_receives", "concurrency_small"} <= codes()
    vendors = {each for each in codes() | own if re.match(r"(wecom|fastgpt)_", each)}
    assert codes() - vendors <= own
    assert own - vendors - codes() == {"timed_out", "unexpected", "desk_not_found"}


@pytest.mark.parametrize("row", ADVICE)
def test_both_languages_say_the_same_and_name_the_same(row: str):
    advice = ADVICE[row]
    for words in filter(None, (advice.why, advice.fix)):
        zh, en = of_pair(words)
        assert re.search(r"[一-鿿]", zh), row
        assert not re.search(r"[一-鿿]", en), row
        assert set(re.findall(r"\{\w+\}", zh)) == set(re.findall(r"\{\w+\}", en)), row


def test_only_what_is_not_run_on_purpose_has_nothing_to_mend():
    without = {row for row, advice in ADVICE.items() if advice.fix is None}

    assert without == {
        "local_run",
        "no_settings_here",
        "wecom_not_from_here",
        "wecom_tells_no_time",
        "kf_uses_application",
    }


@pytest.mark.parametrize("code", BY_FAMILY)
def test_an_unforeseen_code_is_explained_by_its_family_and_named(code: str):
    advice = advice_on(Checked("latency", "failed", code=code))

    assert isinstance(advice, Advice)
    assert code in advice.why.zh
    assert code in advice.why.en


def test_a_proxy_that_refuses_is_not_taken_for_aws():
    advice = advice_on(Checked("access_token", "failed", code="proxy_refused"))

    assert advice is not None
    assert "AWS" not in advice.why.en


def test_what_is_well_is_not_explained():
    assert advice_on(Checked("stack", "ok")) is None


def test_a_row_of_the_check_goes_before_one_of_the_code():
    application = advice_on(Checked("access_token", "failed", code="wecom_40001"))
    customer_service = advice_on(Checked("kf_token", "failed", code="wecom_40001"))

    assert application is not None
    assert customer_service is not None
    assert application.fix is not None
    assert customer_service.fix is not None
    assert "WECOM_SECRET" in application.fix.en
    assert "WECOM_KF_SECRET" in customer_service.fix.en


def test_what_was_seen_is_filled_in_and_its_braces_mean_nothing():
    advice = advice_on(Checked("secrets", "failed", code="settings_invalid", seen={"problems": "{about} and {x!r}"}))

    assert advice is not None
    assert "{about} and {x!r}" in advice.why.en


def test_the_check_that_was_needed_is_called_by_its_title():
    advice = advice_on(Checked("latency", "not_run", code="needs", seen={"needs": "fastgpt"}))

    assert advice is not None
    assert TITLES["fastgpt"].zh in advice.why.zh
    assert TITLES["fastgpt"].en in advice.why.en


def test_every_result_has_its_words():
    assert set(RESULTS) == {"ok", "warning", "failed", "not_run"}


def test_the_function_tells_of_checks_that_are_known_here():
    assert set(inside.NAMES) == {"doctor_function", *wecom_checkup.NAMES, *checkup.NAMES}
