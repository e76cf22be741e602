"""The stages of samconfig.toml: which stack each is, and which settings it adds.

Production is the stage that is meant where none is named, and sam's own default. The settings of a stage stand in
`.env.<stage>`, over those of `.env` and under the environment's.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PRODUCTION = "production"
_SAMS_NAME = {PRODUCTION: "default"}
# What a stack's name may have: CloudFormation cuts a longer one in the names of functions, which have 64 characters,
# and those who shift the traffic know the functions by the whole.
LONGEST_STACK_NAME = 27
_STACK_NAME = re.compile(rf"[A-Za-z][A-Za-z0-9-]{{0,{LONGEST_STACK_NAME - 1}}}")


class StageError(Exception):
    """There is no such stage, or its stack cannot have that name; the message says which there are."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One section of samconfig.toml: what sam calls it, and the stack it deploys."""

    name: str
    sams_name: str
    stack: str


def stage_in_force(root: Path, environ: Mapping[str, str]) -> Stage:
    """Return the stage that ``STAGE`` names in ``environ``, or production; raises `StageError`."""
    configured: dict[str, Any] = tomllib.loads((root / "samconfig.toml").read_text(encoding="utf-8"))
    names = {sams: name for name, sams in _SAMS_NAME.items()}
    stages = {
        names.get(sams, sams): sams for sams, part in configured.items() if sams != "version" and "deploy" in part
    }
    name = environ.get("STAGE", "").strip() or PRODUCTION
    if name not in stages:
        raise StageError(f"samconfig.toml has no stage {name}, only {', '.join(sorted(stages))}")
    stack: str = configured[stages[name]]["deploy"]["parameters"]["stack_name"]
    return Stage(name, stages[name], checked_stack_name(stack))


def checked_stack_name(name: str) -> str:
    """Return ``name``; raises `StageError` when no stack of ours can have it."""
    if not _STACK_NAME.fullmatch(name):
        raise StageError(
            f"the stack's name must be up to {LONGEST_STACK_NAME} letters, digits and hyphens, a letter first"
        )
    return name
