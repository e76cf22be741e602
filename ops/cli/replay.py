"""`replay`: tells what another app, or the app as it is now, would have answered to a customer of the archive."""

from __future__ import annotations

import os
from dataclasses import asdict
from statistics import median
from typing import TYPE_CHECKING, Any

import click

from frontdesk.conversation.guarding import Guard
from frontdesk.fastgpt.client import FastGptClient
from frontdesk.protection.current_masking import CurrentMasking
from frontdesk.protection.rules import CurrentRules
from frontdesk.records import Turn
from frontdesk.storage.rule_files import S3RuleFiles
from ops.cli.disclosing import opened_document
from ops.cli.frame import FOUND, Outcome, of_person, operates, printable
from ops.cli.holdings import ArchiveObjects
from ops.cli.replaying import Compared, Replaying
from ops.desk import DeskError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ops.desk import Desk

KEY_VARIABLE = "FASTGPT_REPLAY_API_KEY"


@click.command()
@operates
@of_person
@click.option("--session", "session_id", default="", metavar="ID", help="This session; by default the last archived.")
@click.option("--app-id", default="", metavar="ID", help=f"Ask this app, with the key in the variable {KEY_VARIABLE}.")
@click.option("--canary", is_flag=True, help="Ask the canary app.")
@click.option("--standby", is_flag=True, help="Ask the standby. Without any of the three: the app in force.")
def replay(desk: Desk, *, conversation: str, session_id: str, app_id: str, canary: bool, standby: bool) -> Outcome:
    """Send one archived session's questions, masked, to an app, and print its answers beside those that were given.

    That it was done is recorded: words are shown.
    """
    if sum(map(bool, (app_id, canary, standby))) > 1:
        raise click.UsageError("--app-id, --canary and --standby exclude each other")
    document = _document(desk, conversation, session_id)
    if document is None:
        return Outcome({"conversation": conversation, "turns": []}, ["There is no such archived session."], FOUND)
    model = _model(desk, app_id=app_id, canary=canary, standby=standby)
    rules = CurrentRules(
        files=S3RuleFiles(desk.s3, desk.resource("RulesBucket")),
        clock=desk.monotonic,
        on_broken=lambda error, _: desk.say(f"{error} ({error.code}); the rules before it are used"),
    )
    guard = Guard(rules=rules, masking=CurrentMasking(rules))
    desk.note("replayed", conversation, details={"session": document["session_id"], "app": model.identity})
    turns = [_turn(each) for each in document["turns"]]
    known = tuple((name, value) for name, value in document.get("placeholders", ()))
    compared = list(Replaying(model, guard=guard, monotonic=desk.monotonic).replay(turns, known))
    return _told(conversation, document["session_id"], model.identity, compared)


def _document(desk: Desk, conversation: str, session_id: str) -> dict[str, Any] | None:
    """Return the archived session, opened: the one that is named, or the last one."""
    archive = ArchiveObjects(desk.s3, desk.resource("ArchiveBucket"))
    found = [each for each in archive.find(conversation) if each.latest and not each.marker]
    opened = (opened_document(archive, each, desk.seals) for each in found)
    sessions = [each for each in opened if each.get("turns") and session_id in {"", each["session_id"]}]
    return max(sessions, key=lambda each: (each["session_id"], each["version"]), default=None)


def _model(desk: Desk, *, app_id: str, canary: bool, standby: bool) -> FastGptClient:
    """Return the app that is to be asked; raises `DeskError` when there is none."""
    base = desk.setting("ResponderFunction", "FASTGPT_BASE_URL")
    if app_id:
        key = os.environ.get(KEY_VARIABLE, "")
        if not key:
            raise DeskError(f"the app's key is to be in the environment variable {KEY_VARIABLE}")
    elif canary or standby:
        which = "CANARY" if canary else "STANDBY"
        app_id, key = (desk.secret("FastgptSecret", f"FASTGPT_{which}_{part}") for part in ("APP_ID", "API_KEY"))
        base = base if canary else desk.secret("FastgptSecret", "FASTGPT_STANDBY_BASE_URL")
        if not (app_id and key and base):
            raise DeskError(f"this deployment has no {which.lower()}")
    else:
        app_id = desk.setting("ResponderFunction", "FASTGPT_APP_ID")
        key = desk.secret("FastgptSecret", "FASTGPT_API_KEY")
    return FastGptClient(base_url=base, api_key=key, app_id=app_id, clock=desk.monotonic)


def _turn(kept: Mapping[str, Any]) -> Turn:
    """Return a turn of the archive; what a later release added is left out."""
    return Turn(**{name: value for name, value in kept.items() if name in Turn.__dataclass_fields__})


def _told(conversation: str, session_id: str, app: str, compared: Sequence[Compared]) -> Outcome:
    alike = [each.similarity for each in compared if each.similarity is not None]
    failed = sum(each.failed for each in compared)
    summary = {
        "questions": len(compared),
        "answered": len(alike),
        "failed": failed,
        "similarity_median": round(median(alike), 3) if alike else None,
        "similarity_least": round(min(alike), 3) if alike else None,
    }
    facts = {
        "conversation": conversation,
        "session_id": session_id,
        "app": app,
        "summary": summary,
        "turns": [asdict(each) for each in compared],
    }
    lines = [line for number, each in enumerate(compared, start=1) for line in _lines(number, each)]
    lines.append(
        f"{app}: {len(compared)} asked, {len(alike)} answered, {failed} failed"
        + (f"; similarity {median(alike):.2f} in the middle, {min(alike):.2f} at least." if alike else ".")
    )
    return Outcome(facts, lines, FOUND if failed else 0)


def _lines(number: int, each: Compared) -> Iterator[str]:
    verdict = each.code if each.similarity is None else f"similarity {each.similarity:.2f}"
    yield f"{number}  {each.kind}  {verdict}"
    yield f"    asked   {_indented(each.question)}"
    yield f"    before  {_figures(each.confidence_before, each.before_ms)}  {_indented(each.before)}"
    if each.similarity is not None:
        yield f"    after   {_figures(each.confidence_after, each.after_ms)}  {_indented(each.after)}"


def _figures(confidence: float | None, took_ms: int | None) -> str:
    return f"[{'-' if confidence is None else f'{confidence:.2f}'}, {took_ms} ms]"


def _indented(text: str) -> str:
    return printable(text).replace("\n", "\n            ")
