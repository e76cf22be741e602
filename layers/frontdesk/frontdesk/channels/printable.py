"""Words from outside, without what neither XML nor a reader knows."""

from __future__ import annotations

import re

# What XML 1.0 forbids but phones can produce, halves of surrogate pairs among it: those have no bytes in UTF-8.
# Named one by one: what is allowed, turned round, takes ten times as long to compile, at the callback's every start.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def printable(text: str) -> str:
    """Return ``text`` without unprintable characters: dropping one is better than losing the message."""
    return _UNPRINTABLE.sub("", text)
