"""Limits of tenants as values of control files, and orders of writes that the kernel accepts."""

from random import Random

import pytest

from engine.core.launch import FileWrite
from engine.core.limits import CgroupLayout
from engine.core.tenant_cgroups import (
    NO_CEILINGS,
    UNLIMITED,
    Ceilings,
    check_ceilings,
    order_quotas,
    order_sets,
    plan_tenant_directories,
    plan_values,
    puts_sum_first,
    quota_within,
    tenant_path,
)
from engine.core.tenants import Tenant
from engine.errors import InvalidParameter, Unavailable

V1 = CgroupLayout(1, {name: f"/cg/{name}" for name in ("memory", "cpu", "cpuacct", "pids", "cpuset")}, "/cg/unified")
V2 = CgroupLayout(2, {}, "/cg")
PATH = ["atelier-x", "t-blue", "m-ada"]
MIB = 1 << 20


def values(writes: list[FileWrite]) -> dict[str, str]:
    return {write["path"].removeprefix("/cg/").replace("atelier-x/t-blue/m-ada/", ""): write["value"] for write in writes}


def test_a_tenants_path_is_that_of_its_containers_without_their_part() -> None:
    assert tenant_path("x", Tenant("blue", "ada")) == PATH
    assert tenant_path("x", Tenant("blue")) == PATH[:2]
    assert tenant_path("x", Tenant()) == PATH[:1]


@pytest.mark.parametrize(
    ("ceilings", "expected"),
    [
        (NO_CEILINGS, {"pids.max": "max", "cpu.max": "max 100000", "memory.swap.max": "max", "memory.high": "max"}),
        (
            Ceilings(1.5, 64 * MIB, 0, 10),
            {"pids.max": "10", "cpu.max": "150000 100000", "memory.swap.max": "0", "memory.high": "max"},
        ),
        (Ceilings(cpus=0.01), {"pids.max": "max", "cpu.max": "1000 100000", "memory.swap.max": "max", "memory.high": "max"}),
    ],
    ids=str,
)
def test_values_of_version_2(ceilings: Ceilings, expected: dict[str, str]) -> None:
    assert values(plan_values(V2, PATH, ceilings)) == expected


def test_a_limit_has_to_be_written_and_no_limit_needs_no_file() -> None:
    needed = {write["path"].rpartition("/")[2] for write in plan_values(V2, PATH, Ceilings(pids=5)) if not write["optional"]}
    assert needed == {"pids.max"}


@pytest.mark.parametrize(
    ("ceilings", "pids", "memory"),
    [
        (NO_CEILINGS, "max", (UNLIMITED, UNLIMITED)),
        (Ceilings(pids=7, memory_bytes=64 * MIB), "7", (64 * MIB, UNLIMITED)),
        (Ceilings(memory_bytes=64 * MIB, swap_bytes=0), "max", (64 * MIB, 64 * MIB)),
        (Ceilings(memory_bytes=64 * MIB, swap_bytes=MIB), "max", (64 * MIB, 65 * MIB)),
    ],
    ids=str,
)
def test_values_of_version_1(ceilings: Ceilings, pids: str, memory: tuple[int, int]) -> None:
    written = {"pids/pids.max": pids, "memory/memory.kmem.tcp.limit_in_bytes": str(memory[0])}
    assert values(plan_values(V1, PATH, ceilings)) == written
    assert ceilings.memory_v1 == memory


def test_controllers_are_on_in_each_directory_down_to_the_containers() -> None:
    spec = plan_tenant_directories(V2, PATH)
    assert spec["directories"] == ["/cg/atelier-x", "/cg/atelier-x/t-blue", "/cg/atelier-x/t-blue/m-ada"]
    switched = {(write["path"].rpartition("/")[0], write["value"]) for write in spec["writes"]}
    names = ("+cpu", "+memory", "+pids", "+io", "+cpuset")
    assert switched == {(directory, name) for directory in ["/cg", *spec["directories"]] for name in names}
    assert spec["join"] == []


def test_version_1_has_directories_in_the_hierarchies_that_limit() -> None:
    tops = [directory for directory in plan_tenant_directories(V1, PATH)["directories"] if directory.endswith("m-ada")]
    assert [top.split("/")[2] for top in tops] == ["memory", "cpu", "pids", "unified"]
    narrowed = plan_tenant_directories(V1, PATH, has_cpuset=True)["directories"]
    assert "/cg/cpuset/atelier-x/t-blue/m-ada" in narrowed


