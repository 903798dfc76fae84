"""Days, weeks and months of the site's time zone, and how much of a stretch of time lies in them. Pure: the caller has the clock.

All moments are in UTC: on the days on which clocks change, arithmetic in a zone is an hour off.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

SPANS = ("day", "week", "month")


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time from ``begin`` up to, and without, ``end``."""

    begin: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        return max((self.end - self.begin).total_seconds(), 0.0)

    def within(self, other: "Stretch") -> "Stretch":
        """Return what the two have in common; of no length where that is nothing."""
        begin = max(self.begin, other.begin)
        return Stretch(begin, max(begin, min(self.end, other.end)))


def begin_of(day: date, zone: ZoneInfo) -> datetime:
    """Return the moment, in UTC, in which ``day`` begins in ``zone``."""
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


def first_day_of(span: str, day: date) -> date:
    """Return the first day of the day, week (Monday) or month that ``day`` is in."""
    if span == "month":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if span == "week" else day


def next_day_of(span: str, first: date) -> date:
    """Return the day after the span that begins with ``first``."""
    if span == "month":
        return (first.replace(day=1) + timedelta(days=32)).replace(day=1)
    return first + timedelta(days=7 if span == "week" else 1)


def period_of(span: str, day: date, zone: ZoneInfo) -> Stretch:
    first = first_day_of(span, day)
    return Stretch(begin_of(first, zone), begin_of(next_day_of(span, first), zone))


def week_of(moment: datetime, zone: ZoneInfo) -> Stretch:
    """Return the week of ``moment``: from Monday 0:00 to the next one by the clocks of ``zone``, 167 to 169 hours."""
    return period_of("week", moment.astimezone(zone).date(), zone)


def parts_of(span: str, day: date, zone: ZoneInfo) -> list[Stretch]:
    """Return the hours of a day, or the days of a week or month."""
    whole = period_of(span, day, zone)
    if span == "day":
        hours = int(whole.seconds // 3600)
        return [Stretch(whole.begin + timedelta(hours=at), whole.begin + timedelta(hours=at + 1)) for at in range(hours)]
    first, last = first_day_of(span, day), next_day_of(span, first_day_of(span, day))
    days = [first + timedelta(days=at) for at in range((last - first).days)]
    return [period_of("day", one, zone) for one in days]


def hours_in(period: Stretch, stretches: Iterable[Stretch]) -> float:
    """Add up how many hours of ``stretches`` lie in ``period``; two labs at the same time count twice."""
    return sum(stretch.within(period).seconds for stretch in stretches) / 3600
