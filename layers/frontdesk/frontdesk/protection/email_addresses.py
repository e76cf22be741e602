"""E-mail addresses, found from their @: what stands left and right of it is read once, and never far."""

from __future__ import annotations

import re
from functools import cache

from frontdesk.protection.found import Found

EMAIL = "邮箱"

_LONGEST_LOCAL = 64  # RFC 5321, 4.5.3.1.1
# What looks like a domain and is the ending of a file: icon@2x.png.
_FILES = frozenset({"png", "jpg", "jpeg", "gif", "webp", "svg", "pdf", "js", "css", "ts", "html", "txt", "zip", "mp4"})


@cache
def _domain() -> re.Pattern[str]:
    # Some keyboards give 。 for the dot; a sentence may end in one too, so what follows it must be well known.
    return re.compile(
        r" ?((?:[A-Za-z0-9-]{1,63}\.){1,5}[A-Za-z]{2,24}(?:。(?:com|cn|net|org))?"
        r"|[A-Za-z0-9-]{1,63}。(?:com|cn|net|org|edu|gov|vip|top)(?:[.。]cn)?)(?![A-Za-z-])"
    )


def find_emails(text: str) -> list[Found]:
    """Return the e-mail addresses of a levelled ``text``, in order."""
    found: list[Found] = []
    at, taken_to = text.find("@"), 0
    while at >= 0:
        domain = _domain().match(text, at + 1)
        local = _local_before(text, at, taken_to) if domain else ""
        if domain and local and domain[1].rpartition(".")[2].lower() not in _FILES:
            taken_to = domain.end()
            found.append(Found(EMAIL, at - len(local), taken_to))
        at = text.find("@", at + 1)
    return found


def _local_before(text: str, at: int, taken_to: int) -> str:
    """Return what stands before the @ at ``at`` and may be the local part, with the space it may end in."""
    start = end = at - 1 if at and text[at - 1] == " " else at
    while start > taken_to and end - start < _LONGEST_LOCAL and _may_be_local(text[start - 1]):
        start -= 1
    return text[start:at].lstrip(".") if start < end else ""


def _may_be_local(char: str) -> bool:
    return char.isascii() and (char.isalnum() or char in "._%+-")
