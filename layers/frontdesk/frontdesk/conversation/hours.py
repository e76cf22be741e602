"""When people are there: the business hours of a company in China, its holidays and make-up workdays included.

Moments are epoch seconds; hours are those of China, UTC+8 all year (no summer time since 1992).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Self

from frontdesk.conversation.holidays import is_day_off, is_make_up_day, is_published
from frontdesk.errors import SettingsError

CHINA = timezone(timedelta(hours=8), "Asia/Shanghai")

_MONDAY = 0
_DAY_S = 86_400
_MINUTES = 24 * 60
_SEARCHED_DAYS = 60  # no calendar closes for longer what is open once a week

_ALWAYS = frozenset({"", "24x7", "24/7", "24*7", "24小时"})
_DAYS_EN = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAYS_EN_LONG = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAYS_ZH = "一二三四五六日"
_DAYS = {
    **{name: (number,) for number, name in enumerate(_DAYS_EN)},
    **{name: (number,) for number, name in enumerate(_DAYS_EN_LONG)},
    **{f"{week}{name}": (number,) for week in ("周", "星期") for number, name in enumerate(_DAYS_ZH)},
    "周天": (6,),
    "星期天": (6,),
    "工作日": (0, 1, 2, 3, 4),
    "周末": (5, 6),
    "每天": (0, 1, 2, 3, 4, 5, 6),
    "daily": (0, 1, 2, 3, 4, 5, 6),
}
_TO = r"\s*[-–—~〜到至]\s*"
_AND = r"(?:\s*[,、和]\s*|\s+)"
_SPAN = re.compile(rf"(\d{{1,2}}):(\d{{2}}){_TO}(\d{{1,2}}):(\d{{2}})")
_SPANS = re.compile(rf"{_SPAN.pattern}(?:{_AND}{_SPAN.pattern})*")
_TRADITIONAL = str.maketrans("週", "周")

Span = tuple[int, int]
"""Minutes after the midnight at which the day began, from and to; over 1440 on the day after."""

Week = tuple[tuple[Span, ...], ...]
"""The spans of each day, Monday first."""


@dataclass(frozen=True, slots=True)
class Hours:
    """The hours of a week; without a ``week`` it is always open, holidays included.

    On a day off everything is closed, from midnight to midnight. On a make-up workday Monday's hours hold, or the
    day's own where Monday has none. Hours over midnight belong to the day on which they begin.
    """

    week: Week | None

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the hours of BUSINESS_HOURS, e.g. ``Mon-Fri 09:00-12:00, 13:00-18:00; Sat 22:00-02:00``.

        "" and ``24x7`` are always open. Days may be Chinese: 周一至周五, 工作日, 每天. Raises `SettingsError` with
        every problem named.
        """
        plain = unicodedata.normalize("NFKC", text).casefold().translate(_TRADITIONAL).strip()
        if plain in _ALWAYS:
            return cls(None)
        week: list[list[Span]] = [[] for _ in range(7)]
        problems: list[str] = []
        entries = [entry.strip() for entry in re.split(r"[;\n]", plain) if entry.strip()]
        for number, entry in enumerate(entries, start=1):
            days, spans, wrong = _read_entry(entry)
            problems += [f"BUSINESS_HOURS, entry {number}, {problem}" for problem in wrong]
            for day in days:
                week[day] += spans
        if not entries:
            problems.append("BUSINESS_HOURS must be such as Mon-Fri 09:00-18:00; Sat 10:00-16:00, or empty")
        if problems:
            raise SettingsError(problems)
        return cls(tuple(tuple(sorted(spans)) for spans in week))

    @property
    def always(self) -> bool:
        """Whether it is always open, which is also what a company says that has not told its hours."""
        return self.week is None

    def is_open(self, now: float) -> bool:
        """Return whether people are there at ``now``."""
        if self.week is None:
            return True
        day, minute = _day_and_minute(now)
        if is_day_off(day):
            return False
        yesterday = self._spans(day - timedelta(days=1))
        return any(start <= minute < end for start, end in self._spans(day)) or any(
            minute < end - _MINUTES for _, end in yesterday
        )

    def next_opening(self, now: float) -> float | None:
        """Return the first moment from ``now`` on at which people are there: ``now`` itself when they are.

        ``None`` when they never are.
        """
        if self.is_open(now):
            return now
        today, _ = _day_and_minute(now)
        # What is open at a day's first moment by yesterday's hours is so since yesterday, so only beginnings count.
        for n in range(_SEARCHED_DAYS):
            day = today + timedelta(days=n)
            for start, _ in self._spans(day):
                moment = _midnight(day) + start * 60
                if moment > now:
                    return float(moment)
        return None

    def calendar_known(self, now: float) -> bool:
        """Return whether the days off of the year of ``now`` are the official ones; true where they do not matter."""
        return self.week is None or is_published(_day_and_minute(now)[0].year)

    @staticmethod
    def said(now: float, moment: float) -> str:
        """Return how ``moment`` is told to a customer at ``now``: 今天 14:00, 明天 09:00, 10月8日（周四）09:00."""
        then = datetime.fromtimestamp(moment, CHINA)
        days = (then.date() - datetime.fromtimestamp(now, CHINA).date()).days
        if days in {0, 1}:
            return f"{'明天' if days else '今天'} {then:%H:%M}"
        return f"{then.month}月{then.day}日（周{_DAYS_ZH[then.weekday()]}）{then:%H:%M}"

    def _spans(self, day: date) -> tuple[Span, ...]:
        """Return what begins on ``day``, sorted."""
        if self.week is None or is_day_off(day):
            return ()
        if is_make_up_day(day) and self.week[_MONDAY]:
            return self.week[_MONDAY]
        return self.week[day.weekday()]


