"""Reads the files that people write, for the commands that check them and put them in force."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from frontdesk.protection.written_file import WrittenFileError

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def text_of(file: Path, error: type[WrittenFileError]) -> str:
    """Return what ``file`` says; raises ``error`` where that is no UTF-8."""
    try:
        return file.read_bytes().decode()
    except UnicodeDecodeError:
        raise error([f"{file} is not UTF-8"]) from None
