"""What the audit will keep of one reply: each step its words took, in order, collected while it is composed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from frontdesk.records import Happening

if TYPE_CHECKING:
    from collections.abc import Callable

FRONTDESK = "frontdesk"  # the actor of what no model, no rule and no person did


class Trail:
    """The happenings of one question, stamped as they are added."""

    def __init__(self, about: str, now_ms: Callable[[], int]) -> None:
        """``about`` is the id of the question; ``now_ms`` returns epoch milliseconds."""
        self._about = about
        self._now_ms = now_ms
        self.happenings: tuple[Happening, ...] = ()

    def add(self, kind: str, actor: str, *, before: str = "", after: str = "", **details: str) -> None:
        """Add one happening; its words are kept sealed, its ``details`` (codes and ids) readable."""
        happening = Happening(
            kind=kind,
            actor=actor,
            at_ms=self._now_ms(),
            about=self._about,
            before=before,
            after=after,
            details={name: value for name, value in details.items() if value},
        )
        self.happenings = (*self.happenings, happening)
