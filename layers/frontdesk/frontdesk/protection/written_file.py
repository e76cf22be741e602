"""Files that people write, read strictly: the frame of every such file, and what is wrong with one, line by line.

The file is YAML of the plainest kind: mappings, lists and texts. Anchors, aliases and tags are refused, so what is
written is what is meant, and no file is larger than it looks. Every value is taken as it is written: ``no`` is a
word and ``2026`` is one, too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from frontdesk.errors import FrontdeskError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MOST_BYTES = 2_000_000
_MOST_PROBLEMS = 50
_DEPTH = 5
_KEY = re.compile(r"[a-z_]{1,32}")


class WrittenFileError(FrontdeskError):
    """A file cannot be used; ``problems`` names each mistake by place and line, never its words."""

    what = "file"

    def __init__(self, problems: list[str]) -> None:
        super().__init__(f"the {self.what} is invalid: " + "; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Node:
    """A piece of YAML and its line, counted from 1."""

    value: str | list[Node] | dict[str, Node]
    line: int


def tree(text: str) -> Node:
    """Return ``text`` as nodes. Raises `WrittenFileError`: after a mistake of grammar nothing else can be told."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise WrittenFileError(["the file is not UTF-8"]) from None
    if size > MOST_BYTES:
        raise WrittenFileError([f"the file has more than {MOST_BYTES} bytes"])
    loader = yaml.CSafeLoader(text)
    try:
        events = _events(loader)
        start = next(events, None)
        if start is None:
            raise WrittenFileError(["the file is empty"])
        root = _node(start, events, _DEPTH)
        if next(events, None) is not None:
            raise WrittenFileError(["the file has more than one document"])
    except yaml.MarkedYAMLError as error:
        raise WrittenFileError([f"line {_line(error.problem_mark)}: this is not YAML"]) from None
    except yaml.YAMLError:
        raise WrittenFileError(["the file holds characters that YAML does not allow"]) from None
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


def _node(event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Node:
    line = _line(event.start_mark)
    tag = getattr(event, "tag", None)
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) or tag not in (None, "", "!"):
        raise WrittenFileError([f"line {line}: anchors, aliases and tags are not allowed"])
    if isinstance(event, yaml.ScalarEvent):
        return Node(event.value, line)
    if not depth:
        raise WrittenFileError([f"line {line}: lists and mappings are nested too deep"])
    if isinstance(event, yaml.SequenceStartEvent):
        items = []
        while not isinstance(following := next(events), yaml.SequenceEndEvent):
            items.append(_node(following, events, depth - 1))
        return Node(items, line)
    entries: dict[str, Node] = {}
    while not isinstance(following := next(events), yaml.MappingEndEvent):
        key = _node(following, events, depth - 1)
        value = _node(next(events), events, depth - 1)
        if not isinstance(key.value, str):
            raise WrittenFileError([f"line {key.line}: a key has to be a word"])
        if key.value in entries:
            raise WrittenFileError([f"line {key.line}: this key is there twice"])
        entries[key.value] = value
    return Node(entries, line)


class Reading:
    """Reads nodes and collects what is wrong with them. ``_where`` names the part of the file that is read."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._where = "the file"

    def _mapping(self, node: Node, known: tuple[str, ...], *, required: tuple[str, ...]) -> Mapping[str, Node]:
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

    def _list(self, node: Node | None) -> list[Node]:
        """Return the items of ``node``, which has some; none where nothing is written."""
        if node is None:
            return []
        if isinstance(node.value, list) and node.value:
            return node.value
        self._note(node, "a list with at least one item is needed here")
        return []

    def _text(self, node: Node | None, form: re.Pattern[str], meaning: str) -> str:
        if node is None:
            return ""
        if isinstance(node.value, str) and form.fullmatch(node.value):
            return node.value
        self._note(node, meaning)
        return ""

    def _note(self, node: Node, problem: str) -> None:
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(f"{self._where}, line {node.line}: {problem}")
