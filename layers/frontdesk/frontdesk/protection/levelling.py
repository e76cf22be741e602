"""One way of writing for what can be written in many: full-width and circled digits, dashes, dots, and the invisible.

Every character becomes exactly one other, so a place in the levelled text is the same place in the original.
"""

from __future__ import annotations

from functools import cache

INVISIBLE = "\u200b"
_WRITTEN = ("〇零○洞", "一壹幺", "二贰两", "三叁", "四肆", "五伍", "六陆", "七柒拐", "八捌", "九玖勾")
_NUMERALS = {numeral: str(digit) for digit, numerals in enumerate(_WRITTEN) for numeral in numerals}


@cache
def _table() -> dict[int, str]:
    table = {
        code: chr(code - 0xFEE0) for code in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))
    }
    table |= {0x1D7CE + place: str(place % 10) for place in range(50)}  # mathematical digits, in five styles
    for zero in (0x0660, 0x06F0, 0x0966, 0x0E50):  # Arabic-Indic, Persian, Devanagari, Thai
        table |= {zero + place: str(place) for place in range(10)}
    for first in "①❶➀➊":
        table |= {ord(first) + place: str(place + 1) for place in range(9)}
    for written, plain in (
        ("⓪⓿", "0"),
        ("\u00a0\u3000\u202f\u205f\t" + "".join(map(chr, range(0x2000, 0x200B))), " "),
        ("\u200c\u200d\u2060\ufeff\ufe0e\ufe0f\u20e3\u00ad\u200e\u200f", INVISIBLE),
        ("‐‑‒–—―−﹘﹣－", "-"),
        ("．·•・‧∙﹒", "."),
        ("，、﹐", ","),
        ("：", ":"),
        ("＠﹫", "@"),
        ("＋", "+"),
        ("＿", "_"),
        ("／∕⁄", "/"),
        ("＊×∗✱", "*"),
        ("～〜∼˜", "~"),
        ("\r\v\f\x85\u2028\u2029", "\n"),
        ("￥", "¥"),
        ("＃", "#"),
    ):
        table |= dict.fromkeys(map(ord, written), plain)
    return table


@cache
def _numerals() -> dict[int, str]:
    return {ord(written): digit for written, digit in _NUMERALS.items()}


def level(text: str) -> str:
    """Return ``text`` in its plainest writing, as long as it was."""
    return text if text.isascii() and text.isprintable() else text.translate(_table())


def numerals_as_digits(levelled: str) -> str:
    """Return ``levelled`` with Chinese numerals as digits too, as they are spoken in phone numbers (幺 is 1)."""
    return levelled.translate(_numerals())


def has_numerals(text: str) -> bool:
    """Return whether there is a Chinese numeral in ``text``."""
    return not _NUMERALS.keys().isdisjoint(text)
