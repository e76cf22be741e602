"""The operator's page tells every command and option that there is, and none that is not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from ops.__main__ import main

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (Path(__file__).parents[2] / "docs" / "operator.md").read_text(encoding="utf-8")


def commands(group: click.Group = main, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def test_every_command_is_in_the_table_and_no_other():
    told = set(re.findall(r"^\| \[`([a-z -]+?)(?: [A-Z]+)?`\]", PAGE, re.MULTILINE))

    assert told == {name for name, _ in commands()}


@pytest.mark.parametrize(("name", "command"), list(commands()))
def test_every_option_is_told(name: str, command: click.Command):
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.opts[-1] in PAGE, (name, parameter.opts)


def test_no_option_is_told_that_is_not_there():
    known = {option for _, command in commands() for parameter in command.params for option in parameter.opts}

    assert set(re.findall(r"--[a-z][a-z-]*", PAGE)) <= known


def test_every_transcript_is_of_a_command_that_is_there():
    typed = re.findall(r'^\$ make ops ARGS="([^"]+)"', PAGE, re.MULTILINE)

    assert typed
    for line in typed:
        assert any(line == name or line.startswith(f"{name} ") for name, _ in commands()), line
