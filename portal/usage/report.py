"""The usage report as the pages and the CSV show it: finished values."""

import csv
import io
from dataclasses import dataclass
from datetime import date, timedelta

from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _

from portal.accounts.models import User
from portal.common.units import format_bytes
from portal.common.words import localize
from portal.teams.models import Team
from portal.usage.periods import SPANS, Stretch, first_day_of, next_day_of, parts_of, period_of
from portal.usage.selectors import Amounts, cpu_by_part, hours_by_member, site_zone, used_by_member

_HOUR, _DAY, _GIB = 3600, 86400, 2**30
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_COLUMNS = (
    "team",
    "user",
    "name",
    "from",
    "to",
    "cpu_hours",
    "memory_gib_days",
    "disk_gib_days",
    "peak_memory_bytes",
    "lab_hours",
    "refusals",
)


@dataclass(frozen=True, slots=True)
class Period:
    """A ``span`` (day, week, month) from ``first``; ``last`` is its last day. ``following`` is None where it is still to come."""

    span: str
    first: date
    title: str
    previous: date
    following: date | None

    @property
    def stretch(self) -> Stretch:
        return period_of(self.span, self.first, site_zone())

    @property
    def last(self) -> date:
        return next_day_of(self.span, self.first) - timedelta(days=1)


def read_period(span: str, day: str) -> Period:
    """Read what a link asks for; anything else is the week of today."""
    today = timezone.localdate()
    span = span if span in SPANS else "week"
    first = first_day_of(span, min(_parse_day(day) or today, today))
    following = next_day_of(span, first)
    return Period(
        span=span,
        first=first,
        title=_title(span, first),
        previous=first_day_of(span, first - timedelta(days=1)),
        following=following if following <= today else None,
    )


def _parse_day(text: str) -> date | None:
    """Years at the ends of the calendar have no neighbours to lead to."""
    try:
        day = parse_date(text)
    except ValueError:
        return None
    return day if day and 2000 <= day.year <= 2999 else None


def _title(span: str, first: date) -> str:
    if span == "month":
        return date_format(first, "YEAR_MONTH_FORMAT")
    if span == "day":
        return date_format(first, "DATE_FORMAT")
    last = next_day_of(span, first) - timedelta(days=1)
    return _("%(first)s to %(last)s") % {"first": date_format(first, "DATE_FORMAT"), "last": date_format(last, "DATE_FORMAT")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """``user`` is the user's name, empty for a whole team; ``percent`` the share of the largest row in processor time."""

    team: str
    user: str
    name: str
    cpu_hours: float
    memory_gib_days: float
    disk_gib_days: float
    peak_memory_bytes: int
    lab_hours: float
    refusals: int
    percent: int = 0

    @property
    def cells(self) -> tuple[str, ...]:
        """The numbers as people read them, in the order of the table's columns."""
        peak = format_bytes(self.peak_memory_bytes) if self.peak_memory_bytes else "-"
        decimals = (self.cpu_hours, self.memory_gib_days, self.disk_gib_days)
        return (*(number_format(amount, 2) for amount in decimals), peak, number_format(self.lab_hours, 1), str(self.refusals))


def team_row(team: Team, period: Stretch) -> Row:
    hours = sum(hours_by_member(team, period).values())
    return _row(team, None, used_by_member(team, period).get(None, Amounts()), hours)


def member_rows(team: Team, period: Stretch, *, only: User | None = None) -> list[Row]:
    """Return a row for each member, and for who is none any more but used something; the largest first."""
    used, hours = used_by_member(team, period), hours_by_member(team, period)
    people = {user.pk: user for user in team.members.all()}
    strangers = {user_id for user_id in used.keys() | hours.keys() if user_id is not None} - people.keys()
    people |= {user.pk: user for user in User.objects.filter(pk__in=strangers)}
    chosen = [user for user in people.values() if only is None or user.pk == only.pk]
    rows = [_row(team, user, used.get(user.pk, Amounts()), hours.get(user.pk, 0.0)) for user in chosen]
    return with_shares(sorted(rows, key=lambda row: (-row.cpu_hours, -row.lab_hours, row.user)))


def with_shares(rows: list[Row]) -> list[Row]:
    most = max((row.cpu_hours for row in rows), default=0.0)
    names = [name for name in Row.__slots__ if name != "percent"]
    return [Row(**{name: getattr(row, name) for name in names}, percent=_percent(row.cpu_hours, most)) for row in rows]


def _percent(part: float, whole: float) -> int:
    return round(100 * part / whole) if whole > 0 else 0


def _row(team: Team, user: User | None, used: Amounts, lab_hours: float) -> Row:
    return Row(
        team=team.slug,
        user=user.username if user else "",
        name=user.display_name if user else localize(team.name),
        cpu_hours=used.cpu_seconds / _HOUR,
        memory_gib_days=used.memory_byte_seconds / _GIB / _DAY,
        disk_gib_days=used.disk_byte_seconds / _GIB / _DAY,
        peak_memory_bytes=used.peak_memory_bytes,
        lab_hours=lab_hours,
        refusals=used.refusals,
    )


@dataclass(frozen=True, slots=True)
class Column:
    """One bar: where it stands and how high it is, of 100 each way; ``title`` says when and how much."""

    x: float
    y: float
    width: float
    height: float
    title: str


def chart(team: Team, user: User | None, period: Period) -> list[Column]:
    """Return the processor hours of each hour of a day or each day of a week or month; nothing where none were used."""
    parts = parts_of(period.span, period.first, site_zone())
    seconds = cpu_by_part(team, user, parts)
    most = max(seconds, default=0.0)
    if most <= 0:
        return []
    step = 100 / len(parts)
    return [
        _column(index, step, amount / most, _moment(part, period.span), amount)
        for index, (part, amount) in enumerate(zip(parts, seconds, strict=True))
    ]


def _column(index: int, step: float, part: float, moment: str, seconds: float) -> Column:
    height = round(100 * part, 2)
    title = _("%(moment)s: %(hours)s CPU hours") % {"moment": moment, "hours": number_format(seconds / _HOUR, 2)}
    return Column(x=round(index * step, 3), y=100 - height, width=round(step * 0.8, 3), height=height, title=title)


def _moment(part: Stretch, span: str) -> str:
    begin = part.begin.astimezone(site_zone())
    return date_format(begin, "TIME_FORMAT" if span == "day" else "DATE_FORMAT")


def to_csv(rows: list[Row], period: Period) -> str:
    """Return the rows as RFC 4180 has it. Numbers are plain, in the units that the header names."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(_COLUMNS)
    for row in rows:
        texts = (guard(row.team), guard(row.user), guard(row.name), period.first.isoformat(), period.last.isoformat())
        amounts = (f"{amount:.4f}" for amount in (row.cpu_hours, row.memory_gib_days, row.disk_gib_days))
        writer.writerow((*texts, *amounts, row.peak_memory_bytes, f"{row.lab_hours:.4f}", row.refusals))
    return stream.getvalue()


def guard(text: str) -> str:
    """Keep a spreadsheet from reading a name as a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
