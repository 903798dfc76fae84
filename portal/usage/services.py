"""Keeps lab hours: warns who has used most of the week's, stops the labs of who has used all. Forgets what is old."""

from collections import defaultdict
from datetime import timedelta

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from portal.accounts.models import User
from portal.common.live import ADMINISTRATORS, send_changed, staff_group, user_group
from portal.common.refusals import Refusal
from portal.labs.lifecycle import LabState
from portal.labs.models import Lab
from portal.labs.services import stop_lab
from portal.notices.services import notify
from portal.teams.models import Team
from portal.teams.selectors import effective_quota
from portal.usage.models import HoursWarning, LabRun, LastReading, UsageHour
from portal.usage.selectors import hours_this_week, this_week
from portal.usage.texts import STOPPED, WARNED

WARN_AT = 0.8
_KEEP_HOURS = timedelta(days=400)
_KEEP_READINGS = timedelta(days=40)


def watch_hours() -> None:
    """Compare the lab hours of all who have running labs with what they may have."""
    labs: dict[tuple[int, int], list[Lab]] = defaultdict(list)
    for lab in Lab.objects.filter(state=LabState.RUNNING).select_related("team", "owner", "template", "host").order_by("pk"):
        labs[lab.team_id, lab.owner_id].append(lab)
    team_hours = {own[0].team: 0.0 for own in labs.values()}
    for team in team_hours:
        team_hours[team] = hours_this_week(team, None)
    for own in labs.values():
        _watch_member(own, team_hours[own[0].team])
    for team in team_hours:
        if effective_quota(team, None).limit("hours") is not None:
            send_changed([ADMINISTRATORS, staff_group(team.pk)], kind="quota", key=team.slug)


def _watch_member(labs: list[Lab], team_used: float) -> None:
    team, user = labs[0].team, labs[0].owner
    limit, team_limit = effective_quota(team, user).limit("hours"), effective_quota(team, None).limit("hours")
    used = hours_this_week(team, user)
    if limit is not None and used >= limit:
        _stop_all(labs, scope="member", used=used, limit=limit)
    elif team_limit is not None and team_used >= team_limit:
        _stop_all(labs, scope="team", used=team_used, limit=team_limit)
    elif limit is not None and used >= WARN_AT * limit:
        _warn(team, user, used=used, limit=limit)
    if limit is not None:
        send_changed([user_group(user.pk)], kind="quota", key=team.slug)


@transaction.atomic
def _warn(team: Team, user: User, *, used: float, limit: float) -> None:
    _row, is_first = HoursWarning.objects.get_or_create(team=team, user=user, week_begins_at=this_week().begin)
    if is_first:
        notify([user], WARNED, {"team": team.name, "used": used, "limit": limit}, _ask_for_hours(team))


@transaction.atomic
def _stop_all(labs: list[Lab], *, scope: str, used: float, limit: float) -> None:
    """Stop them as their owner would, and say why. A lab that is being stopped already is left out."""
    stopped = [lab.name for lab in labs if _stop(lab)]
    if stopped:
        values = {"team": labs[0].team.name, "labs": stopped, "scope": scope, "used": used, "limit": limit}
        notify([labs[0].owner], STOPPED, values, _ask_for_hours(labs[0].team))


def _stop(lab: Lab) -> bool:
    try:
        stop_lab(actor=None, lab=lab)
    except Refusal:
        return False
    return True


def _ask_for_hours(team: Team) -> str:
    return f"{reverse('requests:new')}?{urlencode({'team': team.slug, 'resource': 'hours'})}"


def prune_usage() -> None:
    """Forget what is older than reports go back."""
    now = timezone.now()
    UsageHour.objects.filter(hour__lt=now - _KEEP_HOURS).delete()
    LabRun.objects.filter(ended_at__lt=now - _KEEP_HOURS).delete()
    HoursWarning.objects.filter(week_begins_at__lt=now - _KEEP_READINGS).delete()
    LastReading.objects.filter(at_ns__lt=int((now - _KEEP_READINGS).timestamp() * 10**9)).delete()
