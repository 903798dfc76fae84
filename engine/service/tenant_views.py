"""Tenants as they are shown: limits, rules and what is used of them, to administrators and to the tenants themselves.

Owns who sees whom: a team its members, a member itself and its team, though not who else is in that. Changes nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from engine.core.tenants import Tenant
from engine.errors import NotFound
from engine.service.engine import Engine
from engine.service.tenant_usage import TenantUsage, usages_of
from engine.tenants.limits import TenantLimits
from engine.tenants.rules import TenantRules

PERIOD_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class TenantView:
    """A tenant as somebody sees it; of a team, the ``members`` that are known and seen."""

    tenant: Tenant
    limits: TenantLimits
    rules: TenantRules
    usage: TenantUsage
    members: tuple[Tenant, ...]


async def list_tenants(engine: Engine, acting: Tenant) -> list[TenantView]:
    """Return all teams and members that have limits or have ever had a container, each team before its members."""
    return await _views(engine, acting, _visible(engine, acting))


async def find_tenant(engine: Engine, acting: Tenant, tenant: Tenant) -> TenantView:
    """Return one. Raises NotFound, alike for who is not there and who is not seen."""
    if tenant not in _visible(engine, acting):
        raise NotFound(f"no such tenant: {tenant.name} has no limits, and never had a container")
    return (await _views(engine, acting, [tenant]))[0]


async def watch_tenants(engine: Engine, acting: Tenant) -> AsyncIterator[list[TenantView]]:
    """Yield the list at once, and then each second."""
    while True:
        yield await list_tenants(engine, acting)
        await asyncio.sleep(PERIOD_SECONDS)


async def watch_tenant(engine: Engine, acting: Tenant, tenant: Tenant) -> AsyncIterator[TenantView]:
    """Yield one at once, and then each second, for as long as it is known. Raises NotFound at the first."""
    yield await find_tenant(engine, acting, tenant)
    while True:
        await asyncio.sleep(PERIOD_SECONDS)
        try:
            view = await find_tenant(engine, acting, tenant)
        except NotFound:
            return
        yield view


def _visible(engine: Engine, acting: Tenant) -> list[Tenant]:
    return [tenant for tenant in engine.tenants.names() if acting.sees(tenant) or tenant in acting.scopes]


async def _views(engine: Engine, acting: Tenant, tenants: Sequence[Tenant]) -> list[TenantView]:
    usages = await usages_of(engine, tenants)
    members: dict[Tenant, list[Tenant]] = {}
    for tenant in engine.tenants.names():
        if tenant.member and acting.sees(Tenant(tenant.team)):
            members.setdefault(Tenant(tenant.team), []).append(tenant)
    return [
        TenantView(one, engine.tenants.limits(one), engine.tenants.rules(one), usages[one], tuple(members.get(one, ())))
        for one in tenants
    ]
