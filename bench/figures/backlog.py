"""A backlog of a customer-service account: messages a second from WeCom into the inbox, in one invoke of the collector.

The baseline fetches the same pages by plain HTTP and does nothing with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.customer_service import Door
from bench.sampling import in_turns, median
from bench.table import Row

if TYPE_CHECKING:
    from bench.lab import Lab
    from bench.relay import Call

_ROUNDS = 5
_MESSAGES = 1_000
_CUSTOMERS = 50


def measure(lab: Lab) -> list[Row]:
    """Return the rate, and the emulator's share of the time."""
    with Door(lab, "backlog") as door:
        bare = door.bare_sync()
        recorded: list[tuple[Call, ...]] = []
        took: list[float] = []
        accounts: list[str] = []

        def ours() -> float:
            accounts.append(door.backlog(_CUSTOMERS, _MESSAGES))
            return _rate(door.drained_ms(accounts[-1], _MESSAGES)[0])

        def emulator_ms() -> float:
            took_ms, calls = door.drained_ms(door.backlog(_CUSTOMERS, _MESSAGES), _MESSAGES, recorded=True)
            recorded.append(calls)
            took.append(took_ms)
            return sum(call.took_ms for call in calls)

        samples = in_turns(
            {
                "ours": ours,
                "bare": lambda: _rate(bare.all_ms(accounts[-1], _MESSAGES)),
                "emulator": emulator_ms,
            },
            rounds=_ROUNDS,
        )
    whole = tuple(took[-_ROUNDS:])
    return [
        Row(
            figure=f"kf: a backlog of {_MESSAGES} messages of {_CUSTOMERS} customers into the inbox",
            ours=median(samples["ours"]),
            baseline=median(samples["bare"]),
            unit="/s",
            note="baseline: the same pages by bare sync_msg calls, put nowhere",
            ours_samples=samples["ours"],
            baseline_samples=samples["bare"],
        ),
        Row(
            figure=f"  of its time the AWS emulator, {len(recorded[-1])} calls",
            ours=median(samples["emulator"]),
            baseline=median(whole),
            unit="ms",
            note="calls of one invoke added up; baseline: the whole invoke through the same relay",
            ours_samples=samples["emulator"],
            baseline_samples=whole,
        ),
    ]


def _rate(took_ms: float) -> float:
    return _MESSAGES / took_ms * 1000
