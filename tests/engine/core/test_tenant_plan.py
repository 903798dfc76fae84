"""What the kernel is to hold for the tenants of a team, as data."""

from engine.core.limits import CgroupLayout, Limits
from engine.core.tenant_cgroups import NO_CEILINGS, Ceilings
from engine.core.tenant_plan import Ground, RunningContainer, TenantShare, plan_tenants
from engine.core.tenants import Tenant

BLUE, ADA = Tenant("blue"), Tenant("blue", "ada")
ALL = frozenset(range(4))
V1 = Ground(CgroupLayout(1, {name: f"/cg/{name}" for name in ("memory", "cpu", "pids", "cpuset")}, ""), "x", ALL)
V2 = Ground(CgroupLayout(2, {}, "/cg"), "x", ALL)
SHARES = {
    BLUE: TenantShare(Ceilings(cpus=0.5, memory_bytes=9), frozenset({1})),
    ADA: TenantShare(Ceilings(cpus=1), frozenset({1})),
}


def test_version_2_needs_nothing_of_members_and_containers_for_the_sum_to_hold() -> None:
    plan = plan_tenants(V2, SHARES, [RunningContainer("c1", ADA, Limits(nano_cpus=2 * 10**9, cpuset_cpus="0"))])
    written = {write["path"]: write["value"] for write in plan.values}
    assert written["/cg/atelier-x/t-blue/cpu.max"] == "50000 100000"
    assert written["/cg/atelier-x/t-blue/m-ada/cpu.max"] == "100000 100000"
    assert written["/cg/atelier-x/t-blue/cpuset.cpus"] == "1"
    assert [(one.tenant, one.directory) for one in plan.memory] == [
        (BLUE, "/cg/atelier-x/t-blue"),
        (ADA, "/cg/atelier-x/t-blue/m-ada"),
    ]
    assert (plan.quotas, plan.sets) == ({}, {})


def test_version_2_shows_all_processors_to_who_is_not_limited() -> None:
    plan = plan_tenants(V2, {BLUE: TenantShare(NO_CEILINGS, ALL)}, [])
    assert {write["value"] for write in plan.values if write["path"].endswith("cpuset.cpus")} == {""}
    assert plan.directories == []


def test_version_1_gives_nobody_more_than_those_around_have() -> None:
    containers = [
        RunningContainer("large", ADA, Limits(nano_cpus=2 * 10**9, cpuset_cpus="0")),
        RunningContainer("small", ADA, Limits(cpu_quota_us=10_000, cpu_period_us=50_000, cpuset_cpus="1-2")),
        RunningContainer("plain", ADA, Limits()),
    ]
    plan = plan_tenants(V1, SHARES, containers)
    top = "/cg/cpu/atelier-x/t-blue"
    assert plan.quotas == {top: 50_000, f"{top}/m-ada": -1, f"{top}/m-ada/c-large": -1, f"{top}/m-ada/c-small": 10_000}
    assert {write["value"] for write in plan.values if write["path"].endswith("c-small/cpu.cfs_period_us")} == {"50000"}
    assert set(plan.sets.values()) == {frozenset({1})}
    assert len(plan.sets) == len([BLUE, ADA, *containers])
