"""All that the kernel is to hold for the tenants of one team, or some of them, as data: directories, values, memory, processors.

Owns what follows from a tenant's limits for those below it. Pure; ``runtime/tenant_groups.py`` makes it true.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.core.cpusets import format_set, parse_set
from engine.core.launch import CgroupSpec, FileWrite
from engine.core.limits import CPU_PERIOD_US, CgroupLayout, Limits, cgroup_path, cpu_quota
from engine.core.tenant_cgroups import Ceilings, plan_tenant_directories, plan_values, quota_within, tenant_path
from engine.core.tenants import Tenant


@dataclass(frozen=True, slots=True)
class TenantShare:
    """A tenant's limits, and the processors that it is to see."""

    ceilings: Ceilings
    processors: frozenset[int]


@dataclass(frozen=True, slots=True)
class RunningContainer:
    """One that has a cgroup, and its own limits."""

    container_id: str
    tenant: Tenant
    limits: Limits


@dataclass(frozen=True, slots=True)
class MemoryCeiling:
    """``directory`` is the tenant's in the hierarchy of memory."""

    tenant: Tenant
    directory: str
    ceilings: Ceilings


@dataclass(slots=True)
class TenantPlan:
    """``quotas`` and ``sets`` are version 1's, by directory: there children may never have more than their parents."""

    directories: list[CgroupSpec] = field(default_factory=list)
    values: list[FileWrite] = field(default_factory=list)
    memory: list[MemoryCeiling] = field(default_factory=list)
    quotas: dict[str, int] = field(default_factory=dict)
    sets: dict[str, frozenset[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ground:
    """What plans are made on: the host's hierarchies and processors, and the engine's name in them."""

    layout: CgroupLayout
    instance: str
    processors: frozenset[int]

    def directory(self, controller: str, path: Sequence[str]) -> str:
        """Return a path below a controller; empty where the host lacks that."""
        root = self.layout.unified if self.layout.version == 2 else self.layout.mounts.get(controller, "")
        return "/".join([root, *path]) if root else ""


def plan_tenants(ground: Ground, shares: Mapping[Tenant, TenantShare], containers: Sequence[RunningContainer]) -> TenantPlan:
    """Return the plan. Of each tenant and container those above it are among ``shares``."""
    plan = TenantPlan()
    for tenant in sorted(shares):
        _add_tenant(plan, ground, tenant, shares)
    if ground.layout.version == 1:
        for container in containers:
            _add_container(plan, ground, container, shares)
    return plan


def _add_tenant(plan: TenantPlan, ground: Ground, tenant: Tenant, shares: Mapping[Tenant, TenantShare]) -> None:
    share, path = shares[tenant], tenant_path(ground.instance, tenant)
    sees_all = share.processors == ground.processors
    if share.ceilings.is_limited:
        plan.directories.append(plan_tenant_directories(ground.layout, path, has_cpuset=not sees_all))
    plan.values += plan_values(ground.layout, path, share.ceilings)
    if directory := ground.directory("memory", path):
        plan.memory.append(MemoryCeiling(tenant, directory, share.ceilings))
    if ground.layout.version == 2:
        shown = "" if sees_all else format_set(share.processors)
        plan.values.append({"path": f"{directory}/cpuset.cpus", "value": shown, "optional": True})
        return
    if directory := ground.directory("cpu", path):
        quota = share.ceilings.quota_us
        own = None if quota is None else (quota, CPU_PERIOD_US)
        plan.quotas[directory] = quota_within(own, _quotas(shares, tenant.scopes[1:]))
    if directory := ground.directory("cpuset", path):
        plan.sets[directory] = share.processors


def _add_container(plan: TenantPlan, ground: Ground, container: RunningContainer, shares: Mapping[Tenant, TenantShare]) -> None:
    path = cgroup_path(ground.instance, container.tenant, container.container_id)
    own, asked = cpu_quota(container.limits), container.limits.cpuset_cpus
    if own is not None and (directory := ground.directory("cpu", path)):
        plan.values.append({"path": f"{directory}/cpu.cfs_period_us", "value": str(own[1]), "optional": True})
        plan.quotas[directory] = quota_within(own, _quotas(shares, container.tenant.scopes))
    if directory := ground.directory("cpuset", path):
        around = shares[container.tenant].processors
        wanted = parse_set(asked, what="CpusetCpus") & around if asked else around
        plan.sets[directory] = wanted or around


def _quotas(shares: Mapping[Tenant, TenantShare], scopes: Sequence[Tenant]) -> list[int | None]:
    return [shares[scope].ceilings.quota_us for scope in scopes]
