"""China's calendar of days off and make-up workdays, as data: what the State Council publishes each November.

Sources: the notices on the holidays of 2025 (gov.cn/gongbao/2024/issue_11726/202411/content_6989767.html) and of 2026
(gov.cn/gongbao/2025/issue_12406/202511/content_7048922.html). A new year is one more line in each of the two tables
below. Until it is there, the days that the law itself names are off (全国年节及纪念日放假办法, as amended in 2024):
those of the sun in every year, those of the moon where `_OFF_BY_THE_MOON` has them.
"""

from __future__ import annotations

from datetime import date, timedelta

# 元旦, 春节, 清明, 劳动节, 端午, 中秋, 国庆, in the order of the year; weekends inside a holiday included.
_OFF = {
    2025: "01-01 01-28/02-04 04-04/04-06 05-01/05-05 05-31/06-02 10-01/10-08",
    2026: "01-01/01-03 02-15/02-23 04-04/04-06 05-01/05-05 06-19/06-21 09-25/09-27 10-01/10-07",
}
# Saturdays and Sundays that are worked instead (调休上班).
_WORKED = {
    2025: "01-26 02-08 04-27 09-28 10-11",
    2026: "01-04 02-14 02-28 05-09 09-20 10-10",
}
# 除夕 to 初三, 清明, 端午, 中秋 of years that have no notice yet.
_OFF_BY_THE_MOON = {
    2027: "02-05/02-08 04-05 06-09 09-15",
    2028: "01-25/01-28 04-04 05-28 10-03",
    2029: "02-12/02-15 04-04 06-16 09-22",
    2030: "02-02/02-05 04-05 06-05 09-12",
}
_OFF_EVERY_YEAR = frozenset({(1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)})


def _days(table: dict[int, str]) -> frozenset[date]:
    """Return the days of ``table``: by year, days and spans of days such as ``02-15/02-23``."""
    found: set[date] = set()
    for year, spans in table.items():
        for span in spans.split():
            first, _, last = span.partition("/")
            start, end = (date.fromisoformat(f"{year}-{day}") for day in (first, last or first))
            found.update(start + timedelta(days=n) for n in range((end - start).days + 1))
    return frozenset(found)


_DAYS_OFF = _days(_OFF) | _days(_OFF_BY_THE_MOON)
_MAKE_UP_DAYS = _days(_WORKED)


def is_published(year: int) -> bool:
    """Return whether the State Council's calendar of ``year`` is known here."""
    return year in _OFF


def is_day_off(day: date) -> bool:
    """Return whether ``day`` is a holiday, or belongs to one; an ordinary weekend is none."""
    return day in _DAYS_OFF or (not is_published(day.year) and (day.month, day.day) in _OFF_EVERY_YEAR)


def is_make_up_day(day: date) -> bool:
    """Return whether ``day`` is of a weekend and yet worked, in exchange for a day off."""
    return day in _MAKE_UP_DAYS
