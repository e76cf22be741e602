"""A file of rules, read strictly: every key known, every rule complete, every mistake named by rule and line.

The file is YAML of the plainest kind: mappings, lists and texts. Anchors, aliases and tags are refused, so what is
written is what is meant, and no file is larger than it looks. Every value is taken as it is written: ``no`` is a
word and ``2026`` is one, too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import regex
import yaml

from frontdesk.errors import FrontdeskError
from frontdesk.messages import Action
from frontdesk.protection.folding import fold
from frontdesk.protection.masking import LABEL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MOST_BYTES = 2_000_000
_MOST_KEYWORDS = 50_000
_MOST_RULES = 1_000
_MOST_PATTERNS = 500
_LONGEST_KEYWORD = 100
_LONGEST_PATTERN = 1_000
_LONGEST_SENTENCE = 500
_MOST_PROBLEMS = 50
_DEPTH = 5
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")
_RULE_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_KEY = re.compile(r"[a-z_]{1,32}")
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


class RulesError(FrontdeskError):
    """A rule file cannot be used; ``problems`` names each mistake by rule and line, never its words."""

    code = "rules_invalid"

    def __init__(self, problems: list[str]) -> None:
        super().__init__("the rule file is invalid: " + "; ".join(problems))
        self.problems = problems


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


@dataclass(frozen=True, slots=True)
class _Node:
    """A piece of YAML and its line, counted from 1."""

    value: str | list[_Node] | dict[str, _Node]
    line: int


def read_rule_file(text: str) -> RuleFileContent:
    """Return what ``text`` says. Raises `RulesError` with all its problems, the first fifty of them."""
    reading = _Reading()
    content = reading.file(_tree(text))
    if reading.problems:
        raise RulesError(reading.problems)
    return content


def _tree(text: str) -> _Node:
    """Return ``text`` as nodes. Raises `RulesError`: after a mistake of grammar nothing else can be told."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise RulesError(["the file is not UTF-8"]) from None
    if size > MOST_BYTES:
        raise RulesError([f"the file has more than {MOST_BYTES} bytes"])
    loader = yaml.CSafeLoader(text)
    try:
        events = _events(loader)
        start = next(events, None)
        if start is None:
            raise RulesError(["the file is empty"])
        root = _node(start, events, _DEPTH)
        if next(events, None) is not None:
            raise RulesError(["the file has more than one document"])
    except yaml.MarkedYAMLError as error:
        raise RulesError([f"line {_line(error.problem_mark)}: this is not YAML"]) from None
    except yaml.YAMLError:
        raise RulesError(["the file holds characters that YAML does not allow"]) from None
    finally:
        loader.dispose()
    return root


def _line(mark: Any) -> int:
    """Return the line of ``mark``, counted from 1; PyYAML may leave a mark out, and counts from 0."""
    return mark.line + 1 if mark else 1


def _events(loader: yaml.CSafeLoader) -> Iterator[yaml.Event]:
    """Yield what the file is made of. Composing it at once would need a stack as deep as whoever wrote it liked."""
    framing = (yaml.StreamStartEvent, yaml.StreamEndEvent, yaml.DocumentStartEvent, yaml.DocumentEndEvent)
    while (event := loader.get_event()) is not None:
        if not isinstance(event, framing):
            yield event


def _node(event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> _Node:
    line = _line(event.start_mark)
    tag = getattr(event, "tag", None)
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) or tag not in (None, "", "!"):
        raise RulesError([f"line {line}: anchors, aliases and tags are not allowed"])
    if isinstance(event, yaml.ScalarEvent):
        return _Node(event.value, line)
    if not depth:
        raise RulesError([f"line {line}: lists and mappings are nested too deep"])
    if isinstance(event, yaml.SequenceStartEvent):
        items = []
        while not isinstance(following := next(events), yaml.SequenceEndEvent):
            items.append(_node(following, events, depth - 1))
        return _Node(items, line)
    entries: dict[str, _Node] = {}
    while not isinstance(following := next(events), yaml.MappingEndEvent):
        key = _node(following, events, depth - 1)
        value = _node(next(events), events, depth - 1)
        if not isinstance(key.value, str):
            raise RulesError([f"line {key.line}: a key has to be a word"])
        if key.value in entries:
            raise RulesError([f"line {key.line}: this key is there twice"])
        entries[key.value] = value
    return _Node(entries, line)


