"""What a WeCom text message can hold: a text is cut into messages where a reader expects a pause.

Also the way to say the same words twice. `render`, which makes such a text of Markdown, is offered here as well.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING

from frontdesk.channels.graphemes import is_boundary
from frontdesk.channels.wecom_markdown import render

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MAX_BYTES", "TWIN_ROOM", "distinct", "render", "split", "without_links"]

MAX_BYTES = 2048
"""UTF-8 bytes of one text message; WeCom cuts off the rest (WeCom developer docs, path 90236)."""

TWIN_ROOM = 48
"""Bytes that `split` leaves free in each message for the marks of `distinct`."""

_LONGEST_CHARACTER = 4
_TWIN_MARK = "\u200b"  # zero-width space
_OTHER_TWIN_MARK = "\u200c"  # zero-width non-joiner
_TWIN_DIGITS = TWIN_ROOM // 3

_SURROGATE = re.compile("[\ud800-\udfff]")
_LINK = re.compile(r'<a\s+href="([^"<>]*)"\s*>([^<>]*)</a>')
# What is not to be cut: a link with its label, or a bare address.
_WHOLE = re.compile(r"<a\s[^<>]*>[^<>]*</a>|https?://[!-;=?-~]+")

_MARKER = r"(?:[•☐☑*+-]|\d{1,9}[.)、])[ \t]"
# Indented text below a list item belongs to the item; an item nested in another one may stand for itself.
_NOT_INSIDE_ITEM = rf"(?![ ]{{2,}}(?!{_MARKER})\S)"
_PARAGRAPH = re.compile(rf"\n[ \t]*\n(?:[ \t]*\n)*{_NOT_INSIDE_ITEM}")
_UNIT = re.compile(rf"\n{_NOT_INSIDE_ITEM}")
_LINE = re.compile(r"\n")
_CLOSERS = "[”’』」）》】〉\"')\\]]*"
_SENTENCE = re.compile(rf"[。！？；…]+{_CLOSERS}|(?<![.!?;])[.!?;]++{_CLOSERS}(?=\s)|\n")
_PAUSE = re.compile(rf"[，、：。！？；…]+{_CLOSERS}|\s+")
_ITEM_START = re.compile(rf"\s*{_MARKER}")
_BLANKS = re.compile(r"\s*")
# How far behind a place one has to look to know whether it is one: the indent and marker of a list item.
_LOOKAHEAD = 64
_NOTHING_VISIBLE = re.compile("[\\s\u200b-\u200d\u2060\ufeff]*")


def split(text: str, limit: int = MAX_BYTES - TWIN_ROOM) -> list[str]:
    """Return ``text`` as messages of at most ``limit`` bytes of UTF-8, none for a text without anything to see.

    A cut is made between paragraphs, else between lines or list items, else between sentences, else at a comma or
    space, else between two characters as a reader sees them. Where that can be had, no list item, sentence, link or
    web address is cut. Nothing visible is lost: only white space at a cut goes, and a link that is longer than
    ``limit`` is written as its label and address. ``limit`` is at least 4, the longest UTF-8 character.
    """
    if limit < _LONGEST_CHARACTER:
        raise ValueError(f"limit must be at least {_LONGEST_CHARACTER} bytes")
    return [segment for segment in _Splitter(text, limit).segments() if not _NOTHING_VISIBLE.fullmatch(segment)]


def without_links(text: str) -> str:
    """Return a rendered ``text`` with each link written as its label and address, for a reader who knows no links."""
    return _LINK.sub(lambda link: link[2] if link[2] == link[1] else f"{link[2]} ({link[1]})", text)


def distinct(text: str, n: int) -> str:
    """Return ``text`` made different from its ``n`` earlier twins, without a visible change and within `MAX_BYTES`.

    WeCom swallows a request that is identical to an earlier one of the same interval, which would silence an answer
    that happens to be the same as the last one. ``n`` zero-width spaces are appended; where they do not fit, ``n`` is
    written in binary with two zero-width characters. ``text`` is a message of `split`; ``n`` is below 65536.
    """
    if not 0 <= n < 2**_TWIN_DIGITS:
        raise ValueError(f"n must be from 0 to {2**_TWIN_DIGITS - 1}")
    marks = _TWIN_MARK * n
    if _size(text) + _size(marks) > MAX_BYTES:
        digits = format(n, f"0{_TWIN_DIGITS}b")
        marks = digits.replace("0", _OTHER_TWIN_MARK).replace("1", _TWIN_MARK)
    return text + marks


def _size(text: str) -> int:
    return len(text.encode())


class _Splitter:
    """Cuts one text. Each cut looks at no more than about two messages' worth of it, so the whole is linear."""

    def __init__(self, text: str, limit: int) -> None:
        self._limit = limit
        text = _SURROGATE.sub("\ufffd", text)
        self._text = _LINK.sub(self._degrade, text).strip("\n").rstrip()
        whole = [found.span() for found in _WHOLE.finditer(self._text) if _size(found[0]) <= limit]
        self._whole_starts = [start for start, _ in whole]
        self._whole_ends = [end for _, end in whole]

    def segments(self) -> Iterator[str]:
        """Yield the messages in order."""
        start = 0
        while start < len(self._text):
            end = self._reach(start)
            if end < len(self._text):
                end = self._cut(start, end)
            yield self._text[start:end].rstrip()
            start = self._after_blanks(end)

    def _degrade(self, link: re.Match[str]) -> str:
        return link[0] if _size(link[0]) <= self._limit else f"{link[2]} ({link[1]})"

    def _reach(self, start: int) -> int:
        """Return the end of the longest piece from ``start`` that fits."""
        piece = self._text[start : start + self._limit].encode()[: self._limit]
        return start + len(piece.decode(errors="ignore"))

    def _after_blanks(self, cut: int) -> int:
        """Return where the next message begins: the indent of a line stays, other white space at the cut goes."""
        blanks = _BLANKS.match(self._text, cut)
        end = blanks.end() if blanks else cut
        indent = self._text.rfind("\n", cut, end) + 1
        if indent:
            return indent
        # A space can carry an accent: then it is no blank.
        return end if end == cut or is_boundary(self._text, end, end - 1) else end - 1

    def _cut(self, start: int, end: int) -> int:
        """Return the best place to cut, after ``start`` and not after ``end``.

        A better kind of place is not worth a message that is less than half full, unless what follows it, a list
        item or a sentence, would be cut otherwise and fits into one message.
        """
        half = start + (end - start) // 2
        paragraph = self._last(_PARAGRAPH, start, end)
        if paragraph > half:
            return paragraph
        unit = self._last(_UNIT, start, end)
        if unit > half or (unit > start and _ITEM_START.match(self._text, unit) and self._follower_fits(_UNIT, unit)):
            return unit
        line = self._last(_LINE, start, end)
        if line > half:
            return line
        sentence = self._last(_SENTENCE, start, end)
        if sentence > half or (sentence > start and self._follower_fits(_SENTENCE, sentence)):
            return sentence
        pause = self._last(_PAUSE, start, end)
        return pause if pause > half else self._hard_cut(start, end)

    def _last(self, pattern: re.Pattern[str], start: int, end: int) -> int:
        """Return the last place for a cut of a kind: before blanks or after a stop; ``start`` where there is none."""
        best = start
        for found in pattern.finditer(self._text, start, end + _LOOKAHEAD):
            at = found.start() if found[0].isspace() else found.end()
            if start < at <= end and not self._inside_whole(at) and is_boundary(self._text, at, start):
                best = at
        return best

    def _follower_fits(self, pattern: re.Pattern[str], cut: int) -> bool:
        """Return whether what stands between ``cut`` and the next place of the same kind fits into one message."""
        start = self._after_blanks(cut)
        end = self._reach(start)
        return end == len(self._text) or self._last(pattern, start, end) > start

    def _inside_whole(self, at: int) -> bool:
        index = bisect_right(self._whole_starts, at - 1) - 1
        return index >= 0 and at < self._whole_ends[index]

    def _hard_cut(self, start: int, end: int) -> int:
        """Return the last place between two visible characters; between two code points inside of an endless one."""
        index = bisect_right(self._whole_starts, end - 1) - 1
        if index >= 0 and start < self._whole_starts[index] and end < self._whole_ends[index]:
            return self._whole_starts[index]
        at = end
        while at > start and not is_boundary(self._text, at, start):
            at -= 1
        return at if at > start else end
