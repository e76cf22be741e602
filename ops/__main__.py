"""`python -m ops <group> <command>`: the operator's command line. docs/operator.md shows each command at work."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from ops.cli.answers import answers
from ops.cli.audit import audit
from ops.cli.canary import canary
from ops.cli.cost import cost
from ops.cli.doctor import doctor
from ops.cli.drill import drill
from ops.cli.keys import keys
from ops.cli.people import erase, export
from ops.cli.redrive import redrive
from ops.cli.replay import replay
from ops.cli.review import review
from ops.cli.rules import rules
from ops.cli.tail import tail
from ops.desk import Desk, in_the_cloud, on_this_machine, stack_name

if TYPE_CHECKING:
    from ops.cli.frame import Wanted


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Operate Frontdesk: keys, audit, erasure, rules, answers, reviews, dead letters, logs, costs, drills; a doctor."""


for _command in (
    keys,
    audit,
    erase,
    export,
    rules,
    answers,
    review,
    redrive,
    tail,
    replay,
    cost,
    drill,
    doctor,
    canary,
):
    main.add_command(_command)


def open_desk(wanted: Wanted) -> Desk:
    """Return the desk of the deployment that is wanted; raises `DeskError`."""
    local = wanted.local_folder
    deployment = on_this_machine(local) if local else in_the_cloud(wanted.stack or stack_name())
    return Desk(
        deployment,
        by=wanted.by,
        clock=time.time,
        monotonic=time.monotonic,
        sleep=time.sleep,
        say=lambda line: click.echo(line, err=True),
    )


if __name__ == "__main__":
    main(obj=open_desk, prog_name="python -m ops")
