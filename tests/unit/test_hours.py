"""When people are there: business hours as written in a setting, China's holidays, and how a moment is told."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from frontdesk.conversation.holidays import is_day_off, is_make_up_day, is_published
from frontdesk.conversation.hours import CHINA, Hours
from frontdesk.errors import SettingsError

OFFICE = Hours.read("Mon-Fri 09:00-18:00; Sat 10:00-16:00")
NIGHT = Hours.read("Mon-Fri 22:00-06:00")


def at(written: str) -> float:
    """Return the epoch seconds of a moment as written in China."""
    return datetime.fromisoformat(written).replace(tzinfo=CHINA).timestamp()


def opening(hours: Hours, written: str) -> str:
    """Return the next opening after a moment, as written in China."""
    moment = hours.next_opening(at(written))
    assert moment is not None
    return datetime.fromtimestamp(moment, CHINA).strftime("%Y-%m-%d %H:%M")


class TestReading:
    @pytest.mark.parametrize(
        "text",
        [
            "Mon-Fri 09:00-18:00; Sat 10:00-16:00",
            "Mon-Fri 9:00-18:00;Sat 10:00-16:00;",
            "MONDAY–FRIDAY 09:00–18:00\nsaturday: 10:00 ~ 16:00",
            "Mon,Tue, Wed Thu、Fri 09:00-18:00; Sat 10:00-16:00",
            "周一至周五 09:00-18:00；周六 10:00-16:00",
            "周一至五09:00到18:00；星期六10:00～16:00",
            "工作日 ０９：００－１８：００；週六 10:00至16:00",
            "Sat 10:00-16:00; Mon-Wed 09:00-18:00; Thu-Fri 09:00-18:00",
        ],
    )
    def test_the_same_week_may_be_written_in_many_ways(self, text: str):
        assert Hours.read(text) == OFFICE

    def test_a_day_may_have_several_spans(self):
        assert Hours.read("Sun 13:30-18:00, 09:00-12:00").week == ((),) * 6 + (((540, 720), (810, 1080)),)
        assert Hours.read("周日 09:00-12:00、13:30-18:00") == Hours.read("Sun 09:00-12:00; Sun 13:30-18:00")

    def test_a_week_may_go_round(self):
        assert Hours.read("Sat-Mon 09:00-10:00") == Hours.read("Mon,Sat,Sun 09:00-10:00")
        assert Hours.read("每天 09:00-10:00") == Hours.read("daily 09:00-10:00") == Hours.read("Mon-Sun 09:00-10:00")
        assert Hours.read("周末 09:00-10:00") == Hours.read("周六、周天 09:00-10:00")

    @pytest.mark.parametrize("text", ["", "  \n", "24x7", "24X7", "24/7", "24小时"])
    def test_without_hours_it_is_always_open_on_holidays_too(self, text: str):
        hours = Hours.read(text)

        assert hours.is_open(at("2026-10-01 03:00"))
        assert hours.next_opening(at("2026-10-01 03:00")) == at("2026-10-01 03:00")

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("Mun 09:00-18:00", "entry 1, must begin with days"),
            ("09:00-18:00", "entry 1, must begin with days"),
            ("Mon-Daily 09:00-18:00", "entry 1, must begin with days"),
            ("Mon- 09:00-18:00", "entry 1, must begin with days"),
            ("Mon-Fri", "entry 1, must name hours"),
            ("Mon-Fri 9-18", "entry 1, must name hours"),
            ("Mon-Fri 09:00-18:00 x", "entry 1, must name hours"),
            ("Mon-Fri 09:00-18:00, 19:00", "entry 1, must name hours"),
            ("Mon-Fri 09:60-18:00", "entry 1, must name hours"),
            ("Mon-Fri 09:00-18:60", "entry 1, must name hours"),
            ("Mon-Fri 24:00-06:00", "entry 1, must name hours"),
            ("Mon-Fri 09:00-24:01", "entry 1, must name hours"),
            ("Mon-Fri 09:00-09:00", "entry 1, must name hours"),
            (";", "must be such as"),
        ],
    )
    def test_what_is_no_week_is_refused(self, text: str, problem: str):
        with pytest.raises(SettingsError, match=problem):
            Hours.read(text)

    def test_every_problem_is_named_and_no_value(self):
        with pytest.raises(SettingsError) as refused:
            Hours.read("Mon 08:00-09:00; Secret 09:00-10:00; hidden; Sun 31:00-32:00")

        assert refused.value.problems == [
            "BUSINESS_HOURS, entry 2, must begin with days such as Mon-Fri or Sat",
            "BUSINESS_HOURS, entry 3, must begin with days such as Mon-Fri or Sat",
            "BUSINESS_HOURS, entry 3, must name hours such as 09:00-18:00",
            "BUSINESS_HOURS, entry 4, must name hours such as 09:00-18:00",
        ]


class TestOpen:
    @pytest.mark.parametrize(
        ("moment", "is_open"),
        [
            ("2026-11-27 08:59:59", False),  # a Friday
            ("2026-11-27 09:00", True),
            ("2026-11-27 17:59:59", True),
            ("2026-11-27 18:00", False),
            ("2026-11-28 09:59", False),
            ("2026-11-28 10:00", True),
            ("2026-11-28 16:00", False),
            ("2026-11-29 12:00", False),
        ],
    )
    def test_it_opens_at_the_first_minute_and_is_closed_from_the_last(self, moment: str, is_open: bool):  # noqa: FBT001  # given by name
        assert OFFICE.is_open(at(moment)) is is_open

    @pytest.mark.parametrize(
        ("moment", "is_open"),
        [
            ("2026-11-23 05:00", False),  # a Monday: nothing began on Sunday
            ("2026-11-23 22:00", True),
            ("2026-11-24 05:59", True),
            ("2026-11-24 06:00", False),
            ("2026-11-28 05:59", True),  # Saturday, since Friday
            ("2026-11-28 22:00", False),
            ("2026-10-01 00:00", False),  # a day off begins at midnight
            ("2026-10-08 05:00", False),
            ("2026-10-08 22:00", True),
            ("2026-10-09 05:00", True),
        ],
    )
    def test_hours_over_midnight_belong_to_the_day_they_begin_on(self, moment: str, is_open: bool):  # noqa: FBT001  # given by name
        assert NIGHT.is_open(at(moment)) is is_open

    def test_until_midnight_is_no_hour_of_the_day_after(self):
        for text in ("Mon 20:00-24:00", "Mon 20:00-00:00"):
            assert Hours.read(text).is_open(at("2026-11-23 23:59:59"))
            assert not Hours.read(text).is_open(at("2026-11-24 00:00"))

    def test_a_make_up_saturday_has_mondays_hours(self):
        assert OFFICE.is_open(at("2026-10-10 09:30"))
        assert OFFICE.is_open(at("2026-10-10 17:30"))
        assert OFFICE.is_open(at("2026-01-04 12:00"))  # a Sunday

    def test_a_make_up_day_keeps_its_own_hours_where_monday_has_none(self):
        assert Hours.read("Tue-Sun 10:00-20:00").is_open(at("2026-01-04 12:00"))

    @pytest.mark.parametrize("text", ["Mon-Sun 00:00-24:00", "Mon-Sun 12:00-11:59"])
    def test_on_a_day_off_everything_is_closed(self, text: str):
        for hour in range(24):
            assert not Hours.read(text).is_open(at(f"2026-02-17 {hour:02}:00"))


class TestNextOpening:
    @pytest.mark.parametrize(
        ("moment", "expected"),
        [
            ("2026-11-27 07:00", "2026-11-27 09:00"),
            ("2026-11-27 18:00", "2026-11-28 10:00"),
            ("2026-11-28 16:00", "2026-11-30 09:00"),
            ("2026-09-30 18:00", "2026-10-08 09:00"),
            ("2026-02-14 18:00", "2026-02-24 09:00"),
            ("2026-09-19 16:00", "2026-09-20 09:00"),
            ("2025-12-31 20:00", "2026-01-04 09:00"),
            ("2026-12-31 20:00", "2027-01-02 10:00"),
        ],
    )
    def test_it_looks_over_nights_weekends_and_holidays(self, moment: str, expected: str):
        assert opening(OFFICE, moment) == expected

    def test_it_is_now_while_open(self):
        assert OFFICE.next_opening(at("2026-11-27 10:11:12")) == at("2026-11-27 10:11:12")

    def test_the_second_span_of_a_day_counts(self):
        assert opening(Hours.read("Mon 09:00-12:00, 13:30-18:00"), "2026-11-23 12:00") == "2026-11-23 13:30"

    def test_a_week_without_hours_never_opens(self):
        never = Hours(((),) * 7)

        assert never.next_opening(at("2026-11-27 10:00")) is None
        assert not never.is_open(at("2026-11-27 10:00"))


class TestSaying:
    @pytest.mark.parametrize(
        ("moment", "said"),
        [
            ("2026-11-27 14:00", "今天 14:00"),
            ("2026-11-28 09:00", "明天 09:00"),
            ("2026-11-30 09:00", "11月30日（周一）09:00"),
            ("2027-01-03 10:05", "1月3日（周日）10:05"),
            ("2026-11-26 09:00", "11月26日（周四）09:00"),
        ],
    )
    def test_a_moment_is_told_as_people_tell_it(self, moment: str, said: str):
        assert OFFICE.said(at("2026-11-27 00:30"), at(moment)) == said

    def test_the_day_is_chinas(self):
        assert Hours.said(at("2026-11-27 23:59"), at("2026-11-28 00:00")) == "明天 00:00"


class TestHolidays:
    def test_the_days_of_2026_are_those_of_the_notice(self):
        days = [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]
        off = [day for day in days if is_day_off(day)]

        assert len(off) == 33
        assert [day.isoformat() for day in days if is_make_up_day(day)] == [
            "2026-01-04",
            "2026-02-14",
            "2026-02-28",
            "2026-05-09",
            "2026-09-20",
            "2026-10-10",
        ]
        for first, last in [("02-15", "02-23"), ("05-01", "05-05"), ("09-25", "09-27"), ("10-01", "10-07")]:
            assert date.fromisoformat(f"2026-{first}") in off
            assert date.fromisoformat(f"2026-{last}") in off

    def test_the_days_of_2025_are_those_of_the_notice(self):
        days = [date(2025, 1, 1) + timedelta(days=n) for n in range(365)]

        assert len([day for day in days if is_day_off(day)]) == 28
        assert [day.isoformat()[5:] for day in days if is_make_up_day(day)] == [
            "01-26",
            "02-08",
            "04-27",
            "09-28",
            "10-11",
        ]

    @pytest.mark.parametrize("year", [2025, 2026])
    def test_what_is_worked_instead_is_a_weekend_and_no_day_off(self, year: int):
        days = [date(year, 1, 1) + timedelta(days=n) for n in range(365)]
        worked = [day for day in days if is_make_up_day(day)]

        assert all(day.weekday() >= 5 and not is_day_off(day) for day in worked)
        # The law gives 13 days since 2025; the rest of what is off on weekdays is made up for.
        assert len([day for day in days if is_day_off(day) and day.weekday() < 5]) - len(worked) <= 13

    @pytest.mark.parametrize("day", ["01-01", "05-01", "05-02", "10-01", "10-02", "10-03"])
    @pytest.mark.parametrize("year", [2027, 2031, 2040])
    def test_in_a_year_without_a_notice_the_days_of_the_law_are_off(self, year: int, day: str):
        assert is_day_off(date.fromisoformat(f"{year}-{day}"))
        assert not is_day_off(date.fromisoformat(f"{year}-10-08"))
        assert not is_published(year)

    @pytest.mark.parametrize("day", ["2027-02-06", "2028-01-26", "2029-02-13", "2030-02-03", "2027-06-09"])
    def test_the_coming_festivals_of_the_moon_are_off_without_a_notice(self, day: str):
        assert is_day_off(date.fromisoformat(day))

    def test_a_caller_learns_whether_the_calendar_is_known(self):
        assert OFFICE.calendar_known(at("2026-12-31 23:59"))
        assert not OFFICE.calendar_known(at("2027-01-01 00:00"))
        assert Hours.read("").calendar_known(at("2040-01-01 00:00"))
