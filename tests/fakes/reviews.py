"""A day of the audit, review items and reports in memory. tests/contract holds the last two to what the real ones do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING, Any
from zlib import crc32

from frontdesk.errors import ConflictError, FrontdeskError
from frontdesk.messages import Action, Finding, Verdict
from frontdesk.records import AuditRecord, ReviewItem
from tests.factories import CONVERSATION, NOW_MS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# The day that NOW is on; the tests look back at it from the next one.
DAY = datetime.fromtimestamp(NOW_MS / 1000, UTC).date().isoformat()


class InMemoryAudit:
    """Records by day, and their words. A record whose words are an error raises it when it is opened."""

    def __init__(self, *, shards: int = 4) -> None:
        self.shards = shards
        self.records: list[AuditRecord] = []
        self.words: dict[tuple[str, int], tuple[str, str] | FrontdeskError] = {}
        self.days_read: list[str] = []

    def add(
        self,
        kind: str,
        after: str = "",
        *,
        before: str = "",
        actor: str = "frontdesk",
        conversation: str = CONVERSATION,
        about: str = "q1",
        day: str = DAY,
        opens: FrontdeskError | None = None,
        **details: str,
    ) -> AuditRecord:
        """Return the next record of ``conversation``, kept."""
        seq = 1 + sum(each.conversation == conversation for each in self.records)
        record = AuditRecord(
            conversation=conversation,
            seq=seq,
            day=day,
            kind=kind,
            actor=actor,
            at_ms=NOW_MS + seq,
            about=about,
            details=details,
            sealed="token",
            previous="",
            hash="",
        )
        self.records.append(record)
        self.words[conversation, seq] = opens or (before, after)
        return record

    def of_day(self, day: str, shard: int) -> Iterator[AuditRecord]:
        """Yield the day's records of one shard, in no order that a caller may count on."""
        if not shard:
            self.days_read.append(day)
        for each in reversed(self.records):
            if each.day == day and crc32(each.conversation.encode()) % self.shards == shard:
                yield each

    def opened(self, record: AuditRecord) -> tuple[str, str]:
        """Return the words before and after."""
        words = self.words[record.conversation, record.seq]
        if isinstance(words, FrontdeskError):
            raise words
        return words


class FakeRules:
    """Rules of one keyword each: id to action and keyword. It is the place of the rules in force as well."""

    def __init__(self, version: str = "v1", rules: Mapping[str, tuple[Action, str]] | None = None) -> None:
        self.version = version
        self.rules = dict(rules or {})
        self.judged: list[str] = []

    def current(self) -> FakeRules:
        """Return a copy, as a later change must not change it."""
        pinned = FakeRules(self.version, self.rules)
        pinned.judged = self.judged
        return pinned

    def judge_answer(self, text: str) -> Verdict:
        """Return what the rules find."""
        self.judged.append(text)
        findings = tuple(
            Finding(rule_id, action, text.index(keyword), text.index(keyword) + len(keyword))
            for rule_id, (action, keyword) in self.rules.items()
            if keyword in text
        )
        return Verdict(text, findings, rules_version=self.version)


class InMemoryReviews:
    """Review items by record."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.items: dict[tuple[str, int], ReviewItem] = {}
        self.hidden: set[tuple[str, int]] = set()  # what the index does not have yet

    def open(self, item: ReviewItem) -> bool:
        """Keep ``item`` unless there is one."""
        with self._lock:
            if (item.conversation, item.seq) in self.items:
                return False
            self.items[item.conversation, item.seq] = item
            return True

    def get(self, conversation: str, seq: int) -> ReviewItem | None:
        """Return one item."""
        return self.items.get((conversation, seq))

    def list(self, state: str) -> Iterator[ReviewItem]:
        """Yield the items in ``state``, the oldest first."""
        found = [each for key, each in self.items.items() if each.state == state and key not in self.hidden]
        yield from sorted(found, key=lambda each: each.found_at)

    def decide(self, conversation: str, seq: int, state: str, *, by: str, at: int, note: str = "") -> ReviewItem:
        """Return the item as decided."""
        if state not in {"upheld", "dismissed"}:
            raise ValueError("an item is upheld or dismissed")
        item = self.items.get((conversation, seq))
        if item is None or item.state != "open":
            raise ConflictError("reviews: somebody else was first", code="reviews_conflict")
        self.items[conversation, seq] = replace(item, state=state, decided_by=by, decided_at=at, note=note)
        return self.items[conversation, seq]


class InMemoryReports:
    """Texts by name, with their content types. ``writes`` names what was written, in order."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.types: dict[str, str] = {}
        self.writes: list[str] = []

    def get(self, name: str) -> str | None:
        """Return what is kept."""
        return self.texts.get(name)

    def put(self, name: str, text: str, *, content_type: str) -> str:
        """Keep ``text`` unless something is there."""
        if name not in self.texts:
            self.texts[name] = text
            self.types[name] = content_type
            self.writes.append(name)
        return self.texts[name]


def item(**differently: Any) -> ReviewItem:
    """Return an open item."""
    return ReviewItem(
        **{
            "conversation": CONVERSATION,
            "seq": 7,
            "day": DAY,
            "rule_ids": ("price.internal", "价格"),
            "rules_version": "2026-11-22.1",
            "found_at": NOW_MS // 1000,
            **differently,
        }
    )
