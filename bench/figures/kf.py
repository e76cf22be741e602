"""From WeCom's notification that a customer-service account has news to the message in the inbox.

The time of the built callback for the notification, of one reading of the queue behind it, and of the built collector
until it has answered; less one bare sync_msg call, which is WeCom's own time. Both are warm, as they nearly always are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.customer_service import Arrival, Door
from bench.messages import WORDS
from bench.sampling import in_turns, median
from bench.table import Goal, Row

if TYPE_CHECKING:
    from bench.lab import Lab

_ROUNDS = 30
_WARM_UPS = 5  # the first fetches WeCom's access token and opens all connections
_ACCOUNT = "wkFrontdesk0000000001"  # the simulator's first
_GOAL = Goal(150)


def measure(lab: Lab) -> list[Row]:
    """Return the whole, its parts, and the emulator's share."""
    direct: list[Arrival] = []
    recorded: list[Arrival] = []
    with Door(lab, "kf") as door:
        bare = door.bare_sync()

        def through(into: list[Arrival], *, relayed: bool) -> float:
            into.append(door.arrival(WORDS, recorded=relayed))
            return into[-1].total_ms

        samples = in_turns(
            {
                "ours": lambda: through(direct, relayed=False),
                "sync_msg": lambda: bare.page_ms(_ACCOUNT)[0],
                "relayed": lambda: through(recorded, relayed=True),
            },
            rounds=_ROUNDS,
            warm_ups=_WARM_UPS,
        )
    counted, told = direct[-_ROUNDS:], recorded[-_ROUNDS:]
    sync = samples["sync_msg"]
    calls = told[-1].calls
    note = (
        "baseline: one bare sync_msg call, which is WeCom's own time and taken off; built functions under the Lambda "
        "runtime, Lambda's reading of the queue stood for by one reading of the emulator's"
    )
    share = (
        f"the AWS emulator's own time for the {len(calls)} calls of both functions "
        f"({', '.join(call.operation for call in calls)}); baseline: the whole"
    )
    whole = tuple(total - own for total, own in zip(samples["ours"], sync, strict=True))
    emulator = tuple(sum(call.took_ms for call in each.calls) for each in told)

    def row(figure: str, ours: tuple[float, ...], goals: tuple[Goal, ...] = ()) -> Row:
        return Row(
            figure=figure,
            ours=median(ours),
            baseline=median(sync),
            unit="ms",
            goals=goals,
            note=note,
            ours_samples=ours,
            baseline_samples=sync,
        )

    return [
        row("kf: notification to message in the inbox", whole, (_GOAL,)),
        row("  of it the callback", tuple(each.callback_ms for each in counted)),
        row("  of it reading the queue", tuple(each.handed_over_ms for each in counted)),
        row(
            "  of it the collector",
            tuple(each.collector_ms - own for each, own in zip(counted, sync, strict=True)),
        ),
        Row(
            figure=f"  of it the AWS emulator, {len(calls)} calls",
            ours=median(emulator),
            baseline=median(whole),
            unit="ms",
            note=share,
            ours_samples=emulator,
            baseline_samples=whole,
        ),
    ]
