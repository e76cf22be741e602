"""Whether a customer asks the same question again, read from the wording of both."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

from frontdesk.conversation.wording import SIGN, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

ALIKE = 0.7
"""From which similarity on two questions are the same one: Dice's coefficient of their pairs of characters."""

_FILLER = re.compile(
    r"请问一?下?|你好|您好|麻烦|谢谢你?们?|多谢|感谢|拜托|劳驾|想?问一?下|我想知道|我想问|我问的是|到底|请|hello|"
    r"please|thanks|thank you"
)
_PARTICLE = re.compile(r"[吗嘛么呢啊呀吧哦噢哈啦]+$")
# They acknowledge, choose or go on. Said twice, they are no question asked twice.
_NO_QUESTION = re.compile(
    r"[好行嗯恩哦是对没不有要在谢]+[的吧滴呢了吗么]?|可以|不是|没有|没错|不用了?|算了|不?需要|收到|知道了?|明白了?|了解了?|"
    r"懂了|哈+|辛苦了|再见|拜拜|稍等|等等|等一下|继续|更多|下一页|还有|跳过|ok|okay|yes|no|[a-z]|hi|hey"
)
_NUMBER = re.compile(r"\d+")
_OR_NOT = re.compile(r"(.)不\1")
_DENIAL = re.compile("[不没别未无非]")
_LIGHT = re.compile("可以|[能会要是了的就都还也我你您们]")
_LEAST_LIGHTENED = 4
_SLIGHT = frozenset("的了吗呢啊吧呀么里儿那哪在我你您们就都还也这个是会能可以要想给到一下怎")


def repeats(text: str, earlier: Sequence[str]) -> bool:
    """Return whether ``text`` asks again what one of ``earlier`` asked: in the same words, or nearly (`ALIKE`).

    Other numbers, a denial more or less, or a word in exchange for another make another question.
    What only acknowledges or chooses, and bare numbers, never repeat.
    """
    asked = _asked(text)
    return bool(asked) and any(_same(asked, _asked(each)) for each in earlier)


def _asked(text: str) -> str:
    """Return the question in ``text`` without courtesies, signs and spaces; "" for none."""
    words = "".join(_FILLER.sub("", SIGN.sub(" ", plain(text))).split())
    question = _OR_NOT.sub(r"\1", _PARTICLE.sub("", words))
    return "" if len(question) < 2 or question.isdecimal() or _NO_QUESTION.fullmatch(question) else question


def _same(one: str, other: str) -> bool:
    if one == other:
        return True
    if any(Counter(kind.findall(one)) != Counter(kind.findall(other)) for kind in (_NUMBER, _DENIAL)):
        return False
    lighter = [_LIGHT.sub("", each) for each in (one, other)]
    if min(map(len, lighter)) >= _LEAST_LIGHTENED:
        one, other = lighter
    more, less = (set(Counter(a) - Counter(b)) - _SLIGHT for a, b in ((one, other), (other, one)))
    return not (more and less) and _similarity(one, other) >= ALIKE


def _similarity(one: str, other: str) -> float:
    """Return Dice's coefficient of the pairs of neighbouring characters."""
    ours, theirs = (Counter(pairwise(each)) for each in (one, other))
    return 2 * (ours & theirs).total() / max(1, ours.total() + theirs.total())
