"""Limits as values of the kernel's control files."""

import pytest

from engine.core.limits import CgroupLayout, Limits, cgroup_path, check_limits, plan_cgroup, swap_total, values_v1, values_v2
from engine.core.tenants import Tenant
from engine.errors import InvalidParameter

MIB = 2**20
V2 = CgroupLayout(version=2, mounts={}, unified="/cg")
V1 = CgroupLayout(
    version=1,
    mounts={
        "memory": "/cg/memory",
        "cpu": "/cg/cpu,cpuacct",
        "cpuacct": "/cg/cpu,cpuacct",
        "pids": "/cg/pids",
        "cpuset": "/cg/cpuset",
    },
    unified="/cg/unified",
)

TABLE = [
    ("nothing", Limits(), {}, {}),
    (
        "memory",
        Limits(memory_bytes=64 * MIB),
        {"memory.max": "67108864", "memory.swap.max": "67108864"},
        {"memory.limit_in_bytes": "67108864", "memory.memsw.limit_in_bytes": "134217728"},
    ),
    (
        "memory and swap together",
        Limits(memory_bytes=64 * MIB, memory_swap_bytes=64 * MIB),
        {"memory.max": "67108864", "memory.swap.max": "0"},
        {"memory.limit_in_bytes": "67108864", "memory.memsw.limit_in_bytes": "67108864"},
    ),
    (
        "swap without limit",
        Limits(memory_bytes=64 * MIB, memory_swap_bytes=-1),
        {"memory.max": "67108864", "memory.swap.max": "max"},
        {"memory.limit_in_bytes": "67108864", "memory.memsw.limit_in_bytes": "-1"},
    ),
    (
        "cpus",
        Limits(nano_cpus=1_500_000_000),
        {"cpu.max": "150000 100000"},
        {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "150000"},
    ),
    (
        "cpu quota and period",
        Limits(cpu_quota_us=20_000, cpu_period_us=50_000),
        {"cpu.max": "20000 50000"},
        {"cpu.cfs_period_us": "50000", "cpu.cfs_quota_us": "20000"},
    ),
    ("least shares", Limits(cpu_shares=2), {"cpu.weight": "1"}, {"cpu.shares": "2"}),
    ("default shares", Limits(cpu_shares=1024), {"cpu.weight": "39"}, {"cpu.shares": "1024"}),
    ("most shares", Limits(cpu_shares=262_144), {"cpu.weight": "10000"}, {"cpu.shares": "262144"}),
    ("pids", Limits(pids=100), {"pids.max": "100"}, {"pids.max": "100"}),
    ("cpus by number", Limits(cpuset_cpus="0-1"), {"cpuset.cpus": "0-1"}, {"cpuset.cpus": "0-1"}),
    ("reservation", Limits(memory_reservation_bytes=MIB), {"memory.low": "1048576"}, {"memory.soft_limit_in_bytes": "1048576"}),
]


@pytest.mark.parametrize(("limits", "v2", "v1"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_values_for_both_versions(limits: Limits, v2: dict[str, str], v1: dict[str, str]) -> None:
    assert {name: value for name, value, _ in values_v2(limits)} == v2
    sockets = {"memory.kmem.tcp.limit_in_bytes": v1.get("memory.limit_in_bytes", "-1")}  # packets count in any case
    assert {name: value for controller, name, value, _ in values_v1(limits) if controller != "devices"} == {**v1, **sockets}


def test_memory_is_written_before_memory_and_swap_which_must_not_be_less() -> None:
    names = [name for _, name, _, _ in values_v1(Limits(memory_bytes=64 * MIB))]
    assert names.index("memory.limit_in_bytes") < names.index("memory.memsw.limit_in_bytes")


def test_all_devices_are_denied_before_the_harmless_ones_are_allowed() -> None:
    devices = [value for controller, _, value, _ in values_v1(Limits()) if controller == "devices"]
    assert devices[0] == "a"
    assert "c 1:3 rwm" in devices[1:]
    assert not any(value.startswith("b") and value.split()[2] != "m" for value in devices[1:])


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(memory_bytes=1000), "memory limit"),
        (Limits(memory_swap_bytes=64 * MIB), "set a memory limit too"),
        (Limits(memory_bytes=64 * MIB, memory_swap_bytes=32 * MIB), "it includes memory"),
        (Limits(nano_cpus=10**9, cpu_quota_us=5000), "exclude each other"),
        (Limits(nano_cpus=1), "least is 0.01"),
        (Limits(cpu_period_us=10), "cpu period"),
        (Limits(cpu_quota_us=10), "cpu quota"),
        (Limits(cpu_quota_us=2**44), "cpu quota"),
        (Limits(cpu_shares=-5), "cpu shares"),
        (Limits(cpu_shares=1), "cpu shares"),
        (Limits(cpu_shares=262_145), "cpu shares"),
        (Limits(memory_reservation_bytes=-1), "memory reservation"),
        (Limits(pids=2**22 + 1), "the most is 4194304"),
    ],
)
def test_contradictions_are_refused(limits: Limits, words: str) -> None:
    with pytest.raises(InvalidParameter, match=words):
        check_limits(limits)


