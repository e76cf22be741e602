"""`rules`: the company's rule file, checked before it is put in force."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from frontdesk.protection import chain
from frontdesk.protection.rule_file import RulesError
from frontdesk.protection.rules import RuleSet, earlier_rules, packaged_rules
from frontdesk.storage.rule_files import S3RuleFiles
from ops.cli.frame import FOUND, Outcome, operates, plural, tells
from ops.cli.written import FILE, text_of

if TYPE_CHECKING:
    from pathlib import Path

    from ops.desk import Desk


@click.group()
def rules() -> None:
    """Check, put and show the rules on what goes in and out."""


def _files(desk: Desk) -> S3RuleFiles:
    return S3RuleFiles(desk.s3, desk.resource("RulesBucket"))


def _read(file: Path) -> tuple[str, RuleSet]:
    text = text_of(file, RulesError)
    return text, RuleSet.read(text)


def _facts(found: RuleSet) -> dict[str, Any]:
    actions = Counter(str(rule.action) for rule in found.rules)
    return {
        "version": found.version,
        "rules": len(found.rules),
        "actions": dict(sorted(actions.items())),
        "keywords": sum(len(rule.keywords) for rule in found.rules),
        "patterns": sum(len(rule.patterns) for rule in found.rules),
    }


def _line(facts: dict[str, Any]) -> str:
    actions = ", ".join(f"{name} {count}" for name, count in facts["actions"].items())
    return (
        f"{plural(facts['rules'], 'rule')} ({actions}), {plural(facts['keywords'], 'keyword')}, "
        f"{plural(facts['patterns'], 'pattern')}"
    )


@rules.command()
@click.argument("file", type=FILE)
@tells
def check(file: Path) -> Outcome:
    """Tell whether FILE can be used, and everything that is wrong with it. Needs no deployment."""
    facts = _facts(_read(file)[1])
    return Outcome(facts, [f"{file} can be used: version {facts['version']}, {_line(facts)}."])


@rules.command()
@click.argument("file", type=FILE)
@operates
def put(desk: Desk, *, file: Path) -> Outcome:
    """Put FILE in force, if it can be used; every function has it within a minute."""
    text, found = _read(file)
    desk.note("rules", details={"rules_version": found.version, "sm3": chain.sm3(text.encode())})
    version_id = _files(desk).put(text)
    facts = {**_facts(found), "version_id": version_id}
    return Outcome(facts, [f"In force within a minute: version {found.version}, {_line(facts)}.", f"S3: {version_id}"])


@rules.command()
@operates
def show(desk: Desk) -> Outcome:
    """Tell which rules a function that starts now has, and where they are from."""
    files = _files(desk)
    newest = files.newest("")
    if newest is None or not newest.etag:
        facts = {**_facts(packaged_rules()), "from": "package", "version_id": "", "problems": []}
        return Outcome(facts, [f"The packaged rules: version {facts['version']}, {_line(facts)}."])
    try:
        facts = {**_facts(RuleSet.read(newest.text)), "from": "bucket", "version_id": newest.version_id, "problems": []}
    except RulesError as error:
        problems = error.problems
    else:
        return Outcome(facts, [f"Version {facts['version']}, {_line(facts)}.", f"S3: {newest.version_id}"])
    found, version_id = earlier_rules(files)
    facts = {**_facts(found), "from": "earlier version" if version_id else "package", "version_id": version_id}
    lines = [
        f"The newest file ({newest.version_id}) cannot be used:",
        *problems,
        f"In force instead, from the {facts['from']}: version {facts['version']}, {_line(facts)}.",
    ]
    return Outcome({**facts, "problems": problems}, lines, FOUND)
