"""Texts as rules compare them: what looks alike becomes alike, and every character remembers where it stood.

Folding undoes the ways in which a word is hidden: full-width and circled forms, upper case, accents, traditional
characters, letters borrowed from scripts that look the same, and whatever is put between the characters of a word. The
gaps that are left out are not forgotten: a dash inside a word does not hide it, a comma between two clauses may.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.machinery import ModuleSpec

_Value = TypeVar("_Value")

# What a gap between two characters may hold; 0 is nothing, or nothing that can be seen.
SYMBOL = 1
SPACE = 2
STOP = 4  # . : ; ! ?  which end a clause only together with a space: "k.ey" is one word, "over. Next" are two
COMMA = 8  # the same, but what goes on behind it may be the same sentence
PAUSE = 16  # ends a clause always, a sentence not yet: a Chinese comma, a new line
BREAK = 32  # ends a sentence, or announces something
_MARK = 64  # stands on the character before it

_GAPS = {
    **dict.fromkeys(".:;!?．", STOP),
    ",": COMMA,
    **dict.fromkeys("、，､", PAUSE),
    **dict.fromkeys("\n\r\v\f\x85\u2028\u2029", PAUSE | SPACE),
    **dict.fromkeys("。；：！？…｡", BREAK),
}
# Letters of other scripts that are drawn like Latin ones, each in both cases so that case stays without meaning.
_DRAWN_ALIKE = str.maketrans(
    "авекмнорстухіјѕԁԛԝһАВЕКМНОРСТУХІЈЅԀԚԜҺαβεικνορτυχΑΒΕΙΚΝΟΡΤΥΧıɑɡօ",
    "abekmhopctyxijsdqwhABEKMHOPCTYXIJSDQWHabeikvoptyxABEIKVOPTYXiago",
)
# Drawn as nothing, although Unicode counts them among letters and marks.
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
_UNSEEN = frozenset({"Cf", "Cc", "Cs", "Cn"})
_OVERLAY, _ATTACHED = 1, 200  # combining classes: drawn through a letter, and from there on around one
_KEPT_CHARACTERS = 20_000  # nobody writes more different ones; who sends them all shall not fill the memory


@dataclass(frozen=True, slots=True)
class Folded:
    """``text`` as it is compared. Its i-th character came from ``original[starts[i]:ends[i]]``.

    ``gaps[i]`` is what was left out before it; one gap more is what was left out at the end.
    """

    text: str
    starts: list[int]
    ends: list[int]
    gaps: list[int]


@dataclass(frozen=True, slots=True)
class Readable:
    """A text with compatible forms made plain and nothing invisible, for regular expressions; ``starts`` as above."""

    text: str
    starts: list[int]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return where ``text[start:end]``, which is not empty, stood in the original."""
        return self.starts[start], self.starts[end - 1] + 1


def fold(text: str) -> Folded:
    """Return ``text`` as it is compared."""
    folded = [_FOLDED[character] for character in text]
    starts: list[int] = []
    ends: list[int] = []
    gaps: list[int] = []
    gap = done = 0
    # Most characters stay one character; from one exception to the next there is nothing to look at.
    for place in [place for place, (letters, _) in enumerate(folded) if len(letters) != 1]:
        if done < place:
            _keep(range(done, place), starts, ends, gaps, gap)
            gap = 0
        letters, left_out = folded[place]
        done = place + 1
        if letters:
            starts += [place] * len(letters)
            ends += [done] * len(letters)
            gaps += [gap, *[0] * (len(letters) - 1)]
            gap = 0
        elif left_out != _MARK:
            gap |= left_out
        elif ends and not gap:
            ends[-1] = done
    if done < len(text):
        _keep(range(done, len(text)), starts, ends, gaps, gap)
        gap = 0
    gaps.append(gap)
    return Folded("".join([letters for letters, _ in folded]), starts, ends, gaps)


def _keep(places: range, starts: list[int], ends: list[int], gaps: list[int], gap: int) -> None:
    """Add a row of characters that stay, with a gap before the first."""
    starts += places
    ends += range(places.start + 1, places.stop + 1)
    gaps += [gap, *[0] * (len(places) - 1)]


def readable(text: str) -> Readable:
    """Return ``text`` in NFKC, character by character, without what cannot be seen."""
    plain = [_PLAIN[character] for character in text]
    return Readable("".join(plain), [place for place, letters in enumerate(plain) for _ in letters])


