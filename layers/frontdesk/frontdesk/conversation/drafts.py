"""A reply in the making: decided, not yet cut into messages and not yet on record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from frontdesk.conversation.trail import FRONTDESK

if TYPE_CHECKING:
    from frontdesk.conversation.trail import Trail
    from frontdesk.messages import Choice
    from frontdesk.records import Pending

RESERVE = 1
"""How many of the messages that the vendor allows are kept back: the one that says that a colleague will go on."""

RATING = "rating:"
"""Before the word of a menu item that rates a session: good or bad."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A reply's kind, its words, and what else will be on record of it.

    ``question`` is what is on record as asked, ``None`` for what the customer wrote. ``whole`` are the words as they
    are to be sent, where they are not to be fitted into what the vendor allows any more; ``rest`` did not fit.
    """

    kind: str
    words: str = ""
    pending: Pending | None = None
    confidence: float | None = None
    attempt_id: str = ""
    handoff: str = ""
    code: str = ""
    menu: tuple[Choice, ...] = ()
    silent: bool = False
    clarified: bool = False
    question: str | None = None
    whole: tuple[str, ...] = ()
    rest: str = ""


def sentence(trail: Trail, kind: str, words: str, pending: Pending | None = None) -> Draft:
    """Return one of the machine's own sentences, and leave a trail of it."""
    trail.add("said", FRONTDESK, after=words, sentence=kind)
    return Draft(kind, words, pending=pending)


NOTED = Draft("noted", silent=True, question="")
"""The record of something that happened, to which nothing is said."""
