"""Reads lab hours and what was used. Everybody sees their own; staff of a team and administrators see all of it."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Max, Q, QuerySet, Sum
from django.utils import timezone

from portal.accounts.models import User
from portal.teams.models import Team
from portal.usage.models import LabRun, UsageHour
from portal.usage.periods import Stretch, hours_in, week_of

# A host tells each minute what runs. One that has said nothing for longer is not believed to go on running.
_BELIEVED = timedelta(minutes=3)


def site_zone() -> ZoneInfo:
    return ZoneInfo(settings.TIME_ZONE)


def this_week() -> Stretch:
    return week_of(timezone.now(), site_zone())


def hours_this_week(team: Team, user: User | None) -> float:
    """Return the lab hours of the week that goes on, of a member or of the whole team."""
    week = this_week()
    runs = LabRun.objects.filter(team=team) if user is None else LabRun.objects.filter(team=team, user=user)
    return hours_in(week, _stretches(runs_in(runs, week), timezone.now()))


def hours_by_member(team: Team, period: Stretch) -> dict[int, float]:
    """Return the lab hours of each user's id in ``period``."""
    runs: dict[int, list[LabRun]] = defaultdict(list)
    for run in runs_in(LabRun.objects.filter(team=team), period):
        runs[run.user_id].append(run)
    now = timezone.now()
    return {user_id: hours_in(period, _stretches(own, now)) for user_id, own in runs.items()}


def runs_in(runs: QuerySet[LabRun], period: Stretch) -> QuerySet[LabRun]:
    return runs.filter(Q(ended_at=None) | Q(ended_at__gt=period.begin), begun_at__lt=period.end)


def _stretches(runs: Iterable[LabRun], now: datetime) -> Iterable[Stretch]:
    for run in runs:
        end = run.ended_at or (now if run.seen_at > now - _BELIEVED else run.seen_at)
        yield Stretch(run.begun_at, min(end, now))


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """What somebody used in a period, on all hosts together."""

    cpu_seconds: float = 0.0
    memory_byte_seconds: float = 0.0
    disk_byte_seconds: float = 0.0
    peak_memory_bytes: int = 0
    refusals: int = 0


def used_by_member(team: Team, period: Stretch) -> dict[int | None, Amounts]:
    """Return what was used by each user's id; under None by the whole team, as the kernel has summed it up."""
    rows = _hours(team, period).order_by().values_list("user_id").annotate(*_SUMS)
    return {user_id: Amounts(**dict(zip(_SUMMED, sums, strict=True))) for user_id, *sums in rows}


def cpu_by_part(team: Team, user: User | None, parts: list[Stretch]) -> list[float]:
    """Return the processor seconds in each of ``parts``, which follow each other."""
    sums = [0.0] * len(parts)
    if not parts:
        return sums
    rows = _hours(team, Stretch(parts[0].begin, parts[-1].end)).filter(user=user).values_list("hour", "cpu_seconds")
    for hour, seconds in rows:
        index = next((index for index, part in enumerate(parts) if part.begin <= hour < part.end), None)
        if index is not None:
            sums[index] += seconds
    return sums


def _hours(team: Team, period: Stretch) -> QuerySet[UsageHour]:
    return UsageHour.objects.filter(team=team, hour__gte=period.begin, hour__lt=period.end)


_SUMMED = ("cpu_seconds", "memory_byte_seconds", "disk_byte_seconds", "refusals", "peak_memory_bytes")
_SUMS = (*(Sum(name) for name in _SUMMED[:-1]), Max(_SUMMED[-1]))
