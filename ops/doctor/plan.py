"""The order of the checks: as an administrator would go, from what was typed in to what rings."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from frontdesk.diagnosis import Checkup, side_by_side
from ops.doctor import aws, callback, clocks, deployed, inside

if TYPE_CHECKING:
    from collections.abc import Iterator

    from frontdesk.records import Checked
    from ops.doctor.ground import Ground

_READ_S = 60.0
_VISIT_S = 90.0
_INSIDE_S = 120.0  # the function may take sixty, and its start


def examine(ground: Ground, *, ask: bool, url: str) -> Iterator[Checked]:
    """Yield everything that is found, in order; nothing is raised. ``url`` is another address of the callback."""
    yield from side_by_side(
        [
            Checkup(deployed.DEPLOYED, partial(deployed.deployed, ground), _READ_S),
            Checkup(deployed.SECRETS, partial(deployed.secrets, ground), _READ_S),
        ]
    )
    # What was read up to here is what these stand on.
    yield from side_by_side([
        Checkup(deployed.HERE, partial(deployed.settings_here, ground), _READ_S),
        Checkup(clocks.NAMES, partial(clocks.examine, ground), _READ_S),
        Checkup(callback.NAMES, partial(callback.examine, ground, url), _VISIT_S),
        Checkup(inside.NAMES, partial(inside.examine, ground, ask=ask), _INSIDE_S),
        Checkup(aws.QUEUES, partial(aws.queues, ground), _READ_S),
        Checkup(aws.STARTS, partial(aws.starts, ground), _READ_S),
        Checkup(aws.TABLES, partial(aws.tables, ground), _READ_S),
        Checkup(aws.ALARMS, partial(aws.alarms, ground), _READ_S),
        Checkup(aws.LOGS, partial(aws.logs, ground), _READ_S),
        Checkup(aws.QUOTA, partial(aws.quota, ground), _READ_S),
    ])  # fmt: skip
