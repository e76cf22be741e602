"""Finds the words of rules in a text: all keywords in one pass, and regular expressions within a bound of time.

What is found may be taken back by the words around it, within the same bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import ahocorasick_rs

from frontdesk.protection.folding import SPACE, ends_sentence, ends_words, fold, is_spaced, joined, readable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import regex

    from frontdesk.protection.folding import Folded

# Where an owner's words stand: owner, start, end.
Hit = tuple[int, int, int]

_SPELLED = 3  # as many characters standing apart are a word spelled out: "k e y", but not the sizes "S M"
# So many Chinese characters seldom come together by chance on both sides of a comma, or of a new line.
_LONG = 4
_WIDEST_PAUSE = 2  # characters, such as "\r\n" and ", "
_BEFORE = 40  # characters before a hit in which a negation is looked for


@dataclass(frozen=True, slots=True)
class _Keyword:
    """One way of writing a folded word: ``joints`` are the places before which it has a gap of its own."""

    owner: int
    joints: frozenset[int]
    substring: bool


class KeywordSearch:
    """Keywords of many owners, found in one pass (Aho-Corasick) however many there are."""

    def __init__(self, keywords: Iterable[tuple[int, str, bool]]) -> None:
        """Each is an owner's number, the keyword, and whether it may hit inside a longer word."""
        words: dict[str, list[_Keyword]] = {}
        for owner, keyword, substring in keywords:
            folded = fold(keyword)
            joints = frozenset(place for place, gap in enumerate(folded.gaps) if gap)
            words.setdefault(folded.text, []).append(_Keyword(owner, joints, substring))
        self._words = list(words.items())
        self._automaton = ahocorasick_rs.AhoCorasick([word for word, _ in self._words], store_patterns=False)

    def find(self, text: str) -> Iterator[Hit]:
        """Yield where keywords stand in ``text``, however they are hidden."""
        folded = fold(text)
        for number, start, end in self._automaton.find_matches_as_indexes(folded.text, overlapping=True):
            _, keywords = self._words[number]
            for keyword in keywords:
                if _is_meant(keyword, folded, start, end):
                    yield keyword.owner, folded.starts[start], folded.ends[end - 1]


def _is_meant(keyword: _Keyword, folded: Folded, start: int, end: int) -> bool:
    """Return whether ``folded.text[start:end]`` is the keyword to a reader, not only once all gaps are gone."""
    text, gaps = folded.text, folded.gaps
    if not keyword.substring and (_runs_on(folded, start) or _runs_on(folded, end)):
        return False
    inner = gaps[start + 1 : end]
    if all(inner) and (
        end - start >= _SPELLED or (not is_spaced(text[start]) and _apart(folded, start) and _apart(folded, end))
    ):
        return True
    pauses = 0
    for place, gap in enumerate(inner, start=start + 1):
        if gap and ends_words(gap):
            pauses += 1
            if pauses > 1 or not _may_pause(folded, start, place, end):
                return False
        within_word = is_spaced(text[place - 1]) and is_spaced(text[place]) and place - start not in keyword.joints
        if gap & SPACE and within_word:
            return False
    return True


def _may_pause(folded: Folded, start: int, place: int, end: int) -> bool:
    """Return whether the Chinese keyword from ``start`` to ``end`` goes on after the clause that ends at ``place``."""
    return (
        end - start >= _LONG
        and not any(map(is_spaced, folded.text[start:end]))
        and not ends_sentence(folded.gaps[place])
        and folded.starts[place] - folded.ends[place - 1] <= _WIDEST_PAUSE
    )


def _runs_on(folded: Folded, place: int) -> bool:
    """Return whether a word of a script with spaces goes on across ``place``."""
    inside = 0 < place < len(folded.text) and not folded.gaps[place]
    return inside and is_spaced(folded.text[place - 1]) and is_spaced(folded.text[place])


def _apart(folded: Folded, place: int) -> bool:
    """Return whether nothing touches what begins or ends at ``place``."""
    return place in (0, len(folded.text)) or bool(folded.gaps[place])


class PatternSearch:
    """Regular expressions of many owners, each with its share of time, all with a limit together."""

    def __init__(
        self,
        patterns: Sequence[tuple[int, regex.Pattern[str]]],
        *,
        each_s: float,
        all_s: float,
        clock: Callable[[], float],
    ) -> None:
        """``clock`` gives seconds that only grow. What is out of time has found nothing."""
        self._patterns = patterns
        self._each_s = each_s
        self._all_s = all_s
        self._clock = clock

    def find(self, text: str, late: Callable[[int], None]) -> Iterator[Hit]:
        """Yield where patterns match: in ``text`` as it is, in its plain form, and in that as keywords are compared.

        ``late`` is called with the owner of each pattern that ran out of time.
        """
        if not self._patterns:
            return
        end = self._clock() + self._all_s
        plain = readable(text)
        closed = joined(plain)
        forms = {form.text: form for form in (plain, closed) if form.text != text}
        for owner, pattern in self._patterns:
            try:
                yield from ((owner, *span) for span in self._spans(pattern, text, end))
                for form in forms.values():
                    yield from ((owner, *form.span(*span)) for span in self._spans(pattern, form.text, end))
            except TimeoutError:
                late(owner)

    def _spans(self, pattern: regex.Pattern[str], text: str, end: float) -> list[tuple[int, int]]:
        """Return where ``pattern`` matches at least one character. Raises `TimeoutError`."""
        left = min(self._each_s, end - self._clock())
        if left <= 0:
            raise TimeoutError
        return [match.span() for match in pattern.finditer(text, timeout=left) if match.end() > match.start()]


@dataclass(frozen=True, slots=True)
class Unless:
    """What takes a hit back: ``before`` matches up to where it begins, ``after`` from where it ends."""

    before: regex.Pattern[str] | None
    after: regex.Pattern[str] | None


class Exceptions:
    """What takes back the hits of each owner that has such a thing, within the time that patterns have."""

    def __init__(
        self, unless: Mapping[int, Unless], *, each_s: float, all_s: float, clock: Callable[[], float]
    ) -> None:
        """``clock`` gives seconds that only grow. What is out of time takes nothing back."""
        self._unless = unless
        self._each_s = each_s
        self._all_s = all_s
        self._clock = clock

    def remaining(self, hits: set[Hit], text: str, late: Callable[[int], None]) -> set[Hit]:
        """Return ``hits`` without those that the words around them in ``text`` take back.

        ``late`` is called once with each owner whose expressions ran out of time; its hits count from there on.
        """
        doubtful = sorted(hit for hit in hits if hit[0] in self._unless)
        if not doubtful:
            return hits
        end = self._clock() + self._all_s
        remaining = hits.difference(doubtful)
        given_up: set[int] = set()
        for hit in doubtful:
            if hit[0] not in given_up:
                try:
                    if self._is_taken_back(hit, text, end):
                        continue
                except TimeoutError:
                    given_up.add(hit[0])
                    late(hit[0])
            remaining.add(hit)
        return remaining

    def _is_taken_back(self, hit: Hit, text: str, end: float) -> bool:
        """Return whether the words around ``hit`` take it back. Raises `TimeoutError`."""
        owner, first, last = hit
        unless = self._unless[owner]
        if unless.before and unless.before.search(text, max(0, first - _BEFORE), first, timeout=self._left(end)):
            return True
        return bool(unless.after and unless.after.match(text, last, timeout=self._left(end)))

    def _left(self, end: float) -> float:
        """Return the seconds that one search has. Raises `TimeoutError` when there are none."""
        left = min(self._each_s, end - self._clock())
        if left <= 0:
            raise TimeoutError
        return left
