"""From what hosts see of labs to the stretches of time in which they ran. Time that nobody observed is nobody's.

Events tell moments exactly. A survey puts right what they missed: a run that is over ended when it was last seen. Only what is
seen of the lab's own tenant counts: anybody may claim any lab by a label, but is no other tenant.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from portal.labs.models import Lab
from portal.teams.tenants import member_tenant
from portal.usage.models import LabRun

_BEGINS = ("start", "unpause")
_ENDS = ("die", "destroy", "pause")

# How far the moment of an event may lie behind what else was told of its lab, which comes on another way.
_SLACK_NS = 5 * 10**9


@transaction.atomic
def take_event(host_name: str, message: dict[str, Any]) -> None:
    """Apply ``{"action", "lab", "tenant", "observed_at_ns"}``."""
    action, lab_id, tenant = message.get("action"), _parse_id(message.get("lab")), str(message.get("tenant"))
    if lab_id is None or action not in _BEGINS + _ENDS:
        return
    observed_at_ns = int(message.get("observed_at_ns", 0))
    if action in _ENDS:
        _end_run(lab_id, tenant, host_name, _moment(observed_at_ns))
        return
    lab = Lab.objects.filter(pk=lab_id, host__name=host_name).first()
    # A message that was overtaken by a later one tells of a run that is over.
    if lab is not None and lab.tenant == tenant and lab.observed_at_ns <= observed_at_ns + _SLACK_NS:
        _begin_run(lab, _moment(observed_at_ns))


@transaction.atomic
def take_survey(host_name: str, message: dict[str, Any]) -> None:
    """Compare ``{"labs": {uuid: {"tenant", "is_running", "is_paused"}}, "observed_at_ns"}`` with the runs that are open."""
    at = _moment(int(message.get("observed_at_ns", 0)))
    seen = message.get("labs") or {}
    running = {
        str(lab_id): str(lab.get("tenant")) for lab_id, lab in seen.items() if lab.get("is_running") and not lab.get("is_paused")
    }
    runs = LabRun.objects.filter(host__name=host_name, ended_at=None, begun_at__lt=at).select_related("team", "user")
    open_runs = {str(run.lab_id): run for run in runs}
    for lab_id, run in open_runs.items():
        is_seen = running.get(lab_id) == member_tenant(run.team, run.user)
        changes = {"seen_at": max(at, run.seen_at)} if is_seen else {"ended_at": max(run.begun_at, run.seen_at)}
        LabRun.objects.filter(pk=run.pk, ended_at=None).update(**changes)
    missed = [lab_id for lab_id in map(_parse_id, running.keys() - open_runs.keys()) if lab_id is not None]
    for lab in Lab.objects.filter(pk__in=missed, host__name=host_name).select_related("team", "owner"):
        if running.get(str(lab.pk)) == lab.tenant and not LabRun.objects.filter(lab_id=lab.pk, ended_at__gte=at).exists():
            _begin_run(lab, at)


def _begin_run(lab: Lab, at: datetime) -> None:
    """Open a run unless one is open."""
    values = {"team_id": lab.team_id, "user_id": lab.owner_id, "host_id": lab.host_id, "begun_at": at, "seen_at": at}
    LabRun.objects.get_or_create(lab_id=lab.pk, ended_at=None, defaults=values)


def _end_run(lab_id: UUID, tenant: str, host_name: str, at: datetime) -> None:
    # A run that began later is another one: this end came late.
    run = LabRun.objects.filter(lab_id=lab_id, host__name=host_name, ended_at=None, begun_at__lte=at).first()
    if run is not None and member_tenant(run.team, run.user) == tenant:
        LabRun.objects.filter(pk=run.pk, ended_at=None).update(ended_at=at, seen_at=at)


def _moment(observed_at_ns: int) -> datetime:
    return datetime.fromtimestamp(observed_at_ns / 10**9, tz=UTC)


def _parse_id(text: object) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None