class _Reading:
    """Reads nodes into rules and collects what is wrong with them."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._where = "the file"
        self._keywords = 0
        self._patterns = 0

    def file(self, node: _Node) -> RuleFileContent:
        entries = self._mapping(node, _FILE_KEYS, required=("version", "rules"))
        version = self._text(entries.get("version"), _VERSION, "letters, digits, dots and dashes, at most 64")
        rules = self._rules(entries.get("rules"))
        self._where = "private_patterns"
        private = [self._private(each) for each in self._list(entries.get("private_patterns"))]
        return RuleFileContent(version, tuple(rules), tuple(private))

    def _rules(self, node: _Node | None) -> list[Rule]:
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

    def _rule(self, node: _Node) -> Rule:
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

    def _sentence(self, node: _Node, entries: Mapping[str, _Node], action: Action) -> str:
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

    def _action(self, node: _Node | None) -> Action:
        named = {str(each): each for each in Action}
        if node is None:
            return Action.TAG  # its absence is noted already
        if not isinstance(node.value, str) or node.value not in named:
            self._note(node, f"the action is one of {', '.join(named)}")
            return Action.TAG
        return named[node.value]

    def _directions(self, node: _Node | None) -> Iterator[Direction]:
        named = {str(each): each for each in Direction}
        for each in self._list(node):
            if isinstance(each.value, str) and each.value in named:
                yield named[each.value]
            else:
                self._note(each, f"applies_to lists {' and '.join(named)}")

    def _keyword(self, node: _Node) -> str:
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

    def _unless(self, entries: Mapping[str, _Node], key: str) -> regex.Pattern[str] | None:
        """Return the expression of ``key``: that of what stands before a hit ends where the text does."""
        node = entries.get(key)
        if node is None:
            return None
        return self._pattern(node, named=key, form=r"(?:{})\Z" if key == "unless_before" else "{}")

    def _pattern(self, node: _Node, *, named: str = "the pattern", form: str = "{}") -> regex.Pattern[str]:
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

    def _private(self, node: _Node) -> tuple[str, str]:
        entries = self._mapping(node, _PRIVATE_KEYS, required=_PRIVATE_KEYS)
        label = self._text(entries.get("label"), LABEL, "the label: 1 to 12 letters")
        pattern = entries.get("pattern")
        return label, self._pattern(pattern).pattern if pattern else ""

    def _flag(self, node: _Node | None) -> bool:
        if node is not None and node.value not in ("true", "false"):
            self._note(node, "substring is true or false")
        return node is not None and node.value == "true"

    def _mapping(self, node: _Node, known: tuple[str, ...], *, required: tuple[str, ...]) -> Mapping[str, _Node]:
        """Return the entries of ``node`` after noting those that are unknown, and those that are not there."""
        if not isinstance(node.value, dict):
            self._note(node, f"a mapping is needed here, with {', '.join(required)}")
            return {}
        for key, value in node.value.items():
            if key not in known:
                self._note(value, f"unknown key {key}" if _KEY.fullmatch(key) else "unknown key")
        for key in required:
            if key not in node.value:
                self._note(node, f"{key} is missing")
        return node.value

    def _list(self, node: _Node | None) -> list[_Node]:
        """Return the items of ``node``, which has some; none where nothing is written."""
        if node is None:
            return []
        if isinstance(node.value, list) and node.value:
            return node.value
        self._note(node, "a list with at least one item is needed here")
        return []

    def _text(self, node: _Node | None, form: re.Pattern[str], meaning: str) -> str:
        if node is None:
            return ""
        if isinstance(node.value, str) and form.fullmatch(node.value):
            return node.value
        self._note(node, meaning)
        return ""

    def _note(self, node: _Node, problem: str) -> None:
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(f"{self._where}, line {node.line}: {problem}")
