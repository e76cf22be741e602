"""How a run goes: its size, and how often each thing goes wrong. Everything random is drawn from the seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Literal


@dataclass(frozen=True, slots=True)
class Plan:
    """One run. Shares are from 0 to 1, times in seconds of kept time.

    ``dooms`` is the share of invocations in which the process dies; ``interim`` lets slow answers be announced, by a
    timer of the machine's own, so that two runs of one seed may differ then.
    """

    seed: int
    messages: int = 2_000
    customers: int = 50
    accounts: int = 2
    gap_s: float = 150.0
    burst: float = 0.3
    asks_for_person: float = 0.2
    taken_midway: float = 0.03
    absent_people: float = 0.15
    dooms: float = 0.2
    notice_twice: float = 0.1
    notice_late: float = 0.15
    notice_never: float = 0.15
    wecom_faults_a_minute: float = 2.0
    model_transient: float = 0.06
    model_permanent: float = 0.01
    undelivered: int = 5
    interim: bool = False

    @property
    def to(self) -> Literal["servicer", "queue"]:
        """Where people are called: each second seed lets customers wait in the queue."""
        return "queue" if self.seed % 2 else "servicer"

    def rng(self, *of: object) -> Random:
        """Return what draws for one purpose, whatever is drawn elsewhere."""
        return Random("/".join(map(str, (self.seed, *of))))

    def calm(self) -> Plan:
        """Return the same without anything that goes wrong."""
        return replace(
            self,
            dooms=0.0,
            notice_twice=0.0,
            notice_late=0.0,
            notice_never=0.0,
            wecom_faults_a_minute=0.0,
            model_transient=0.0,
            model_permanent=0.0,
            undelivered=0,
        )
