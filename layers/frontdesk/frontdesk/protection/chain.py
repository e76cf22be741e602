"""The audit's hash chain: how a record is linked to the one before it, and what a broken chain tells.

Each conversation has a chain of its own. A record's hash is SM3 (GB/T 32905) over the canonical form of all its
other fields, the hash of its predecessor among them, so no record can be changed, removed, put in or moved without
breaking a link. None of this needs a key: docs/audit.md tells how anybody can check it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from cryptography.hazmat.primitives.hashes import SM3, Hash

from frontdesk.records import AuditRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from frontdesk.records import Happening

_FIELDS = {each.name: int if each.name in {"seq", "at_ms"} else str for each in fields(AuditRecord)} | {"details": dict}


class Place(NamedTuple):
    """A place in a chain: a record's number and its hash. Number 0 is the place before the first record."""

    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with ``count`` records of a conversation, from ``seq`` on.

    ``what`` is altered, removed, inserted or reordered. A record whose own hash holds is altered too when the
    record after it names another hash: then it was changed and hashed anew.
    """

    conversation: str
    seq: int
    what: str
    count: int = 1


def sm3(data: bytes) -> str:
    """Return the SM3 of ``data``, 64 hex digits."""
    digest = Hash(SM3())
    digest.update(data)
    return digest.finalize().hex()


def genesis(conversation: str) -> str:
    """Return what stands for the hash of the record before the first."""
    return sm3(f"frontdesk audit\n{conversation}".encode())


def canonical(record: AuditRecord) -> bytes:
    """Return what the hash of ``record`` is over: JSON of all fields but the hash, sorted, without spaces, UTF-8."""
    return _json({name: value for name, value in _content(record).items() if name != "hash"})


def hash_of(record: AuditRecord) -> str:
    """Return the hash that ``record`` should have."""
    return sm3(canonical(record))


def link(conversation: str, seq: int, previous: str, happening: Happening, *, sealed: str, day: str) -> AuditRecord:
    """Return ``happening`` as the ``seq``-th record of its conversation, after the one whose hash is ``previous``."""
    record = AuditRecord(
        conversation=conversation,
        seq=seq,
        day=day,
        kind=happening.kind,
        actor=happening.actor,
        at_ms=happening.at_ms,
        about=happening.about,
        details=dict(happening.details),
        sealed=sealed,
        previous=previous,
        hash="",
    )
    return replace(record, hash=hash_of(record))


def to_line(record: AuditRecord) -> bytes:
    """Return ``record`` as the export has it: the canonical form, with the hash."""
    return _json(_content(record))


def from_line(line: bytes) -> AuditRecord:
    """Return the record in a line of the export; raises ValueError for anything that `to_line` does not write."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None
    if (
        not isinstance(value, dict)
        or value.keys() != _FIELDS.keys()
        or any(type(value[name]) is not kind for name, kind in _FIELDS.items())
        or not all(isinstance(each, str) for each in value["details"].values())
    ):
        raise ValueError("not an audit record")
    record = AuditRecord(**value)
    if to_line(record) != line:
        raise ValueError("not the canonical form")
    return record


def check(
    conversation: str,
    records: Iterable[AuditRecord],
    *,
    after: tuple[int, str] | None = None,
    end: tuple[int, str] | None = None,
) -> list[Flaw]:
    """Return what is wrong with a stretch of one conversation's chain, given in its order; nothing when it is whole.

    ``after`` is the trusted place before it, the beginning of the chain by default; ``end`` is the trusted place of
    its last record. Without ``end`` nobody can tell whether records are missing at the end, or whether the last one
    was changed and hashed anew.
    """
    start = Place(*(after or (0, genesis(conversation))))
    stretch = _Stretch(conversation, records, start, Place(*end) if end else None)
    return sorted(stretch.flaws(), key=lambda flaw: (flaw.seq, flaw.what))


@dataclass(frozen=True, slots=True)
class _Given:
    """A record as it was given: where in the order, whether its own hash holds, and which number it seems to be."""

    place: int
    record: AuditRecord
    holds: bool
    seq: int


