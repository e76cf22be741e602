"""The audit leaves the table day by day, signed, and anybody can prove later that nothing of it was touched.

An export of a day is one or more parts (records, one a line) and a signed manifest of them: `manifests` has their
forms. Nothing here opens a seal.

Every object is only written where none is, and a part's name comes from its content. So an export that was broken off
anywhere is simply done again: it finds its own objects, and goes on.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Protocol

from frontdesk.conversation.days import days_from, last_finished_day
from frontdesk.conversation.manifests import (
    BEGINNING,
    PREFIX,
    Manifest,
    Part,
    Shelf,
    Stretch,
    canonical_json,
    signature_name,
)
from frontdesk.conversation.ports import AuditOfDay
from frontdesk.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from frontdesk.conversation.manifests import AuditStore
    from frontdesk.records import AuditRecord

SCHEME = "SM2-SM3"
LATE_DAYS = 3  # so long after its end a day is looked at again
_LOOK_BACK_DAYS = 40
_PART_RECORDS = 5000
_PART_BYTES = 8_000_000
_WORKERS = 4
_STOP_BEFORE_END_S = 60.0

log = logging.getLogger("frontdesk.auditing")


class AuditRecords(AuditOfDay, Protocol):
    """The table of records."""

    def get(self, conversation: str, seq: int) -> AuditRecord | None:
        """Return one record."""


class Flaw(Protocol):
    """What is wrong with ``count`` records of a chain, from ``seq`` on."""

    @property
    def conversation(self) -> str:
        """Whose chain it is."""

    @property
    def seq(self) -> int:
        """The first record it is about."""

    @property
    def what(self) -> str:
        """Altered, removed, inserted or reordered."""

    @property
    def count(self) -> int:
        """How many records in a row it is about."""


class Chain(Protocol):
    """How records are linked: `frontdesk.protection.chain`."""

    def sm3(self, data: bytes) -> str:
        """Return the SM3 of ``data`` in hex digits."""

    def genesis(self, conversation: str) -> str:
        """Return what stands for the hash of the record before the first."""

    def to_line(self, record: AuditRecord) -> bytes:
        """Return ``record`` as a line of the export."""

    def from_line(self, line: bytes) -> AuditRecord:
        """Return the record in a line; raises ValueError."""

    def check(
        self,
        conversation: str,
        records: Iterable[AuditRecord],
        *,
        after: tuple[int, str] | None = None,
        end: tuple[int, str] | None = None,
    ) -> Sequence[Flaw]:
        """Return what is wrong with a stretch of a chain between two trusted places, each a number and a hash."""


class Signer(Protocol):
    """Signs manifests."""

    public_key: str

    def sign(self, data: bytes) -> str:
        """Return a signature over ``data``."""


@dataclass(slots=True)
class Tally:
    """What one run exported. ``unfinished`` when time ran out: the next run goes on."""

    days: int = 0
    records: int = 0
    flaws: int = 0
    unfinished: bool = False


class Auditing:
    """Exports the audit."""

    def __init__(
        self,
        *,
        records: AuditRecords,
        store: AuditStore,
        chain: Chain,
        signer: Signer,
        clock: Callable[[], float],
    ) -> None:
        """``clock`` returns epoch seconds."""
        self._records = records
        self._store = store
        self._chain = chain
        self._signer = signer
        self._clock = clock

    def export(self, *, time_left: Callable[[], float]) -> Tally:
        """Export every finished day that has no manifest, and what came late to the days before.

        Goes as far as ``time_left`` (seconds) does. A broken chain is exported as it is, logged and counted. Raises
        `ConflictError` when another export runs at the same time, and what the store and the table raise.
        """
        tally = Tally()
        shelf = Shelf.of(self._store)
        self._sign_what_is_not(shelf, tally)
        for day in self._due({date.fromisoformat(day) for day, _ in shelf.manifests.values()}):
            manifest = self._export_day(day.isoformat(), shelf, tally, time_left)
            if tally.unfinished:
                break
            if manifest:
                shelf = shelf.with_one_more(manifest)
        return tally

    def _due(self, exported: set[date]) -> list[date]:
        last = last_finished_day(self._clock())
        again = {day for day in exported if last - timedelta(days=LATE_DAYS) < day <= last}
        first = max(exported) + timedelta(days=1) if exported else self._oldest(last)
        return sorted(again.union(days_from(first, last)))

    def _oldest(self, last: date) -> date:
        """Return the first day with a record, for the very first export."""
        for back in range(_LOOK_BACK_DAYS, 0, -1):
            day = last - timedelta(days=back)
            for shard in range(self._records.shards):
                if next(self._records.of_day(day.isoformat(), shard), None):
                    return day
        return last

    def _export_day(self, day: str, shelf: Shelf, tally: Tally, time_left: Callable[[], float]) -> Manifest | None:
        """Export what no manifest of ``day`` holds; return the manifest, or nothing where none was needed."""
        earlier = shelf.of_day(day)
        held = self._held(earlier, day, tally)
        if held is None:
            return None

        def is_new(record: AuditRecord) -> bool:
            return not any(each.first <= record.seq <= each.last for each in held.get(record.conversation, ()))

        with ThreadPoolExecutor(max_workers=_WORKERS) as pool:
            shards = list(
                pool.map(lambda shard: self._export_shard(day, shard, is_new, time_left), range(self._records.shards))
            )
        done = [each for each in shards if each]
        if len(done) < len(shards):
            tally.unfinished = True
            return None
        for each in done:
            for flaw in each.flaws:
                self._broken(flaw, day)
            tally.flaws += len(each.flaws)
        if earlier and not any(each.parts for each in done):
            return None
        manifest = self._manifest(day, shelf, done)
        self._keep(manifest.name, manifest.body())
        self._sign(manifest.name, manifest.body())
        tally.days += 1
        tally.records += manifest.records
        return manifest

    def _held(self, manifests: Iterable[str], day: str, tally: Tally) -> dict[str, list[Stretch]] | None:
        """Return what the ``manifests`` of ``day`` hold of each conversation; nothing when one of them is no manifest.

        What such a one holds is not known, and exporting it all again would hide that: it is for those who verify.
        """
        held: dict[str, list[Stretch]] = defaultdict(list)
        for name in manifests:
            try:
                for stretch in Manifest.read(self._stored(name)).stretches:
                    held[stretch.conversation].append(stretch)
            except ValueError:
                self._unproved(name, day, tally)
                return None
        return held

    def _manifest(self, day: str, shelf: Shelf, done: Sequence[_Shard]) -> Manifest:
        number = max(shelf.manifests, default=0) + 1
        return Manifest(
            number=number,
            day=day,
            exported_at=int(self._clock()),
            previous=self._hash_before(number, shelf),
            parts=tuple(part for each in done for part in each.parts),
            stretches=tuple(stretch for each in done for stretch in each.stretches),
        )

    def _hash_before(self, number: int, shelf: Shelf) -> str:
        """Return what the manifest of this number has to name as the one before it."""
        before = shelf.manifests.get(number - 1)
        return self._chain.sm3(self._stored(before[1]) if before else BEGINNING)

    def _export_shard(
        self, day: str, shard: int, is_new: Callable[[AuditRecord], bool], time_left: Callable[[], float]
    ) -> _Shard | None:
        """Write the new records of one shard, in the order of their chains; return nothing when time is too short."""
        if time_left() < _STOP_BEFORE_END_S:
            return None
        records = sorted(
            filter(is_new, self._records.of_day(day, shard)), key=lambda record: (record.conversation, record.seq)
        )
        done = _Shard()
        for stretch in _stretches(records):
            self._examine(stretch, done)
        for lines in _portions(self._chain.to_line(record) + b"\n" for record in records):
            body = b"".join(lines)
            digest = self._chain.sm3(body)
            part = Part(f"{PREFIX}dt={day}/part-{shard:02d}-{digest[:16]}.jsonl", digest, len(lines))
            self._keep(part.name, body)
            done.parts.append(part)
        return done

    def _keep(self, name: str, body: bytes) -> None:
        """Store ``body``. What is there already is our own: of a run that was broken off, or a repeated request."""
        if not self._store.put(name, body) and self._stored(name) != body:
            raise ConflictError("another export runs at the same time", code="audit_overtaken")

    def _examine(self, records: Sequence[AuditRecord], done: _Shard) -> None:
        """Add what the manifest says of ``records``, which follow each other, and what is wrong with them."""
        first, last = records[0], records[-1]
        conversation = first.conversation
        previous, since = self._chain.genesis(conversation), ""
        if first.seq > 1:
            before = self._records.get(conversation, first.seq - 1)
            # Where the table's TTL may have taken the one before, the writer has said so in the record.
            previous, since = (
                (before.hash, before.day) if before else (first.previous, first.details.get("resumes", ""))
            )
            if not since:
                done.flaws.append(Finding("record_removed", conversation=conversation, seq=first.seq - 1))
        after = (first.seq - 1 if first.seq > 1 else 0, previous)
        done.flaws.extend(map(finding_of, self._chain.check(conversation, records, after=after)))
        done.stretches.append(Stretch(conversation, first.seq, last.seq, previous, last.hash, since))

    def _sign_what_is_not(self, shelf: Shelf, tally: Tally) -> None:
        """Sign manifests whose run was broken off before it could, once what they say is found to be true."""
        for number, (day, name) in shelf.manifests.items():
            if signature_name(name) not in shelf.names:
                body = self._stored(name)
                if self._is_true(body, number=number, day=day, previous=self._hash_before(number, shelf)):
                    self._sign(name, body)
                else:
                    self._unproved(name, day, tally)

    def _is_true(self, body: bytes, *, number: int, day: str, previous: str) -> bool:
        """Return whether ``body`` is the manifest that an export would have written, record by record."""
        try:
            manifest = Manifest.read(body)
            exported = [record for part in manifest.parts for record in self._records_in(part)]
        except ValueError:
            return False
        kept = {
            (record.conversation, record.seq): record
            for shard in range(self._records.shards)
            for record in self._records.of_day(day, shard)
        }
        stretches = tuple(
            (each[0].conversation, each[0].seq, each[-1].seq, each[-1].hash) for each in _stretches(exported)
        )
        return (
            (manifest.number, manifest.day, manifest.previous) == (number, day, previous)
            and stretches == tuple((each.conversation, each.first, each.last, each.hash) for each in manifest.stretches)
            and all(kept.get((record.conversation, record.seq)) == record for record in exported)
        )

    def _records_in(self, part: Part) -> Iterator[AuditRecord]:
        """Yield the records in ``part``; raises ValueError when it is not what the manifest says."""
        body = self._stored(part.name)
        lines = body.removesuffix(b"\n").split(b"\n")
        if self._chain.sm3(body) != part.sm3 or len(lines) != part.records:
            raise ValueError("not the part that the manifest names")
        yield from map(self._chain.from_line, lines)

    def _sign(self, name: str, body: bytes) -> None:
        signature = {"scheme": SCHEME, "public_key": self._signer.public_key, "signature": self._signer.sign(body)}
        self._store.put(signature_name(name), canonical_json(signature))

    def _stored(self, name: str) -> bytes:
        return self._store.read(name) or b""

    def _broken(self, flaw: Finding, day: str) -> None:
        log.error(
            "audit chain broken",
            extra={"conversation": flaw.conversation, "seq": flaw.seq, "day": day, "flaw": flaw.what},
        )

    def _unproved(self, name: str, day: str, tally: Tally) -> None:
        log.error("audit manifest broken", extra={"object": name, "day": day})
        tally.flaws += 1


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was, as precisely as it can be named; ``count`` records or objects of it in a row.

    ``what`` is manifest_missing, manifest_inserted, manifest_altered, manifest_unlinked, signature_missing,
    signature_wrong, day_missing, part_missing, part_altered, record_altered, record_removed, record_inserted,
    record_reordered, or, compared with the table, record_differs, record_lost and record_unexported.
    """

    what: str
    day: str = ""
    object: str = ""
    conversation: str = ""
    seq: int = 0
    count: int = 1


@dataclass(frozen=True, slots=True)
class _Shard:
    """What the export of one shard of a day came to."""

    parts: list[Part] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=list)
    flaws: list[Finding] = field(default_factory=list)


def _stretches(records: Sequence[AuditRecord]) -> Iterator[list[AuditRecord]]:
    """Yield the records of each conversation as far as they follow each other without a gap."""
    numbered = enumerate(records)
    for _, group in groupby(numbered, key=lambda each: (each[1].conversation, each[1].seq - each[0])):
        yield [record for _, record in group]


def _portions(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield ``lines`` in portions that make a part: neither too many nor too long, one line at least."""
    portion: list[bytes] = []
    size = 0
    for line in lines:
        if portion and (len(portion) == _PART_RECORDS or size + len(line) > _PART_BYTES):
            yield portion
            portion, size = [], 0
        portion.append(line)
        size += len(line)
    if portion:
        yield portion


def finding_of(flaw: Flaw) -> Finding:
    """Return what a flaw of a chain is called among all that can be found."""
    return Finding(f"record_{flaw.what}", conversation=flaw.conversation, seq=flaw.seq, count=flaw.count)
