"""The template, by cfn-lint for every kind of region and by checkov, whose findings each need a reason to stay."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import yaml

from ops.deployment import ROOT
from ops.scan.outcome import SCANNERS, Outcome, ScanError, last_line, run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from subprocess import CompletedProcess

REGIONS = ("us-east-1", "ap-east-1", "cn-north-1", "cn-northwest-1")
REASONS = ROOT / "ops" / "scan" / "checkov.yaml"
# Nobody listens there: checkov asks its vendor for things that it does not need here.
_NOWHERE = "http://127.0.0.1:9"


def lint() -> Outcome:
    """Return what cfn-lint finds in the template as it is written; tests/iac lint what the transform makes of it."""
    command = (
        str(ROOT / ".venv" / "bin" / "cfn-lint"),
        "template.yaml",
        "--regions",
        *REGIONS,
        "--format",
        "parseable",
    )
    ended = run(*command)
    findings = tuple(line for line in ended.stdout.splitlines() if line.strip())
    if ended.returncode and not findings:
        raise ScanError(f"cfn-lint ended with {ended.returncode}: {last_line(ended.stderr)}")
    return Outcome(f"template.yaml for {len(REGIONS)} regions", findings)


def check(template: Path = ROOT / "template.yaml") -> Outcome:
    """Return what checkov finds in ``template`` beyond the findings that have a reason."""
    command = [str(SCANNERS / "checkov"), "--file", str(template), "--framework", "cloudformation"]
    command += ["--skip-download", "--quiet", "--output", "json"]
    ended = run(*command, environ={**os.environ, "HTTP_PROXY": _NOWHERE, "HTTPS_PROXY": _NOWHERE})
    return judge(ended, yaml.safe_load(REASONS.read_text(encoding="utf-8")))


def judge(ended: CompletedProcess[str], reasons: Mapping[str, str]) -> Outcome:
    """Return the findings that ``reasons`` has no reason for, and the reasons that nothing is found for any more."""
    try:
        report: dict[str, Any] = json.loads(ended.stdout)
        failed = report["results"]["failed_checks"]
        summary = report["summary"]
        looked = summary["passed"] + summary["failed"]
    except (ValueError, KeyError, TypeError):
        raise ScanError(f"checkov ended with {ended.returncode}: {last_line(ended.stderr)}") from None
    if summary["parsing_errors"] or not looked:
        raise ScanError(f"checkov read nothing: {summary}")
    findings = [
        f"{each['check_id']} {each['resource'].rpartition('.')[2]}: {each['check_name']}"
        for each in failed
        if each["check_id"] not in reasons
    ]
    stale = sorted(set(reasons) - {each["check_id"] for each in failed})
    findings += [f"{check}: nothing is found for its reason any more; take it out" for check in stale]
    return Outcome(f"{looked} checks, {len(failed)} of them refused for {len(reasons)} reasons", tuple(findings))
