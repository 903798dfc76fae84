"""Tells hosts what quotas and rules their tenants have, and takes what hosts hold.

Only the newest revision matters: what was not sent yet is replaced. What a host was told and what it answered is kept by tenant
and host; a later report that shows something else is answered by telling it again.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from portal.common.live import ADMINISTRATORS, send_changed, staff_group, user_group
from portal.hosts.models import Host
from portal.jobs.messages import explain
from portal.jobs.models import Job, JobState
from portal.jobs.selectors import has_unfinished_job
from portal.jobs.services import create_job, replace_waiting_job
from portal.teams.models import Membership, Team, TenantOnHost
from portal.teams.selectors import effective_quota, effective_rules, member_quota

SET, DELETE = "tenant.set_limits", "tenant.delete_limits"

# What a host cannot hold today it may hold after a change of its set-up.
_RETRY_REFUSED = timedelta(minutes=10)

Wanted = dict[str, Any]


def tenant_name(team: Team, username: str = "") -> str:
    return f"{team.slug}/{username}" if username else team.slug


def push_team(team: Team) -> None:
    """Tell all hosts the team's own quota and rules."""
    _push({tenant_name(team): _wanted_of_team(team)})


def push_member(membership: Membership) -> None:
    """Tell all hosts what holds for one member: after a change of the own quota, or of a grant."""
    _push(_wanted_of_members(Membership.objects.filter(pk=membership.pk).select_related("team", "user")))


def push_members(team: Team) -> None:
    """Tell all hosts what holds for each member of the team: after a change of the default."""
    _push(_wanted_of_members(team.memberships.select_related("team", "user")))


def forget_tenants(names: Iterable[str]) -> None:
    """Have all hosts forget the quotas of tenants that are gone."""
    _push(dict.fromkeys(names))


def sync_host(host: Host, reported: Mapping[str, Mapping[str, Any]], observed_at_ns: int) -> None:
    """Compare what a host says that it holds with what it shall hold, and tell it what differs."""
    wanted = all_wanted()
    rows = {row.tenant: row for row in host.tenants.all()}
    for name in wanted.keys() | rows.keys():
        row = _want(host, name, wanted.get(name))
        if row is not None and row.observed_at_ns < observed_at_ns and _is_amiss(row, _held(reported.get(name, {}))):
            _send(row)


def all_wanted() -> dict[str, Wanted]:
    """Return what every host shall hold of all tenants that there are."""
    teams = {tenant_name(team): _wanted_of_team(team) for team in Team.objects.all()}
    return teams | _wanted_of_members(Membership.objects.select_related("team", "user"))


def take_job(job: Job) -> None:
    """Note how a push ended."""
    row = TenantOnHost.objects.filter(tenant=str(job.parameters["tenant"]), host=job.host).first()
    if row is None:
        return
    if job.state == JobState.COMPLETED:
        _acknowledge(row, job.result)
    elif job.state in (JobState.FAILED, JobState.ERRORED):
        TenantOnHost.objects.filter(pk=row.pk).update(problem=(job.error_message or explain(job.error_kind))[:300])
    else:
        return
    tell_pages(row.tenant)


def tell_pages(tenant: str) -> None:
    """Say to all who may see the tenant's quota that it looks different now."""
    slug, _slash, username = tenant.partition("/")
    TenantOnHost.objects.filter(tenant=tenant).update(changed_at=timezone.now())
    groups = [ADMINISTRATORS]
    for membership in Membership.objects.filter(team__slug=slug, user__username=username):
        groups.append(user_group(membership.user_id))
    groups += [staff_group(pk) for pk in Team.objects.filter(slug=slug).values_list("pk", flat=True)]
    send_changed(groups, kind="tenant", key=tenant)


def _wanted_of_team(team: Team) -> Wanted:
    return {"limits": effective_quota(team, None).for_engine(), "rules": effective_rules(team, None)}


def _wanted_of_member(membership: Membership) -> Wanted:
    quota = member_quota(membership.team, membership.user, membership)
    return {"limits": quota.for_engine(), "rules": effective_rules(membership.team, membership)}


def _wanted_of_members(memberships: Iterable[Membership]) -> dict[str, Wanted]:
    return {tenant_name(row.team, row.user.username): _wanted_of_member(row) for row in memberships}


def _push(wanted: Mapping[str, Wanted | None]) -> None:
    for host in Host.objects.filter(is_enabled=True):
        for name, values in wanted.items():
            _want(host, name, values)


@transaction.atomic
def _want(host: Host, name: str, wanted: Wanted | None) -> TenantOnHost | None:
    """Note what the host shall hold of a tenant, and send it if that is news. None where there is nothing to hold."""
    row = TenantOnHost.objects.select_for_update().filter(tenant=name, host=host).first()
    if row is None:
        if not wanted or not (wanted["limits"] or wanted["rules"]):
            return None
        row = TenantOnHost(tenant=name, host=host)
    if row.wanted != wanted:
        row.wanted, row.problem = wanted, ""
        row.revision += 1
        row.save()
        _send(row)
        tell_pages(name)
    return row


def _send(row: TenantOnHost) -> None:
    """Have the newest revision brought to the host, in place of one that still waits behind another."""
    object_key = f"tenant:{row.tenant}@{row.host.name}"
    parameters = {"tenant": row.tenant, "revision": row.revision, **(row.wanted or {})}
    action = DELETE if row.wanted is None else SET
    if not replace_waiting_job(object_key, action=action, parameters=parameters):
        # The administrators' own tenant, and shown to administrators only: a class has forty of them.
        create_job(action=action, object_key=object_key, object_name=row.tenant, host=row.host, tenant="", parameters=parameters)


def _acknowledge(row: TenantOnHost, result: Mapping[str, Any]) -> None:
    """Keep what the host answered, unless a later answer is known, or the host has done something newer meanwhile."""
    if (newest := result.get("newest")) is not None:
        _overtake(row, int(newest))
        return
    revision = int(result.get("revision", 0))
    TenantOnHost.objects.filter(pk=row.pk, acknowledged__lte=revision).update(
        acknowledged=revision,
        held=_held(result),
        refused=dict(result.get("refused") or {}),
        problem="",
        observed_at_ns=int(result.get("observed_at_ns", 0)),
    )


def _overtake(row: TenantOnHost, newest: int) -> None:
    """Count on from what the host has seen: a database that was brought back from a copy is behind its hosts."""
    if TenantOnHost.objects.filter(pk=row.pk, revision__lt=newest).update(revision=newest + 1):
        row.refresh_from_db()
        _send(row)


def _is_amiss(row: TenantOnHost, held: Wanted) -> bool:
    """Compare with the host's own answer to the last push: it may spell a rule differently from us."""
    if has_unfinished_job(f"tenant:{row.tenant}@{row.host.name}"):
        return False
    if row.refused and row.changed_at < timezone.now() - _RETRY_REFUSED:
        return True
    return row.is_pending or held != row.held


def _held(view: Mapping[str, Any]) -> Wanted:
    """Return what stands in an engine's view of a tenant, without what is not set."""
    return {
        part: {name: value for name, value in (view.get(part) or {}).items() if value is not None} for part in ("limits", "rules")
    }
