"""What the company allows to be asked and to be said: a set of rules that judges, and the set that is in force.

Judging never fails and never waits long. The rules come from a file that people write: when the newest one cannot
be used, or cannot be reached, the last good ones go on, and whoever built this is told.
"""

from __future__ import annotations

import time
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from frontdesk.errors import SettingsError
from frontdesk.messages import Action, Finding, Verdict
from frontdesk.protection.current_file import CurrentFile, last_good
from frontdesk.protection.masking import Masker
from frontdesk.protection.rule_file import Direction, RulesError, read_rule_file
from frontdesk.protection.rule_search import Exceptions, KeywordSearch, PatternSearch, Unless

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from frontdesk.errors import FrontdeskError
    from frontdesk.protection.current_file import Files
    from frontdesk.protection.rule_file import RuleFileContent
    from frontdesk.protection.rule_search import Hit

# What masked words are replaced by. It tells nothing of their length, and means nothing in Markdown.
MASK = "＊＊＊"
# Processor time, as `regex` counts it, too; a usual pattern takes some microseconds.
_EACH_PATTERN_S = 0.01
_ALL_PATTERNS_S = 0.1
_STRENGTH = {action: rank for rank, action in enumerate(Action)}


def _nobody(_rule_id: str) -> None:
    """Hear of a rule that ran out of time, and do nothing."""


class RuleSet:
    """One version of the rules. Many threads may use it."""

    def __init__(
        self,
        content: RuleFileContent,
        *,
        on_timeout: Callable[[str], None] = _nobody,
        clock: Callable[[], float] = time.thread_time,
    ) -> None:
        """``on_timeout`` is called with the id of a rule of which an expression ran out of time.

        A pattern found nothing then, and what stands around a hit does not take it back.
        ``clock`` counts this thread's processor time: on a busy machine a pattern has as much of it as on an idle one.
        """
        self.version = content.version
        self.rules = content.rules
        try:
            self.masker = Masker(content.private_patterns)
        except SettingsError as error:
            raise RulesError(error.problems) from None
        self._on_timeout = on_timeout
        self._keywords = KeywordSearch(
            (number, keyword, rule.substring) for number, rule in enumerate(self.rules) for keyword in rule.keywords
        )
        self._patterns = {
            direction: PatternSearch(
                [
                    (number, pattern)
                    for number, rule in enumerate(self.rules)
                    if direction in rule.applies_to
                    for pattern in rule.patterns
                ],
                each_s=_EACH_PATTERN_S,
                all_s=_ALL_PATTERNS_S,
                clock=clock,
            )
            for direction in Direction
        }
        self._exceptions = Exceptions(
            {
                number: Unless(rule.unless_before, rule.unless_after)
                for number, rule in enumerate(self.rules)
                if rule.unless_before or rule.unless_after
            },
            each_s=_EACH_PATTERN_S,
            all_s=_ALL_PATTERNS_S,
            clock=clock,
        )

    @classmethod
    def read(
        cls,
        text: str,
        *,
        on_timeout: Callable[[str], None] = _nobody,
        clock: Callable[[], float] = time.thread_time,
    ) -> RuleSet:
        """Return the rules that ``text`` writes down. Raises `RulesError` with every problem, and nothing else."""
        try:
            return cls(read_rule_file(text), on_timeout=on_timeout, clock=clock)
        except RulesError:
            raise
        except Exception as error:  # noqa: BLE001  # a fault in a parser is a bad file, and must not stop an answer
            raise RulesError([f"reading the file ended in {type(error).__name__}"]) from None

    def judge_question(self, text: str) -> Verdict:
        """Return what the rules say of the customer's words."""
        return self._judge(text, Direction.QUESTION)

    def judge_answer(self, text: str) -> Verdict:
        """Return what the rules say of the whole of an answer, before it is cut into messages."""
        return self._judge(text, Direction.ANSWER)

    def _judge(self, text: str, direction: Direction) -> Verdict:
        hits = {hit for hit in self._keywords.find(text) if direction in self.rules[hit[0]].applies_to}
        hits.update(self._patterns[direction].find(text, self._late))
        hits = self._exceptions.remaining(hits, text, self._late)
        findings = tuple(
            Finding(self.rules[number].id, self.rules[number].action, start, end)
            for number, start, end in sorted(_widest(hits), key=self._order)
        )
        verdict = Verdict(_masked(text, findings), findings, rules_version=self.version)
        decided = verdict.decided_by
        if decided is None:
            return verdict
        sentence = next(rule.sentence for rule in self.rules if rule.id == decided.rule_id)
        return Verdict(verdict.text, findings, sentence, self.version)

    def _order(self, hit: Hit) -> tuple[int, Hit]:
        """Sort the strongest action first, then as the rules stand in the file, then as the words in the text."""
        return _STRENGTH[self.rules[hit[0]].action], hit

    def _late(self, number: int) -> None:
        self._on_timeout(self.rules[number].id)


def _widest(hits: Iterable[Hit]) -> Iterator[Hit]:
    """Yield ``hits`` without those that lie within another one of the same owner."""
    owner, reach = -1, -1
    for hit in sorted(hits, key=lambda each: (each[0], each[1], -each[2])):
        if hit[0] != owner or hit[2] > reach:
            owner, _, reach = hit
            yield hit


def _masked(text: str, findings: Iterable[Finding]) -> str:
    """Return ``text`` with each span that is to be masked, or several that touch, replaced by one mark."""
    spans = sorted((each.start, each.end) for each in findings if each.action is Action.MASK)
    pieces: list[str] = []
    done = 0
    for start, end in spans:
        if start > done or not pieces:
            pieces += [text[done:start], MASK]
        done = max(done, end)
    return "".join([*pieces, text[done:]])


@cache
def packaged_text() -> str:
    """Return the file of the rules that are in force where the company has none of its own."""
    return Path(__file__).with_name("default_rules.yaml").read_text(encoding="utf-8")


def packaged_rules(*, on_timeout: Callable[[str], None] = _nobody) -> RuleSet:
    """Return the rules that are in force where the company has none of its own."""
    return RuleSet.read(packaged_text(), on_timeout=on_timeout)


def earlier_rules(files: Files, *, on_timeout: Callable[[str], None] = _nobody) -> tuple[RuleSet, str]:
    """Return the rules that stand in for a newest file which cannot be used, and the id of their version.

    That is the newest earlier version that is good; or the packaged rules, without an id. Raises what ``files`` raises.
    """
    return last_good(
        files, partial(RuleSet.read, on_timeout=on_timeout), partial(packaged_rules, on_timeout=on_timeout)
    )


class CurrentRules(CurrentFile[RuleSet]):
    """The rules in force. Many threads may use it."""

    def __init__(
        self,
        *,
        files: Files,
        clock: Callable[[], float],
        on_broken: Callable[[FrontdeskError, str], None],
        on_timeout: Callable[[str], None] = _nobody,
    ) -> None:
        """``on_timeout`` is as in `RuleSet`, the others as in `CurrentFile`."""
        super().__init__(
            files=files,
            read=partial(RuleSet.read, on_timeout=on_timeout),
            default=partial(packaged_rules, on_timeout=on_timeout),
            clock=clock,
            on_broken=on_broken,
        )

    def judge_question(self, text: str) -> Verdict:
        """Return what the rules in force say of the customer's words."""
        return self.current().judge_question(text)

    def judge_answer(self, text: str) -> Verdict:
        """Return what the rules in force say of the whole of an answer, which waits for no newer ones."""
        return self.loaded().judge_answer(text)
