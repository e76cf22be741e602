"""The last wall before a log line: what looks like personal data or a secret does not get out.

The first wall is that code logs only fields it names. This one is for the day when somebody forgets. It knows the four
kinds that can be told by their form (mobile numbers, identity numbers, bank cards, e-mail addresses) and secrets by
their name or their shape. It cannot know words and names.

Every Lambda's first log line waits for this module, so each pattern is made when a text first needs it.
"""

from __future__ import annotations

import re
from functools import cache

from frontdesk.protection.digit_values import CARD, IDENTITY, PHONE, find_digit_values, find_spoken_phones
from frontdesk.protection.email_addresses import EMAIL, find_emails
from frontdesk.protection.found import replaced
from frontdesk.protection.levelling import level

SECRET = "[redacted secret]"  # noqa: S105  # what stands where one was
_WRITTEN = {
    PHONE: "[redacted phone]",
    IDENTITY: "[redacted identity]",
    CARD: "[redacted card]",
    EMAIL: "[redacted e-mail]",
}
_SECRET_WORDS = ("token", "secret", "passw", "key", "bearer", "basic ", "sk-", "fastgpt-", "akia", "asia")
_SHORTEST_RING = 34  # k1 and the 32 hex digits of a key, without the words around them
_FEWEST_DIGITS = 11


@cache
def _secrets() -> tuple[re.Pattern[str], ...]:
    # Sealed values are no secrets; neither is a word after a colon, which only says what is wrong with a token.
    value = r"(?!s1\.[kc])(?!\[redacted)[^\s&\"'\\,;)}\]]{6,}"
    named = r"(?i)((?:token|secret|password|passwd|api_?-?key|apikey)"
    return (
        re.compile(rf"{named}\\?[\"']? ?= ?\\?[\"']?){value}"),
        re.compile(rf"{named}\\?[\"']? ?: ?\\?[\"']?)(?=[^\s0-9]{{0,64}}[0-9]){value}"),
        re.compile(r"(?i)((?:bearer|basic)[ ]{1,3})(?!\[redacted)[A-Za-z0-9._~+/=-]{6,}"),
        re.compile(r"()(?<![A-Za-z0-9])(?:fastgpt-|sk-)[A-Za-z0-9_-]{6,}"),
        re.compile(r"()(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
        re.compile(r"(?i)(aes_?-?key[^A-Za-z0-9]{1,8})[A-Za-z0-9]{43}=?(?![A-Za-z0-9])"),
        re.compile(
            r"(?i)((?:key|keys|keyring|sm4|sm2|k[0-9]{1,6})[^A-Za-z0-9]{1,8})(?:[0-9a-f]{64}|[0-9a-f]{32})(?![A-Za-z0-9])"
        ),
    )


def redact(text: str) -> str:
    """Return ``text`` with each piece of personal data and each secret replaced by what kind of thing it was."""
    lowered = text.lower()
    if len(text) >= _SHORTEST_RING or any(word in lowered for word in _SECRET_WORDS):
        for pattern in _secrets():
            text = pattern.sub(rf"\g<1>{SECRET}", text)
    if not text.isascii() or "@" in text or sum(map(text.count, "0123456789")) >= _FEWEST_DIGITS:
        text = _without_personal_data(text)
    return text


def _without_personal_data(text: str) -> str:
    for find in (find_emails, find_digit_values, find_spoken_phones):
        text = replaced(text, find(level(text)), lambda each: _WRITTEN[each.kind])
    return text