def _read_entry(entry: str) -> tuple[set[int], list[Span], list[str]]:
    """Return the days of an entry, its spans, and what is wrong with it; values left out."""
    found = re.search(r"\d", entry)
    at = found.start() if found else len(entry)
    days = _read_days(entry[:at].strip(" :"))
    wrong = [] if days else ["must begin with days such as Mon-Fri or Sat"]
    spans = [_read_span(*map(int, span.groups())) for span in _SPAN.finditer(entry, at)]
    if None in spans or not _SPANS.fullmatch(entry, at):
        wrong.append("must name hours such as 09:00-18:00")
    return days, [span for span in spans if span], wrong


def _read_days(text: str) -> set[int]:
    """Return the days that ``text`` names, none when one of its names is no day's."""
    days: set[int] = set()
    for part in re.split(_AND, re.sub(_TO, "-", text)):
        first, dash, last = part.partition("-")
        begin, end = _DAYS.get(first, ()), _DAYS.get(last) or _DAYS.get(f"周{last}", ())
        if dash and len(begin) == len(end) == 1:
            days.update((begin[0] + n) % 7 for n in range((end[0] - begin[0]) % 7 + 1))
        elif begin and not dash:
            days.update(begin)
        else:
            return set()
    return days


def _read_span(from_hour: int, from_minute: int, to_hour: int, to_minute: int) -> Span | None:
    start, end = from_hour * 60 + from_minute, to_hour * 60 + to_minute
    if max(from_minute, to_minute) > 59 or start >= _MINUTES or end > _MINUTES or start == end:
        return None
    return start, end if end > start else end + _MINUTES


def _day_and_minute(moment: float) -> tuple[date, float]:
    """Return the day in China, and the minutes since its midnight."""
    days, second = divmod(moment + CHINA.utcoffset(None).total_seconds(), _DAY_S)
    return date(1970, 1, 1) + timedelta(days=int(days)), second / 60


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=CHINA).astimezone(UTC).timestamp())
