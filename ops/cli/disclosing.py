"""Everything of one person as one document: what is kept of them, opened, with its places.

What was erased says so. What does not open is named as such and never left out in silence.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from frontdesk.errors import ErasedError, UnopenableError
from frontdesk.protection.sealing import key_id_of
from frontdesk.storage.items import session_place, to_reply, to_session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from frontdesk.records import Attendance, AuditRecord, Ticket
    from frontdesk.storage.attendances import DynamoAttendances
    from frontdesk.storage.audit import DynamoAudit
    from frontdesk.storage.seals import Seals
    from frontdesk.storage.tickets import DynamoTickets
    from ops.cli.holdings import (
        ArchiveObjects,
        AttendanceItems,
        DeadLetters,
        LedgerItems,
        ObjectVersion,
        SessionItems,
        TicketItems,
    )

SCHEMA = "frontdesk.person/1"
_SEALED = ("sessions", "replies", "attendance", "tickets", "archive", "audit")


def document_of(
    conversation: str,
    *,
    sessions: SessionItems,
    ledger: LedgerItems,
    attendance: AttendanceItems,
    tickets: TicketItems,
    archive: ArchiveObjects,
    letters: Sequence[DeadLetters],
    attendances: DynamoAttendances,
    opened_tickets: DynamoTickets,
    audit: DynamoAudit,
    seals: Seals,
    exported_at: int,
) -> dict[str, Any]:
    """Return the document; ``exported_at`` is epoch seconds.

    ``attendances`` and ``opened_tickets`` open what ``attendance`` and ``tickets`` find.
    """
    attended = attendance.find(conversation)
    items = ledger.find(conversation)
    replies = [item for item in items if "segments" in item or "sealed" in item]
    return {
        "schema": SCHEMA,
        "conversation": conversation,
        "exported_at": exported_at,
        "sessions": [
            _opened(item["session_id"]["S"], partial(_session, item, seals)) for item in sessions.find(conversation)
        ],
        "replies": [_opened(item["key"]["S"], partial(_reply, item, seals)) for item in replies],
        "other_ledger_items": sorted(item["key"]["S"] for item in items if item not in replies),
        "archive": [
            _opened(f"{each.key}?versionId={each.version_id}", partial(opened_document, archive, each, seals))
            for each in archive.find(conversation)
            if not each.marker
        ],
        "attendance": [
            _opened(conversation, partial(_kept, item["sealed"]["S"], partial(attendances.get, conversation)))
            for item in attended
            if "sealed" in item
        ],
        "other_attendance_items": [item["conversation"]["S"] for item in attended if "sealed" not in item],
        "tickets": [
            _opened(each.number, partial(_kept, each.sealed, partial(opened_tickets.get, each.number)))
            for each in tickets.find(conversation)
        ],
        **{each.name: list(each.find(conversation)) for each in letters},
        "audit": [_audit_record(record, audit) for record in audit.of(conversation)],
    }


def unopened_in(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what in ``document`` did not open, with the key id; what was erased does not count."""
    parts = (document[name] for name in _SEALED)
    return [(str(each["kept_as"]), each["unopened"]) for part in parts for each in part if "unopened" in each]


def opened_record(record: AuditRecord, audit: DynamoAudit) -> dict[str, Any]:
    """Return ``record`` with its words; with the key id as ``erased`` or ``unopened`` where they do not open."""

    def words() -> dict[str, Any]:
        return dict(zip(("before", "after"), audit.opened(record), strict=True))

    plain = {name: value for name, value in asdict(record).items() if name != "sealed"}
    return {**plain, **_or_the_key(words)}


def _or_the_key(read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what ``read`` returns; or the id of the key that it does not open with, and why."""
    try:
        return read()
    except ErasedError as error:
        return {"erased": error.key_id}
    except UnopenableError as error:
        return {"unopened": error.key_id}


def _opened(kept_as: str, read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    return {"kept_as": kept_as, **_or_the_key(read)}


def _session(item: dict[str, Any], seals: Seals) -> dict[str, Any]:
    return asdict(to_session(item, seals))


def _reply(item: dict[str, Any], seals: Seals) -> dict[str, Any]:
    return asdict(to_reply(item, seals))


def _kept(sealed: str, read: Callable[[], Attendance | Ticket | None]) -> dict[str, Any]:
    """Return what ``read`` reads; the stores read what was erased as nothing."""
    found = read()
    return {"erased": key_id_of(sealed)} if found is None else asdict(found)


def opened_document(archive: ArchiveObjects, version: ObjectVersion, seals: Seals) -> dict[str, Any]:
    """Return the archive document in ``version`` with its words; raises `UnopenableError`."""
    content = archive.read(version) or {}
    if "sealed" not in content:
        return content
    conversation = content["conversation"]
    words = seals.open(conversation, content["sealed"], *session_place(conversation, content["session_id"]))
    plain = {name: value for name, value in content.items() if name != "sealed"}
    return {**plain, **json.loads(words)}


def _audit_record(record: AuditRecord, audit: DynamoAudit) -> dict[str, Any]:
    told = {"kept_as": str(record.seq), **opened_record(record, audit)}
    return told if "before" in told else {**told, "sealed": record.sealed}
