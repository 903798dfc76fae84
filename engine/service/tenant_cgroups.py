"""Limits of teams and members on processors, memory, swap and processes, kept true in the kernel as containers come and go.

Owns when which cgroups are written. A limit below what is used today kills nobody: it is held as tightly as the kernel takes it,
and tightened as use falls.
"""

import asyncio
import logging
import os
from collections.abc import Collection, Sequence

from engine.core.containers import ContainerRecord
from engine.core.processor_shares import choose_processors, processors_for
from engine.core.tenant_cgroups import Ceilings, check_ceilings
from engine.core.tenant_plan import Ground, RunningContainer, TenantPlan, TenantShare, plan_tenants
from engine.core.tenants import Tenant
from engine.errors import EngineError, Fault, reason_of
from engine.runtime.stray_cgroups import find_tenants, remove_tenant
from engine.runtime.tenant_groups import hold, hold_memory
from engine.service.container_groups import join_processors, lacks_limits, sees_fewer_processors
from engine.service.engine import Engine
from engine.tenants.limits import TenantLimits

_log = logging.getLogger(__name__)
_TRIES = 3  # a container that is just being started may have more of its own than its tenant gets
_PAUSE_SECONDS = 0.02


def ceilings_of(limits: TenantLimits) -> Ceilings:
    """Return that part of a tenant's limits."""
    return Ceilings(limits.cpus, limits.memory, limits.swap, limits.pids)


async def check_kernel(engine: Engine, limits: TenantLimits) -> None:
    """Raise InvalidParameter, Unavailable for what this host's kernel cannot hold."""
    layout = engine.host.cgroups
    probe = f"{layout.mounts.get('memory', '')}/memory.memsw.limit_in_bytes"
    counts_swap = layout.version == 2 or await asyncio.to_thread(os.path.exists, probe)
    check_ceilings(layout, ceilings_of(limits), counts_swap=counts_swap)


async def limit_team_in_kernel(engine: Engine, team: str) -> None:
    """Write the limits of a team and its members as they are now. Raises Fault."""
    async with engine.quotas.turn(team):
        for attempt in range(_TRIES):
            records = [record for record in engine.containers.all() if record.tenant.team == team]
            running = [record for record in records if engine.process(record.container_id) is not None]
            tenants = {*_limited(engine, team), Tenant(team), *(record.tenant for record in records)}
            try:
                await _hold(engine, _plan(engine, tenants, running), running)
            except OSError as error:
                if attempt == _TRIES - 1:
                    raise Fault(f"cannot limit team {team}: {reason_of(error)}") from error
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                break


async def limit_start_in_kernel(engine: Engine, record: ContainerRecord) -> None:
    """Before a container whose cgroup is there runs. Costs nothing where nothing is left to be limited. Raises Fault."""
    is_limited = any(ceilings_of(engine.tenants.limits(scope)).is_limited for scope in record.tenant.scopes)
    if not is_limited and not lacks_limits(engine, record):
        return
    async with engine.quotas.turn(record.tenant.team):
        plan = _plan(engine, record.tenant.scopes, [record])
        plan.directories.clear()  # they came with the container
        try:
            await _hold(engine, plan, [record])
        except OSError as error:
            _log.info("limits of tenant %s are written anew: %s", record.tenant.name, reason_of(error))
        else:
            return
    await limit_team_in_kernel(engine, record.tenant.team)


async def limit_rest_in_kernel(engine: Engine, record: ContainerRecord) -> None:
    """After a container's end: who had more memory than its limit may have less now."""
    for scope in record.tenant.scopes:
        if scope in engine.quotas.loose:
            await _tighten(engine, scope)


async def restore_kernel_limits(engine: Engine) -> None:
    """After reconcile, when it is known what runs: also what is limited no more, as a daemon may have been killed over it."""
    await asyncio.to_thread(sweep_tenants, engine)
    there = {tenant.team for tenant in await asyncio.to_thread(_found, engine)}
    limited = {tenant.team for tenant, limits in engine.tenants.limited().items() if ceilings_of(limits).is_limited}
    for team in sorted(there | limited):
        try:
            await limit_team_in_kernel(engine, team)
        except EngineError as error:
            _log.error("limits of team %s do not hold: %s", team, error.message)


def sweep_tenants(engine: Engine) -> None:
    """Remove the cgroups of tenants, and the engine's own, in which nothing is. Blocking."""
    for tenant in [*sorted(_found(engine), reverse=True), Tenant()]:
        remove_tenant(engine.host.cgroups, engine.instance, tenant)


def forget_tenant(engine: Engine, tenant: Tenant) -> None:
    """After its limits were taken away: remove the cgroups of a tenant that has no containers, and its team's.

    Microseconds, and on purpose in one go: a container that comes meanwhile would lose its directory in the midst of its start.
    """
    for scope in tenant.scopes:
        is_limited = any(scope.sees(other) for other in engine.tenants.limited())
        if not is_limited and not engine.containers.count(scope):
            remove_tenant(engine.host.cgroups, engine.instance, scope)
            engine.quotas.processors.pop(scope, None)
            engine.quotas.loose.discard(scope)


def _limited(engine: Engine, team: str) -> list[Tenant]:
    return [tenant for tenant in engine.tenants.limited() if tenant.team == team]


def _found(engine: Engine) -> set[Tenant]:
    return find_tenants(engine.host.cgroups, engine.instance)


def _plan(engine: Engine, tenants: Collection[Tenant], running: Sequence[ContainerRecord]) -> TenantPlan:
    shares = {tenant: _share(engine, tenant) for tenant in sorted(tenants)}  # teams first: members share what theirs has
    containers = [RunningContainer(one.container_id, one.tenant, one.host.limits) for one in running]
    return plan_tenants(Ground(engine.host.cgroups, engine.instance, engine.host.processors), shares, containers)


def _share(engine: Engine, tenant: Tenant) -> TenantShare:
    given, host = engine.quotas.processors, engine.host.processors
    ceilings = ceilings_of(engine.tenants.limits(tenant))
    among = given.get(Tenant(tenant.team), host) if tenant.member else host
    chosen = choose_processors(tenant, processors_for(ceilings.cpus, host=len(host)), among=among, given=given)
    if chosen == host:
        given.pop(tenant, None)
    else:
        given[tenant] = chosen
    return TenantShare(ceilings, chosen)


async def _hold(engine: Engine, plan: TenantPlan, running: Sequence[ContainerRecord]) -> None:
    """Raises OSError."""
    for record in running:
        if sees_fewer_processors(engine, record):
            await join_processors(engine, record)
    loose = await asyncio.to_thread(hold, plan)
    _note_loose(engine, {one.tenant for one in plan.memory}, loose)


async def _tighten(engine: Engine, tenant: Tenant) -> None:
    async with engine.quotas.turn(tenant.team):
        memory = _plan(engine, tenant.scopes, []).memory
        wanted = [one for one in memory if one.tenant == tenant]
        try:
            loose = await asyncio.to_thread(hold_memory, wanted)
        except OSError as error:
            _log.warning("limit of memory of tenant %s: %s", tenant.name, reason_of(error))
            return
    _note_loose(engine, {tenant}, loose)


def _note_loose(engine: Engine, looked_at: set[Tenant], loose: set[Tenant]) -> None:
    engine.quotas.loose -= looked_at - loose
    engine.quotas.loose |= loose

    async def tighten(tenant: Tenant) -> None:
        await _tighten(engine, tenant)

    engine.quotas.watch(tighten)
