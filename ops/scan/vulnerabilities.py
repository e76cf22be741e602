"""Known vulnerabilities of the locked packages, by pip-audit.

Where it cannot ask, it says that there are none and exits with 0, as if it had asked.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ops.scan.outcome import SCANNERS, Outcome, last_line, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

# The functions' own come first: where nothing is known of them, the others are not asked about.
LOCKS = (
    "layers/dependencies/requirements.txt",
    "requirements/dev.txt",
    "requirements/local.txt",
    "requirements/scan.txt",
)


def scan(ask: Callable[[str], CompletedProcess[str]] | None = None) -> Outcome:
    """Return what is known of the packages in `LOCKS`; ``ask`` runs pip-audit on one of them."""
    ask = ask or _ask
    audited: list[str] = []
    findings: list[str] = []
    for lock in LOCKS:
        outcome = judge(lock, ask(lock))
        if outcome.not_run:
            # What was found before stays found.
            return Outcome(", ".join(audited), (*findings, *outcome.findings), outcome.not_run)
        findings += outcome.findings
        audited.append(outcome.scanned)
    return Outcome(", ".join(audited), tuple(findings))


def judge(lock: str, ended: CompletedProcess[str]) -> Outcome:
    """Return what pip-audit's JSON says of ``lock``.

    An answer that leaves out a package is no answer: which one has the hole is not for us to guess. pip-audit exits
    with 1 for findings and for failures alike.
    """
    try:
        packages = json.loads(ended.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return Outcome(lock, not_run=f"{lock}: pip-audit ended with {ended.returncode}: {last_line(ended.stderr)}")
    skipped = [each for each in packages if "vulns" not in each]
    findings = tuple(_finding(lock, each, known) for each in packages for known in each.get("vulns", []))
    if skipped or not packages:
        first = skipped[0].get("skip_reason", "no reason given") if skipped else "the answer names no package"
        reason = f"{lock}: {len(skipped)} of {len(packages)} packages were not audited, the first: {first}"
        return Outcome(lock, findings, reason)
    return Outcome(f"{len(packages)} packages of {lock}", findings)


def _finding(lock: str, package: dict[str, Any], known: dict[str, Any]) -> str:
    cure = ", ".join(known.get("fix_versions", [])) or "no release yet"
    return f"{lock}: {package['name']} {package.get('version', '')} has {known.get('id', '?')}; cured in: {cure}"


def _ask(lock: str) -> CompletedProcess[str]:
    command = [str(SCANNERS / "pip-audit"), "--require-hashes", "--disable-pip", "--requirement", lock]
    return run(*command, "--format", "json", "--progress-spinner", "off", "--timeout", "10")
