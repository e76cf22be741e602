"""The form of the audit's export: parts of records, and manifests that name them and each other by hash.

A manifest tells which stretch of each conversation's chain its parts hold, and is signed beside it. docs/audit.md has
the format. Who writes an export is `auditing`; whoever proves it whole reads it by these same forms.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SCHEMA = "frontdesk.audit/1"
BEGINNING = b"frontdesk audit manifests"  # its hash stands for the manifest before the first
PREFIX = "audit/"
_MANIFEST = re.compile(r"audit/dt=(\d{4}-\d\d-\d\d)/manifest-([1-9]\d{0,8})\.json", re.ASCII)


class AuditStore(Protocol):
    """Where the export is kept."""

    def put(self, name: str, body: bytes) -> bool:
        """Store ``body`` under ``name``, unless something is there: then return false."""

    def read(self, name: str) -> bytes | None:
        """Return what is stored under ``name``."""

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names that begin with ``prefix``."""


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
        return f"{PREFIX}dt={self.day}/manifest-{self.number}.json"

    @property
    def records(self) -> int:
        """How many records its parts hold."""
        return sum(part.records for part in self.parts)

    def body(self) -> bytes:
        """Return what is stored and signed."""
        return canonical_json(
            {
                "schema": SCHEMA,
                "number": self.number,
                "day": self.day,
                "exported_at": self.exported_at,
                "previous": self.previous,
                "records": self.records,
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


@dataclass(frozen=True, slots=True)
class Shelf:
    """The manifests that there are, by their numbers: day and name of each; and the names of all objects."""

    manifests: Mapping[int, tuple[str, str]]
    names: frozenset[str]
    doubles: tuple[str, ...] = ()

    @classmethod
    def of(cls, store: AuditStore) -> Shelf:
        """Return what ``store`` holds; of two manifests with one number the second is among the doubles."""
        names = sorted(store.names(PREFIX))
        manifests: dict[int, tuple[str, str]] = {}
        doubles = []
        for found in filter(None, map(_MANIFEST.fullmatch, names)):
            if int(found[2]) in manifests:
                doubles.append(found[0])
            else:
                manifests[int(found[2])] = (found[1], found[0])
        return cls(dict(sorted(manifests.items())), frozenset(names), tuple(doubles))

    def with_one_more(self, manifest: Manifest) -> Shelf:
        """Return what there is once ``manifest`` is stored."""
        return replace(self, manifests={**self.manifests, manifest.number: (manifest.day, manifest.name)})

    def of_day(self, day: str) -> list[str]:
        """Return the names of the manifests of ``day``."""
        return [name for manifest_day, name in self.manifests.values() if manifest_day == day]


def signature_name(name: str) -> str:
    """Return the name of the signature of what is stored under ``name``."""
    return f"{name}.sig"


def canonical_json(value: Any) -> bytes:
    """Return ``value`` as the one JSON that is hashed and signed: sorted, without spaces, UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
