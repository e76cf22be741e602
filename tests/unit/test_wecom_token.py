"""The access token: fetched once for all, renewed in time, given up when WeCom no longer takes it."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from frontdesk.channels.wecom_token import AccessTokens, Fetched
from frontdesk.errors import FrontdeskError, MisconfiguredError, TransientError
from tests.factories import NOW
from tests.fakes.tokens import InMemoryTokenStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fakes.tokens import KeptToken

NAME = "wecom#ww0a1b2c3d4e5f6a7b#1000002"
FAR = 1e6
LIMIT_S = 10.0


@dataclass
class World:
    """Time that passes only when somebody sleeps, and a WeCom that gives a new token to each who asks."""

    now: float = float(NOW)
    lifetime_s: float = 7200.0
    fetches: int = 0
    problem: FrontdeskError | None = None
    before_answer: Callable[[], None] = lambda: None
    store: InMemoryTokenStore = field(default_factory=InMemoryTokenStore)
    while_sleeping: Callable[[], None] = lambda: None

    def clock(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now - NOW

    def sleep(self, seconds: float) -> None:
        assert 0 < seconds <= 1
        self.now += seconds
        self.while_sleeping()

    def fetch(self, deadline: float) -> Fetched:
        self.fetches += 1
        number = self.fetches
        self.before_answer()
        if self.problem:
            raise self.problem
        return Fetched(f"token-{number}", self.lifetime_s)

    def instance(self) -> AccessTokens:
        return AccessTokens(
            name=NAME,
            store=self.store,
            fetch=self.fetch,
            clock=self.clock,
            monotonic=self.monotonic,
            sleep=self.sleep,
            rng=random.Random(1),
        )


class BrokenStore(InMemoryTokenStore):
    """A store whose methods named in ``broken`` are out of reach."""

    def __init__(self, *broken: str) -> None:
        super().__init__()
        self.broken = set(broken)

    def _reach(self, method: str) -> None:
        if method in self.broken:
            raise TransientError("the store is out of reach", code="dynamodb_failed")

    def read(self, name: str) -> KeptToken | None:
        self._reach("read")
        return super().read(name)

    def save(self, name: str, owner: str, *, value: str, version: str, refresh_at: float, expires_at: float) -> bool:
        self._reach("save")
        return super().save(name, owner, value=value, version=version, refresh_at=refresh_at, expires_at=expires_at)

    def release(self, name: str, owner: str) -> None:
        self._reach("release")
        super().release(name, owner)


def value(tokens: AccessTokens, deadline: float = FAR) -> str:
    return tokens.current(deadline=deadline).value


def test_a_token_is_fetched_once_and_then_held():
    world = World()
    tokens = world.instance()

    assert [value(tokens) for _ in range(3)] == ["token-1"] * 3
    assert world.fetches == 1


def test_instances_share_a_token():
    world = World()

    assert [value(world.instance()) for _ in range(3)] == ["token-1"] * 3
    assert world.fetches == 1


def test_a_token_is_renewed_five_minutes_ahead_of_its_end():
    world = World()
    tokens = world.instance()
    value(tokens)
    world.now += 6899
    assert value(tokens) == "token-1"

    world.now += 1

    assert value(tokens) == "token-2"


def test_a_short_token_is_renewed_after_half_of_its_life():
    world = World(lifetime_s=60)
    tokens = world.instance()
    value(tokens)
    world.now += 29
    assert value(tokens) == "token-1"

    world.now += 2

    assert value(tokens) == "token-2"


def test_an_invalidated_token_is_fetched_anew():
    world = World()
    tokens = world.instance()
    tokens.invalidate(tokens.current(deadline=FAR).version, deadline=FAR)

    assert value(tokens) == "token-2"


def test_a_token_renewed_by_another_instance_is_not_discarded():
    world = World()
    one, other = world.instance(), world.instance()
    stale = one.current(deadline=FAR)
    assert other.current(deadline=FAR).version == stale.version
    one.invalidate(stale.version, deadline=FAR)
    assert value(one) == "token-2"

    other.invalidate(stale.version, deadline=FAR)

    assert value(other) == "token-2"
    assert world.fetches == 2


def test_a_token_renewed_by_another_thread_is_not_discarded():
    world = World()
    tokens = world.instance()
    stale = tokens.current(deadline=FAR)
    tokens.invalidate(stale.version, deadline=FAR)
    value(tokens)

    tokens.invalidate(stale.version, deadline=FAR)

    assert value(tokens) == "token-2"


def test_ten_threads_fetch_one_token():
    world = World()
    tokens = world.instance()
    start = threading.Barrier(10)

    def ask(_: int) -> str:
        start.wait(LIMIT_S)
        return value(tokens)

    with ThreadPoolExecutor(10) as threads:
        assert set(threads.map(ask, range(10))) == {"token-1"}
    assert world.fetches == 1


def test_threads_go_on_with_a_good_token_while_one_of_them_renews_it():
    world = World()
    tokens = world.instance()
    value(tokens)
    world.now += 7000
    asked, answered = threading.Event(), threading.Event()

    def hold_up() -> None:
        asked.set()
        assert answered.wait(LIMIT_S)

    world.before_answer = hold_up
    with ThreadPoolExecutor(1) as threads:
        renewal = threads.submit(value, tokens)
        assert asked.wait(LIMIT_S)
        assert value(tokens) == "token-1"
        answered.set()
        assert renewal.result(LIMIT_S) == "token-2"
    assert value(tokens) == "token-2"


def test_an_instance_waits_for_the_one_that_is_fetching():
    world = World()
    assert world.store.lease(NAME, "another", now=world.now, until=world.now + 20)

    def finish() -> None:
        if world.monotonic() > 1:
            world.store.save(
                NAME, "another", value="theirs", version="v9", refresh_at=world.now + 60, expires_at=world.now + 90
            )

    world.while_sleeping = finish

    assert value(world.instance()) == "theirs"
    assert world.fetches == 0


def test_an_instance_uses_the_old_token_while_another_one_renews_it():
    world = World()
    tokens = world.instance()
    value(tokens)
    world.now += 7000
    assert world.store.lease(NAME, "another", now=world.now, until=world.now + 20)

    assert value(tokens) == "token-1"
    assert value(world.instance()) == "token-1"
    assert world.fetches == 1


def test_the_lease_of_an_instance_that_died_is_taken_over():
    world = World()
    world.store.lease(NAME, "dead", now=world.now, until=world.now + 20)

    assert value(world.instance()) == "token-1"
    assert 20 <= world.monotonic() < 21


def test_waiting_ends_at_the_deadline():
    world = World()
    world.store.lease(NAME, "another", now=world.now, until=world.now + 20)

    with pytest.raises(TransientError) as caught:
        value(world.instance(), deadline=3)

    assert caught.value.code == "wecom_token_busy"
    assert caught.value.retry_after_s > 0
    assert world.monotonic() < 3


def test_a_thread_does_not_wait_for_another_beyond_its_deadline():
    world = World()
    tokens = world.instance()
    asked, answered = threading.Event(), threading.Event()

    def hold_up() -> None:
        asked.set()
        assert answered.wait(LIMIT_S)

    world.before_answer = hold_up
    with ThreadPoolExecutor(1) as threads:
        fetching = threads.submit(value, tokens)
        assert asked.wait(LIMIT_S)
        with pytest.raises(TransientError, match="another caller"):
            value(tokens, deadline=0)
        answered.set()
        assert fetching.result(LIMIT_S) == "token-1"


def test_a_token_that_came_while_the_lease_was_taken_is_used():
    world = World()

    class Hurried(InMemoryTokenStore):
        """Lets another instance finish just before the lease is given."""

        def lease(self, name: str, owner: str, *, now: float, until: float) -> bool:
            if super().read(name) is None:
                super().lease(name, "another", now=now, until=until)
                super().save(name, "another", value="theirs", version="v9", refresh_at=now + 60, expires_at=now + 90)
            return super().lease(name, owner, now=now, until=until)

    world.store = Hurried()

    assert value(world.instance()) == "theirs"
    assert world.fetches == 0
    assert world.store.lease(NAME, "third", now=world.now, until=world.now + 1)


def test_who_lost_the_lease_takes_the_token_of_the_one_that_took_it_over():
    world = World()

    def be_slow() -> None:
        world.now += 21
        world.store.lease(NAME, "quick", now=world.now, until=world.now + 20)
        world.store.save(
            NAME, "quick", value="theirs", version="v9", refresh_at=world.now + 60, expires_at=world.now + 90
        )

    world.before_answer = be_slow

    assert value(world.instance()) == "theirs"


def test_a_wrong_secret_is_not_tried_again_for_a_minute():
    world = World(problem=MisconfiguredError("wrong secret", code="wecom_40001"))
    tokens = world.instance()
    caught = []
    for _ in range(5):
        with pytest.raises(MisconfiguredError) as refusal:
            value(tokens)
        caught.append(refusal.value)
        world.now += 10

    assert world.fetches == 1
    assert {error.code for error in caught} == {"wecom_40001"}
    assert len({id(error) for error in caught}) == 5

    world.now += 11
    world.problem = None
    assert value(tokens) == "token-2"


def test_other_instances_do_not_run_into_the_same_wall_at_once():
    world = World(problem=MisconfiguredError("wrong secret", code="wecom_40001"))
    with pytest.raises(MisconfiguredError):
        value(world.instance())

    with pytest.raises(TransientError):
        value(world.instance(), deadline=5)
    assert world.fetches == 1


def test_a_limit_on_fetching_is_waited_out():
    world = World(problem=TransientError("limit", code="wecom_45009", retry_after_s=60))
    tokens = world.instance()
    with pytest.raises(TransientError):
        value(tokens)
    world.now += 30

    with pytest.raises(TransientError) as caught:
        value(tokens)

    assert world.fetches == 1
    assert caught.value.retry_after_s == pytest.approx(30)


def test_a_passing_fault_is_not_remembered_and_its_lease_is_given_back():
    world = World(problem=TransientError("busy", code="wecom_-1"))
    tokens = world.instance()
    with pytest.raises(TransientError):
        value(tokens)

    world.problem = None

    assert value(tokens) == "token-2"
    assert world.monotonic() == 0


@pytest.mark.parametrize("problem", [TransientError("busy"), MisconfiguredError("wrong secret")])
def test_a_failed_renewal_leaves_the_good_token_in_use(problem: FrontdeskError):
    world = World()
    tokens = world.instance()
    value(tokens)
    world.now += 7000
    world.problem = problem

    assert [value(tokens) for _ in range(3)] == ["token-1"] * 3
    assert world.fetches == 2


def test_a_renewal_that_failed_is_tried_again_before_the_token_ends():
    world = World()
    tokens = world.instance()
    value(tokens)
    world.now += 7000
    world.problem = TransientError("busy")
    value(tokens)
    world.problem = None
    world.now += 11

    assert value(tokens) == "token-3"


def test_a_token_that_cannot_be_shared_is_used_all_the_same():
    world = World(store=BrokenStore("save"))
    tokens = world.instance()

    assert value(tokens) == "token-1"
    assert value(tokens) == "token-1"
    assert world.fetches == 1


def test_a_store_out_of_reach_does_not_hurt_while_the_token_is_good():
    store = BrokenStore()
    world = World(store=store)
    tokens = world.instance()
    value(tokens)
    world.now += 7000
    store.broken.add("read")

    assert value(tokens) == "token-1"


def test_a_store_out_of_reach_is_told_when_there_is_no_token():
    world = World(store=BrokenStore("read"))

    with pytest.raises(TransientError, match="out of reach"):
        value(world.instance())
    assert world.fetches == 0


def test_the_reason_of_a_failed_fetch_is_told_even_if_the_lease_cannot_be_given_back():
    world = World(store=BrokenStore("release"), problem=TransientError("busy", code="wecom_-1"))

    with pytest.raises(TransientError) as caught:
        value(world.instance())
    assert caught.value.code == "wecom_-1"


def test_a_token_does_not_show_itself_when_printed():
    world = World()

    assert "token-1" not in repr(world.instance().current(deadline=FAR))
    assert "token-1" not in repr(Fetched("token-1", 7200))
