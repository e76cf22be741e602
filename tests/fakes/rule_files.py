"""A file of rules with its versions, in memory, which can be out of reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from frontdesk.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class FakeRuleFile:
    """One version."""

    text: str = ""
    etag: str = ""
    version_id: str = ""


class InMemoryRuleFiles:
    """The versions of one file, the oldest first; ``reads`` counts how often the newest was asked for."""

    def __init__(self) -> None:
        self.versions: list[FakeRuleFile] = []
        self.deleted = False
        self.out_of_reach = False
        self.history_out_of_reach = False
        self.reads = 0

    def newest(self, known: str) -> FakeRuleFile | None:
        """Return the newest version, ``None`` when its etag is ``known``."""
        self.reads += 1
        if self.out_of_reach:
            raise TransientError("rules could not be reached", code="rules_unreachable")
        if self.deleted or not self.versions:
            return FakeRuleFile()
        return None if self.versions[-1].etag == known else self.versions[-1]

    def earlier(self) -> Iterator[FakeRuleFile]:
        """Yield what came before the newest."""
        if self.history_out_of_reach:
            raise TransientError("rules could not be reached", code="rules_unreachable")
        yield from reversed(self.versions if self.deleted else self.versions[:-1])

    def put(self, text: str) -> str:
        """Return the id of the version that ``text`` has become."""
        number = len(self.versions) + 1
        self.versions.append(FakeRuleFile(text, f"etag of {hash(text)}", f"version {number}"))
        self.deleted = False
        return self.versions[-1].version_id
