"""Brings what is sealed, or was never sealed, up to date: data keys under the current ring key, documents of the
archive under their customer's data key.

Each step leaves things readable by whoever could read them before, so it may end anywhere and be run again: what is
done is found done. A plain document is deleted when its sealed copy is there and was opened, not before.
"""  # noqa: D205  # what it brings up to date does not fit one line

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from frontdesk.conversation.archiving import SCHEMA, SCHEMA_BEFORE_SEALING
from frontdesk.errors import ConflictError, TransientError, UnopenableError
from frontdesk.storage.archive import put_request
from frontdesk.storage.aws import translated
from frontdesk.storage.compact_json import compact_json
from frontdesk.storage.items import session_place
from ops.cli.holdings import archive_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mypy_boto3_s3 import S3Client

    from frontdesk.protection.customer_keys import KeyKeeping, WrappedKeys
    from frontdesk.storage.seals import Seals
    from ops.cli.holdings import ObjectVersion

_TRIES = 5
_TELL_EVERY = 1000
_WORDS = ("customer", "turns")
_NEEDED = {"conversation", "session_id", "version", *_WORDS}


class Archive(Protocol):
    """The archive's versions, read and deleted."""

    def versions(self) -> Iterator[ObjectVersion]:
        """Yield every version of every object, one name after the other."""

    def read(self, version: ObjectVersion) -> dict[str, Any] | None:
        """Return the document in ``version``; None when it is gone or is no JSON object."""

    def delete(self, conversation: str, found: Sequence[ObjectVersion]) -> None:
        """Delete ``found`` for good."""


class Document(NamedTuple):
    """A document as it is now, and the mark by which S3 knows whether it still is."""

    content: dict[str, Any]
    etag: str


class SealedDocuments(Protocol):
    """Where sealed documents are put, each only over what was seen."""

    def current(self, name: str) -> Document | None:
        """Return the document under ``name``."""

    def put(self, name: str, document: dict[str, Any], *, over: Document | None) -> None:
        """Store ``document``; raises `ConflictError` when something else than ``over`` is there by now."""


@dataclass(slots=True)
class Tally:
    """What was done. ``failed`` names what was not: conversation or object, and the code of the reason."""

    done: int = 0
    already: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)


def rewrap_all(*, store: WrappedKeys, keeping: KeyKeeping, say: Callable[[str], None]) -> Tally:
    """Wrap every data key under the ring's current key; one that does not open keeps nothing from the others."""
    tally = Tally()
    for number, key in enumerate(store.every(), start=1):
        try:
            changed = keeping.rewrap(key)
        except (UnopenableError, ConflictError) as error:
            tally.failed.append((key.conversation, error.code))
        else:
            tally.done += changed
            tally.already += not changed
        if number % _TELL_EVERY == 0:
            say(f"{number} customers' keys looked at, {tally.done} wrapped anew")
    return tally


class _Plain(NamedTuple):
    number: int
    version: ObjectVersion
    content: dict[str, Any]


class Resealing:
    """Seals the documents that a release before sealing left plain, under the names that they have now."""

    def __init__(
        self, *, archive: Archive, documents: SealedDocuments, seals: Seals, say: Callable[[str], None]
    ) -> None:
        """``archive`` and ``documents`` are the same bucket."""
        self._archive = archive
        self._documents = documents
        self._seals = seals
        self._say = say

    def seal_all(self) -> Tally:
        """Seal every plain document. Each version is read, because a name does not tell whether it is plain."""
        tally = Tally()
        seen = 0
        for _, versions in groupby(self._archive.versions(), key=attrgetter("key")):
            plain: dict[str, list[_Plain]] = {}
            for version in versions:
                self._sort(version, plain, tally)
                seen += 1
                if seen % _TELL_EVERY == 0:
                    self._say(f"{seen} versions looked at, {tally.done} sealed")
            for name, several in plain.items():
                self._seal(name, several, tally)
        return tally

    def _sort(self, version: ObjectVersion, plain: dict[str, list[_Plain]], tally: Tally) -> None:
        """Put ``version`` with the plain ones of the same document, if it is plain."""
        name = archive_name(version.key)
        content = None if version.marker or name is None else self._archive.read(version)
        if name is None or content is None:
            return
        if content.get("schema") != SCHEMA_BEFORE_SEALING:
            tally.already += 1
            return
        if not (content.keys() >= _NEEDED and isinstance(content["version"], int)):
            tally.failed.append((version.key, "document_malformed"))
            return
        plain.setdefault(name.of(content["conversation"]), []).append(_Plain(content["version"], version, content))

    def _seal(self, name: str, several: list[_Plain], tally: Tally) -> None:
        """Seal the versions in their order, so that the newest ends on top; then delete the plain ones."""
        try:
            for plain in sorted(several, key=lambda each: each.number):
                self._put(name, plain)
        except (UnopenableError, ConflictError, TransientError) as error:
            tally.failed.append((name, error.code))
            return
        self._archive.delete(several[0].content["conversation"], [each.version for each in several])
        tally.done += len(several)

    def _put(self, name: str, plain: _Plain) -> None:
        """Return when ``name`` holds a sealed document of this version or a later one, which opens."""
        for _ in range(_TRIES):
            current = self._documents.current(name)
            if current and "sealed" in current.content and int(current.content["version"]) >= plain.number:
                self._open(current.content)
                return
            try:
                self._documents.put(name, self._sealed(plain.content), over=current)
            except ConflictError:
                continue
        raise ConflictError("the document kept changing", code="archive_contended")

    def _sealed(self, content: dict[str, Any]) -> dict[str, Any]:
        conversation, session_id = content["conversation"], content["session_id"]
        words = {name: content[name] for name in _WORDS} | {"pending": None, "placeholders": []}
        token = self._seals.seal(conversation, compact_json(words), *session_place(conversation, session_id))
        kept = {name: value for name, value in content.items() if name not in _WORDS}
        return {**kept, "schema": SCHEMA, "sealed": token}

    def _open(self, content: dict[str, Any]) -> None:
        conversation, session_id = content["conversation"], content["session_id"]
        self._seals.open(conversation, content["sealed"], *session_place(conversation, session_id))


class S3SealedDocuments:
    """The archive bucket, written under S3's conditions (S3 user guide, "Conditional requests")."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        """``bucket`` is the archive's own."""
        self._client = client
        self._bucket = bucket

    def current(self, name: str) -> Document | None:
        """Return the document under ``name``, None when there is none."""
        with translated("archive"):
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=name)
            except self._client.exceptions.NoSuchKey:
                return None
            return Document(json.loads(answer["Body"].read()), answer["ETag"])

    def put(self, name: str, document: dict[str, Any], *, over: Document | None) -> None:
        """Store ``document``; raises `ConflictError` when something else than ``over`` is there by now."""
        condition = {"IfMatch": over.etag} if over else {"IfNoneMatch": "*"}
        with translated("archive"):
            self._client.put_object(
                **put_request(self._bucket, name, document, version=document["version"]),
                **condition,
            )
