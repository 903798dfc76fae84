"""Tenants for administrators: changing what limits they have at once for all that runs.

Owns keeping record and kernel in step: a change that cannot be brought about everywhere is taken back everywhere.
"""

import asyncio
import logging
from dataclasses import dataclass

from engine.core.tenants import ADMINISTRATOR, Tenant
from engine.errors import EngineError, Fault, NotFound, Unavailable, reason_of
from engine.network.rates import Rates
from engine.service.engine import Engine
from engine.service.io_limits import check_io, io_rates, limit_team
from engine.service.tenant_cgroups import ceilings_of, check_kernel, forget_tenant, limit_team_in_kernel
from engine.service.tenant_views import TenantView, find_tenant
from engine.tenants.limits import NO_LIMITS, TenantLimits
from engine.tenants.rules import NO_RULES, TenantRules

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Settings:
    """What an administrator sets of a tenant at once; ``is_set`` is False when nothing is recorded of it."""

    limits: TenantLimits = NO_LIMITS
    rules: TenantRules = NO_RULES
    is_set: bool = True


async def set_limits(engine: Engine, tenant: Tenant, limits: TenantLimits, rules: TenantRules = NO_RULES) -> TenantView:
    """Give a tenant these limits and rules in place of those before; what runs has them when this returns.

    Raises Unavailable, Fault.
    """
    _check_disk(engine, limits)
    await check_io(engine, limits)
    await check_kernel(engine, limits)
    await _change(engine, tenant, _Settings(limits, rules))
    await engine.doors.ensure(tenant)
    return await find_tenant(engine, ADMINISTRATOR, tenant)


async def delete_limits(engine: Engine, tenant: Tenant) -> None:
    """Take a tenant's limits away; its objects stay. Raises NotFound, Fault."""
    if tenant not in engine.tenants.names():
        raise NotFound(f"no such tenant: {tenant.name} has no limits")
    await _change(engine, tenant, _Settings(is_set=False))
    forget_tenant(engine, tenant)
    await engine.doors.forget(tenant, known={*engine.tenants.names(), *(record.tenant for record in engine.containers.all())})


async def restore_limits(engine: Engine) -> None:
    """After a start of the daemon: what it keeps itself. One that cannot be kept is logged, and keeps nobody from the others."""
    limited = engine.tenants.limited()
    try:
        await asyncio.to_thread(engine.disk.free_tenants, [one for one, limits in limited.items() if limits.disk is not None])
    except OSError as error:
        _log.error("limits of disk space that were taken away may still hold: %s", reason_of(error))
    for tenant, limits in limited.items():
        try:
            await _enforce_in_kernel(engine, tenant, limits)
        except EngineError as error:
            _log.error("limits of tenant %s do not hold: %s", tenant.name, error.message)


async def restore_io_limits(engine: Engine) -> None:
    """After reconcile, when it is known what runs: also what is limited no more, as a daemon may have been killed over it."""
    limited = {tenant.team for tenant, limits in engine.tenants.limited().items() if io_rates(limits).is_limited}
    running = {record.tenant.team for record in engine.containers.all() if engine.process(record.container_id) is not None}
    for team in sorted(filter(None, limited | running)):
        try:
            await limit_team(engine, team)
        except EngineError as error:
            level = logging.ERROR if team in limited else logging.DEBUG
            _log.log(level, "limits of team %s do not hold: %s", team, error.message)


def _check_disk(engine: Engine, limits: TenantLimits) -> None:
    if limits.disk is not None and not engine.disk.has_nested_limits:
        raise Unavailable(f"limit disk cannot hold here: disk driver {engine.disk.kind}, {engine.disk.reason}")


async def _change(engine: Engine, tenant: Tenant, wanted: _Settings) -> None:
    async with engine.io.changing:
        before = _Settings(engine.tenants.limits(tenant), engine.tenants.rules(tenant), engine.tenants.is_set(tenant))
        try:
            await _make_true(engine, tenant, before, wanted)
        except EngineError:
            await _take_back(engine, tenant, wanted, before)
            raise


async def _make_true(engine: Engine, tenant: Tenant, before: _Settings, wanted: _Settings) -> None:
    """The record first: whoever starts meanwhile reads it."""
    try:
        if wanted.is_set:
            await asyncio.to_thread(engine.tenants.set, tenant, wanted.limits, wanted.rules)
        else:
            await asyncio.to_thread(engine.tenants.delete_limits, tenant)
    except OSError as error:
        raise Fault(f"cannot record limits of tenant {tenant.name}: {reason_of(error)}") from error
    await engine.network.set_reaches(engine.tenants.reaches())
    await _enforce_in_kernel(engine, tenant, wanted.limits)
    if io_rates(before.limits) != io_rates(wanted.limits):
        await limit_team(engine, tenant.team)
    if ceilings_of(before.limits) != ceilings_of(wanted.limits):
        await limit_team_in_kernel(engine, tenant.team)


async def _take_back(engine: Engine, tenant: Tenant, wanted: _Settings, before: _Settings) -> None:
    try:
        await _make_true(engine, tenant, wanted, before)
    except EngineError as error:
        _log.warning("limits of tenant %s are half changed: %s", tenant.name, error.message)


async def _enforce_in_kernel(engine: Engine, tenant: Tenant, limits: TenantLimits) -> None:
    await engine.network.set_rates(tenant, Rates(limits.network_in_bps, limits.network_out_bps))
    try:
        await asyncio.to_thread(engine.disk.limit_tenant, tenant, limits.disk)
    except OSError as error:
        raise Fault(f"cannot limit the disk of tenant {tenant.name}: {reason_of(error)}") from error