def test_swap_alone_without_limit_is_no_limit() -> None:
    check_limits(Limits(memory_swap_bytes=-1))
    assert swap_total(Limits(memory_swap_bytes=-1)) is None


def test_paths_of_tenants_cannot_meet() -> None:
    paths = [
        cgroup_path("abc123", Tenant(), "f" * 64),
        cgroup_path("abc123", Tenant("demo"), "f" * 64),
        cgroup_path("abc123", Tenant("demo", "ada"), "f" * 64),
        cgroup_path("abc123", Tenant("demo", "c-" + "f" * 60), "f" * 64),
    ]
    assert len({tuple(path) for path in paths}) == len(paths)
    assert paths[2] == ["atelier-abc123", "t-demo", "m-ada", "c-" + "f" * 64]
    assert all(part[:2] in ("at", "t-", "m-", "c-") for path in paths for part in path)


def test_version_2_makes_parents_first_and_passes_controllers_down_to_all_but_the_last() -> None:
    plan = plan_cgroup(V2, ["atelier-x", "t-a", "c-1"], Limits(pids=5))
    assert plan["directories"] == ["/cg/atelier-x", "/cg/atelier-x/t-a", "/cg/atelier-x/t-a/c-1"]
    assert plan["join"] == ["/cg/atelier-x/t-a/c-1"]
    passed = {write["path"] for write in plan["writes"] if write["path"].endswith("subtree_control")}
    assert passed == {f"/cg{path}/cgroup.subtree_control" for path in ("", "/atelier-x", "/atelier-x/t-a")}
    assert plan["writes"][-1] == {"path": "/cg/atelier-x/t-a/c-1/pids.max", "value": "5", "optional": False}


def test_version_1_joins_each_hierarchy_once_and_the_unified_one_beside_them() -> None:
    plan = plan_cgroup(V1, ["atelier-x", "c-1"], Limits())
    assert plan["join"] == [f"{root}/atelier-x/c-1" for root in ("/cg/memory", "/cg/cpu,cpuacct", "/cg/pids", "/cg/unified")]
    assert len(set(plan["directories"])) == len(plan["directories"]) == 8


def test_a_cpuset_is_joined_only_when_asked_for_and_begins_as_its_parent() -> None:
    plan = plan_cgroup(V1, ["atelier-x", "t-a", "c-1"], Limits(cpuset_cpus="0"))
    assert "/cg/cpuset/atelier-x/t-a/c-1" in plan["join"]
    clones = [write["path"] for write in plan["writes"] if write["path"].endswith("clone_children")]
    assert clones == ["/cg/cpuset/atelier-x/cgroup.clone_children", "/cg/cpuset/atelier-x/t-a/cgroup.clone_children"]


def test_a_limit_whose_controller_the_host_lacks_is_refused() -> None:
    bare = CgroupLayout(version=1, mounts={"memory": "/cg/memory"}, unified="")
    with pytest.raises(InvalidParameter, match="no pids cgroup controller"):
        plan_cgroup(bare, ["atelier-x", "c-1"], Limits(pids=5))
    assert plan_cgroup(bare, ["atelier-x", "c-1"], Limits())["join"] == ["/cg/memory/atelier-x/c-1"]
