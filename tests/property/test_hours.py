"""What holds for all business hours and all moments of the years around."""

from __future__ import annotations

from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from frontdesk.conversation.hours import CHINA, Hours

FIRST = int(datetime(2024, 12, 1, tzinfo=CHINA).timestamp())
LAST = int(datetime(2028, 3, 1, tzinfo=CHINA).timestamp())
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MINUTE = 60

times = st.integers(0, 24 * 60 - 1)


def written(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


entries = st.builds(
    lambda first, last, start, end: f"{first}-{last} {written(start)}-{written(end)}",
    st.sampled_from(DAYS),
    st.sampled_from(DAYS),
    times,
    times,
).filter(lambda entry: entry[-11:-6] != entry[-5:])
weeks = st.lists(entries, min_size=1, max_size=4).map("; ".join)
moments = st.integers(FIRST, LAST) | st.floats(FIRST, LAST, allow_nan=False)


@given(week=weeks, now=moments)
def test_the_next_opening_is_open_and_not_before_now(week: str, now: float):
    hours = Hours.read(week)
    moment = hours.next_opening(now)

    assert moment is not None
    assert moment >= now
    assert hours.is_open(moment)


@given(week=weeks, now=moments, data=st.data())
def test_nothing_is_open_before_the_next_opening(week: str, now: float, data: st.DataObject):
    hours = Hours.read(week)
    moment = hours.next_opening(now)
    assert moment is not None

    if moment > now:
        between = data.draw(st.floats(now, moment, exclude_max=True))
        assert not hours.is_open(between)
        assert hours.next_opening(between) == moment


@given(week=weeks, now=moments)
def test_no_minute_of_a_closed_day_was_overlooked(week: str, now: float):
    hours = Hours.read(week)
    moment = hours.next_opening(now)
    assert moment is not None

    minute = int(now) - int(now) % _MINUTE + _MINUTE
    for each in range(minute, min(int(moment), minute + 24 * 60 * _MINUTE), _MINUTE):
        assert not hours.is_open(each)


@given(week=weeks, now=moments)
def test_being_open_changes_only_at_full_minutes(week: str, now: float):
    hours = Hours.read(week)

    assert hours.is_open(now) is hours.is_open(int(now) - int(now) % _MINUTE)


@given(week=weeks)
def test_the_order_of_entries_does_not_matter(week: str):
    assert Hours.read("; ".join(reversed(week.split("; ")))) == Hours.read(week)
