"""When the model stops to ask: its choices are offered by number, and what the customer writes is mapped back.

A pending pause takes the customer's next message, whatever it says (FastGPT API, interactive nodes). So an answer
that fits nothing is asked for once more, and after that the customer is taken to have moved on: the talk goes
on in a fresh chat, because the old one would swallow the new question.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from frontdesk.messages import Choice
    from frontdesk.records import Pending

_DENIALS = "不别没非"
_SKIP = frozenset({"跳过", "skip", "无", "没有"})


@dataclass(frozen=True, slots=True)
class Resolved:
    """The pause is answered: ``text`` is what the model wants to hear."""

    text: str


@dataclass(frozen=True, slots=True)
class StillPending:
    """Something is missing: ``text`` asks for it."""

    pending: Pending
    text: str


@dataclass(frozen=True, slots=True)
class Abandoned:
    """The customer speaks of something else."""


def offer(pending: Pending) -> str:
    """Return the words that put the pause before the customer."""
    pause = pending.pause
    if pause.choices:
        return _numbered(pause.prompt, pause.choices)
    if len(pending.filled) >= len(pause.fields):
        return pause.prompt
    blank = pause.fields[len(pending.filled)]
    hint = "" if blank.required else "（可回复“跳过”）"
    question = f"请填写：{blank.label}{hint}"
    if blank.choices:
        question = _numbered(f"请选择：{blank.label}{hint}", blank.choices)
    return f"{pause.prompt}\n{question}" if pause.prompt and not pending.filled else question


def resolve(pending: Pending, text: str) -> Resolved | StillPending | Abandoned:
    """Return what ``text`` means to the pause that waits."""
    pause = pending.pause
    if pause.choices:
        chosen = _choice(text, pause.choices)
        return Resolved(chosen.value) if chosen else _missed(pending)
    if not pause.fields:
        return Resolved(text)
    blank = pause.fields[len(pending.filled)]
    if not blank.required and _plain(text) in _SKIP:
        value = ""
    elif blank.choices:
        chosen = _choice(text, blank.choices)
        if chosen is None:
            return _missed(pending)
        value = chosen.value
    else:
        value = text.strip()
    pending = replace(pending, filled=(*pending.filled, (blank.key, value)), asked_again=False)
    if len(pending.filled) < len(pause.fields):
        return StillPending(pending, offer(pending))
    return Resolved(json.dumps(dict(pending.filled), ensure_ascii=False))


def _missed(pending: Pending) -> StillPending | Abandoned:
    if pending.asked_again:
        return Abandoned()
    return StillPending(replace(pending, asked_again=True), "没有这个选项。\n" + offer(pending))


def _numbered(prompt: str, choices: tuple[Choice, ...]) -> str:
    lines = [f"{number}. {choice.label}" for number, choice in enumerate(choices, start=1)]
    return "\n".join([*([prompt] if prompt else []), *lines, "（回复数字即可）"])


def _plain(text: str) -> str:
    """Return ``text`` as people mean it: full-width digits and letters made plain, case and outer marks dropped."""
    return unicodedata.normalize("NFKC", text).strip().strip(".、。,)(:：#").casefold()


def _choice(text: str, choices: tuple[Choice, ...]) -> Choice | None:
    said = _plain(text)
    if said.isdecimal():
        number = int(said)
        if 1 <= number <= len(choices):
            return choices[number - 1]
    exact = [each for each in choices if said in {_plain(each.label), _plain(each.value)}]
    if exact:
        return exact[0]
    close = [each for each in choices if _mentions(said, _plain(each.label))]
    return close[0] if len(close) == 1 else None


def _mentions(said: str, label: str) -> bool:
    """Return whether a sentence names ``label`` as a word of its own and does not deny it: 不是 is no 是."""
    if not label:
        return False
    before = f"(?<![{_DENIALS}])" + ("(?<![0-9a-z])" if label[0].isascii() else "")
    after = "(?![0-9a-z])" if label[-1].isascii() else ""
    return re.search(before + re.escape(label) + after, said) is not None
