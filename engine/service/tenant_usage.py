"""What tenants use, beside each of their limits: by the kernel's counters of their cgroups, by the disk's, and by the records.

Owns what each number means, and gathering them for many tenants at once. Rates are averages since the look before.
"""

import asyncio
import time
from collections.abc import Collection, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

from engine.core.limits import CgroupLayout, cgroup_path
from engine.core.tenants import Tenant
from engine.linux.cgroup_sums import (
    GroupSums,
    Pressure,
    memory_used_v1,
    memory_used_v2,
    pids_in,
    read_pressure,
    read_sums_v1,
    read_sums_v2,
)
from engine.network.traffic_counts import Traffic
from engine.service.engine import Engine
from engine.service.io_usage import io_usage
from engine.service.tenant_counts import COUNTED, count_all
from engine.tenants.io_counts import IoUsage
from engine.tenants.limits import LIMIT_NAMES, TenantLimits
from engine.tenants.usage import TenantUsage

_NS_PER_SECOND = 10**9
_RATES = ("cpus", "network_in_bps", "network_out_bps", "io_read_bps", "io_write_bps", "io_read_iops", "io_write_iops")
_ARE_HELD = frozenset(LIMIT_NAMES) - frozenset(_RATES)  # what a tenant keeps, and so may have more of than a new limit allows


@dataclass(frozen=True, slots=True)
class _Look:
    """What blocking reads tell of one tenant."""

    sums: GroupSums
    pressure: Pressure | None
    io: IoUsage
    disk_bytes: int | None


async def usage_of(engine: Engine, tenant: Tenant) -> TenantUsage:
    """Return what a tenant uses, its members' included. Raises OSError."""
    return (await usages_of(engine, [tenant]))[tenant]


async def usages_of(engine: Engine, tenants: Collection[Tenant]) -> dict[Tenant, TenantUsage]:
    """Return what each of some tenants uses, in one go. Raises OSError."""
    looks = await asyncio.to_thread(_look_at, engine, tenants)
    traffic = await engine.network.traffics([*tenants])
    counts = count_all(engine, frozenset(tenants))
    return {one: _usage(engine, one, looks[one], traffic[one], counts.get(one, {})) for one in tenants}


def memory_used(engine: Engine, tenant: Tenant) -> int | None:
    """Return the memory that a tenant's containers use now, by the kernel; None where that is not told. Microseconds."""
    layout = engine.host.cgroups
    if not (directory := tenant_directory(engine, tenant, "memory")):
        return None
    used = memory_used_v2(directory) if layout.version == 2 else memory_used_v1(directory)
    return _nothing_if_not_there(used, directory)


def pids_used(engine: Engine, tenant: Tenant) -> int | None:
    """Return the processes and threads that a tenant's containers have now, as ``memory_used``."""
    directory = tenant_directory(engine, tenant, "pids")
    return _nothing_if_not_there(pids_in(directory), directory) if directory else None


def tenant_directory(engine: Engine, tenant: Tenant, controller: str) -> str:
    """Return a tenant's cgroup below a controller, there or not; empty where the host lacks that."""
    layout = engine.host.cgroups
    root = layout.unified if layout.version == 2 else layout.mounts.get(controller, "")
    return "/".join([root, *cgroup_path(engine.instance, tenant, "")[:-1]]) if root else ""


def _nothing_if_not_there(used: int | None, directory: str) -> int | None:
    """Who has no cgroup yet has no process either; one without the file is on a host that does not count."""
    return 0 if used is None and not Path(directory).exists() else used


def _look_at(engine: Engine, tenants: Collection[Tenant]) -> dict[Tenant, _Look]:
    layout = engine.host.cgroups
    return {tenant: _look(engine, layout, tenant) for tenant in tenants}


def _look(engine: Engine, layout: CgroupLayout, tenant: Tenant) -> _Look:
    unified = "/".join([layout.unified, *cgroup_path(engine.instance, tenant, "")[:-1]])
    if layout.version == 2:
        sums = read_sums_v2(unified)
    else:
        memory, cpuacct, pids = (tenant_directory(engine, tenant, name) for name in ("memory", "cpuacct", "pids"))
        sums = read_sums_v1(memory=memory, cpuacct=cpuacct, pids=pids)
    if sums == GroupSums():
        sums = GroupSums(cpu_ns=0, memory_bytes=0, swap_bytes=0, pids=0)
    return _Look(
        sums=sums,
        pressure=read_pressure(unified) if layout.unified else None,
        io=io_usage(engine, tenant),
        disk_bytes=engine.disk.tenant_bytes(tenant),
    )


def _usage(engine: Engine, tenant: Tenant, look: _Look, traffic: Traffic, counts: Mapping[str, int]) -> TenantUsage:
    limits = engine.tenants.limits(tenant)
    totals = (
        (look.sums.cpu_ns or 0) / _NS_PER_SECOND,
        *map(float, (traffic.in_bytes, traffic.out_bytes)),
        *map(float, astuple(look.io)),
    )
    rates = engine.rates.rates(tenant, totals, now_ns=time.monotonic_ns())
    used: dict[str, float | None] = dict.fromkeys(LIMIT_NAMES)
    used |= dict(zip(_RATES, rates or (None,) * len(_RATES), strict=True))
    used |= {name: counts.get(name, 0) for name in COUNTED}
    used |= {"memory": look.sums.memory_bytes, "swap": look.sums.swap_bytes, "pids": look.sums.pids, "disk": look.disk_bytes}
    return TenantUsage(
        used=used,
        sums=_sums(look, traffic),
        peak={"memory": look.sums.memory_peak_bytes, "pids": look.sums.pids_peak},
        pressure=look.pressure,
        over=over(limits, used),
        refusals=engine.admission.refusals(tenant),
        last_refusal=engine.admission.last_refusal(tenant),
    )


def over(limits: TenantLimits, used: Mapping[str, float | None]) -> tuple[str, ...]:
    """Return the names of limits that lie below what is used."""
    pairs = ((name, getattr(limits, name), used.get(name)) for name in LIMIT_NAMES if name in _ARE_HELD)
    return tuple(name for name, limit, now in pairs if limit is not None and now is not None and now > limit)


def _sums(look: _Look, traffic: Traffic) -> dict[str, float | None]:
    return {
        "cpu_seconds": None if look.sums.cpu_ns is None else look.sums.cpu_ns / _NS_PER_SECOND,
        "network_in_bytes": traffic.in_bytes,
        "network_out_bytes": traffic.out_bytes,
        "io_read_bytes": look.io.read_bytes,
        "io_write_bytes": look.io.write_bytes,
        "io_read_operations": look.io.read_operations,
        "io_write_operations": look.io.write_operations,
    }
