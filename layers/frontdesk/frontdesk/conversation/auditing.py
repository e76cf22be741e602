"""The audit leaves the table day by day, signed, and anybody can prove later that nothing of it was touched.

An export of a day is one or more parts (records, one a line) and a manifest that names them with their hashes, tells
which stretch of each conversation's chain they hold, and names the manifest before it by hash. The manifest is
signed. docs/audit.md has the format. Nothing here opens a seal.

Every object is only written where none is, and a part's name comes from its content. So an export that was broken off
anywhere is simply done again: it finds its own objects, and goes on.
"""

from __future__ import annotations

import json
import logging
import re
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, Protocol

from frontdesk.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from frontdesk.records import AuditRecord

SCHEMA = "frontdesk.audit/1"
SCHEME = "SM2-SM3"
BEGINNING = b"frontdesk audit manifests"  # its hash stands for the manifest before the first
_PREFIX = "audit/"
_MANIFEST = re.compile(r"audit/dt=(\d{4}-\d\d-\d\d)/manifest-([1-9]\d{0,8})\.json", re.ASCII)
_OVER_AFTER = timedelta(hours=1)  # what is written at the very end of a day is in the index by then
_LATE_DAYS = 3  # so long after its export a day is looked at again
_LOOK_BACK_DAYS = 40
_PART_RECORDS = 5000
_PART_BYTES = 8_000_000
_WORKERS = 4
_STOP_BEFORE_END_S = 60.0
# For those who verify: a day is expected to be exported so long after its end, and a record to be in the table
# for so many days longer than the export is kept.
_EXPORTED_WITHIN = timedelta(hours=3)
_KEPT_BEYOND_RETENTION_DAYS = 30
_DAY_S = 86_400

log = logging.getLogger("frontdesk.auditing")


class AuditRecords(Protocol):
    """The table of records."""

    shards: int

    def get(self, conversation: str, seq: int) -> AuditRecord | None:
        """Return one record."""

    def of_day(self, day: str, shard: int) -> Iterator[AuditRecord]:
        """Yield the records written on ``day`` (UTC), of the conversations of ``shard``."""


