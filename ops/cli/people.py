"""`erase` and `export`: what a person may ask for."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops.cli.disclosing import document_of, unopened_in
from ops.cli.erasing import Erasing
from ops.cli.frame import FOUND, Outcome, of_person, operates, plural
from ops.cli.holdings import (
    ArchiveObjects,
    AttendanceItems,
    DeadLetters,
    LedgerItems,
    SessionItems,
    TicketItems,
    waiting,
)

if TYPE_CHECKING:
    from ops.cli.erasing import Found
    from ops.desk import Desk

_REMAINS = (
    "FastGPT has its own copy of the masked talk, under this digest (customUid, and in its chat ids): delete it there.",
    "WeCom has its own copy of the chats, those with colleagues included, who were sent briefs and cards.",
    "The company's own ticket system has what it was told of tickets, under their numbers.",
    "The table CustomerKeys can be restored to any moment of the last day; after that the key is gone everywhere.",
    "The other tables can be restored to the last 35 days: only what was never sealed is readable there.",
    "Tickets are kept without their words: number, times, reason, and who saw to it, for 400 days after closing.",
    "Audit records and review items are kept as the law has it, and so are logs; they name this digest and no words.",
)


def _sessions(desk: Desk) -> SessionItems:
    return SessionItems(desk.dynamodb, desk.resource("Sessions"))


def _ledger(desk: Desk) -> LedgerItems:
    return LedgerItems(desk.dynamodb, desk.resource("Ledger"))


def _archive(desk: Desk) -> ArchiveObjects:
    return ArchiveObjects(desk.s3, desk.resource("ArchiveBucket"))


def _attendance(desk: Desk) -> AttendanceItems:
    return AttendanceItems(desk.dynamodb, desk.resource("Attendance"))


def _tickets(desk: Desk) -> TicketItems:
    return TicketItems(desk.dynamodb, desk.resource("Tickets"), clock=desk.clock)


def _letters(desk: Desk) -> tuple[DeadLetters, ...]:
    queues = {"dead_letters": "InboxDeadLetters", "ticket_dead_letters": "TicketQueueDeadLetters"}
    sqs = desk.client("sqs")
    return tuple(
        DeadLetters(sqs, desk.resource(queue), name=name, wait_s=desk.silence_s) for name, queue in queues.items()
    )


def _erasing(desk: Desk) -> Erasing:
    return Erasing(
        holdings=(_sessions(desk), _ledger(desk), _attendance(desk), _archive(desk), *_letters(desk)),
        tickets=_tickets(desk),
        store=desk.key_store,
        keeping=desk.keeping,
        audit=desk.audit,
        actor=desk.actor,
        clock=desk.clock,
        sleep=desk.sleep,
        say=desk.say,
    )


@click.command()
@operates
@of_person
@click.option("--yes", is_flag=True, help="Erase. Without it, what there is is only listed.")
def erase(desk: Desk, *, conversation: str, yes: bool) -> Outcome:
    """Erase one person: delete what can be deleted, and destroy the key to what the law has kept.

    Takes a minute. It can be broken off anywhere, and is finished by running it again.
    """
    erasing = _erasing(desk)
    found = erasing.look(conversation)
    sqs = desk.client("sqs")
    inbox, requests = waiting(sqs, desk.resource("Inbox")), waiting(sqs, desk.resource("TicketQueue"))
    facts = {
        "conversation": conversation,
        "found": _facts(found),
        "inbox_messages_of_all": inbox,
        "ticket_requests_of_all": requests,
    }
    lines = [f"Conversation {conversation}", *_lines(found, inbox, requests)]
    if not found.anything:
        return Outcome(facts | {"erased": False}, [*lines, "There is nothing to erase."])
    if not yes:
        return Outcome(facts | {"erased": False}, [*lines, "Nothing was changed. --yes erases it."])
    for line in lines:
        desk.say(line)
    erased = erasing.erase(conversation)
    facts |= {
        "erased": True,
        "deleted": erased.deleted,
        "tickets_closed": erased.closed,
        "keys_destroyed": list(erased.keys),
        "now": _facts(erased.now),
        "remains": list(_REMAINS),
    }
    lines = [
        *(f"Deleted: {count} {_spoken(name)}" for name, count in erased.deleted.items()),
        f"Closed: {plural(erased.closed, 'ticket')}",
        f"Keys destroyed: {', '.join(erased.keys) or 'none, there was none'}",
    ]
    if erased.now.anything:
        # They wrote again: all of it is of after the act, or sealed by it.
        return Outcome(facts, [*lines, "Since then they have written again. Run it again to erase that too."], FOUND)
    return Outcome(facts, [*lines, "What remains elsewhere:", *(f"- {each}" for each in _REMAINS)])


def _spoken(name: str) -> str:
    return name.replace("_", " ")


def _facts(found: Found) -> dict[str, object]:
    return {
        **found.counts,
        "tickets": found.tickets,
        "tickets_readable": found.tickets_readable,
        "tickets_open": found.tickets_open,
        "audit_records": found.records,
        "audit_records_readable": found.readable,
        "erasure_begun": found.begun,
        "keys_destroyed": [key_id for key_id, _, _ in found.destroyed],
    }


def _lines(found: Found, inbox: int, requests: int) -> list[str]:
    lines = [f"{_spoken(name)}: {count}" for name, count in found.counts.items()]
    lines.append(
        f"tickets: {found.tickets}, of which {found.tickets_readable} can be read, {found.tickets_open} open; they are "
        "closed, and kept"
    )
    lines.append(f"audit records: {found.records}, of which {found.readable} can be read; they are kept")
    lines.append(
        f"inbox: {plural(inbox, 'message')} of all customers, tickets' queue: {plural(requests, 'request')}, which "
        "cannot be looked into; what is this person's there will still be answered or opened, and is then to be erased "
        "by another run"
    )
    if found.begun:
        lines.append("an erasure has begun and was broken off")
    return lines


@click.command()
@operates
@of_person
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The file to write.")
def export(desk: Desk, *, conversation: str, out: Path) -> Outcome:
    """Write everything of one person to a file that only its owner can read; that it was done is recorded."""
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise click.UsageError(f"{out} cannot be created: {error.strerror}") from None
    try:
        # Half a surrogate pair, which JSON from outside can hold, is written as JSON writes it in ASCII.
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            document = document_of(
                conversation,
                sessions=_sessions(desk),
                ledger=_ledger(desk),
                attendance=_attendance(desk),
                tickets=_tickets(desk),
                archive=_archive(desk),
                letters=_letters(desk),
                attendances=desk.attendances,
                opened_tickets=desk.tickets,
                audit=desk.audit,
                seals=desk.seals,
                exported_at=int(desk.clock()),
            )
            counts = {name: len(each) for name, each in document.items() if isinstance(each, list)}
            desk.note("exported", conversation, details=counts)
            json.dump(document, file, ensure_ascii=False, indent=1)
    except BaseException:
        out.unlink()
        raise
    unopened = unopened_in(document)
    facts = {
        "conversation": conversation,
        "file": str(out),
        **counts,
        "unopened": [{"what": what, "key_id": key_id} for what, key_id in unopened],
    }
    lines = [f"{_spoken(name)}: {count}" for name, count in counts.items()]
    lines += [f"Does not open: {what} (key {key_id or 'unknown'})" for what, key_id in unopened]
    return Outcome(facts, [*lines, f"Written to {out}."], FOUND if unopened else 0)
