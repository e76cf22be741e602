"""Reads the settings a person gives: the environment, under it the file of the stage, and under that `.env`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")


class DotenvError(ValueError):
    """A line of `.env` is no setting; the message names file and line, never the line's content."""


def parse_dotenv(text: str, name: str = ".env") -> dict[str, str]:
    """Return the settings in ``text``: `NAME=value` lines, `#` comments, values quoted or not.

    Raises `DotenvError` for any other line.
    """
    settings = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise DotenvError(f"{name}, line {number}: expected NAME=value")
        settings[match[1]] = _unquoted(match[2])
    return settings


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return re.split(r"\s+#", value, maxsplit=1)[0].strip()


def settings_in_force(root: Path, environ: Mapping[str, str], stage: str = "") -> dict[str, str]:
    """Return ``environ`` laid over the settings of `.env` in ``root``; empty values count as not set.

    Those of `.env.<stage>`, if there are any, lie between the two. Raises `DotenvError`.
    """
    layers: list[Mapping[str, str]] = []
    for name in (".env", f".env.{stage}" if stage else ""):
        file = root / name
        if name and file.is_file():
            layers.append(parse_dotenv(file.read_text(encoding="utf-8"), name))
    # Emptied one by one, so that a variable that is set to nothing does not hide the line of the file.
    return {name: value for values in (*layers, environ) for name, value in values.items() if value.strip()}
