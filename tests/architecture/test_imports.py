"""Who may import whom, read from the sources: the house's inner walls.

functions → bootstrap, telemetry, redelivery, diagnosis, errors, messages, and the outcome words of conversation
bootstrap → everything below
conversation → messages, records, errors, itself                   (knows no vendor, no AWS)
channels, fastgpt, protection, storage → messages, records, errors, third parties, itself
settings → messages, errors
telemetry → errors, and the redaction of protection
redelivery → errors
diagnosis → errors, records
rehearsal → messages, records, errors
records → messages
messages, errors → standard library
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "layers" / "frontdesk" / "frontdesk"
FUNCTIONS = ROOT / "functions"
WORDS = {"messages", "records", "errors"}
PARTS: dict[str, set[str]] = {
    "errors": set(),
    "messages": set(),
    "records": {"messages"},
    "settings": {"messages", "errors"},
    "telemetry": {"errors", "protection"},  # the log's redaction
    "redelivery": {"errors"},
    "diagnosis": {"errors", "records"},
    "rehearsal": WORDS,
    "conversation": WORDS | {"conversation"},
    "channels": WORDS | {"channels"},
    "fastgpt": WORDS | {"fastgpt"},
    "protection": WORDS | {"protection"},
    "storage": WORDS | {"storage"},
}
PARTS["bootstrap"] = set(PARTS)
PARTS["functions"] = {"bootstrap", "telemetry", "redelivery", "diagnosis", "errors", "messages", "conversation"}
THIRD_PARTIES: dict[str, set[str]] = {
    "telemetry": {"aws_lambda_powertools"},
    "channels": {"cryptography", "defusedxml", "markdown_it", "requests"},
    "fastgpt": {"requests", "urllib3"},
    "protection": {"ahocorasick_rs", "cryptography", "gmssl", "regex", "yaml"},
    "storage": {"boto3", "botocore", "pydantic", "urllib3"},
}
TYPES_ONLY = {"storage": {"mypy_boto3_dynamodb", "mypy_boto3_s3", "mypy_boto3_sqs"}}
# What functions may take from conversation when they run; everything else is a name in a type.
OUTCOME_WORDS = {"Result"}
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "base", "tools", "lib"}


@dataclass(frozen=True)
class Import:
    """One imported module, with the names taken from it."""

    module: str
    names: tuple[str, ...]
    types_only: bool

    @property
    def part(self) -> str:
        """The part of the house it belongs to, "" for the package itself; a third party's own name otherwise."""
        first, *rest = self.module.split(".")
        return first if first != "frontdesk" else (rest[0] if rest else "")


@dataclass(frozen=True)
class Source:
    """One module of ours."""

    name: str
    part: str
    imports: tuple[Import, ...]


def _is_guard(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _statements(node: ast.AST, *, types_only: bool = False) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, types_only
        yield from _statements(child, types_only=types_only or _is_guard(child))


def _imports(path: Path) -> Iterator[Import]:
    for node, types_only in _statements(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, (), types_only)
            continue
        assert not node.level, f"{path}: imports are absolute"
        module = node.module or ""
        submodules = {alias.name for alias in node.names if _is_module(f"{module}.{alias.name}")}
        for name in submodules:
            yield Import(f"{module}.{name}", (), types_only)
        names = tuple(alias.name for alias in node.names if alias.name not in submodules)
        if names:
            yield Import(module, names, types_only)


def _is_module(name: str) -> bool:
    relative = PACKAGE.parent.joinpath(*name.split("."))
    return name.startswith("frontdesk") and (
        relative.with_suffix(".py").exists() or (relative / "__init__.py").exists()
    )


@cache
def sources() -> tuple[Source, ...]:
    """Return every module of the package and every function's."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE.parent).with_suffix("")
        name = ".".join(relative.parts).removesuffix(".__init__")
        found.append(Source(name, relative.parts[1] if name != "frontdesk" else "", tuple(_imports(path))))
    for path in sorted(FUNCTIONS.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found.append(Source(name, "functions", tuple(_imports(path))))
    return tuple(found)


@pytest.fixture(params=sources(), ids=lambda source: source.name)
def source(request: pytest.FixtureRequest) -> Source:
    chosen: Source = request.param
    return chosen


def is_ours(each: Import) -> bool:
    return each.module.split(".")[0] in {"frontdesk", "functions"}


def test_every_module_has_its_place_in_the_picture(source: Source) -> None:
    assert source.part in PARTS or source.name == "frontdesk"


def test_only_the_arrows_of_the_picture_exist(source: Source) -> None:
    arrows = {each.part for each in source.imports if is_ours(each)}
    assert arrows <= PARTS.get(source.part, set())


def test_third_parties_are_known_only_where_they_belong(source: Source) -> None:
    foreign = [each for each in source.imports if not is_ours(each) and each.part not in sys.stdlib_module_names]
    assert {each.part for each in foreign if not each.types_only} <= THIRD_PARTIES.get(source.part, set())
    types = THIRD_PARTIES.get(source.part, set()) | TYPES_ONLY.get(source.part, set())
    assert {each.part for each in foreign if each.types_only} <= types


def test_functions_know_no_inner_module_but_the_words_for_outcomes(source: Source) -> None:
    if source.part == "functions":
        taken = [each for each in source.imports if each.part == "conversation" and not each.types_only]
        assert {name for each in taken for name in each.names} <= OUTCOME_WORDS
        assert all(each.names for each in taken)


def test_only_the_composition_imports_inside_its_functions(source: Source) -> None:
    if source.part == "bootstrap":
        return
    path = ROOT.joinpath(*source.name.split(".")) if source.part == "functions" else None
    path = path or PACKAGE.parent.joinpath(*source.name.split("."))
    text = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
    for node in ast.walk(ast.parse(text.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert not [each for each in ast.walk(node) if isinstance(each, ast.Import | ast.ImportFrom)]


def test_names_say_what_a_module_is_about(source: Source) -> None:
    assert not FORBIDDEN_NAMES & set(source.name.split("."))


def test_no_module_of_ours_outside_the_package_has_a_name_that_says_nothing() -> None:
    named = [path for folder in ("simulators", "ops", "bench", "tests") for path in (ROOT / folder).rglob("*.py")]
    assert not [path for path in named if path.stem in FORBIDDEN_NAMES]


def test_modules_do_not_need_each_other_in_circles() -> None:
    runtime = {
        source.name: {each.module for each in source.imports if is_ours(each) and not each.types_only}
        for source in sources()
    }
    assert list(TopologicalSorter(runtime).static_order())


def test_every_module_is_reached_from_a_function() -> None:
    imports = {source.name: {each.module for each in source.imports if is_ours(each)} for source in sources()}
    reached: set[str] = set()
    waiting = [source.name for source in sources() if source.part == "functions"]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += imports.get(name, set())
            waiting += [name.rpartition(".")[0]] if "." in name else []
    assert not {source.name for source in sources()} - reached


def test_the_words_everybody_speaks_need_the_standard_library_only() -> None:
    for source in sources():
        if source.part in WORDS | {"settings"}:
            assert all(is_ours(each) or each.part in sys.stdlib_module_names for each in source.imports)
