"""A file of rules, read strictly: every key known, every rule complete, every mistake named by rule and line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import regex

from frontdesk.messages import Action
from frontdesk.protection.folding import fold
from frontdesk.protection.masking import LABEL
from frontdesk.protection.written_file import Reading, WrittenFileError, tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from frontdesk.protection.written_file import Node

_MOST_KEYWORDS = 50_000
_MOST_RULES = 1_000
_MOST_PATTERNS = 500
_LONGEST_KEYWORD = 100
_LONGEST_PATTERN = 1_000
_LONGEST_SENTENCE = 500
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")
_RULE_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_SAYING = frozenset({Action.BLOCK, Action.HANDOFF})
_FILE_KEYS = ("version", "rules", "private_patterns")
_RULE_KEYS = (
    "id",
    "applies_to",
    "action",
    "sentence",
    "category",
    "keywords",
    "patterns",
    "unless_before",
    "unless_after",
    "substring",
)
_PRIVATE_KEYS = ("label", "pattern")
# Repeated, these bring out expressions that try one text in endlessly many ways.
_PROBES = "a1 内"
_PROBE_LENGTH = 1_000
_PROBE_LIMIT_S = 0.2


class RulesError(WrittenFileError):
    """A rule file cannot be used."""

    code = "rules_invalid"
    what = "rule file"


class Direction(StrEnum):
    """Which texts a rule judges."""

    QUESTION = "question"
    ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. ``sentence`` is set when the action says something.

    With ``substring`` its Latin keywords are found inside longer words, too. What it found does not count where
    ``unless_before`` matches up to the end of the text before it, or ``unless_after`` right behind it.
    """

    id: str
    applies_to: frozenset[Direction]
    action: Action
    sentence: str = ""
    category: str = ""
    keywords: tuple[str, ...] = ()
    patterns: tuple[regex.Pattern[str], ...] = ()
    unless_before: regex.Pattern[str] | None = None
    unless_after: regex.Pattern[str] | None = None
    substring: bool = False


@dataclass(frozen=True, slots=True)
class RuleFileContent:
    """What a file says. ``private_patterns`` are labels and regular expressions of further personal data."""

    version: str
    rules: tuple[Rule, ...]
    private_patterns: tuple[tuple[str, str], ...]


def read_rule_file(text: str) -> RuleFileContent:
    """Return what ``text`` says. Raises `RulesError` with all its problems, the first fifty of them."""
    reading = _Reading()
    try:
        content = reading.file(tree(text))
    except WrittenFileError as error:
        raise RulesError(error.problems) from None
    if reading.problems:
        raise RulesError(reading.problems)
    return content


