"""Weeks, days and months by the clocks of a place."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from portal.usage.periods import Stretch, first_day_of, hours_in, next_day_of, parts_of, period_of, week_of

PARIS = ZoneInfo("Europe/Paris")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "moment", "begin", "end", "hours"),
    [
        ("UTC", "2026-11-21T12:00", "2026-11-16T00:00", "2026-11-23T00:00", 168),
        ("UTC", "2026-11-16T00:00", "2026-11-16T00:00", "2026-11-23T00:00", 168),
        ("UTC", "2026-11-15T23:59", "2026-11-09T00:00", "2026-11-16T00:00", 168),
        # Sunday evening in London is Monday in Paris.
        ("Europe/Paris", "2026-11-15T23:30", "2026-11-15T23:00", "2026-11-22T23:00", 168),
        # Clocks go forward on March 29 and back on October 25.
        ("Europe/Paris", "2026-03-25T12:00", "2026-03-22T23:00", "2026-03-29T22:00", 167),
        ("Europe/Paris", "2026-10-21T12:00", "2026-10-18T22:00", "2026-10-25T23:00", 169),
        ("America/New_York", "2026-11-02T04:59", "2026-10-26T04:00", "2026-11-02T05:00", 169),
        ("Asia/Kathmandu", "2026-11-18T00:00", "2026-11-15T18:15", "2026-11-22T18:15", 168),
        ("Pacific/Kiritimati", "2026-11-15T10:00", "2026-11-15T10:00", "2026-11-22T10:00", 168),
        ("UTC", "2026-12-31T12:00", "2026-12-28T00:00", "2027-01-04T00:00", 168),
    ],
)
def test_a_week_begins_on_monday_by_the_clocks_of_the_place(zone: str, moment: str, begin: str, end: str, hours: int) -> None:
    week = week_of(utc(moment), ZoneInfo(zone))
    assert (week.begin, week.end, week.seconds / 3600) == (utc(begin), utc(end), hours)


@pytest.mark.parametrize(
    ("span", "day", "first", "following"),
    [
        ("day", date(2026, 2, 28), date(2026, 2, 28), date(2026, 3, 1)),
        ("week", date(2026, 3, 1), date(2026, 2, 23), date(2026, 3, 2)),
        ("month", date(2026, 12, 31), date(2026, 12, 1), date(2027, 1, 1)),
        ("month", date(2028, 2, 29), date(2028, 2, 1), date(2028, 3, 1)),
        ("month", date(2026, 1, 31), date(2026, 1, 1), date(2026, 2, 1)),
    ],
)
def test_spans_follow_each_other(span: str, day: date, first: date, following: date) -> None:
    assert (first_day_of(span, day), next_day_of(span, first)) == (first, following)


@pytest.mark.parametrize(
    ("span", "day", "count"),
    [
        ("day", date(2026, 3, 29), 23),
        ("day", date(2026, 10, 25), 25),
        ("day", date(2026, 11, 21), 24),
        ("week", date(2026, 3, 29), 7),
        ("month", date(2026, 2, 1), 28),
    ],
)
def test_parts_cover_their_period_without_gaps(span: str, day: date, count: int) -> None:
    parts, whole = parts_of(span, day, PARIS), period_of(span, day, PARIS)
    assert (len(parts), parts[0].begin, parts[-1].end) == (count, whole.begin, whole.end)
    assert all(one.end == other.begin for one, other in pairwise(parts))


WEEK = week_of(utc("2026-11-18T00:00"), ZoneInfo("UTC"))


@pytest.mark.parametrize(
    ("stretches", "hours"),
    [
        ([], 0),
        ([("2026-11-16T00:00", "2026-11-16T01:30")], 1.5),
        ([("2026-11-15T22:00", "2026-11-16T01:00")], 1),
        ([("2026-11-22T23:00", "2026-11-23T05:00")], 1),
        ([("2026-11-01T00:00", "2026-12-01T00:00")], 168),
        ([("2026-11-09T00:00", "2026-11-10T00:00")], 0),
        ([("2026-11-24T00:00", "2026-11-25T00:00")], 0),
        ([("2026-11-17T00:00", "2026-11-17T02:00"), ("2026-11-17T01:00", "2026-11-17T02:00")], 3),
        ([("2026-11-17T02:00", "2026-11-17T01:00")], 0),
    ],
)
def test_hours_are_counted_as_far_as_they_lie_in_the_week(stretches: list[tuple[str, str]], hours: float) -> None:
    assert hours_in(WEEK, [Stretch(utc(begin), utc(end)) for begin, end in stretches]) == hours


def test_an_hour_that_clocks_repeat_is_counted_twice_and_one_they_skip_not_at_all() -> None:
    for day, hours in ((date(2026, 10, 25), 25), (date(2026, 3, 29), 23)):
        whole = period_of("day", day, PARIS)
        assert hours_in(week_of(whole.begin, PARIS), [whole]) == hours
        assert whole.end - whole.begin == timedelta(hours=hours)
