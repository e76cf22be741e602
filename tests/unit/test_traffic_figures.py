"""Percentiles are samples that were seen, and growth is a straight line through them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.traffic.figures import Spread, percentile, slope


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100), (0.01, 1), (0.0, 1), (0.07, 7)]
)
def test_of_a_hundred_samples_the_percentile_is_the_sample_of_that_rank(share: float, expected: int) -> None:
    assert percentile(list(range(100, 0, -1)), share) == expected


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200), st.floats(0.01, 1))
def test_so_many_samples_are_not_above_a_percentile_and_with_a_smaller_one_fewer_were(
    samples: list[float], share: float
) -> None:
    found = percentile(samples, share)
    assert found in samples
    assert sum(each <= found for each in samples) >= share * len(samples) - 1e-6
    assert sum(each < found for each in samples) < share * len(samples) + 1e-6


def test_one_sample_is_all_percentiles_and_none_are_nothing() -> None:
    assert Spread.of([7.0]) == Spread(1, 7.0, 7.0, 7.0, 7.0)
    assert Spread.of([]) == Spread(0, 0.0, 0.0, 0.0, 0.0)


def test_growth_is_that_of_the_line_and_of_nothing_there_is_none() -> None:
    assert slope([(0, 10), (10, 30), (20, 50)]) == pytest.approx(2)
    assert slope([(5, 1), (5, 9)]) == 0
    assert slope([(1, 1)]) == 0