class AuditStore(Protocol):
    """Where the export is kept."""

    def put(self, name: str, body: bytes) -> bool:
        """Store ``body`` under ``name``, unless something is there: then return false."""

    def read(self, name: str) -> bytes | None:
        """Return what is stored under ``name``."""

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names that begin with ``prefix``."""


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


@dataclass(frozen=True, slots=True)
class Stretch:
    """The records ``first`` to ``last`` of a conversation, in one export.

    ``previous`` is the hash of the record before, ``since`` its day; ``hash`` is that of the last record.
    """

    conversation: str
    first: int
    last: int
    previous: str
    hash: str
    since: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One object with records: its name, its hash, and how many there are."""

    name: str
    sm3: str
    records: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What one export of a day holds. ``number`` counts all manifests, from 1; ``previous`` is the hash of the last."""

    number: int
    day: str
    exported_at: int
    previous: str
    parts: tuple[Part, ...] = ()
    stretches: tuple[Stretch, ...] = ()

    @property
    def name(self) -> str:
        """The name of its object."""
        return f"{_PREFIX}dt={self.day}/manifest-{self.number}.json"

    def body(self) -> bytes:
        """Return what is stored and signed."""
        return _json(
            {
                "schema": SCHEMA,
                "number": self.number,
                "day": self.day,
                "exported_at": self.exported_at,
                "previous": self.previous,
                "records": sum(part.records for part in self.parts),
                "parts": [asdict(part) for part in self.parts],
                "conversations": [asdict(each) | {"count": each.last - each.first + 1} for each in self.stretches],
            }
        )

    @classmethod
    def read(cls, body: bytes) -> Manifest:
        """Return the manifest in ``body``; raises ValueError for what `body` does not write."""
        try:
            value = json.loads(body)
            manifest = cls(
                **{name: value[name] for name in ("number", "day", "exported_at", "previous")},
                parts=tuple(Part(**part) for part in value["parts"]),
                stretches=tuple(
                    Stretch(**{name: kept for name, kept in each.items() if name != "count"})
                    for each in value["conversations"]
                ),
            )
            whole = manifest.body() == body
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            whole = False
        if not whole:
            raise ValueError("not a manifest")
        return manifest


@dataclass(slots=True)
class Tally:
    """What one run exported. ``unfinished`` when time ran out: the next run goes on."""

    days: int = 0
    records: int = 0
    flaws: int = 0
    unfinished: bool = False


@dataclass(frozen=True, slots=True)
class _Shelf:
    """The manifests that there are, by their numbers: day and name of each; and the names of all objects."""

    manifests: Mapping[int, tuple[str, str]]
    names: frozenset[str]
    doubles: tuple[str, ...] = ()

    @classmethod
    def of(cls, store: AuditStore) -> _Shelf:
        names = sorted(store.names(_PREFIX))
        manifests: dict[int, tuple[str, str]] = {}
        doubles = []
        for found in filter(None, map(_MANIFEST.fullmatch, names)):
            if int(found[2]) in manifests:
                doubles.append(found[0])
            else:
                manifests[int(found[2])] = (found[1], found[0])
        return cls(dict(sorted(manifests.items())), frozenset(names), tuple(doubles))

    def with_one_more(self, manifest: Manifest) -> _Shelf:
        return replace(self, manifests={**self.manifests, manifest.number: (manifest.day, manifest.name)})

    def of_day(self, day: str) -> list[str]:
        return [name for manifest_day, name in self.manifests.values() if manifest_day == day]


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
        shelf = _Shelf.of(self._store)
        self._sign_what_is_not(shelf, tally)
        for day in self._due({date.fromisoformat(day) for day, _ in shelf.manifests.values()}):
            manifest = self._export_day(day.isoformat(), shelf, tally, time_left)
            if tally.unfinished:
                break
            if manifest:
                shelf = shelf.with_one_more(manifest)
        return tally

    def _due(self, exported: set[date]) -> list[date]:
        last = (datetime.fromtimestamp(self._clock(), UTC) - _OVER_AFTER).date() - timedelta(days=1)
        again = {day for day in exported if last - timedelta(days=_LATE_DAYS) < day <= last}
        first = max(exported) + timedelta(days=1) if exported else self._oldest(last)
        return sorted(again | {first + timedelta(days=n) for n in range((last - first).days + 1)})

    def _oldest(self, last: date) -> date:
        """Return the first day with a record, for the very first export."""
        for back in range(_LOOK_BACK_DAYS, 0, -1):
            day = last - timedelta(days=back)
            for shard in range(self._records.shards):
                if next(self._records.of_day(day.isoformat(), shard), None):
                    return day
        return last

    def _export_day(self, day: str, shelf: _Shelf, tally: Tally, time_left: Callable[[], float]) -> Manifest | None:
        """Export what no manifest of ``day`` holds; return the manifest, or nothing where none was needed."""
        earlier = shelf.of_day(day)
        held: dict[str, list[Stretch]] = defaultdict(list)
        for name in earlier:
            try:
                for stretch in Manifest.read(self._store.read(name) or b"").stretches:
                    held[stretch.conversation].append(stretch)
            except ValueError:
                # What it holds is not known, and exporting it all again would hide that: for those who verify.
                self._unproved(name, day, tally)
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
        parts = tuple(part for each in done for part in each.parts)
        for each in done:
            for flaw in each.flaws:
                self._broken(flaw, day)
            tally.flaws += len(each.flaws)
        if earlier and not parts:
            return None
        number = max(shelf.manifests, default=0)
        manifest = Manifest(
            number=number + 1,
            day=day,
            exported_at=int(self._clock()),
            previous=self._chain.sm3(self._stored(shelf.manifests[number][1]) if number else BEGINNING),
            parts=parts,
            stretches=tuple(stretch for each in done for stretch in each.stretches),
        )
        self._keep(manifest.name, manifest.body())
        self._sign(manifest.name, manifest.body())
        tally.days += 1
        tally.records += sum(part.records for part in parts)
        return manifest

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
            part = Part(f"{_PREFIX}dt={day}/part-{shard:02d}-{digest[:16]}.jsonl", digest, len(lines))
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
        done.flaws.extend(map(_finding, self._chain.check(conversation, records, after=after)))
        done.stretches.append(Stretch(conversation, first.seq, last.seq, previous, last.hash, since))

    def _sign_what_is_not(self, shelf: _Shelf, tally: Tally) -> None:
        """Sign manifests whose run was broken off before it could, once what they say is found to be true."""
        for number, (day, name) in shelf.manifests.items():
            if f"{name}.sig" not in shelf.names:
                body = self._stored(name)
                before = shelf.manifests.get(number - 1)
                previous = self._chain.sm3(self._stored(before[1]) if before else BEGINNING)
                if self._is_true(body, number=number, day=day, previous=previous):
                    self._sign(name, body)
                else:
                    self._unproved(name, day, tally)

    def _is_true(self, body: bytes, *, number: int, day: str, previous: str) -> bool:
        """Return whether ``body`` is the manifest that an export would have written, record by record."""
        try:
            manifest = Manifest.read(body)
            exported = [record for _, record in _lines(self._store, self._chain, manifest.parts)]
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

    def _sign(self, name: str, body: bytes) -> None:
        signature = {"scheme": SCHEME, "public_key": self._signer.public_key, "signature": self._signer.sign(body)}
        self._store.put(f"{name}.sig", _json(signature))

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
        shelf = _Shelf.of(self._store)
        manifests: list[Manifest] = []
        yield from self._manifests(shelf, manifests)
        yield from self._missing_days(shelf)
        yield from self._chains(manifests)
        by_day: dict[str, list[Manifest]] = defaultdict(list)
        for manifest in manifests:
            by_day[manifest.day].append(manifest)
        for day in sorted(by_day):
            yield from self._day(day, by_day[day])

    def _manifests(self, shelf: _Shelf, readable: list[Manifest]) -> Iterator[Finding]:
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
        stored = self._store.read(f"{name}.sig")
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
            yield Finding("signature_wrong", day=day, object=f"{name}.sig")

    def _missing_days(self, shelf: _Shelf) -> Iterator[Finding]:
        days = {date.fromisoformat(day) for day, _ in shelf.manifests.values()}
        if days:
            first = min(days)
            last = (datetime.fromtimestamp(self._clock(), UTC) - _EXPORTED_WITHIN).date() - timedelta(days=1)
            for n in range((max(last, *days) - first).days):
                if first + timedelta(days=n + 1) not in days:
                    yield Finding("day_missing", day=(first + timedelta(days=n + 1)).isoformat())

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
                    yield replace(_finding(flaw), day=manifest.day)
        for conversation, strangers in given.items():
            for record in strangers:
                yield Finding("record_inserted", day=manifest.day, conversation=conversation, seq=record.seq)

    def _compared(
        self, day: str, exported: dict[tuple[str, int], AuditRecord], table: AuditRecords
    ) -> Iterator[Finding]:
        now = self._clock()
        late = _days_between(day, datetime.fromtimestamp(now, UTC).date().isoformat()) > _LATE_DAYS + 1
        for shard in range(table.shards):
            for record in table.of_day(day, shard):
                known = exported.pop((record.conversation, record.seq), None)
                if known == record or (known is None and not late):
                    continue
                what = "record_differs" if known else "record_unexported"
                yield Finding(what, day=day, conversation=record.conversation, seq=record.seq)
        kept_s = (self._retention_days + _KEPT_BEYOND_RETENTION_DAYS) * _DAY_S
        for record in exported.values():
            if record.at_ms / 1000 + kept_s > now:
                yield Finding("record_lost", day=day, conversation=record.conversation, seq=record.seq)


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


def _lines(store: AuditStore, chain: Chain, parts: Iterable[Part]) -> Iterator[tuple[Part, AuditRecord]]:
    """Yield the records in ``parts``; raises ValueError when one is not what the manifest says."""
    for part in parts:
        body = store.read(part.name) or b""
        lines = body.removesuffix(b"\n").split(b"\n")
        if chain.sm3(body) != part.sm3 or len(lines) != part.records:
            raise ValueError("not the part that the manifest names")
        for line in lines:
            yield part, chain.from_line(line)


def _finding(flaw: Flaw) -> Finding:
    return Finding(f"record_{flaw.what}", conversation=flaw.conversation, seq=flaw.seq, count=flaw.count)


def _days_between(day: str, later: str) -> int:
    return (date.fromisoformat(later) - date.fromisoformat(day)).days


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
