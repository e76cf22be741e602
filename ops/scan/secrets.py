"""Secrets among the files, by detect-secrets: what it finds has to be in `known-secrets.txt`, where nothing is secret.

It knows key-like texts by their form and by their name. It does not find short ones: a Token of six letters passes.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from ops.deployment import ROOT
from ops.scan.outcome import SCANNERS, Outcome, ScanError, last_line, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

KNOWN = ROOT / "ops" / "scan" / "known-secrets.txt"
_HEADER = """\
# What looks like a secret in the files and is none: invented for a test, published by a vendor, or a word.
# One line a finding: file, kind, SHA-1 of the text.
# `make scan ARGS="secrets --accept"` writes it; look at what it adds.
"""
_NOT_OURS = {".git", ".venv", ".venv-aws", ".venv-scan", ".local", ".aws-sam", "__pycache__"}
_CACHES = {".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", "htmlcov"}
_PICTURES = {".png", ".svg", ".ico"}
# The hashes of the locks are made to look like nothing but noise.
_LOCKED = r"--hash=sha256:[0-9a-f]{64}"


def scan(*, accept: bool = False, root: Path = ROOT, known: Path = KNOWN) -> Outcome:
    """Return what looks like a secret below ``root`` and is not in ``known``, and what is there for nothing.

    With ``accept`` whatever is found is written there.
    """
    files = sorted(_files(root))
    found = _found(files, root)
    if accept:
        known.write_text(_HEADER + "".join(f"{each}\n" for each in sorted(found)), encoding="utf-8")
        return Outcome(f"{len(files)} files, {len(found)} findings accepted")
    listed = {line for line in known.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")}
    findings = [f"{each.rpartition(' ')[0]} (sha1 {each.rpartition(' ')[2][:8]})" for each in sorted(found - listed)]
    findings += [f"{each}: is listed and not found any more" for each in sorted(listed - found)]
    return Outcome(f"{len(files)} files", tuple(findings))


def _files(root: Path) -> Iterator[str]:
    for folder, inside, names in os.walk(root):
        inside[:] = sorted(set(inside) - _NOT_OURS - _CACHES)
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), root)  # noqa: PTH118  # a text is what is wanted
            if os.path.splitext(name)[1] not in _PICTURES and name not in {".env", KNOWN.name}:  # noqa: PTH122
                yield path


def _found(files: Iterable[str], root: Path) -> set[str]:
    # Without verification: it would show what it found to the vendor whose secret it may be.
    command = [str(SCANNERS / "detect-secrets"), "scan", "--no-verify", "--all-files", f"--exclude-lines={_LOCKED}"]
    # It passes over what is outside the folder that it is run in.
    with tempfile.TemporaryDirectory(dir=root, prefix=".planted-") as folder:
        planted = Path(folder) / "planted.py"
        planted.write_text(f'KEY = "{token_hex(16)}"\n', encoding="utf-8")
        ended = run(*command, *files, str(planted.relative_to(root)), folder=root)
        try:
            results = json.loads(ended.stdout)["results"]
        except (ValueError, KeyError):
            raise ScanError(f"detect-secrets ended with {ended.returncode}: {last_line(ended.stderr)}") from None
        # It does not tell what it read. Who does not find what was planted has read nothing.
        if not results.pop(str(planted.relative_to(root)), None):
            raise ScanError("detect-secrets did not find the secret that was planted for it")
    return {
        f"{path} {each['type'].replace(' ', '')} {each['hashed_secret']}"
        for path, findings in results.items()
        for each in findings
    }
