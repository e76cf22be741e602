"""Fits an answer into the few messages that the vendor still allows, and keeps what is left for later.

It knows messages and lines, not bytes: what one message can hold is the channel's `split` to say.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_CLOSERS = "[”’』」）》】〉\"')\\]]*"
# A dot or a mark of the ASCII kind ends a sentence only before a space: "3.5", "a?b=1" and "Node.js" go on.
_SENTENCE_END = re.compile(rf"[。！？；…]+{_CLOSERS}|[.!?;]+{_CLOSERS}(?=\s|$)|\n")
_COMMA = re.compile(rf"[，、：]{_CLOSERS}|[,:](?=\s)")
# Lines that markup was made into: list items, tasks, table rows, quotes. Half of one tells the wrong thing.
_MADE_LINE = re.compile(r"\s*(?:[•☐☑*+>-][ \t]|\d{1,9}[.)、][ \t]?)|[^\n]*[｜|]")
_STARTS_ITEM = re.compile(r"\s*(?:[•☐☑*+-][ \t]|\d{1,9}[.)、][ \t])")
# A link with its label, or a bare address.
_WHOLE = re.compile(r"<(\w+)\b[^<>]*>[^<>]*</\1>|https?://[!-;=?-~]+")
_JOINERS = frozenset("\u200c\u200d\ufe0e\ufe0f")


@dataclass(frozen=True, slots=True)
class Fitted:
    """What is to be sent now, message by message, and the text that did not fit; "" when everything did."""

    segments: tuple[str, ...]
    rest: str = ""


def fit(segments: Sequence[str], *, room: int | None, most: int, split: Callable[[str], Sequence[str]]) -> Fitted:
    """Return as much of ``segments`` as ``room`` messages hold, and at most ``most``; ``room`` `None` is no limit.

    What fits passes unchanged. Otherwise neighbours that ``split`` lets stand in one message are joined. If it is still
    too much, the last message that is sent ends with a sentence, or at a comma, where its second half has one outside
    of list items, table rows and links. Nothing visible is lost: segments and rest together hold every word in order.
    """
    allowed = max(0, most if room is None else min(most, room))
    if len(segments) <= allowed:
        return Fitted(tuple(segments))
    merged = _merge(segments, split)
    if len(merged) <= allowed:
        return Fitted(tuple(merged))
    if not allowed:
        return Fitted((), _join(merged))
    kept, left = merged[:allowed], merged[allowed:]
    cut = _cut(kept[-1], left[0])
    head, tail = kept[-1][:cut].rstrip(), kept[-1][cut:].lstrip("\n")
    return Fitted((*kept[:-1], head), _join([tail, *left] if tail.strip() else left))


def _merge(segments: Sequence[str], split: Callable[[str], Sequence[str]]) -> list[str]:
    """Return ``segments`` with neighbours joined as long as they are one message together."""
    merged: list[str] = []
    for segment in segments:
        together = split(_join([merged[-1], segment])) if merged else ()
        if len(together) == 1:
            merged[-1] = together[0]
        else:
            merged.append(segment)
    return merged


def _join(segments: Sequence[str]) -> str:
    """Return ``segments`` as one text. Where one was cut out of a line, the line goes on; else a new one begins."""
    text = segments[0]
    for segment in segments[1:]:
        text = f"{text}{_between(text, segment)}{segment}"
    return text


def _between(before: str, after: str) -> str:
    if _STARTS_ITEM.match(after):
        return "\n"
    last, first = before[-1:], after[:1]
    if last in set("，、"):
        return ""
    if last == "," or (last.isascii() and last.isalnum() and first.isascii() and first.isalnum()):
        return " "
    return "\n"


def _cut(text: str, following: str) -> int:
    """Return where ``text`` is to end, given what follows it in the next message."""
    if _STARTS_ITEM.match(following) or (_MADE_LINE.match(text, text.rfind("\n") + 1) and not _COMMA.match(text[-1])):
        return len(text)  # at the end of a line
    whole = [found.span() for found in _WHOLE.finditer(text)]
    half = len(text) // 2
    for kind in (_SENTENCE_END, _COMMA):
        places = [found.end() for found in kind.finditer(text) if found.end() > half]
        for at in reversed(places):
            if not any(start < at < end for start, end in whole) and _may_end(text, at):
                return at
    return len(text)


def _may_end(text: str, at: int) -> bool:
    """Whether ``text`` may end at ``at``, behind a mark: what belongs to the mark stays, a made line stays whole."""
    if not text[:at].strip():
        return False
    if at == len(text) or text[at - 1] == "\n":
        return True
    if text[at] in _JOINERS or unicodedata.category(text[at]) in {"Mn", "Me", "Mc"}:
        return False
    start, end = text.rfind("\n", 0, at) + 1, text.find("\n", at)
    return not text[at : None if end < 0 else end].strip() or not _MADE_LINE.match(text, start)
