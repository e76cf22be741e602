"""One run from its plan to its verdict."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.chaos.house import Collector, House, Responder, Stores
from tests.chaos.model import ChaosModel
from tests.chaos.timekeeper import Timekeeper
from tests.chaos.town import SERVICERS, Town
from tests.chaos.verdict import Verdict, judge
from tests.chaos.wecom import Wecom
from tests.factories import NOW

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.chaos.plan import Plan
    from tests.chaos.wecom import Address

ACCOUNTS = ("wkFrontdesk0000000001", "wkFrontdesk0000000002")
PAGES = (3, 20, 100)
AT_ONCE = 2  # of each function
_LOOK_S = 30.0
_SWEPT_S = 130.0  # two sweeps
_LONGEST_S = 20 * 3600


def run(
    plan: Plan, address: Address, *, limit_s: float, spoil: Callable[[House], None] = lambda _house: None
) -> tuple[Verdict, Town]:
    """Return what has become of a run as planned. Raises TimeoutError when it takes longer than ``limit_s``.

    ``spoil`` puts something worse in the place of what we have, for a run that is to be found at fault.
    """
    began = time.perf_counter()
    world = _World(plan, address, spoil)
    world.live(limit_s)
    return judge(world.town, seconds=time.perf_counter() - began), world.town


class _World:
    """Everything of one run, put together."""

    def __init__(self, plan: Plan, address: Address, spoil: Callable[[House], None]) -> None:
        self.clock = Timekeeper(NOW)
        self.wecom = Wecom(self.clock, plan.rng("wecom"), pages=PAGES, kf_empty_pages=True)
        address.use(self.wecom)
        self.stores = Stores(self.clock, woken=self._woken)
        self.model = ChaosModel(plan, sleep=self.clock.sleep, midway=self._midway)
        house = House(plan, self.clock, self.stores, self.model, url=address.url)
        spoil(house)
        accounts = ACCOUNTS[: plan.accounts]
        for account in accounts:
            self.wecom.state.kf.accounts.grant(account, "客服")
            self.wecom.employ(account, *SERVICERS)
        self.wecom.employ(accounts[0], "guo.li")
        self.town = Town(plan, self.clock, self.wecom, house, accounts)
        numbers = range(1, AT_ONCE + 1)
        self.responders = [Responder(house, self.stores.inbox, number, self.town.crashes) for number in numbers]
        collectors = [Collector(house, self.stores.pulls, number, self.town.crashes) for number in numbers]
        self.functions = [*collectors, *self.responders]

    def live(self, limit_s: float) -> None:
        """Let everything happen."""
        self.town.prepare()
        self.town.after(_LOOK_S, self._look)
        self.clock.spawn(self.town.live)
        for function in self.functions:
            self.clock.spawn(function.work)
        try:
            self.clock.run(limit_s)
        finally:
            for each in self.responders:
                each.close()

    def _woken(self) -> None:
        for each in self.functions:
            each.wake()

    def _midway(self, conversation: str, mark: str) -> None:
        self.town.midway(conversation, mark)

    def _look(self) -> None:
        """End the run when all is quiet; before that let an operator put back what has become dead letters."""
        awaited = self.town.awaited()
        if self.clock.monotonic() > _LONGEST_S:
            raise TimeoutError(f"the day is over, and not everything is done: {awaited}")
        if awaited or any(each.busy for each in self.functions):
            self.town.after(_LOOK_S, self._look)
        elif not self.town.calm:
            self._calm_down()
            self.town.after(_SWEPT_S, self._look)
        else:
            self.town.over = True
            for each in self.functions:
                each.end()

    def _calm_down(self) -> None:
        """End the trouble: what is left is worked off, and what was never told of is found by the sweep."""
        self.town.calm = True
        self.wecom.state.faults.clear()
        self.model.recover()
        for each in self.functions:
            each.calm = True
        letters = [*self.stores.inbox.redrive(), *self.stores.pulls.redrive()]
        self.town.counts["redriven"] += len(letters)
        self.town.redriven |= {getattr(each, "message_id", "") for each in letters}
