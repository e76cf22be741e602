"""Where one visible character ends and the next begins (Unicode Standard Annex 29, extended grapheme clusters).

The rules are kept on the careful side with what the standard library knows: some places where the annex would allow a
break count as inside of a character (after any zero-width joiner), none of the other way round in living scripts.
"""

from __future__ import annotations

import unicodedata

_ZERO_WIDTH_NON_JOINER, _ZERO_WIDTH_JOINER = "\u200c", "\u200d"
_EXTENDING_CATEGORIES = frozenset({"Mn", "Me", "Mc"})
_VIRAMA_CLASS = 9
# Few enough to list: signs that belong to the letter after them (property Prepended_Concatenation_Mark and kin).
_PREPENDED = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\u0d4e\U000110bd\U000110cd")
_THAI_LAO_AM = frozenset("\u0e33\u0eb3")
_HANGUL_FIRST, _HANGUL_LAST = 0xAC00, 0xD7A3


def is_boundary(text: str, at: int, start: int = 0) -> bool:
    """Return whether ``text`` may be cut before position ``at`` without cutting a visible character.

    ``start`` is a position known to be such a boundary; nothing before it is looked at.
    """
    if at <= start or at >= len(text):
        return True
    before, after = text[at - 1], text[at]
    if before < " ":
        return not (before == "\r" and after == "\n")
    if before < "\u0300" and after < "\u0300":
        return True
    return not (
        _extends(after)
        or before == _ZERO_WIDTH_JOINER
        or before in _PREPENDED
        or _same_flag(text, at, start)
        or _same_conjunct(before, after)
        or _same_hangul_syllable(before, after)
    )


def _extends(char: str) -> bool:
    """Whether ``char`` belongs to what is before it: marks, joiners, skin tones, tags of flags."""
    if char < "\u0300":
        return False
    return (
        unicodedata.category(char) in _EXTENDING_CATEGORIES
        or char in {_ZERO_WIDTH_NON_JOINER, _ZERO_WIDTH_JOINER, "\uff9e", "\uff9f"}
        or char in _THAI_LAO_AM
        or "\U0001f3fb" <= char <= "\U0001f3ff"
        or "\U000e0020" <= char <= "\U000e007f"
    )


def _is_regional(char: str) -> bool:
    """Whether ``char`` is half of a flag."""
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _same_flag(text: str, at: int, start: int) -> bool:
    if not (_is_regional(text[at - 1]) and _is_regional(text[at])):
        return False
    first = at - 1
    while first > start and _is_regional(text[first - 1]):
        first -= 1
    return (at - first) % 2 == 1


def _same_conjunct(before: str, after: str) -> bool:
    """Whether a virama binds the consonant after it, as in Devanagari."""
    return unicodedata.combining(before) == _VIRAMA_CLASS and unicodedata.category(after) == "Lo"


def _same_hangul_syllable(before: str, after: str) -> bool:
    """Whether two Korean letters are written as one block: leading, then vowel, then trailing ones."""
    left, right = _hangul_kind(before), _hangul_kind(after)
    return (left, right) in {
        ("L", "L"), ("L", "V"), ("L", "LV"), ("L", "LVT"),
        ("LV", "V"), ("V", "V"), ("LV", "T"), ("V", "T"), ("LVT", "T"), ("T", "T"),
    }  # fmt: skip


def _hangul_kind(char: str) -> str:
    code = ord(char)
    if _HANGUL_FIRST <= code <= _HANGUL_LAST:
        return "LV" if (code - _HANGUL_FIRST) % 28 == 0 else "LVT"
    if 0x1100 <= code <= 0x115F or 0xA960 <= code <= 0xA97C:
        return "L"
    if 0x1160 <= code <= 0x11A7 or 0xD7B0 <= code <= 0xD7C6:
        return "V"
    return "T" if 0x11A8 <= code <= 0x11FF or 0xD7CB <= code <= 0xD7FB else ""
