"""The circuit in front of an endpoint as a state machine, without a clock, a store or a network of its own.

It is closed while the endpoint is asked as usual. Failures that no success has taken back are counted; with the
`THRESHOLD`-th it opens, and the endpoint is left alone for a while. Then it is due: one process probes it, by a call
that costs nothing. A good probe leaves it half-open, and one question is let through: its success closes the circuit,
its failure opens it again for twice as long. Times are epoch seconds.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from frontdesk.records import Circuit

THRESHOLD = 3
"""How many failures open a circuit."""
FIRST_PAUSE_S = 10.0
LONGEST_PAUSE_S = 120.0
_MOST_DOUBLINGS = 10
_LEAST_WAIT_S = 1.0


class State(StrEnum):
    """Whether an endpoint may be asked."""

    CLOSED = "closed"
    OPEN = "open"
    DUE = "due"  # open, and to be probed
    HALF_OPEN = "half_open"  # a probe went well: one question is to try it
    TAKEN = "taken"  # somebody probes or tries it


def state(circuit: Circuit, now: float) -> State:
    """Return the state at ``now``."""
    if not circuit.openings:
        return State.CLOSED
    if now < circuit.taken_until:
        return State.TAKEN
    if circuit.probed:
        return State.HALF_OPEN
    return State.DUE if now >= circuit.retry_at else State.OPEN


def must_open(circuit: Circuit) -> bool:
    """Return whether so many failures are counted that it is to open."""
    return not circuit.openings and circuit.failures >= THRESHOLD


def wait_s(circuit: Circuit, now: float) -> float:
    """Return after how many seconds, at least, it is worth asking again."""
    ready = circuit.taken_until if circuit.probed else max(circuit.retry_at, circuit.taken_until)
    return max(_LEAST_WAIT_S, ready - now)


def opened(circuit: Circuit, code: str, now: float) -> Circuit:
    """Return it open, by the error ``code``: for longer each time that it opens without having been closed."""
    pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(circuit.openings, _MOST_DOUBLINGS))
    return Circuit(openings=circuit.openings + 1, code=code, retry_at=now + pause_s, version=circuit.version + 1)


def taken(circuit: Circuit, until: float) -> Circuit:
    """Return it while one process alone probes or tries its endpoint."""
    return replace(circuit, taken_until=until, version=circuit.version + 1)


def probed(circuit: Circuit) -> Circuit:
    """Return it half-open, for one question to try."""
    return replace(circuit, probed=True, taken_until=0.0, version=circuit.version + 1)


def given_back(circuit: Circuit) -> Circuit:
    """Return it after a try that told nothing of the endpoint."""
    return replace(circuit, taken_until=0.0, version=circuit.version + 1)


def closed(circuit: Circuit) -> Circuit:
    """Return it closed, its failures forgotten."""
    return Circuit(version=circuit.version + 1)
