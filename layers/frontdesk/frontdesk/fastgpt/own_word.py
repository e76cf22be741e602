"""What the app says of its own answer: how sure it is, and whether a person is to go on.

The author of a workflow tells it with a global variable ``confidence`` (0..1) or ``handoff``, with a field
``confidence`` of a content extraction, or with a class of a question classifier that names a person. Only this run's
word counts.

A variable persists with its chat, and both ways of telling the variables, the event ``updateVariables`` and the
field ``newVariables``, give all of them, those of earlier runs and the defaults included (FastGPT 4.16 source,
packages/service/core/workflow/dispatch/tools/runUpdateVar.ts). So one that asked for a person once would do so ever
after, and a default of 0 would doubt every answer. What tells them apart is ``updateVarResult``: each assignment of
the run leaves its value there. A variable whose value no assignment of this run gave is taken for an old one.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any

from frontdesk.fastgpt import nodes, untrusted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CONFIDENCE = "confidence"
_HANDOFF = "handoff"

_NUMBER = re.compile(r"(\d{1,3}(?:\.\d{0,17})?|\.\d{1,17})(%?)", re.ASCII)
_YES = frozenset({"true", "yes", "1", "是"})
# Whole names, because 人工智能 (artificial intelligence) and 真人秀 (a reality show) are topics like any other.
_PERSONS = frozenset(
    {
        "human", "person", "agent", "humanagent", "humanservice", "humansupport", "liveagent", "realperson", "handoff",
        "handover", "tohuman", "transfertohuman", "transfertoagent", "talktohuman",
        "人工", "人工客服", "人工服务", "人工坐席", "人工座席", "转人工", "转人工客服", "转人工服务", "转接人工",
        "转接人工客服", "找人工", "找人工客服", "要人工", "需要人工", "需要人工客服", "要求人工", "要求人工客服",
        "要求转人工", "用户要求转人工", "联系人工", "联系人工客服", "真人", "真人客服", "真人服务", "转真人",
        "转真人客服", "找真人", "转接真人", "需要真人",
    }
)  # fmt: skip
_EXPLAINED = re.compile(r"[:;,.()\[\]{}\u3001\u3002\u3010\u3014\n]| [-\u2013\u2014] |\u2014\u2014")  # after NFKC


def confidence(variables: Mapping[str, Any], results: Sequence[Any]) -> float | None:
    """Return how sure the app says it is, from 0 to 1; None when it does not say, or says nothing readable.

    ``variables`` are those the reply told, ``results`` its node results. The variable goes before the extraction, and
    of several extractions the last that can be read counts.
    """
    told = [*reversed(nodes.extracted(results, _CONFIDENCE))]
    if _is_of_this_run(variables, _CONFIDENCE, results):
        told.insert(0, variables[_CONFIDENCE])
    read = map(_share, told)
    return next((share for share in read if share is not None), None)


def wants_person(variables: Mapping[str, Any], results: Sequence[Any]) -> bool:
    """Return whether the app says that a person is to go on.

    A classifier that can make nothing of the question chooses its last class. If that one names a person, the run has
    taken the person's branch and told the customer so: it is the app's word like any other.
    """
    return any(map(_names_a_person, nodes.chosen_classes(results))) or (
        _is_of_this_run(variables, _HANDOFF, results) and _is_yes(variables[_HANDOFF])
    )


def _is_of_this_run(variables: Mapping[str, Any], name: str, results: Sequence[Any]) -> bool:
    """Tell whether an assignment of this run left the variable's value, a text, a number or a boolean."""
    told = variables.get(name)
    # Types too, because to Python true equals 1.
    return isinstance(told, str | int | float) and any(
        type(value) is type(told) and value == told for value in nodes.assigned_values(results)
    )


def _share(value: Any) -> float | None:
    """Read a share of one: a number, or a text such as ``0.85`` or ``85%``. What lies outside 0..1 is none."""
    share = untrusted.number(value)
    if share is None:
        text = _NUMBER.fullmatch(unicodedata.normalize("NFKC", untrusted.text(value)).replace(" ", ""))
        if text is None:
            return None
        share = float(text[1]) / (100 if text[2] else 1)
    return share if 0.0 <= share <= 1.0 else None


def _is_yes(value: Any) -> bool:
    return value is True or untrusted.number(value) == 1 or _folded(untrusted.text(value)) in _YES


def _names_a_person(name: str) -> bool:
    """Tell whether a class is named after a person; what explains the name behind a colon or bracket is left aside."""
    return _folded(_EXPLAINED.split(unicodedata.normalize("NFKC", name).strip(), maxsplit=1)[0]) in _PERSONS


def _folded(text: str) -> str:
    """Return the text in one case and width, without blanks, dashes and signs."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))
