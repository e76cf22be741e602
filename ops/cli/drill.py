"""`drill`: kills the primary model of the local run under load, and tells what became of every question."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ops.cli.frame import FOUND, Outcome, operates
from ops.drill import HOW, Drill, Plan, lines_of

if TYPE_CHECKING:
    from ops.desk import Desk

_SECONDS = click.FloatRange(min=1)


@click.command()
@operates
@click.option("--how", default=HOW[0], show_default=True, type=click.Choice(HOW), help="How the primary dies.")
@click.option("--lasts", default=60.0, show_default=True, type=_SECONDS, help="Ask questions for so many seconds …")
@click.option("--rate", default=1.0, show_default=True, type=click.FloatRange(0.1, 50), help="… so many a second.")
@click.option("--kill", default=15.0, show_default=True, type=_SECONDS, help="Kill the primary after so many seconds …")
@click.option("--restore", default=40.0, show_default=True, type=_SECONDS, help="… and restore it after so many.")
def drill(desk: Desk, *, how: str, lasts: float, rate: float, kill: float, restore: float) -> Outcome:
    """Kill the primary model under load and count what was lost. It breaks a vendor, so it needs --local."""
    if not desk.simulators_url:
        raise click.UsageError("a drill breaks the model, so it is held on a local run only: --local")
    if not kill < restore <= lasts:
        raise click.UsageError("the primary has to be killed before it is restored, and both before the end")
    plan = Plan(how, lasts_s=lasts, kill_s=kill, restore_s=restore, rate=rate)
    held = Drill(
        desk.simulators_url,
        interim=desk.setting("ResponderFunction", "INTERIM_TEXT"),
        apology=desk.setting("ResponderFunction", "FALLBACK_TEXT"),
        clock=desk.clock,
        sleep=desk.sleep,
        say=desk.say,
    )
    verdict = held.hold(plan)
    facts = {"plan": asdict(plan), "kept": verdict.kept, **asdict(verdict)}
    return Outcome(facts, lines_of(plan, verdict), 0 if verdict.kept else FOUND)
