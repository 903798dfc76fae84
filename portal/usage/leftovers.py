"""Stops what people started with docker and left running without a lab, where lab hours are counted.

The rule: hours count while a lab runs, and what was started with docker runs beside a lab of its owner or not at all. So hours
that are used up, or a lab that is stopped to save some, end all of it. Without a quota of hours nothing is stopped.
"""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.urls import reverse

from portal.audit.services import record
from portal.hosts.models import Host
from portal.jobs.models import Job, JobState
from portal.jobs.selectors import has_unfinished_job
from portal.jobs.services import create_job
from portal.labs.selectors import active_labs
from portal.notices.services import notify
from portal.teams.models import Membership
from portal.teams.selectors import effective_quota
from portal.teams.tenants import member_tenant
from portal.usage.texts import LEFT

STOP = "containers.stop"


@transaction.atomic
def take_usage(host_name: str, message: dict[str, Any]) -> None:
    """Look at ``{"observed_at_ns", "tenants": [view of each]}`` for members who have something running and no lab that does."""
    host = Host.objects.filter(name=host_name, is_enabled=True).first()
    running = {str(view.get("name")) for view in message.get("tenants") or [] if _count(view)}
    if host is None or not running:
        return
    busy = set(active_labs().values_list("team_id", "owner_id"))
    slugs = {name.partition("/")[0] for name in running}
    for membership in Membership.objects.filter(team__slug__in=slugs).select_related("team", "user"):
        tenant = member_tenant(membership.team, membership.user)
        is_left = tenant in running and (membership.team_id, membership.user_id) not in busy
        if is_left and _has_hours(membership) and not has_unfinished_job(_object_key(tenant, host)):
            _stop(host, membership, tenant, before_ns=int(message.get("observed_at_ns", 0)))


def take_job(job: Job) -> None:
    """Tell whose containers were stopped, and note it."""
    names = [str(name) for name in job.result.get("stopped") or ()]
    if job.state != JobState.COMPLETED or not names or job.team is None:
        return
    record(actor=None, action=STOP, subject=f"tenant:{job.tenant}", names=", ".join(names))
    owner = Membership.objects.filter(team=job.team, user__username=job.tenant.partition("/")[2]).select_related("user").first()
    if owner is not None:
        notify([owner.user], LEFT, {"team": job.team.name, "containers": names}, reverse("workloads:list"))


def _count(view: Mapping[str, Any]) -> int:
    return int((view.get("usage") or {}).get("running") or 0)


def _has_hours(membership: Membership) -> bool:
    quotas = (effective_quota(membership.team, membership.user), effective_quota(membership.team, None))
    return any(quota.limit("hours") is not None for quota in quotas)


def _stop(host: Host, membership: Membership, tenant: str, *, before_ns: int) -> None:
    create_job(
        action=STOP,
        object_key=_object_key(tenant, host),
        object_name=tenant,
        host=host,
        tenant=tenant,
        parameters={"before_ns": before_ns},
        team=membership.team,
    )


def _object_key(tenant: str, host: Host) -> str:
    """A host that does not answer keeps nothing running on another one."""
    return f"containers:{tenant}@{host.name}"
