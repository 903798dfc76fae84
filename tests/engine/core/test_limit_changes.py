"""Changes of limits: merging, and the order of writes for both cgroup versions."""

import pytest

from engine.core.limit_changes import UNLIMITED, LimitChanges, merge_limits, plan_limit_writes, plan_new_groups
from engine.core.limits import SOCKETS_V1, CgroupLayout, Limits
from engine.errors import Conflict

M = 2**20
V1 = CgroupLayout(
    1, {name: f"/cg/{name}" for name in ("memory", "cpu", "pids", "blkio", "cpuset", "devices", "freezer")}, "/cg/unified"
)
V2 = CgroupLayout(2, {}, "/cg")
PATH = ["atelier-0", "c-1"]


def _writes(layout: CgroupLayout, before: Limits, after: Limits) -> list[tuple[str, str]]:
    return [(write["path"].rpartition("/")[2], write["value"]) for write in plan_limit_writes(layout, PATH, before, after)]


@pytest.mark.parametrize(
    ("present", "wanted", "merged"),
    [
        (Limits(memory_bytes=64 * M), LimitChanges(pids=5), Limits(memory_bytes=64 * M, memory_swap_bytes=128 * M, pids=5)),
        (Limits(), LimitChanges(memory_bytes=8 * M), Limits(memory_bytes=8 * M, memory_swap_bytes=16 * M)),
        (Limits(pids=5), LimitChanges(pids=UNLIMITED), Limits()),
        (Limits(cpu_quota_us=5000), LimitChanges(cpu_quota_us=UNLIMITED), Limits()),
        (
            Limits(memory_bytes=8 * M, memory_swap_bytes=-1),
            LimitChanges(memory_bytes=99 * M),
            Limits(memory_bytes=99 * M, memory_swap_bytes=-1),
        ),
        (Limits(cpuset_cpus="0"), LimitChanges(cpuset_mems="0"), Limits(cpuset_cpus="0", cpuset_mems="0")),
        (Limits(nano_cpus=10**9), LimitChanges(nano_cpus=2 * 10**9), Limits(nano_cpus=2 * 10**9)),
    ],
)
def test_what_is_wanted_lies_over_what_is(present: Limits, wanted: LimitChanges, merged: Limits) -> None:
    assert merge_limits(present, wanted) == merged


@pytest.mark.parametrize(
    ("present", "wanted"),
    [
        (Limits(nano_cpus=10**9), LimitChanges(cpu_quota_us=1000)),
        (Limits(nano_cpus=10**9), LimitChanges(cpu_period_us=1000)),
        (Limits(cpu_quota_us=1000), LimitChanges(nano_cpus=10**9)),
        (Limits(memory_bytes=8 * M, memory_swap_bytes=16 * M), LimitChanges(memory_bytes=17 * M)),
        (Limits(memory_bytes=8 * M), LimitChanges(memory_bytes=17 * M)),
    ],
)
def test_what_goes_only_together_is_a_conflict(present: Limits, wanted: LimitChanges) -> None:
    with pytest.raises(Conflict):
        merge_limits(present, wanted)


@pytest.mark.parametrize(
    ("before", "after", "writes"),
    [
        (Limits(), Limits(), []),
        (Limits(memory_bytes=8 * M), Limits(memory_bytes=8 * M), []),
        (
            Limits(),
            Limits(memory_bytes=8 * M),
            [("memory.limit_in_bytes", str(8 * M)), ("memory.memsw.limit_in_bytes", str(16 * M)), (SOCKETS_V1, str(8 * M))],
        ),
        # Above the old sum: the sum goes first.
        (
            Limits(memory_bytes=8 * M),
            Limits(memory_bytes=32 * M),
            [("memory.memsw.limit_in_bytes", str(64 * M)), ("memory.limit_in_bytes", str(32 * M)), (SOCKETS_V1, str(32 * M))],
        ),
        (
            Limits(memory_bytes=32 * M),
            Limits(memory_bytes=8 * M),
            [("memory.limit_in_bytes", str(8 * M)), ("memory.memsw.limit_in_bytes", str(16 * M)), (SOCKETS_V1, str(8 * M))],
        ),
        # Never a larger share in between than before or after.
        (
            Limits(cpu_quota_us=200_000, cpu_period_us=100_000),
            Limits(cpu_quota_us=20_000, cpu_period_us=10_000),
            [("cpu.cfs_quota_us", "20000"), ("cpu.cfs_period_us", "10000")],
        ),
        (
            Limits(cpu_quota_us=20_000, cpu_period_us=10_000),
            Limits(cpu_quota_us=200_000, cpu_period_us=100_000),
            [("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "200000")],
        ),
        (Limits(cpu_quota_us=5000), Limits(), [("cpu.cfs_quota_us", "-1"), ("cpu.cfs_period_us", "100000")]),
        (Limits(pids=5), Limits(), [("pids.max", "max")]),
        (Limits(cpu_shares=2), Limits(cpu_shares=512), [("cpu.shares", "512")]),
        (Limits(cpuset_cpus="0"), Limits(cpuset_cpus="0-1"), [("cpuset.cpus", "0-1")]),
    ],
)
def test_writes_of_version_1_are_those_that_changed_in_an_order_the_kernel_takes(
    before: Limits, after: Limits, writes: list[tuple[str, str]]
) -> None:
    assert _writes(V1, before, after) == writes


@pytest.mark.parametrize(
    ("before", "after", "writes"),
    [
        (
            Limits(memory_bytes=8 * M),
            Limits(memory_bytes=32 * M),
            [("memory.max", str(32 * M)), ("memory.swap.max", str(32 * M))],
        ),
        (Limits(nano_cpus=10**9), Limits(nano_cpus=5 * 10**8), [("cpu.max", "50000 100000")]),
        (Limits(cpu_quota_us=5000), Limits(), [("cpu.max", "max 100000")]),
        (Limits(pids=5, cpu_shares=2), Limits(pids=6, cpu_shares=2), [("pids.max", "6")]),
        (Limits(), Limits(cpuset_cpus="0"), [("cpuset.cpus", "0")]),
    ],
)
def test_writes_of_version_2_are_those_that_changed(before: Limits, after: Limits, writes: list[tuple[str, str]]) -> None:
    assert _writes(V2, before, after) == writes


def test_a_controller_of_version_1_that_was_not_needed_is_joined_on_top() -> None:
    groups = plan_new_groups(V1, PATH, Limits(), Limits(cpuset_cpus="1"))
    assert groups["directories"] == ["/cg/cpuset/atelier-0", "/cg/cpuset/atelier-0/c-1"]
    assert groups["join"] == ["/cg/cpuset/atelier-0/c-1"]
    assert ("/cg/cpuset/atelier-0/c-1/cpuset.cpus", "1") in [(write["path"], write["value"]) for write in groups["writes"]]
    assert _writes(V1, Limits(), Limits(cpuset_cpus="1")) == []


@pytest.mark.parametrize("layout", [V1, V2])
def test_nothing_is_joined_on_top_otherwise(layout: CgroupLayout) -> None:
    assert plan_new_groups(layout, PATH, Limits(), Limits(memory_bytes=8 * M))["join"] == []
