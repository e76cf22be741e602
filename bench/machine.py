"""What the figures were taken on: without it no number means anything."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any


def described() -> dict[str, Any]:
    """Return the machine, its load just now, and the versions that matter to the figures."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.release()}",
        "load_1_min": round(os.getloadavg()[0], 2),
        "versions": {name: version(name) for name in ("awslambdaric", "boto3", "cryptography", "wechatpy")},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def line(machine: dict[str, Any]) -> str:
    """Return ``machine`` in one line."""
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return (
        f"Python {machine['python']}, {machine['cores']} cores ({machine['processor']}), {machine['system']}, "
        f"load {machine['load_1_min']} at the start; {versions}"
    )
