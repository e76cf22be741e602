"""Masking that follows the rules in force: a company's own patterns of personal data come with its rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from frontdesk.messages import Masked, Placeholders
    from frontdesk.protection.rules import CurrentRules


class CurrentMasking:
    """Masks with what the rules of the moment name."""

    def __init__(self, rules: CurrentRules) -> None:
        """``rules`` are asked at each masking, which costs nothing while they stay the same."""
        self._rules = rules

    def mask(self, text: str, known: Placeholders) -> Masked:
        """Return ``text`` with personal data as placeholders; what is ``known`` keeps its placeholder."""
        return self._rules.current().masker.mask(text, known)

    def unmask(self, text: str, known: Placeholders) -> str:
        """Return ``text`` with each placeholder replaced by what it stands for."""
        return self._rules.loaded().masker.unmask(text, known)
