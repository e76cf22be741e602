"""Words from outside, without what neither XML nor a reader knows."""

from __future__ import annotations

import re

# What XML 1.0 forbids but phones can produce, halves of surrogate pairs among it: those have no bytes in UTF-8.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def printable(text: str) -> str:
    """Return ``text`` without unprintable characters: dropping one is better than losing the message."""
    return _UNPRINTABLE.sub("", text)
