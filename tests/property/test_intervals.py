"""What holds for every interval, and that intervals hold what they promise."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.intervals import (
    NOTHING,
    design_effect,
    difference,
    quantile,
    quantile_difference,
    quantile_of,
    share_of,
    wilson,
)

CUSTOMERS = st.lists(
    st.integers(0, 20).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))), max_size=40
)
TIMES = st.lists(st.lists(st.floats(0, 60), max_size=4), max_size=8)


@given(st.integers(0, 1000), st.integers(1, 1000))
def test_a_share_lies_in_its_interval_and_both_between_nought_and_one(hits: int, more: int) -> None:
    found = wilson(hits, hits + more)
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.value <= found.high <= 1


@given(st.integers(0, 100), st.integers(1, 100), st.integers(2, 50))
def test_more_of_the_same_is_known_more_closely(hits: int, more: int, times: int) -> None:
    few, many = wilson(hits, hits + more), wilson(hits * times, (hits + more) * times)
    assert few.high is not None
    assert few.low is not None
    assert many.high is not None
    assert many.low is not None
    assert many.high - many.low < few.high - few.low


@given(st.integers(0, 500), st.integers(1, 500))
def test_hits_and_misses_mirror_each_other(hits: int, more: int) -> None:
    one, other = wilson(hits, hits + more), wilson(more, hits + more)
    assert one.low is not None
    assert other.high is not None
    assert math.isclose(one.low, 1 - other.high, abs_tol=1e-9)


def test_wilsons_interval_is_the_published_one() -> None:
    """Newcombe (1998), table I: 81 of 263, and 0 of 20."""
    found = wilson(81, 263)
    assert found.low == pytest.approx(0.2553, abs=5e-5)
    assert found.high == pytest.approx(0.3662, abs=5e-5)
    assert wilson(0, 20).high == pytest.approx(0.1611, abs=5e-5)


def test_newcombes_interval_of_a_difference_is_the_published_one() -> None:
    """Newcombe (1998), interval estimation for the difference, table II, method 10: 56 of 70 and 48 of 80."""
    found = difference(wilson(48, 80), wilson(56, 70))
    assert found.value == pytest.approx(0.2, abs=1e-9)
    assert found.low == pytest.approx(0.0524, abs=5e-5)
    assert found.high == pytest.approx(0.3339, abs=5e-5)


@given(CUSTOMERS, CUSTOMERS)
def test_a_difference_turns_round_with_its_sides(first: list[tuple[int, int]], second: list[tuple[int, int]]) -> None:
    there, back = difference(share_of(first), share_of(second)), difference(share_of(second), share_of(first))
    if there == NOTHING:
        assert back == NOTHING
        return
    assert there.value is not None
    assert there.low is not None
    assert there.high is not None
    assert back.value is not None
    assert back.low is not None
    assert -1 <= there.low <= there.value <= there.high <= 1
    assert math.isclose(there.value, -back.value, abs_tol=1e-9)
    assert math.isclose(there.high, -back.low, abs_tol=1e-9)


@given(CUSTOMERS)
def test_customers_never_tell_more_than_as_many_independent_questions(customers: list[tuple[int, int]]) -> None:
    asked = [each for each in customers if each[1]]
    assert design_effect(asked) >= 1


def test_who_asks_often_and_always_fares_alike_counts_for_less() -> None:
    alike = [(10, 10)] * 5 + [(0, 10)] * 5
    mixed = [(5, 10)] * 10
    close, wide = share_of(mixed), share_of(alike)
    assert close.value == wide.value == 0.5
    assert close.low is not None
    assert wide.low is not None
    assert wide.low < close.low


def test_of_a_hundred_samples_about_five_miss_the_truth() -> None:
    """Customers with one to eight questions, some of whom the app never understands: the share is 0.2."""
    chance = Random(20261128)  # repeatable
    held = 0
    for _ in range(400):
        customers = []
        for _ in range(150):
            asked = chance.randint(1, 8)
            likely = chance.choice([0.05, 0.05, 0.5])
            customers.append((sum(chance.random() < likely for _ in range(asked)), asked))
        found = share_of(customers)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0.2 <= found.high
    assert 0.92 <= held / 400 <= 0.98


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.floats(0, 1))
def test_a_quantile_lies_among_the_values(values: list[float], at: float) -> None:
    assert min(values) <= quantile(values, at) <= max(values)
    assert quantile(values, 0) == min(values)
    assert quantile(values, 1) == max(values)


@given(TIMES, st.sampled_from([0.5, 0.95]))
def test_a_quantile_lies_in_its_interval_and_the_same_seed_gives_the_same(times: list[list[float]], at: float) -> None:
    found = quantile_of(times, at)
    assert found == quantile_of(times, at)
    if found == NOTHING:
        assert not any(times)
        return
    assert found.low is not None
    assert found.value is not None
    assert found.high is not None
    assert found.low <= found.value <= found.high


def test_what_takes_two_seconds_longer_is_seen_to() -> None:
    chance = Random(7)  # repeatable
    fast = [[chance.gauss(5, 1) for _ in range(3)] for _ in range(60)]
    slow = [[chance.gauss(7, 1) for _ in range(3)] for _ in range(60)]
    found = quantile_difference(fast, slow, 0.5)
    assert found.low is not None
    assert found.high is not None
    assert 1 < found.low < 2 < found.high < 3


def test_nothing_seen_is_nothing_said() -> None:
    assert share_of([]) == share_of([(0, 0)]) == NOTHING
    assert quantile_of([[]], 0.5) == quantile_difference([[1.0]], [], 0.5) == NOTHING
