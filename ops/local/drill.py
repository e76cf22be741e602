"""`python -m ops.local.drill [how …]` starts a local run of its own, holds a drill of each kind on it, and stops it."""

from __future__ import annotations

import argparse
import socket
import sys

import click

from ops.__main__ import main as operate
from ops.__main__ import open_desk
from ops.deployment import ROOT, DeploymentError
from ops.drill import HOW
from ops.local.processes import ProcessError
from ops.local.stack import LocalOptions, LocalStack


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main(arguments: list[str]) -> int:
    """Hold the drills that ``arguments`` name, all kinds without any; return the worst of their exit statuses."""
    parser = argparse.ArgumentParser(prog="python -m ops.local.drill", description=__doc__)
    parser.add_argument("how", nargs="*", metavar="how", help=f"{', '.join(HOW)}; all when none is named")
    parser.add_argument("--hedge", default="", metavar="SECONDS", help="deploy with FASTGPT_HEDGE_AFTER_SECONDS")
    given = parser.parse_args(arguments)
    chosen = given.how or list(HOW)
    if unknown := sorted(set(chosen) - set(HOW)):
        parser.error(f"unknown: {', '.join(unknown)}")
    folder = ROOT / ".local" / "drill"
    settings = {"FASTGPT_HEDGE_AFTER_SECONDS": given.hedge} if given.hedge else {}
    options = LocalOptions(frontdesk_port=_free_port(), aws_port=_free_port(), folder=folder, settings=settings)
    worst = 0
    try:
        with LocalStack(options, say=lambda line: click.echo(line, err=True)):
            for how in chosen:
                line = ["drill", "--local", "--local-folder", str(folder), "--how", how]
                status = operate(line, obj=open_desk, prog_name="python -m ops", standalone_mode=False)
                worst = max(worst, status or 0)
                click.echo("")
    except KeyboardInterrupt:
        return 130
    except (DeploymentError, ProcessError) as exc:
        click.echo(str(exc), err=True)
        return 1
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
