"""Gauges of quotas: what was last reported, which the page's socket of usage then keeps up to date. Finished values.

A gauge that names a ``tenant`` is live. Labs and lab hours are the portal's own to count and come with the page's other changes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from portal.accounts.models import User
from portal.common.units import format_amount
from portal.labs.room import member_usage, team_usage
from portal.teams.models import Team
from portal.teams.quotas import ENGINE_RESOURCES, Amounts, Quota
from portal.teams.reported import reported_usage
from portal.teams.resource_names import resource_name
from portal.teams.selectors import effective_quota
from portal.teams.tenants import member_tenant

# What is worth a look before one starts something, in this order.
SHOWN = ("labs", "hours", "cpus", "memory", "disk", "pids", "containers")
_ALWAYS = ("labs", "cpus", "memory", "pids")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """One resource of a quota. ``percent`` and ``limit`` are None where there is no ceiling, ``tenant`` is empty if not live."""

    resource: str
    label: str
    tenant: str
    used: str
    limit: str | None
    percent: int | None
    is_full: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What is left of one resource for something new; ``tenant``: whose quota is the one in the way first."""

    resource: str
    tenant: str
    left: str


def member_gauges(team: Team, user: User) -> list[Gauge]:
    """Return the gauges of a member: what has a ceiling, and the few that are shown always."""
    usage = {**reported_usage(team, user), **member_usage(team, user)}
    return _gauges(member_tenant(team, user), effective_quota(team, user), usage, always=_ALWAYS)


def team_gauges(team: Team) -> list[Gauge]:
    return _gauges(team.slug, effective_quota(team, None), {**reported_usage(team), **team_usage(team)}, always=_ALWAYS)


def limited(gauges: Iterable[Gauge], *, but: Iterable[Gauge] = ()) -> list[Gauge]:
    """Return those with a ceiling, leaving out resources of which ``but`` has one already."""
    known = {gauge.resource for gauge in but if gauge.limit is not None}
    return [gauge for gauge in gauges if gauge.limit is not None and gauge.resource not in known]


def room_for(team: Team, user: User, resource: str = "memory") -> Room | None:
    """Return what is left for the member, by their own quota or else by the team's; None without any ceiling."""
    for tenant, member in ((member_tenant(team, user), user), (team.slug, None)):
        limit = effective_quota(team, member).limit(resource)
        if limit is not None:
            used = reported_usage(team, member).get(resource, 0)
            return Room(resource=resource, tenant=tenant, left=format_amount(resource, max(0, limit - used)))
    return None


def _gauges(tenant: str, quota: Quota, usage: Amounts, *, always: tuple[str, ...]) -> list[Gauge]:
    shown = [name for name in SHOWN if name in always or quota.limit(name) is not None]
    return [_gauge(tenant if name in ENGINE_RESOURCES else "", name, usage.get(name) or 0, quota.limit(name)) for name in shown]


def _gauge(tenant: str, resource: str, used: float, limit: float | None) -> Gauge:
    return Gauge(
        resource=resource,
        label=resource_name(resource),
        tenant=tenant,
        used=format_amount(resource, used),
        limit=None if limit is None else format_amount(resource, limit),
        percent=None if limit is None else min(100, round(100 * used / limit)) if limit else 100,
        is_full=limit is not None and used >= limit,
    )