class _Stretch:
    """A part of a chain under examination."""

    def __init__(self, conversation: str, records: Iterable[AuditRecord], start: Place, end: Place | None) -> None:
        self._conversation = conversation
        self._start = start
        self._end = end
        self._given = self._read(list(records))

    def flaws(self) -> Iterator[Flaw]:
        """Yield each flaw once, in no particular order."""
        chosen = dict(sorted(self._chosen().items()))
        kept = {id(each) for each in chosen.values()}
        for each in self._given:
            if id(each) not in kept:
                yield self._flaw(each.record.seq, "inserted")
        yield from self._removed(chosen)
        yield from self._reordered(chosen)
        for seq in self._altered(chosen):
            yield self._flaw(seq, "altered")

    def _flaw(self, seq: int, what: str, count: int = 1) -> Flaw:
        return Flaw(self._conversation, seq, what, count)

    def _read(self, records: Sequence[AuditRecord]) -> list[_Given]:
        """Return the records with the numbers they seem to have.

        The number of a record that does not hold may be what was changed. Then its neighbours tell where it belongs,
        as they name its hash or are named by it, unless another record holds there. Its own number is believed when
        somebody names the hash of its content: then only its hash was changed.
        """
        hashes = [hash_of(record) for record in records]
        holds = [
            record.conversation == self._conversation and record.hash == digest
            for record, digest in zip(records, hashes, strict=True)
        ]
        taken = {record.seq for record, held in zip(records, holds, strict=True) if held}
        named = {record.previous: record.seq - 1 for record in records}
        named |= {self._end.hash: self._end.seq} if self._end else {}
        following = {record.hash: record.seq + 1 for record in records} | {self._start.hash: self._start.seq + 1}
        given = []
        for place, (record, digest, held) in enumerate(zip(records, hashes, holds, strict=True)):
            seq = record.seq
            if not held and digest not in named:
                seen = (named.get(record.hash), following.get(record.previous))
                seq = next((each for each in seen if each is not None and each not in taken), seq)
            given.append(_Given(place, record, held, seq))
        return given

    def _chosen(self) -> dict[int, _Given]:
        """Return the record that stands for each number: of several, the one that its neighbours vouch for."""
        named = {each.record.previous for each in self._given} | ({self._end.hash} if self._end else set())
        hashes = {each.record.hash for each in self._given} | {self._start.hash}
        candidates: dict[int, list[_Given]] = defaultdict(list)
        for each in self._given:
            if each.seq > self._start.seq and not (self._end and each.seq > self._end.seq) and self._belongs(each):
                candidates[each.seq].append(each)
        return {
            seq: max(
                several,
                key=lambda each: (each.holds, each.record.hash in named, each.record.previous in hashes, -each.place),
            )
            for seq, several in candidates.items()
        }

    def _belongs(self, given: _Given) -> bool:
        """Return whether it is of this conversation, or was until somebody changed that."""
        return given.record.conversation == self._conversation or given.record.hash == hash_of(
            replace(given.record, conversation=self._conversation)
        )

    def _removed(self, chosen: dict[int, _Given]) -> Iterator[Flaw]:
        before = self._start.seq
        for seq in [*chosen, *([self._end.seq + 1] if self._end else [])]:
            if seq > before + 1:
                yield self._flaw(before + 1, "removed", seq - before - 1)
            before = seq

    def _reordered(self, chosen: dict[int, _Given]) -> Iterator[Flaw]:
        as_given = sorted(chosen, key=lambda seq: chosen[seq].place)
        for seq, found in zip(chosen, as_given, strict=True):
            if seq != found:
                yield self._flaw(seq, "reordered")

    def _altered(self, chosen: dict[int, _Given]) -> set[int]:
        """Return the numbers of the records that are not what they were.

        Where two records that hold do not fit together, the second one names the hash that the first one had; so
        the first is blamed, unless the second does not fit to its other neighbour either, or the first is trusted.
        """
        altered = {seq for seq, given in chosen.items() if not given.holds}
        hashes = {seq: given.record.hash for seq, given in chosen.items()} | {self._start.seq: self._start.hash}
        names = {seq: given.record.previous for seq, given in chosen.items()}
        if self._end:
            names[self._end.seq + 1] = self._end.hash
        torn = {seq for seq in names if seq - 1 in hashes and hashes[seq - 1] != names[seq]}
        for seq in sorted(torn):
            if altered & {seq - 1, seq}:
                continue
            altered.add(seq if seq - 1 == self._start.seq or seq + 1 in torn else seq - 1)
        return altered


def _content(record: AuditRecord) -> dict[str, Any]:
    content: dict[str, Any] = {name: getattr(record, name) for name in _FIELDS}
    return content | {"details": dict(record.details)}


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