def joined(plain: Readable) -> Readable:
    """Return ``plain`` as keywords are compared: characters simplified, and Chinese ones without signs between them.

    Letters drawn like Latin ones are Latin. What ends a clause stays, and so do 《》: a title is no promise.
    """
    alike = plain.text.translate(_simple())
    pieces: list[str] = []
    starts: list[int] = []
    done = 0
    for signs in _signs_between().finditer(alike):
        pieces.append(alike[done : signs.start()])
        starts += plain.starts[done : signs.start()]
        done = signs.end()
    return Readable("".join([*pieces, alike[done:]]), [*starts, *plain.starts[done:]])


@cache
def _signs_between() -> re.Pattern[str]:
    chinese = "[\u3400-\u9fff]"
    return re.compile(rf"(?<={chinese})[^\w、。，；：！？…｡､《》,.:;!?\n\r\v\f\x85\u2028\u2029]{{1,8}}(?={chinese})")


def ends_words(gap: int) -> bool:
    """Return whether a gap ends a clause, so that its two sides are not one word."""
    return bool(gap & (BREAK | PAUSE)) or (bool(gap & SPACE) and bool(gap & (STOP | COMMA)))


def ends_sentence(gap: int) -> bool:
    """Return whether a gap that ends a clause ends more than that."""
    return bool(gap & (BREAK | STOP))


def is_spaced(character: str) -> bool:
    """Return whether ``character`` is of a script with spaces between words, such as Latin, or a digit."""
    return character < "\u0e00"


def _is_unseen(character: str) -> bool:
    if character in _BLANKS or unicodedata.category(character) in _UNSEEN:
        return not character.isspace()
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"  # variation selectors


def _is_mark(character: str) -> bool:
    """Return whether ``character`` decorates the one before it. Vowel signs and voicing marks are letters' parts."""
    drawn = unicodedata.combining(character)
    return drawn == _OVERLAY or drawn >= _ATTACHED or unicodedata.category(character) == "Me"


def _gap(character: str) -> int:
    return _GAPS.get(character) or (SPACE if character.isspace() else SYMBOL)


def _folded(character: str) -> tuple[str, int]:
    """Return what ``character`` folds to or, where that is nothing, the gap that it leaves."""
    if _is_unseen(character):
        return "", 0
    if _is_mark(character):
        return "", _MARK
    bare = "".join(each for each in unicodedata.normalize("NFKD", character) if not _is_mark(each))
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", bare).casefold()).translate(_DRAWN_ALIKE)
    simplified = _simplified()
    letters = "".join(simplified.get(each, each) for each in plain if unicodedata.category(each)[0] in "LMN")
    return (letters, 0) if letters else ("", _gap(character))


def _plain(character: str) -> str:
    return "" if _is_unseen(character) else unicodedata.normalize("NFKC", character)


class _Characters(dict[str, _Value]):
    """What was made of each character so far; others are made of when they come up."""

    def __init__(self, make: Callable[[str], _Value]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, character: str) -> _Value:
        made = self._make(character)
        if len(self) < _KEPT_CHARACTERS:
            self[character] = made
        return made


_FOLDED = _Characters(_folded)
_PLAIN = _Characters(_plain)


@cache
def _simplified() -> dict[str, str]:
    """Return for each character of OpenCC's tables the one that stands for all that it may be written as.

    Only the tables are read, the package is not imported. Where a traditional character has two simplified ones,
    all three count as one.
    """
    parents: dict[str, str] = {}

    def root(character: str) -> str:
        while (parent := parents.get(character, character)) != character:
            character = parent
        return character

    for variant, first, *others in (*_table("TSCharacters"), *_table("HKVariantsRev"), *_table("TWVariantsRev")):
        for each in (variant, *others):
            if (lower := root(each)) != (upper := root(first)):
                parents[lower] = upper
    return {character: root(character) for character in parents}


@cache
def _simple() -> dict[int, int]:
    """Return for each traditional character the simplified one that people write, as they do in patterns.

    Each becomes one other, and so do the letters that are drawn like Latin ones.
    """
    simple = {variant: first for variant, first, *_ in _table("TSCharacters")}
    written = set(simple.values())
    for variant, first, *_ in (*_table("HKVariantsRev"), *_table("TWVariantsRev")):
        simple.setdefault(variant, simple.get(first, first))
    return _DRAWN_ALIKE | {ord(variant): ord(first) for variant, first in simple.items() if variant not in written}


def _table(name: str) -> list[list[str]]:
    """Return the lines of one of OpenCC's tables: a character, and what it may be written as, the usual first."""
    package = cast("ModuleSpec", find_spec("opencc"))
    file = Path(cast("str", package.origin)).parent / "dictionary" / f"{name}.txt"
    return [line.split() for line in file.read_text(encoding="utf-8").splitlines()]
