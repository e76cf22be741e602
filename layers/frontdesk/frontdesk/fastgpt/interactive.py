"""Turns the pause of a workflow into the question that the customer is to be asked.

Shapes: FastGPT 4.16 source, packages/global/core/workflow/template/system/interactive/type.ts. On the wire a pause
may be wrapped in the pauses of the workflows around it, and carries run-time keys that are nobody's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from frontdesk.fastgpt import untrusted
from frontdesk.messages import Choice, Field, Pause

if TYPE_CHECKING:
    from collections.abc import Mapping

_SELECTS = ("select", "multipleSelect")
_CHOICES = ("userSelect", "agentPlanAskUserSelect")
_FORMS = ("userInput", "agentPlanAskUserForm")
_AGENTS = ("agentAsk", "agentPlanAskQuery")


def deepest(interactive: Any) -> Mapping[str, Any]:
    """Return the innermost pause: each wrapper keeps the one inside it in ``params.childrenResponse``."""
    current = untrusted.mapping(interactive)
    while True:
        inner = untrusted.mapping(untrusted.mapping(current.get("params")).get("childrenResponse"))
        if not inner:
            return current
        current = inner


def is_payment(interactive: Mapping[str, Any]) -> bool:
    """Tell whether the team ran out of AI points in mid-run: nothing that a customer could answer."""
    return interactive.get("type") == "paymentPause"


def read_pause(interactive: Mapping[str, Any]) -> Pause | None:
    """Return what the innermost pause asks, or None when it is of a kind, or in a shape, that we cannot offer.

    A pause without choices and fields is answered in the customer's own words.
    """
    kind = untrusted.text(interactive.get("type"))
    params = untrusted.mapping(interactive.get("params"))
    if kind in _CHOICES:
        choices = _choices(params.get("userSelectOptions"))
        return Pause(untrusted.text(params.get("description")), choices=choices) if choices else None
    if kind in _FORMS:
        fields = _fields(params.get("inputForm"))
        return Pause(untrusted.text(params.get("description")), fields=fields) if fields else None
    if kind in _AGENTS:
        return _ask_of_an_agent(params)
    return None


def _choices(options: Any) -> tuple[Choice, ...]:
    """Return the options; the value is what the model expects back, to the letter, and the label if there is none."""
    read = []
    for option in untrusted.sequence(options):
        fields = untrusted.mapping(option)
        value = untrusted.text(fields.get("value")) or untrusted.text(option)
        label = untrusted.text(fields.get("label")) or untrusted.text(fields.get("summary")) or value
        if value.strip():
            read.append(Choice(label=label, value=value))
    return tuple(read)


def _fields(form: Any) -> tuple[Field, ...]:
    """Return the form's entries. Only select kinds have choices: others carry one empty list entry by habit."""
    read = []
    for entry in map(untrusted.mapping, untrusted.sequence(form)):
        label = untrusted.text(entry.get("label"))
        key = untrusted.text(entry.get("key")) or label
        if key:
            choices = _choices(entry.get("list")) if entry.get("type") in _SELECTS else ()
            read.append(Field(key=key, label=label or key, required=entry.get("required") is True, choices=choices))
    return tuple(read)


def _ask_of_an_agent(params: Mapping[str, Any]) -> Pause | None:
    """Return an agent's questions: with choices when it is one, else written out, for an answer in prose.

    The older kind holds its only question in ``content`` and ``options``.
    """
    questions = [untrusted.mapping(entry) for entry in untrusted.sequence(params.get("questions"))]
    asked = [
        (untrusted.text(question.get("question")), _choices(question.get("options"))) for question in questions
    ] or [(untrusted.text(params.get("content")), _choices(params.get("options")))]
    lines = [untrusted.text(params.get("description"))]
    if len(asked) == 1:
        question, choices = asked[0]
        prompt = "\n".join(filter(None, (*lines, question)))
        return Pause(prompt, choices=choices) if prompt or choices else None
    for question, choices in asked:
        options = " / ".join(choice.label for choice in choices)
        lines.append(f"{question} ({options})" if options else question)
    prompt = "\n".join(filter(None, lines))
    return Pause(prompt) if prompt else None
