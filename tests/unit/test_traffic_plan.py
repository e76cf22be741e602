"""The traffic is drawn ahead: at the rate asked for, in bursts, in the shares asked for, and the same for the same seed."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.traffic.plan import MARK, QUESTIONS, Channel, Copy, Kind, Mix, drawn
from simulators.traffic.trouble import TROUBLES, spread

HOUR = Mix(rate=5, seconds=3600, customers=500, kf=0.2, duplicates=0.1, media=0.05, events=0.02)


@settings(max_examples=25, deadline=None)
@given(rate=st.floats(0.5, 20), seed=st.integers(0, 10_000))
def test_as_many_messages_come_as_the_rate_says(rate: float, seed: int) -> None:
    mix = Mix(rate=rate, seconds=2000, customers=100)
    expected = rate * mix.seconds
    # Messages come in visits, so their number spreads more than a Poisson process of single ones: by some 2 √n.
    assert abs(len(drawn(mix, seed, "a")) - expected) < 6 * 2 * math.sqrt(expected)


def test_customers_come_by_at_random_and_not_in_step() -> None:
    first: dict[str, float] = {}
    for act in drawn(Mix(rate=5, seconds=3600, customers=10**6), 1, "a"):
        first.setdefault(act.customer, act.at_s)
    visits = sorted(at_s for at_s in first.values() if at_s > 120)  # by then, all have gone who came before the start
    gaps = sorted(later - earlier for earlier, later in pairwise(visits))
    mean = sum(gaps) / len(gaps)
    # The gaps of a Poisson process are exponential: as far spread as they are long, and half of them below ln 2.
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert abs(deviation / mean - 1) < 0.05
    assert abs(gaps[len(gaps) // 2] / mean - math.log(2)) < 0.05


def test_the_first_minute_is_as_busy_as_any_other() -> None:
    moments = [act.at_s for seed in range(20) for act in drawn(Mix(rate=5, seconds=300, customers=100), seed, "a")]
    first, last = sum(at_s < 60 for at_s in moments), sum(at_s >= 240 for at_s in moments)
    assert abs(first / last - 1) < 0.1


def test_all_that_happens_is_in_order_of_time_and_within_the_time() -> None:
    moments = [act.at_s for act in drawn(HOUR, 1, "a")]
    assert moments == sorted(moments)
    assert moments[0] > 0
    assert moments[-1] < HOUR.seconds


def test_the_same_seed_draws_the_same_and_another_seed_something_else() -> None:
    mix = Mix(rate=5, seconds=60, customers=20, kf=0.5, burst=5)
    assert drawn(mix, 7, "a") == drawn(mix, 7, "a")
    assert drawn(mix, 7, "a") != drawn(mix, 8, "a")


def test_runs_share_no_customer() -> None:
    mix = Mix(rate=5, seconds=60, customers=20)
    first, second = ({act.customer for act in drawn(mix, 1, run)} for run in ("a", "b"))
    assert not first & second


def test_the_shares_are_those_asked_for() -> None:
    acts = drawn(HOUR, 3, "a")
    kinds = Counter(act.kind for act in acts)
    questions = len(acts) - sum("想问一下" in act.what or act.what[:2] in {"你好", "我上"} for act in acts)
    assert abs(kinds[Kind.MEDIA] / questions - HOUR.media) < 0.01
    assert abs(kinds[Kind.EVENT] / questions - HOUR.events * (1 - HOUR.kf)) < 0.005
    assert abs(sum(act.copy is not Copy.NONE for act in acts) / len(acts) - HOUR.duplicates) < 0.01
    assert abs(sum(act.channel is Channel.KF for act in acts) / len(acts) - HOUR.kf) < 0.02


def test_a_burst_has_many_customers_write_within_a_second() -> None:
    quiet, bursting = Mix(rate=1, seconds=100, customers=1000), Mix(rate=1, seconds=100, customers=1000, burst=40)
    added = len(drawn(bursting, 1, "a")) - len(drawn(quiet, 1, "a"))
    assert added == 3 * 40
    second = [act for act in drawn(bursting, 1, "a") if 30 <= act.at_s < 31]
    assert len(second) >= 40
    assert len({act.customer for act in second}) > 30


def test_every_text_has_a_mark_of_its_own_and_nothing_else_has_one() -> None:
    acts = drawn(HOUR, 5, "a")
    marks = [act.mark for act in acts if act.kind is Kind.TEXT]
    assert len(set(marks)) == len(marks)
    assert all(re.findall(MARK, act.what) == [act.mark] for act in acts if act.kind is Kind.TEXT)
    assert not any(act.mark or re.search(MARK, act.what) for act in acts if act.kind is not Kind.TEXT)


def test_nobody_asks_again_what_was_just_answered() -> None:
    asked = defaultdict(list)
    for act in drawn(HOUR, 9, "a"):
        words = act.what.partition(" ")[0]
        if words in QUESTIONS:
            asked[act.customer].append(words)
    assert max(map(len, asked.values())) > len(QUESTIONS)
    for questions in asked.values():
        assert all(one != other for one, other in pairwise(questions))


def test_some_customers_write_several_short_messages_in_a_row() -> None:
    by_customer = defaultdict(list)
    for act in drawn(Mix(rate=5, seconds=600, customers=10**6), 1, "a"):
        by_customer[act.customer].append(act.at_s)
    gaps = [later - earlier for moments in by_customer.values() for earlier, later in pairwise(sorted(moments))]
    assert sum(gap < 1.5 for gap in gaps) > len(gaps) / 10


@given(seconds=st.floats(60, 7200))
def test_each_trouble_is_made_and_the_end_is_quiet(seconds: float) -> None:
    made = spread(seconds)
    assert {trouble.name for _, trouble in made} == {trouble.name for trouble in TROUBLES}
    assert all(0 < at_s <= 0.8 * seconds + 1e-6 for at_s, _ in made)
    assert sum(bool(trouble.kills) for _, trouble in made) == 1