@pytest.mark.parametrize(
    ("layout", "ceilings", "counts_swap", "error", "words"),
    [
        (V1, Ceilings(swap_bytes=MIB), True, InvalidParameter, "swap cannot hold without limit memory here"),
        (V1, Ceilings(memory_bytes=MIB, swap_bytes=MIB), False, Unavailable, "does not count swap"),
        (
            CgroupLayout(1, {}, ""),
            Ceilings(pids=1),
            True,
            Unavailable,
            "limit pids cannot hold here: this host has no pids cgroup controller",
        ),
        (
            CgroupLayout(1, {}, ""),
            Ceilings(cpus=1),
            True,
            Unavailable,
            "limit cpus cannot hold here: this host has no cpu cgroup controller",
        ),
        (
            CgroupLayout(1, {}, ""),
            Ceilings(memory_bytes=MIB),
            True,
            Unavailable,
            "limit memory cannot hold here: this host has no memory cgroup controller",
        ),
    ],
    ids=str,
)
def test_what_a_host_cannot_hold_is_refused(
    layout: CgroupLayout, ceilings: Ceilings, counts_swap: bool, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        check_ceilings(layout, ceilings, counts_swap=counts_swap)


def test_version_2_limits_swap_by_itself() -> None:
    check_ceilings(V2, Ceilings(swap_bytes=MIB), counts_swap=True)


@pytest.mark.parametrize(
    ("memory", "total", "expected"),
    [
        (10, UNLIMITED, False),
        (10, 20, False),
        (20, 20, False),
        (21, 20, True),
        (UNLIMITED, 20, True),
        (UNLIMITED, UNLIMITED, False),
    ],
)
def test_memory_never_passes_memory_and_swap(memory: int, total: int, expected: bool) -> None:
    assert puts_sum_first(memory_bytes=memory, sum_before=total) is expected


@pytest.mark.parametrize(
    ("own", "around", "expected"),
    [
        (None, [50_000], UNLIMITED),
        ((50_000, 100_000), [], 50_000),
        ((50_000, 100_000), [None, None], 50_000),
        ((50_000, 100_000), [50_000], 50_000),
        ((50_001, 100_000), [50_000], UNLIMITED),
        ((50_000, 100_000), [60_000, 40_000], UNLIMITED),
        ((30_000, 50_000), [50_000], UNLIMITED),  # 0.6 processors
        ((20_000, 50_000), [50_000], 20_000),
    ],
)
def test_who_has_more_than_those_around_has_none_of_its_own(
    own: tuple[int, int] | None, around: list[int | None], expected: int
) -> None:
    assert quota_within(own, around) == expected


TREE = ("/c/t", "/c/t/m", "/c/t/n", "/c/t/m/1", "/c/t/m/2", "/c/t/n/3")


def parents(directory: str) -> list[str]:
    return [one for one in TREE if directory.startswith(f"{one}/")]


def test_quotas_are_written_in_an_order_in_which_no_child_has_more_than_its_parent() -> None:
    """As kernel/sched checks it: who has none counts as its parent."""
    random = Random(1)

    def effective(state: dict[str, int], directory: str) -> float:
        own = [state[one] for one in (*parents(directory), directory) if state[one] != UNLIMITED]
        return own[-1] if own else float("inf")

    def fits(state: dict[str, int]) -> bool:
        return all(effective(state, one) <= effective(state, parents(one)[-1]) for one in TREE if parents(one))

    def draw() -> dict[str, int]:
        state: dict[str, int] = {}
        for one in TREE:
            quota = random.choice([UNLIMITED, *range(1, 6)])
            state[one] = quota_within(
                None if quota == UNLIMITED else (quota, 100_000), [_or_none(state[up]) for up in parents(one)]
            )
        return state

    for _ in range(500):
        state, wanted = draw(), draw()
        assert fits(state)
        for directory, quota in order_quotas(state, wanted):
            state[directory] = quota
            assert fits(state), (state, wanted)
        assert state == wanted


def _or_none(quota: int) -> int | None:
    return None if quota == UNLIMITED else quota


def test_processors_are_written_in_an_order_in_which_a_child_has_only_its_parents() -> None:
    random = Random(2)

    def draw() -> dict[str, frozenset[int]]:
        state: dict[str, frozenset[int]] = {}
        for one in TREE:
            among = sorted(state[parents(one)[-1]]) if parents(one) else list(range(4))
            state[one] = frozenset(random.sample(among, random.randint(1, len(among))))
        return state

    for _ in range(500):
        state, wanted = draw(), draw()
        for directory, members in order_sets(state, wanted):
            state[directory] = members
            assert members
            assert all(state[one] <= state[parents(one)[-1]] for one in TREE if parents(one)), (state, wanted)
        assert state == wanted


def test_what_is_not_there_is_not_written() -> None:
    assert order_sets({}, {"/c/t": frozenset({1})}) == []
    assert order_quotas({}, {"/c/t": 5}) == []
