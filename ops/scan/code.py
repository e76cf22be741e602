"""Our own code, by bandit; what it may overlook, and why, is in pyproject.toml."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ops.deployment import ROOT
from ops.scan.outcome import SCANNERS, Outcome, ScanError, last_line, run

if TYPE_CHECKING:
    from subprocess import CompletedProcess

FOLDERS = ("layers/frontdesk/frontdesk", "functions", "ops", "simulators", "bench")


def scan(*folders: str) -> Outcome:
    """Return what bandit finds in ``folders``, `FOLDERS` without any."""
    command = [str(SCANNERS / "bandit"), "--quiet", "--configfile", str(ROOT / "pyproject.toml"), "--format", "json"]
    return judge(run(*command, "--recursive", *(folders or FOLDERS)))


def judge(ended: CompletedProcess[str]) -> Outcome:
    """Return bandit's findings; a file that it could not read is one."""
    try:
        report = json.loads(ended.stdout)
        lines = report["metrics"]["_totals"]["loc"]
        found, unread = report["results"], report["errors"]
    except (ValueError, KeyError, TypeError):
        raise ScanError(f"bandit ended with {ended.returncode}: {last_line(ended.stderr)}") from None
    findings = [
        f"{each['filename']}:{each['line_number']} {each['test_id']} ({each['issue_severity'].lower()}): "
        f"{each['issue_text']}"
        for each in found
    ]
    findings += [f"{each['filename']} was not read: {each['reason']}" for each in unread]
    if not lines:
        raise ScanError("bandit read nothing")
    return Outcome(f"{lines} lines", tuple(findings))
