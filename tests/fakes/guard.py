"""Rules and masking as a test's script wants them: plain words instead of patterns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from frontdesk.messages import Action, Finding, Masked, Verdict

if TYPE_CHECKING:
    from frontdesk.messages import Placeholders

VERSION = "rules-1"
SENTENCE = "这个问题我不便回答。"
HANDOFF_SENTENCE = "已为您记下，同事会继续跟进。"
_SENTENCES = {Action.BLOCK: SENTENCE, Action.HANDOFF: HANDOFF_SENTENCE}


class WordRules:
    """Acts on words: ``questions`` and ``answers`` say what is done about each. The rule's id is the word's length."""

    def __init__(self, questions: dict[str, Action] | None = None, answers: dict[str, Action] | None = None) -> None:
        self.questions = questions or {}
        self.answers = answers or {}
        self.judged: list[str] = []

    def judge_question(self, text: str) -> Verdict:
        """Judge the customer's words."""
        return self._judge(text, self.questions)

    def judge_answer(self, text: str) -> Verdict:
        """Judge the model's words."""
        self.judged.append(text)
        return self._judge(text, self.answers)

    def _judge(self, text: str, words: dict[str, Action]) -> Verdict:
        findings = tuple(
            Finding(rule_of(word), action, text.index(word), text.index(word) + len(word))
            for word, action in words.items()
            if word in text
        )
        passed = text
        for word, action in words.items():
            if action is Action.MASK:
                passed = passed.replace(word, "＊" * len(word))
        verdict = Verdict(passed, findings, rules_version=VERSION)
        decided = verdict.decided_by
        return Verdict(passed, findings, _SENTENCES[decided.action] if decided else "", VERSION)


def rule_of(word: str) -> str:
    """Return the id of the rule that acts on ``word``: no words may be in an id."""
    return f"rule-{len(word)}"


class WordMasking:
    """Takes ``private`` words for personal data and gives each the next number."""

    def __init__(self, *private: str) -> None:
        self.private = private

    def mask(self, text: str, known: Placeholders) -> Masked:
        """Mask the private words."""
        placeholders = {value: name for name, value in known}
        for word in self.private:
            if word in text:
                name = placeholders.setdefault(word, f"[数据{len(placeholders) + 1}]")
                text = text.replace(word, name)
        return Masked(text, tuple((name, value) for value, name in placeholders.items()))

    def unmask(self, text: str, known: Placeholders) -> str:
        """Put the private words back."""
        for name, value in known:
            text = text.replace(name, value)
        return text
