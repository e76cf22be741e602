"""How the light app sums a conversation up, in place of a model: one or two sentences out of its own lines."""

import re
from collections.abc import Sequence

_SAID = re.compile(r"\s*(?:[-*]\s*)?([^:：]{1,12})[:：]\s*(\S.*)")
_CUSTOMER = re.compile(r"客户|顾客|用户|customer|user|human", re.IGNORECASE)
_END = " \t。．.？?！!，,；;"
_LONGEST = 40


def summed_up(lines: Sequence[str]) -> str:
    """Return what the customer wanted first, and last if that differs.

    Lines such as `客户：…` are what was said. Where nobody is named as the customer, everybody counts; where nobody is
    named at all, every line but the first, which is the order to sum up.
    """
    said = [found.groups() for line in lines if (found := _SAID.match(line))]
    asked = [words for speaker, words in said if _CUSTOMER.search(speaker)]
    asked = asked or [words for _, words in said] or list(lines[1:])
    first, last = _short(asked[0]), _short(asked[-1])
    return f"客户想了解：{first}。" + (f"最近说的是：{last}。" if last != first else "")


def _short(words: str) -> str:
    words = words.strip().rstrip(_END)
    return words if len(words) <= _LONGEST else words[: _LONGEST - 1] + "…"
