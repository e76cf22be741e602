"""Proves the audit's export whole, or names what is not: altered, removed, inserted, reordered, unsigned.

It takes no key but the public ones, and nothing on trust but their signatures. docs/audit.md tells how anybody can
check the same without any of this.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING

from frontdesk.conversation.auditing import LATE_DAYS, Finding, finding_of
from frontdesk.conversation.days import day_of, days_from
from frontdesk.conversation.manifests import BEGINNING, Manifest, Shelf, signature_name
from frontdesk.storage.audit import KEPT_BEYOND_RETENTION_DAYS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from frontdesk.conversation.auditing import AuditRecords, Chain
    from frontdesk.conversation.manifests import AuditStore, Part, Stretch
    from frontdesk.records import AuditRecord

_EXPORTED_WITHIN_S = 3 * 3_600  # after its end a day is expected to be exported
_DAY_S = 86_400


class Verification:
    """Proves the export whole, or names what is not: signatures, manifests, days, parts, records, chains, the table."""

    def __init__(
        self,
        *,
        store: AuditStore,
        chain: Chain,
        verify: Callable[[str, bytes, str], bool],
        public_keys: Iterable[str],
        clock: Callable[[], float],
        records: AuditRecords | None = None,
        retention_days: int = 180,
    ) -> None:
        """``verify`` tells whether a key made a signature over data; ``public_keys`` are those to be trusted.

        Without ``records`` nothing is compared with the table. ``retention_days`` is how long exports are kept.
        """
        self._store = store
        self._chain = chain
        self._verify = verify
        self._public_keys = frozenset(public_keys)
        self._clock = clock
        self._records = records
        self._retention_days = retention_days

    def findings(self) -> Iterator[Finding]:
        """Yield everything that is not as it should be; nothing when the audit is proved whole."""
        shelf = Shelf.of(self._store)
        manifests: list[Manifest] = []
        yield from self._manifests(shelf, manifests)
        yield from self._missing_days(shelf)
        yield from self._chains(manifests)
        by_day: dict[str, list[Manifest]] = defaultdict(list)
        for manifest in manifests:
            by_day[manifest.day].append(manifest)
        for day in sorted(by_day):
            yield from self._day(day, by_day[day])

    def _manifests(self, shelf: Shelf, readable: list[Manifest]) -> Iterator[Finding]:
        """Check every manifest and its place in the row; collect those that can be read."""
        for name in shelf.doubles:
            yield Finding("manifest_inserted", object=name)
        if not shelf.manifests:
            yield Finding("manifest_missing")
        before, previous = 0, self._chain.sm3(BEGINNING)
        for number, (day, name) in shelf.manifests.items():
            body = self._store.read(name) or b""
            yield from self._signature(name, day, body)
            try:
                manifest = Manifest.read(body)
            except ValueError:
                yield Finding("manifest_altered", day=day, object=name)
                manifest = None
            if manifest and manifest.name != name:
                yield Finding("manifest_altered", day=day, object=name)
            elif manifest:
                readable.append(manifest)
            if number != before + 1:
                if before or not manifest or not self._may_be_the_oldest(manifest):
                    yield Finding("manifest_missing", day=day, seq=before + 1, count=number - before - 1)
            elif manifest and manifest.previous != previous:
                yield Finding("manifest_unlinked", day=day, object=name)
            before, previous = number, self._chain.sm3(body)

    def _may_be_the_oldest(self, manifest: Manifest) -> bool:
        """Return whether those before ``manifest`` may have reached their age, with two days for it to happen."""
        return manifest.exported_at < self._clock() - (self._retention_days - 2) * _DAY_S

    def _signature(self, name: str, day: str, body: bytes) -> Iterator[Finding]:
        stored = self._store.read(signature_name(name))
        if stored is None:
            yield Finding("signature_missing", day=day, object=name)
            return
        try:
            value = json.loads(stored)
            public_key, signature = value["public_key"], value["signature"]
            good = public_key in self._public_keys and self._verify(public_key, body, signature)
        except (ValueError, TypeError, KeyError, RecursionError):
            good = False
        if not good:
            yield Finding("signature_wrong", day=day, object=signature_name(name))

    def _missing_days(self, shelf: Shelf) -> Iterator[Finding]:
        days = {date.fromisoformat(day) for day, _ in shelf.manifests.values()}
        if days:
            last = day_of(self._clock() - _EXPORTED_WITHIN_S) - timedelta(days=1)
            for day in days_from(min(days), max(last, *days)):
                if day not in days:
                    yield Finding("day_missing", day=day.isoformat())

    def _chains(self, manifests: Sequence[Manifest]) -> Iterator[Finding]:
        """Check that the stretches of each conversation follow each other, over all manifests."""
        chains: dict[str, list[tuple[str, Stretch]]] = defaultdict(list)
        for manifest in manifests:
            for stretch in manifest.stretches:
                known = chains[stretch.conversation]
                if known and (known[-1][1].last + 1, known[-1][1].hash) == (stretch.first, stretch.previous):
                    # One that goes on is one stretch: of a long time there are not more than conversations.
                    whole = replace(known[-1][1], last=stretch.last, hash=stretch.hash)
                    known[-1] = (manifest.day, whole)
                else:
                    known.append((manifest.day, stretch))
        oldest = min((manifest.day for manifest in manifests), default="")
        for stretches in chains.values():
            for life in self._lives(stretches):
                yield from self._joined(life, oldest)

    def _lives(self, stretches: Sequence[tuple[str, Stretch]]) -> Iterator[list[tuple[str, Stretch]]]:
        """Split a chain where it began anew, because the table had forgotten all of a conversation."""
        life: list[tuple[str, Stretch]] = []
        for day, stretch in stretches:
            anew = (stretch.first, stretch.previous) == (1, self._chain.genesis(stretch.conversation))
            if life and anew and _days_between(max(day for day, _ in life), day) > self._retention_days:
                yield life
                life = []
            life.append((day, stretch))
        yield life

    def _joined(self, life: list[tuple[str, Stretch]], oldest: str) -> Iterator[Finding]:
        """Check stretches that should be one. ``oldest`` is the first day of which there is a manifest."""
        known: Stretch | None = None
        for day, stretch in sorted(life, key=lambda each: (each[1].first, each[1].last)):
            at = partial(Finding, day=day, conversation=stretch.conversation)
            if known is None and stretch.first > 1:
                # What came before may have reached its age, but only if it was written before what there is.
                if not "" < stretch.since < oldest:
                    yield at("record_removed", seq=stretch.first - 1)
                known = replace(stretch, last=stretch.first - 1, hash=stretch.previous)
            end, previous = (known.last, known.hash) if known else (0, self._chain.genesis(stretch.conversation))
            if stretch.first <= end:
                yield at("record_inserted", seq=stretch.first, count=stretch.last - stretch.first + 1)
                continue
            if stretch.first > end + 1:
                yield at("record_removed", seq=end + 1, count=stretch.first - end - 1)
            elif stretch.previous != previous:
                yield at("record_altered", seq=stretch.first)
            known = stretch

    def _day(self, day: str, manifests: Sequence[Manifest]) -> Iterator[Finding]:
        """Check the records of a day, and compare them with the table's."""
        exported: dict[tuple[str, int], AuditRecord] = {}
        for manifest in manifests:
            records: list[AuditRecord] = []
            for part in manifest.parts:
                yield from self._part(part, day, records)
            for record in records:
                exported[record.conversation, record.seq] = record
                if record.day != day:
                    yield Finding("record_altered", day=day, conversation=record.conversation, seq=record.seq)
            yield from self._records_of(manifest, records)
        if self._records:
            yield from self._compared(day, exported, self._records)

    def _part(self, part: Part, day: str, records: list[AuditRecord]) -> Iterator[Finding]:
        body = self._store.read(part.name)
        if body is None:
            yield Finding("part_missing", day=day, object=part.name)
            return
        if self._chain.sm3(body) != part.sm3:
            yield Finding("part_altered", day=day, object=part.name)
        for line in body.split(b"\n"):
            try:
                records.append(self._chain.from_line(line))
            except ValueError:
                continue  # the part's hash tells of it, and the stretch will miss a record

    def _records_of(self, manifest: Manifest, records: Sequence[AuditRecord]) -> Iterator[Finding]:
        given: dict[str, list[AuditRecord]] = defaultdict(list)
        for record in records:
            given[record.conversation].append(record)
        stretches: dict[str, list[Stretch]] = defaultdict(list)
        for stretch in manifest.stretches:
            stretches[stretch.conversation].append(stretch)
        for conversation, parts in stretches.items():
            left = given.pop(conversation, [])
            for index, stretch in enumerate(parts):
                # A record whose number is in no stretch goes to the last one: it finds its place there, or has none.
                last = index == len(parts) - 1
                mine = [each for each in left if last or each.seq <= stretch.last]
                left = [each for each in left if not last and each.seq > stretch.last]
                after, end = (stretch.first - 1, stretch.previous), (stretch.last, stretch.hash)
                for flaw in self._chain.check(conversation, mine, after=after, end=end):
                    yield replace(finding_of(flaw), day=manifest.day)
        for conversation, strangers in given.items():
            for record in strangers:
                yield Finding("record_inserted", day=manifest.day, conversation=conversation, seq=record.seq)

    def _compared(
        self, day: str, exported: dict[tuple[str, int], AuditRecord], table: AuditRecords
    ) -> Iterator[Finding]:
        now = self._clock()
        late = _days_between(day, day_of(now).isoformat()) > LATE_DAYS + 1
        for shard in range(table.shards):
            for record in table.of_day(day, shard):
                known = exported.pop((record.conversation, record.seq), None)
                if known == record or (known is None and not late):
                    continue
                what = "record_differs" if known else "record_unexported"
                yield Finding(what, day=day, conversation=record.conversation, seq=record.seq)
        kept_s = (self._retention_days + KEPT_BEYOND_RETENTION_DAYS) * _DAY_S
        for record in exported.values():
            if record.at_ms / 1000 + kept_s > now:
                yield Finding("record_lost", day=day, conversation=record.conversation, seq=record.seq)


def _days_between(day: str, later: str) -> int:
    return (date.fromisoformat(later) - date.fromisoformat(day)).days
