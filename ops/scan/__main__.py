"""Runs the scanners: `python -m ops.scan [name …]`, all of them without a name.

Exits with 1 for findings and for a scanner that failed. What could not be looked at is told as NOT RUN, loudly and
last, and fails nothing: whether a service can be reached says nothing about what we wrote.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from ops.scan import code, infrastructure, secrets, vulnerabilities
from ops.scan.outcome import Outcome, ScanError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_AT_ONCE = 2


def main(arguments: list[str]) -> int:
    """Run what ``arguments`` name and print what came of it; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m ops.scan", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--accept", action="store_true", help="take what `secrets` finds for none; look at the change")
    scanners: dict[str, Callable[[], Outcome]] = {
        "cfn-lint": infrastructure.lint,
        "checkov": infrastructure.check,
        "bandit": code.scan,
        "secrets": secrets.scan,
        "pip-audit": vulnerabilities.scan,
    }
    parser.add_argument("names", nargs="*", metavar="name", help=f"some of {', '.join(scanners)}; all without any")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(scanners)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    if options.accept:
        scanners["secrets"] = partial(secrets.scan, accept=True)
    return report({name: scan for name, scan in scanners.items() if not options.names or name in options.names})


def report(scanners: Mapping[str, Callable[[], Outcome]]) -> int:
    """Run ``scanners``, print a line for each and one for each finding, and return the exit status."""
    failed = False
    not_run = []
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for name, (outcome, seconds) in zip(scanners, pool.map(_timed, scanners.values()), strict=True):
            if isinstance(outcome, ScanError):
                failed = True
                print(f"{name}: FAILED: {outcome}")
                continue
            failed = failed or bool(outcome.findings)
            if outcome.not_run:
                not_run.append(f"{name}: NOT RUN: {outcome.not_run}")
            for finding in outcome.findings:
                print(f"{name}: {finding}")
            if outcome.is_clean:
                print(f"{name}: clean ({outcome.scanned}, {seconds:.0f} s)")
    for line in not_run:
        print(line)
    return int(failed)


def _timed(scan: Callable[[], Outcome]) -> tuple[Outcome | ScanError, float]:
    started = time.monotonic()
    try:
        return scan(), time.monotonic() - started
    except ScanError as error:
        return error, 0.0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
