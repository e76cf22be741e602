"""`answers`: the approved answers to frequent questions, checked before they are put in force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from frontdesk.protection import chain
from frontdesk.protection.answer_file import AnswersError, AnswerSet
from frontdesk.protection.current_file import last_good
from frontdesk.storage.rule_files import ANSWERS_KEY, S3RuleFiles
from ops.cli.frame import FOUND, Outcome, operates, plural, tells
from ops.cli.written import FILE, text_of

if TYPE_CHECKING:
    from pathlib import Path

    from ops.desk import Desk


@click.group()
def answers() -> None:
    """Check, put and show the approved answers."""


def _files(desk: Desk) -> S3RuleFiles:
    return S3RuleFiles(desk.s3, desk.resource("RulesBucket"), ANSWERS_KEY)


def _facts(found: AnswerSet) -> dict[str, Any]:
    return {
        "version": found.version,
        "answers": len(found.answers),
        "questions": sum(len(each.questions) for each in found.answers),
        "approved_by": sorted({each.approved_by for each in found.answers}),
    }


def _line(facts: dict[str, Any]) -> str:
    return f"{plural(facts['answers'], 'answer')} to {plural(facts['questions'], 'question')}"


@answers.command()
@click.argument("file", type=FILE)
@tells
def check(file: Path) -> Outcome:
    """Tell whether FILE can be used, and everything that is wrong with it. Needs no deployment."""
    facts = _facts(AnswerSet.read(text_of(file, AnswersError)))
    return Outcome(facts, [f"{file} can be used: version {facts['version']}, {_line(facts)}."])


@answers.command()
@click.argument("file", type=FILE)
@operates
def put(desk: Desk, *, file: Path) -> Outcome:
    """Put FILE in force, if it can be used; the responder has it within a minute."""
    text = text_of(file, AnswersError)
    found = AnswerSet.read(text)
    desk.note("answers", details={"answers_version": found.version, "sm3": chain.sm3(text.encode())})
    version_id = _files(desk).put(text)
    facts = {**_facts(found), "version_id": version_id}
    return Outcome(facts, [f"In force within a minute: version {found.version}, {_line(facts)}.", f"S3: {version_id}"])


@answers.command()
@operates
def show(desk: Desk) -> Outcome:
    """Tell which answers a responder that starts now has."""
    files = _files(desk)
    newest = files.newest("")
    if newest is None or not newest.etag:
        return Outcome({**_facts(AnswerSet()), "version_id": "", "problems": []}, ["There are no approved answers."])
    try:
        facts = {**_facts(AnswerSet.read(newest.text)), "version_id": newest.version_id, "problems": []}
    except AnswersError as error:
        problems = error.problems
    else:
        return Outcome(facts, [f"Version {facts['version']}, {_line(facts)}.", f"S3: {newest.version_id}"])
    found, version_id = last_good(files, AnswerSet.read, AnswerSet)
    facts = {**_facts(found), "version_id": version_id, "problems": problems}
    instead = f"an earlier version: {found.version}, {_line(facts)}" if version_id else "none"
    lines = [f"The newest file ({newest.version_id}) cannot be used:", *problems, f"In force instead: {instead}."]
    return Outcome(facts, lines, FOUND)
