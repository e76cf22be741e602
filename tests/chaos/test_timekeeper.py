"""Time passes when all wait, and one at a time goes on."""

from __future__ import annotations

import pytest

from tests.chaos.timekeeper import Timekeeper

LIMIT_S = 10


def test_an_hour_passes_at_once_and_in_the_order_of_its_moments():
    clock = Timekeeper(1000.0)
    seen: list[tuple[str, float]] = []

    def wakes(name: str, *seconds: float) -> None:
        for each in seconds:
            clock.sleep(each)
            seen.append((name, clock.monotonic()))

    clock.spawn(lambda: wakes("a", 10, 3600))
    clock.spawn(lambda: wakes("b", 5, 10))
    clock.run(LIMIT_S)

    assert seen == [("b", 5), ("a", 10), ("b", 15), ("a", 3610)]
    assert clock() == 4610


def test_who_waits_for_somebody_goes_on_when_woken_and_not_before():
    clock = Timekeeper(0.0)
    seen: list[str] = []
    place = clock.place()

    def waits() -> None:
        clock.wait(place)
        seen.append(f"woken at {clock():.0f}")

    def wakes() -> None:
        clock.sleep(7)
        clock.wake(place, after=2)

    clock.spawn(waits)
    clock.spawn(wakes)
    clock.run(LIMIT_S)

    assert seen == ["woken at 9"]


def test_a_thread_that_ends_badly_ends_the_run():
    clock = Timekeeper(0.0)

    def fails() -> None:
        clock.sleep(1)
        raise ValueError("badly")

    clock.spawn(fails)
    with pytest.raises(ValueError, match="badly"):
        clock.run(LIMIT_S)


def test_threads_that_wait_for_each_other_are_found():
    clock = Timekeeper(0.0)
    clock.spawn(lambda: clock.wait(clock.place()))

    with pytest.raises(RuntimeError, match="waits for another"):
        clock.run(LIMIT_S)


def test_a_thread_whose_time_is_not_kept_does_not_wait():
    clock = Timekeeper(0.0)

    clock.sleep(3600)

    assert clock() == 0.0


def test_a_run_that_takes_too_long_is_ended():
    clock = Timekeeper(0.0)

    def for_ever() -> None:
        while True:
            clock.sleep(1)

    clock.spawn(for_ever)
    with pytest.raises(TimeoutError, match=r"not at an end after 0 s"):
        clock.run(0.05)
