"""A value that was found in a text, and a text in which what was found is replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Found(NamedTuple):
    """A value of ``kind`` at ``text[start:end]``. A plain tuple, because every log line may make some."""

    kind: str
    start: int
    end: int


def replaced(text: str, found: Iterable[Found], by: Callable[[Found], str]) -> str:
    """Return ``text`` with each value ``by`` something else; ``found`` is in order, none over another."""
    pieces: list[str] = []
    done = 0
    for each in found:
        pieces += text[done : each.start], by(each)
        done = each.end
    return "".join([*pieces, text[done:]])
