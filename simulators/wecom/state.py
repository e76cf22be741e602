"""Everything the simulated platform remembers, in one place that the API and the callbacks share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulators.wecom.calls import CallLog
from simulators.wecom.faults import FaultPlan
from simulators.wecom.members import Directory
from simulators.wecom.quotas import DuplicateGuard, SendQuota
from simulators.wecom.timeline import Timeline
from simulators.wecom.tokens import TokenDesk

if TYPE_CHECKING:
    from random import Random

    from simulators.wecom.settings import Behaviour, WecomSettings

Clock = Callable[[], float]
"""Returns the time as epoch seconds; a test passes its own to move through hours at once."""


@dataclass(slots=True)
class PlatformState:
    """The platform's memory. `lock` makes a check and the change that depends on it one step."""

    settings: WecomSettings
    behaviour: Behaviour
    clock: Clock
    rng: Random
    tokens: TokenDesk = field(init=False)
    members: Directory = field(default_factory=Directory)
    timeline: Timeline = field(default_factory=Timeline)
    calls: CallLog = field(default_factory=CallLog)
    faults: FaultPlan = field(default_factory=FaultPlan)
    quota: SendQuota = field(default_factory=SendQuota)
    duplicates: DuplicateGuard = field(default_factory=DuplicateGuard)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.tokens = TokenDesk(self.rng)

    def now_ms(self) -> int:
        """Return the time as epoch milliseconds."""
        return int(self.clock() * 1000)

    def clear(self) -> None:
        """Forget members, chats, calls, faults, tokens and quotas; settings stay."""
        with self.lock:
            self.tokens.revoke_all()
            for part in (self.members, self.timeline, self.calls, self.faults, self.quota, self.duplicates):
                part.clear()
