"""Reads what hosts last reported of tenants: what is used, over all hosts together."""

from collections.abc import Iterable, Mapping

from portal.accounts.models import User
from portal.teams.models import Team, TenantOnHost
from portal.teams.pushes import tenant_name
from portal.teams.quotas import ENGINE_RESOURCES


def reported_usage(team: Team, user: User | None = None) -> dict[str, float]:
    """Return what the team, or its member, uses on all hosts by the last reports; what nobody counts is absent."""
    return sum_usage(TenantOnHost.objects.filter(tenant=tenant_name(team, user.username if user else "")))


def sum_usage(rows: Iterable[TenantOnHost]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for row in rows:
        usage: Mapping[str, float | None] = row.report.get("usage") or {}
        for name in ENGINE_RESOURCES:
            if (amount := usage.get(name)) is not None:
                sums[name] = sums.get(name, 0) + amount
    return sums
