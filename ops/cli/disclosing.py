"""Everything of one person as one document: what is kept of them, opened, with its places.

What was erased says so. What does not open is named as such and never left out in silence.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from frontdesk.errors import ErasedError, UnopenableError
from frontdesk.storage.items import to_reply, to_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from frontdesk.records import AuditRecord
    from frontdesk.storage.seals import Seals
    from ops.cli.holdings import ArchiveObjects, ObjectVersion

SCHEMA = "frontdesk.person/1"


class Items(Protocol):
    """A table's items of one person."""

    def find(self, conversation: str) -> Sequence[dict[str, Any]]:
        """Return them."""


class Letters(Protocol):
    """Dead letters of one person."""

    def find(self, conversation: str) -> Sequence[str]:
        """Return their ids."""


class Audit(Protocol):
    """The audit of one person."""

    def of(self, conversation: str) -> Iterable[AuditRecord]:
        """Yield the records."""

    def opened(self, record: AuditRecord) -> tuple[str, str]:
        """Return the words before and after."""


def document_of(
    conversation: str,
    *,
    sessions: Items,
    ledger: Items,
    archive: ArchiveObjects,
    letters: Letters,
    audit: Audit,
    seals: Seals,
    exported_at: int,
) -> dict[str, Any]:
    """Return the document; ``exported_at`` is epoch seconds."""
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
            _opened(f"{each.key}?versionId={each.version_id}", partial(_document, archive, each, seals))
            for each in archive.find(conversation)
            if not each.marker
        ],
        "dead_letters": list(letters.find(conversation)),
        "audit": [_audit_record(record, audit) for record in audit.of(conversation)],
    }


def unopened_in(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what in ``document`` did not open, with the key id; what was erased does not count."""
    parts = (document[name] for name in ("sessions", "replies", "archive", "audit"))
    return [(str(each["kept_as"]), each["unopened"]) for part in parts for each in part if "unopened" in each]


def _opened(kept_as: str, read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what ``read`` returns, and the name it is kept as; or the name and the key that it does not open with."""
    try:
        return {"kept_as": kept_as, **read()}
    except ErasedError as error:
        return {"kept_as": kept_as, "erased": error.key_id}
    except UnopenableError as error:
        return {"kept_as": kept_as, "unopened": error.key_id}


def _session(item: dict[str, Any], seals: Seals) -> dict[str, Any]:
    return asdict(to_session(item, seals))


def _reply(item: dict[str, Any], seals: Seals) -> dict[str, Any]:
    return asdict(to_reply(item, seals))


def _document(archive: ArchiveObjects, version: ObjectVersion, seals: Seals) -> dict[str, Any]:
    content = archive.read(version) or {}
    if "sealed" not in content:
        return content
    conversation = content["conversation"]
    words = seals.open(conversation, content["sealed"], "session", conversation, content["session_id"])
    plain = {name: value for name, value in content.items() if name != "sealed"}
    return {**plain, **json.loads(words)}


def _audit_record(record: AuditRecord, audit: Audit) -> dict[str, Any]:
    def read() -> dict[str, Any]:
        before, after = audit.opened(record)
        plain = {name: value for name, value in asdict(record).items() if name != "sealed"}
        return {**plain, "before": before, "after": after}

    told = _opened(str(record.seq), read)
    return told if "hash" in told else {**asdict(record), **told}
