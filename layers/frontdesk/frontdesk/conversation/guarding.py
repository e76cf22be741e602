"""What stands between the customer and the model: the company's rules both ways, and personal data masked.

On the way in the rules read what the customer wrote, then personal data become placeholders: the model sees neither
masked spans nor persons. On the way out the rules read what the model wrote, the whole of it, before it is
cut into messages; placeholders are put back last, so the rules never judge the customer's own data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from frontdesk.conversation.trail import FRONTDESK
from frontdesk.messages import Action

if TYPE_CHECKING:
    from frontdesk.conversation.ports import Masking, Rules
    from frontdesk.conversation.trail import Trail
    from frontdesk.messages import Masked, Placeholders, Verdict

# The kinds of reply that a rule's decision makes.
_KINDS = {Action.BLOCK: "blocked", Action.HANDOFF: "handoff"}


@dataclass(frozen=True, slots=True)
class Guarded:
    """What may be passed on. ``stopped`` is "blocked" or "handoff" when ``text`` is a rule's sentence instead."""

    text: str
    placeholders: Placeholders
    stopped: str = ""


class Guard:
    """Reads everything on its way to the model and back."""

    def __init__(self, *, rules: Rules, masking: Masking) -> None:
        """Both are in force as they are at the moment of each call."""
        self._rules = rules
        self._masking = masking

    def hear(self, text: str, known: Placeholders, trail: Trail) -> Guarded:
        """Return what the model may read of the customer's ``text``, and the placeholders of the conversation."""
        verdict = self._rules.judge_question(text)
        passed, stopped = _applied(verdict, "question", text, trail)
        if stopped:
            return Guarded(passed, known, stopped)
        masked = self._masking.mask(passed, known)
        return Guarded(masked.text, masked.placeholders)

    def say(self, words: str, known: Placeholders, trail: Trail) -> Guarded:
        """Return what the customer may read of ``words``, the model's or those made of the model's."""
        verdict = self._rules.judge_answer(words)
        passed, stopped = _applied(verdict, "answer", words, trail)
        if stopped:
            return Guarded(passed, known, stopped)
        shown = self._masking.unmask(passed, known)
        if shown != passed:
            trail.add("unmasked", FRONTDESK, before=passed, after=shown)
        return Guarded(shown, known)

    def cover(self, text: str, known: Placeholders) -> Masked:
        """Return ``text`` as a model may read it, personal data as placeholders; the rules have no say in it."""
        return self._masking.mask(text, known)

    def uncover(self, text: str, known: Placeholders) -> str:
        """Return ``text`` as people of the company may read it, placeholders put back."""
        return self._masking.unmask(text, known)


def _applied(verdict: Verdict, of: str, text: str, trail: Trail) -> tuple[str, str]:
    """Return what is passed on and, when a rule said its sentence instead, the kind of that; and leave a trail."""
    decided = verdict.decided_by
    if decided is not None:
        stopped = _KINDS[decided.action]
        trail.add(
            "handoff" if decided.action is Action.HANDOFF else "filtered",
            f"rule:{decided.rule_id}@{verdict.rules_version}",
            before=text,
            after=verdict.sentence,
            of=of,
            action=decided.action,
            rule_ids=_ids(verdict),
        )
        return verdict.sentence, stopped
    for action, kind in ((Action.MASK, "filtered"), (Action.TAG, "tagged")):
        ids = _ids(verdict, action)
        if ids:
            trail.add(
                kind,
                f"rule:{ids.partition(',')[0]}@{verdict.rules_version}",
                before=text,
                # A tag changes nothing: what it is about is in the record of the text itself, or here alone.
                after=verdict.text if action is Action.MASK else "",
                of=of,
                action=action,
                rule_ids=ids,
            )
    return verdict.text, ""


def _ids(verdict: Verdict, action: Action | None = None) -> str:
    found = (finding.rule_id for finding in verdict.findings if action in {None, finding.action})
    return ",".join(dict.fromkeys(found))
