"""Names a build: one hexadecimal id for the code, the layers, the template and the parameters together.

Lambda publishes a new version only when a function's own properties change, so a changed layer or parameter would
never reach the alias. The id is one of those properties: it changes with everything a deployment consists of.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

ID_LENGTH = 16
SOURCES = ("functions", "layers", "template.yaml")


def source_files(root: Path) -> Iterator[Path]:
    """Yield every file a build is made of, in a fixed order; bytecode is made by the build and left out."""
    for name in SOURCES:
        path = root / name
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file for file in found if file.is_file() and "__pycache__" not in file.parts)


def source_digest(root: Path) -> str:
    """Return the hexadecimal SHA-256 of all source files' names and contents."""
    digest = hashlib.sha256()
    for file in source_files(root):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(root).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def build_id(root: Path, parameters: Mapping[str, str]) -> str:
    """Return the id of building ``root`` and deploying it with ``parameters``: hexadecimal, 16 digits.

    Secrets among the parameters count too, so that functions which hold an old one are replaced. The id does not
    give them away: it is a small part of a hash over all of them.
    """
    digest = hashlib.sha256(source_digest(root).encode())
    digest.update(json.dumps(dict(parameters), sort_keys=True).encode())
    return digest.hexdigest()[:ID_LENGTH]
