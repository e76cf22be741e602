"""Everything the simulated platform remembers, in one place that the API and the callbacks share."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulators.wecom.calls import CallLog
from simulators.wecom.cards import CardDesk
from simulators.wecom.faults import FaultPlan
from simulators.wecom.kf.memory import KfMemory
from simulators.wecom.members import Directory
from simulators.wecom.quotas import DuplicateGuard, SendQuota
from simulators.wecom.timeline import Entry, Timeline
from simulators.wecom.tokens import TokenDesk

if TYPE_CHECKING:
    from random import Random

    from simulators.wecom.clock import PlatformClock
    from simulators.wecom.settings import Behaviour, WecomSettings


@dataclass(slots=True)
class PlatformState:
    """The platform's memory. `lock` makes a check and the change that depends on it one step."""

    settings: WecomSettings
    behaviour: Behaviour
    clock: PlatformClock
    rng: Random
    tokens: TokenDesk = field(init=False)
    cards: CardDesk = field(init=False)
    kf: KfMemory = field(init=False)
    members: Directory = field(default_factory=Directory)
    timeline: Timeline[Entry] = field(default_factory=Timeline)
    calls: CallLog = field(default_factory=CallLog)
    faults: FaultPlan = field(default_factory=FaultPlan)
    quota: SendQuota = field(default_factory=SendQuota)
    duplicates: DuplicateGuard = field(default_factory=DuplicateGuard)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.tokens = TokenDesk(self.rng)
        self.cards = CardDesk(self.rng)
        self.kf = KfMemory(self.rng, self.clock())

    def now_ms(self) -> int:
        """Return the time as epoch milliseconds."""
        return int(self.clock() * 1000)

    def clear(self) -> None:
        """Forget members, chats, calls, faults, tokens, quotas and 微信客服; settings stay. The clock is put right."""
        with self.lock:
            self.tokens.revoke_all()
            self.clock.clear()
            for part in (self.members, self.timeline, self.calls, self.faults, self.quota, self.duplicates):
                part.clear()
            self.cards.clear()
            self.kf.clear()
