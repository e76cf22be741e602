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
from frontdesk.protection.levelling import INVISIBLE, has_numerals, level, numerals_as_digits
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
# A model that answers in traditional characters writes its placeholders in them too, some or all.
_SIMPLIFIED = str.maketrans("機號證銀郵車牌護訂單會員編碼", "机号证银邮车牌护订单会员编码")
_NUMERALS = "一二三四五六七八九"
_NUMBER = rf"(?:[0-9０-９]{{1,4}}|[{_NUMERALS}])"
_AND = "[、，,和与及/]"
_TAIL = 4  # digits of what is called 尾号

log = logging.getLogger("frontdesk.protection.masking")


@cache
def _placeholder() -> re.Pattern[str]:
    """Return the form of a placeholder, and of what a model may make of it.

    That is any of the brackets but ``()``, a few spaces, several numbers, and the first or last digits of a value.
    Only （） stay in the text: they are punctuation of a sentence more often than brackets of a placeholder.
    """
    return re.compile(
        r"\\?[\[［【〔〖「『{｛<＜（][ \u3000*]{0,3}(?P<label>[^\W\d_]{1,12}?)[ \u3000*_#\-－]{0,3}"
        rf"(?P<numbers>{_NUMBER}(?: ?{_AND} ?(?:(?P=label))?{_NUMBER}){{0,7}})"
        rf"(?: ?的?(?:(?P<end>[前首]|最?[后後末]尾?|尾)(?P<count>[1-9{_NUMERALS}]) ?[位个個](?:[数數]字?|号码|號碼)?"
        r"|(?P<tail>尾[号號数數])))?"
        r"[ \u3000*]{0,3}\\?[\]］】〕〗」』}｝>＞）]"
    )


@cache
def _number() -> re.Pattern[str]:
    return re.compile(_NUMBER)


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
        self._labels = {_plain(label) for label in (*KINDS, TYPED, *(label for label, _ in self._patterns))}

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
        return _placeholder().sub(lambda match: _meant(match, values), text)

    def _find(self, text: str) -> list[Found]:
        if not _may_be_private().search(text) and not has_numerals(text):
            return []
        levelled = level(text)
        typed = [
            Found(TYPED, match.start(), match.end())
            for match in _placeholder().finditer(text)
            if _plain(match["label"]) in self._labels
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
    return (_plain(match["label"]), _read(match["numbers"])) if match else (placeholder, 0)


def _plain(label: str) -> str:
    return label.translate(_SIMPLIFIED)


def _read(number: str) -> int:
    return _NUMERALS.index(number) + 1 if number in _NUMERALS else int(number)


def _meant(match: re.Match[str], values: dict[tuple[str, int], str]) -> str:
    """Return what ``match`` stands for; the match itself where a value in it is not one of ``values``."""
    label = _plain(match["label"])
    numbers = _number().findall(match["numbers"].replace(match["label"], ""))
    meant = [values.get((label, _read(number))) for number in numbers]
    if None in meant:
        return match[0]
    text = "、".join(_part(value, match) for value in meant if value is not None)
    return f"（{text}）" if match[0][0] == "（" and match[0][-1] == "）" else text


def _part(value: str, match: re.Match[str]) -> str:
    """Return the digits of ``value`` that ``match`` asks for; all of it where it asks for none, or has not so many."""
    if not match["count"] and not match["tail"]:
        return value
    written = numerals_as_digits(level(value)).replace(INVISIBLE, "")
    digits = re.sub(r"[^0-9Xx]", "", written)
    count = _read(match["count"]) if match["count"] else _TAIL
    if len(digits) < count or not written.isascii():  # an address is no number
        return value
    return digits[:count] if match["end"] in {"前", "首"} else digits[-count:]


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
        except (regex.error, ValueError, OverflowError, RecursionError):  # (?u) and (?L) contradict ASCII
            problems.append(f"the masking pattern {label} is no regular expression, or none that reads ASCII")
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
