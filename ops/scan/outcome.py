"""What a scanner came to: clean, with findings, or not run at all, which is none of the two."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ops.deployment import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Beside the scanners nothing of checkov's old pins is in the way of: see pyproject.toml.
SCANNERS = ROOT / ".venv-scan" / "bin"
_LIMIT_S = 600


@dataclass(frozen=True, slots=True)
class Outcome:
    """``scanned`` says of what; ``not_run`` says why nothing is known of that, "" where it is known."""

    scanned: str
    findings: tuple[str, ...] = ()
    not_run: str = ""

    @property
    def is_clean(self) -> bool:
        """Whether it was looked, and nothing found."""
        return not self.findings and not self.not_run


class ScanError(Exception):
    """A scanner is not there, or ended in a way that it never should; the message says which and how."""


def run(
    *command: str, environ: Mapping[str, str] | None = None, folder: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Return how a scanner ended that was run in ``folder``. Raises `ScanError` where there is none, or no end."""
    try:
        return subprocess.run(
            command, cwd=folder, env=environ, capture_output=True, text=True, timeout=_LIMIT_S, check=False
        )
    except FileNotFoundError as exc:
        raise ScanError(f"{command[0]} is missing: run `make scan`, which installs it") from exc
    except subprocess.TimeoutExpired as exc:
        raise ScanError(f"{command[0]} took longer than {_LIMIT_S} s") from exc


def last_line(text: str) -> str:
    """Return the last line with something in it, "no word" where there is none."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no word"
