"""Which customers try the canary: the same ones always, more with a larger share, and about as many as it says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from frontdesk.fastgpt.canary import tries_canary

DIGESTS = st.text("0123456789abcdef", min_size=32, max_size=32)
PERCENTS = st.integers(0, 100)


@given(DIGESTS, PERCENTS)
def test_a_customer_stays_where_they_are(conversation: str, percent: int) -> None:
    assert tries_canary(conversation, percent) == tries_canary(conversation, percent)


@given(DIGESTS, PERCENTS, PERCENTS)
def test_whoever_tries_it_at_a_share_tries_it_at_every_larger_one(conversation: str, one: int, other: int) -> None:
    small, large = sorted((one, other))

    assert tries_canary(conversation, small) <= tries_canary(conversation, large)


@given(DIGESTS)
def test_nobody_tries_it_at_0_and_everybody_at_100_percent(conversation: str) -> None:
    assert not tries_canary(conversation, 0)
    assert tries_canary(conversation, 100)


@given(st.integers(1, 50))
def test_the_share_is_as_large_as_it_says(percent: int) -> None:
    customers = 4000
    tried = sum(tries_canary(f"{number:032x}", percent) for number in range(customers))

    # Four standard deviations of a fair draw.
    assert abs(tried - customers * percent / 100) <= 4 * (customers * percent * (100 - percent)) ** 0.5 / 100
