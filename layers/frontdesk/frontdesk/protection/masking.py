"""Keeps personal data from the model: each value becomes a placeholder, and comes back in the answer.

A placeholder is ``[手机号1]``: the kind and a number, the same for the same value throughout a conversation, in
whatever way it is written. What comes back is what the customer wrote first.

What the customer types in the form of a placeholder is a value too, of the kind 原文. So nobody pulls out of the
conversation what the model never repeated, and each such text comes back as it was typed.
"""

from __future__ import annotations

import logging
import re
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from frontdesk.errors import SettingsError
from frontdesk.messages import Masked
from frontdesk.protection.found import Found, replaced
from frontdesk.protection.levelling import has_numerals, level
from frontdesk.protection.private_data import KINDS, find_in_levelled, same_value, without

if TYPE_CHECKING:
    from collections.abc import Iterable

    from frontdesk.messages import Placeholders

TYPED = "原文"
PATTERN_SECONDS = 0.05
# A conversation's placeholders are stored with it. Who gives more values than any honest customer still has them
# masked, without a number, and they do not come back.
MOST_VALUES = 200
LABEL = re.compile(r"[^\W\d_]{1,12}")  # of a company's own kind of value
# A model that answers in traditional characters writes its placeholders in them too.
_TRADITIONAL = {
    "手機號": "手机号",
    "身份證號": "身份证号",
    "銀行卡號": "银行卡号",
    "郵箱": "邮箱",
    "車牌號": "车牌号",
    "護照號": "护照号",
}
_NUMERALS = "一二三四五六七八九"

log = logging.getLogger("frontdesk.protection.masking")


@cache
def _placeholder() -> re.Pattern[str]:
    """Return the form of a placeholder, with any of the brackets and the few spaces that a model may make of it."""
    return re.compile(
        r"\\?[\[［【〔〖「『{｛<＜][ \u3000*]{0,3}(?P<label>[^\W\d_]{1,12}?)[ \u3000*_#]{0,3}"
        rf"(?P<number>[0-9０-９]{{1,4}}|[{_NUMERALS}])[ \u3000*]{{0,3}}\\?[\]］】〕〗」』}}｝>＞]"
    )


@cache
def _may_be_private() -> re.Pattern[str]:
    return re.compile(r"[\d@＠﹫①-⑨⓪❶-❾➀-➈➊-➒]")


class Masker:
    r"""Masks and un-masks. Safe for many threads.

    ``patterns`` are the company's own kinds, as label and regular expression, such as ``订单号`` and
    ``\bDD\d{10}\b``. What the expression's first group holds is masked, the whole match where it has none. They read
    the levelled text (full-width characters made plain), ``\b`` and ``\d`` know ASCII only, and they go before our
    own kinds.
    """

    def __init__(self, patterns: Iterable[tuple[str, str]] = ()) -> None:
        """Raise `SettingsError` that names each label whose pattern cannot be used; never the pattern itself."""
        self._patterns = _compiled(list(patterns))
        self._labels = {*KINDS, TYPED, *(label for label, _ in self._patterns)}

    def mask(self, text: str, known: Placeholders) -> Masked:
        """Return ``text`` with personal data as placeholders; what is ``known`` keeps its placeholder."""
        found = self._find(text)
        if not found:
            return Masked(text, known)
        names = _Names(known)
        masked = replaced(text, found, lambda each: names.of(each.kind, text[each.start : each.end]))
        return Masked(masked, names.all())

    def unmask(self, text: str, known: Placeholders) -> str:
        """Return ``text`` with each placeholder replaced by what it stands for; one that is not ``known`` stays."""
        values = {_parts(placeholder): value for placeholder, value in known}
        if not values:
            return text
        return _placeholder().sub(lambda match: values.get(_named(match), match[0]), text)

    def _find(self, text: str) -> list[Found]:
        if not _may_be_private().search(text) and not has_numerals(text):
            return []
        levelled = level(text)
        typed = [
            Found(TYPED, match.start(), match.end())
            for match in _placeholder().finditer(text)
            if _named(match)[0] in self._labels
        ]
        found, levelled = typed, without(levelled, typed)
        for label, pattern in self._patterns:
            more = _matches(label, pattern, levelled)
            found, levelled = found + more, without(levelled, more)
        return sorted(found + find_in_levelled(levelled), key=lambda each: each.start)


class _Names:
    """The placeholders of one conversation, while a text is being masked."""

    def __init__(self, known: Placeholders) -> None:
        self._pairs = list(known)
        self._by_value: dict[tuple[str, str], str] = {}
        self._highest: dict[str, int] = {}
        for placeholder, value in known:
            label, number = _parts(placeholder)
            self._by_value.setdefault((label, _key(label, value)), placeholder)
            self._highest[label] = max(number, self._highest.get(label, 0))

    def of(self, label: str, value: str) -> str:
        key = (label, _key(label, value))
        if key in self._by_value:
            return self._by_value[key]
        if len(self._pairs) >= MOST_VALUES:
            return f"[{label}]"
        number = self._highest[label] = self._highest.get(label, 0) + 1
        placeholder = self._by_value[key] = f"[{label}{number}]"
        self._pairs.append((placeholder, value))
        return placeholder

    def all(self) -> Placeholders:
        return tuple(self._pairs)


def _key(label: str, value: str) -> str:
    return value if label == TYPED else same_value(label, value)


def _parts(placeholder: str) -> tuple[str, int]:
    """Return label and number of one of our own placeholders."""
    match = _placeholder().fullmatch(placeholder)
    return _named(match) if match else (placeholder, 0)


def _named(match: re.Match[str]) -> tuple[str, int]:
    number = match["number"]
    return (
        _TRADITIONAL.get(match["label"], match["label"]),
        _NUMERALS.index(number) + 1 if number in _NUMERALS else int(number),
    )


def _compiled(patterns: list[tuple[str, str]]) -> list[tuple[str, Any]]:
    if not patterns:
        return []
    # Only a company with patterns of its own pays for loading it; the standard library's cannot be stopped.
    regex = import_module("regex")
    compiled: list[tuple[str, Any]] = []
    problems: list[str] = []
    for label, pattern in patterns:
        if not LABEL.fullmatch(label) or label in {*KINDS, TYPED}:
            problems.append("a masking pattern's label is not 1 to 12 letters, or it is a built-in kind")
            continue
        try:
            made = regex.compile(pattern, regex.ASCII)
        except regex.error:
            problems.append(f"the masking pattern {label} is no regular expression")
            continue
        if made.fullmatch(""):
            problems.append(f"the masking pattern {label} matches nothing at all")
            continue
        compiled.append((label, made))
    if problems:
        raise SettingsError(problems)
    return compiled


def _matches(label: str, pattern: Any, levelled: str) -> list[Found]:
    group = 1 if pattern.groups else 0
    try:
        spans = [match.span(group) for match in pattern.finditer(levelled, timeout=PATTERN_SECONDS)]
    except TimeoutError:
        # Nobody can tell what it would have found: every longer run that could be a number of theirs is kept back.
        log.warning("masking pattern took too long", extra={"code": "pattern_timeout", "pattern": label})
        spans = [match.span() for match in re.finditer(r"[0-9A-Za-z][0-9A-Za-z-]{4,}", levelled)]
    return [Found(label, start, end) for start, end in spans if start < end]
