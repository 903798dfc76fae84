"""When a day of the site ends. Pure."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def end_of_day(day: date, zone: ZoneInfo) -> datetime:
    """Return the moment, in UTC, in which the day after ``day`` begins in ``zone``."""
    # In UTC: moments that clocks of a zone skip are equal to nothing. A day whose midnight is skipped begins where the gap does.
    return datetime.combine(day + timedelta(days=1), time.min, tzinfo=zone).astimezone(UTC)