class _Reading(Reading):
    """Reads nodes into rules."""

    def __init__(self) -> None:
        super().__init__()
        self._keywords = 0
        self._patterns = 0

    def file(self, node: Node) -> RuleFileContent:
        entries = self._mapping(node, _FILE_KEYS, required=("version", "rules"))
        version = self._text(entries.get("version"), _VERSION, "letters, digits, dots and dashes, at most 64")
        rules = self._rules(entries.get("rules"))
        self._where = "private_patterns"
        private = [self._private(each) for each in self._list(entries.get("private_patterns"))]
        return RuleFileContent(version, tuple(rules), tuple(private))

    def _rules(self, node: Node | None) -> list[Rule]:
        nodes = self._list(node)
        if len(nodes) > _MOST_RULES:
            self._note(nodes[_MOST_RULES], f"there are more than {_MOST_RULES} rules")
        rules: list[Rule] = []
        ids: set[str] = set()
        for place, each in enumerate(nodes[:_MOST_RULES], start=1):
            self._where = f"rule {place}"
            rule = self._rule(each)
            if rule.id in ids:
                self._note(each, "another rule has the same id")
            ids.update({rule.id} - {""})
            rules.append(rule)
        return rules

    def _rule(self, node: Node) -> Rule:
        named = node.value.get("id") if isinstance(node.value, dict) else None
        rule_id = self._text(named, _RULE_ID, "the id: small letters, digits and dashes, at most 64")
        if rule_id:
            self._where = f"rule {rule_id}"
        entries = self._mapping(node, _RULE_KEYS, required=("id", "applies_to", "action"))
        action = self._action(entries.get("action"))
        if not entries.keys() & {"keywords", "patterns"}:
            self._note(node, "it has neither keywords nor patterns")
        return Rule(
            id=rule_id,
            applies_to=frozenset(self._directions(entries.get("applies_to"))),
            action=action,
            sentence=self._sentence(node, entries, action),
            category=self._text(entries.get("category"), _RULE_ID, "the category: small letters, digits and dashes"),
            keywords=tuple(self._keyword(each) for each in self._list(entries.get("keywords"))),
            patterns=tuple(self._pattern(each) for each in self._list(entries.get("patterns"))),
            unless_before=self._unless(entries, "unless_before"),
            unless_after=self._unless(entries, "unless_after"),
            substring=self._flag(entries.get("substring")),
        )

    def _sentence(self, node: Node, entries: Mapping[str, Node], action: Action) -> str:
        given = entries.get("sentence")
        if given is None:
            if action in _SAYING:
                self._note(node, f"{action} needs a sentence")
            return ""
        if action not in _SAYING:
            self._note(given, f"{action} says no sentence")
        text = given.value.strip() if isinstance(given.value, str) else ""
        if not 0 < len(text) <= _LONGEST_SENTENCE:
            self._note(given, f"a sentence is a text of 1 to {_LONGEST_SENTENCE} characters")
        return text

    def _action(self, node: Node | None) -> Action:
        named = {str(each): each for each in Action}
        if node is None:
            return Action.TAG  # its absence is noted already
        if not isinstance(node.value, str) or node.value not in named:
            self._note(node, f"the action is one of {', '.join(named)}")
            return Action.TAG
        return named[node.value]

    def _directions(self, node: Node | None) -> Iterator[Direction]:
        named = {str(each): each for each in Direction}
        for each in self._list(node):
            if isinstance(each.value, str) and each.value in named:
                yield named[each.value]
            else:
                self._note(each, f"applies_to lists {' and '.join(named)}")

    def _keyword(self, node: Node) -> str:
        self._keywords += 1
        if self._keywords == _MOST_KEYWORDS + 1:
            self._note(node, f"the file has more than {_MOST_KEYWORDS} keywords")
        if not isinstance(node.value, str) or not 0 < len(node.value) <= _LONGEST_KEYWORD:
            self._note(node, f"a keyword is a text of 1 to {_LONGEST_KEYWORD} characters")
        elif not fold(node.value).text:
            self._note(node, "a keyword needs a letter or a digit")
        else:
            return node.value
        return ""

    def _unless(self, entries: Mapping[str, Node], key: str) -> regex.Pattern[str] | None:
        """Return the expression of ``key``: that of what stands before a hit ends where the text does."""
        node = entries.get(key)
        if node is None:
            return None
        return self._pattern(node, named=key, form=r"(?:{})\Z" if key == "unless_before" else "{}")

    def _pattern(self, node: Node, *, named: str = "the pattern", form: str = "{}") -> regex.Pattern[str]:
        """Return the expression that ``node`` holds, put into ``form``; its mistakes call it ``named``."""
        self._patterns += 1
        nothing = regex.compile("(?!)")
        if self._patterns > _MOST_PATTERNS:
            if self._patterns == _MOST_PATTERNS + 1:
                self._note(node, f"the file has more than {_MOST_PATTERNS} patterns")
            return nothing
        if not isinstance(node.value, str) or not 0 < len(node.value) <= _LONGEST_PATTERN:
            self._note(node, f"a pattern is a text of 1 to {_LONGEST_PATTERN} characters")
            return nothing
        try:
            regex.compile(node.value)  # by itself: a form could close a bracket that it leaves open
            pattern = regex.compile(form.format(node.value))
            if pattern.search("", timeout=_PROBE_LIMIT_S) is not None:
                self._note(node, f"{named} finds nothing at all, everywhere")
            letters = sorted({each for each in node.value if each.isalnum()} | set(_PROBES))
            for letter in letters[: len(_PROBES) + 8]:
                pattern.search(letter * _PROBE_LENGTH + "\n", timeout=_PROBE_LIMIT_S)
        except TimeoutError:
            self._note(node, f"{named} takes too long on repeated characters")
        except (regex.error, ValueError, OverflowError, RecursionError):
            self._note(node, f"{named} is not a regular expression")
        else:
            return pattern
        return nothing

    def _private(self, node: Node) -> tuple[str, str]:
        entries = self._mapping(node, _PRIVATE_KEYS, required=_PRIVATE_KEYS)
        label = self._text(entries.get("label"), LABEL, "the label: 1 to 12 letters")
        pattern = entries.get("pattern")
        return label, self._pattern(pattern).pattern if pattern else ""

    def _flag(self, node: Node | None) -> bool:
        if node is not None and node.value not in ("true", "false"):
            self._note(node, "substring is true or false")
        return node is not None and node.value == "true"
