"""Tenants as they are shown: limits, rules and what is used of them, to administrators and to the tenants themselves.

Owns who sees whom: a team its members, a member itself and its team, though not who else is in that. Changes nothing.
"""

from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from dataclasses import dataclass

from engine.core.tenants import Tenant
from engine.errors import NotFound
from engine.service.engine import Engine
from engine.service.tenant_usage import usages_of
from engine.service.usage_watches import Usages, Wanted
from engine.tenants.limits import TenantLimits
from engine.tenants.rules import TenantRules
from engine.tenants.usage import TenantUsage


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
    tenants = _visible(engine, acting)
    return _views(engine, acting, tenants, await usages_of(engine, tenants))


async def find_tenant(engine: Engine, acting: Tenant, tenant: Tenant) -> TenantView:
    """Return one. Raises NotFound, alike for who is not there and who is not seen."""
    _check_visible(engine, acting, tenant)
    return _views(engine, acting, [tenant], await usages_of(engine, [tenant]))[0]


async def watch_tenants(engine: Engine, acting: Tenant) -> AsyncGenerator[list[TenantView], None]:
    """Yield the list at once, and then each second. Raises Conflict where too many watch already."""
    async with aclosing(_looks(engine, acting, lambda: _visible(engine, acting))) as looks:
        async for usages in looks:
            yield _views(engine, acting, [one for one in _visible(engine, acting) if one in usages], usages)


async def watch_tenant(engine: Engine, acting: Tenant, tenant: Tenant) -> AsyncGenerator[TenantView, None]:
    """Yield one at once, and then each second, for as long as it is known. Raises NotFound, Conflict at the first."""
    _check_visible(engine, acting, tenant)
    async with aclosing(_looks(engine, acting, lambda: [tenant])) as looks:
        async for usages in looks:
            if tenant not in _visible(engine, acting):
                return
            yield _views(engine, acting, [tenant], usages)[0]


def _looks(engine: Engine, acting: Tenant, wanted: Wanted) -> AsyncGenerator[Usages, None]:
    async def look(tenants: Collection[Tenant]) -> Usages:
        return await usages_of(engine, tenants)

    return engine.usage_watches.looks(acting, wanted, look)


def _check_visible(engine: Engine, acting: Tenant, tenant: Tenant) -> None:
    if tenant not in _visible(engine, acting):
        raise NotFound(f"no such tenant: {tenant.name} has no limits, and never had a container")


def _visible(engine: Engine, acting: Tenant) -> list[Tenant]:
    return [tenant for tenant in engine.tenants.names() if acting.sees(tenant) or tenant in acting.scopes]


def _views(engine: Engine, acting: Tenant, tenants: Collection[Tenant], usages: Usages) -> list[TenantView]:
    members: dict[Tenant, list[Tenant]] = {}
    for tenant in engine.tenants.names():
        if tenant.member and acting.sees(Tenant(tenant.team)):
            members.setdefault(Tenant(tenant.team), []).append(tenant)
    return [
        TenantView(one, engine.tenants.limits(one), engine.tenants.rules(one), usages[one], tuple(members.get(one, ())))
        for one in tenants
    ]
