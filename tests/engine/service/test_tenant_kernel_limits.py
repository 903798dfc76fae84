"""Processors, memory, swap and processes of teams and members, held by the kernel over all that they run, while it runs."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from engine.core.cpusets import parse_set
from engine.core.limits import CgroupLayout
from engine.linux.cgroups import detect_layout
from engine.service.proc_views import found_views
from tests.engine.daemon import Answer, EngineDaemon, wait_until

pytestmark = pytest.mark.requires_root

TEAM, ADA, BOB = "blue", "blue/ada", "blue/bob"
MIB = 1 << 20
V1 = pytest.mark.skipif(detect_layout().version == 2, reason="these are files of version 1; values of both are tested in core")
HOG = "head -c {} /dev/zero > /dev/shm/hog"  # tmpfs is memory


@pytest.fixture
def limited(engine: EngineDaemon) -> Iterator[EngineDaemon]:
    """Without containers and limits at the end."""
    yield engine
    engine.remove_containers()
    for tenant in engine.request("GET", "/tenants").document:
        engine.request("DELETE", f"/tenants/{tenant['name']}")


def put(engine: EngineDaemon, name: str, **limits: object) -> dict[str, Any]:
    answer = engine.request("PUT", f"/tenants/{name}", limits)
    assert answer.status == 200, answer.body
    return dict(answer.document)


def shown(engine: EngineDaemon, name: str) -> dict[str, Any]:
    return dict(engine.request("GET", f"/tenants/{name}").document)


def directory(engine: EngineDaemon, controller: str, tenant: str, container_id: str = "") -> Path:
    layout: CgroupLayout = detect_layout()
    team, _, member = tenant.partition("/")
    parts = [
        f"atelier-{engine.instance}",
        f"t-{team}",
        f"m-{member}" if member else "",
        f"c-{container_id}" if container_id else "",
    ]
    return Path(layout.unified if layout.version == 2 else layout.mounts[controller], *filter(None, parts))


def value(engine: EngineDaemon, controller: str, name: str, tenant: str, container_id: str = "") -> str:
    return (directory(engine, controller, tenant, container_id) / name).read_text().strip()


def sleeper(engine: EngineDaemon, tenant: str, **host: object) -> str:
    return engine.run("sleep", "600", tenant=tenant, HostConfig=host)


def execute(engine: EngineDaemon, container_id: str, script: str) -> int:
    return engine.cli("exec", container_id, "sh", "-c", script).returncode


def inside(engine: EngineDaemon, container_id: str, path: str) -> Path:
    """A file of a container whose memory is full, where no program can start to look at it."""
    return Path(f"/proc/{engine.inspect(container_id)['State']['Pid']}/root", path)


@V1
def test_limits_are_in_the_kernel_before_anything_runs_and_change_while_it_runs(limited: EngineDaemon) -> None:
    put(limited, TEAM, cpus=1.5, memory=300 * MIB, swap=50 * MIB, pids=70)
    container_id = sleeper(limited, ADA)
    put(limited, ADA, cpus=0.5, memory=100 * MIB, pids=30)
    assert value(limited, "memory", "memory.limit_in_bytes", TEAM) == str(300 * MIB)
    assert value(limited, "memory", "memory.memsw.limit_in_bytes", TEAM) == str(350 * MIB)
    assert value(limited, "cpu", "cpu.cfs_quota_us", TEAM) == "150000"
    assert value(limited, "pids", "pids.max", TEAM) == "70"
    assert value(limited, "memory", "memory.limit_in_bytes", ADA) == str(100 * MIB)
    assert value(limited, "cpu", "cpu.cfs_quota_us", ADA) == "50000"
    put(limited, TEAM, memory=400 * MIB)
    assert value(limited, "memory", "memory.limit_in_bytes", TEAM) == str(400 * MIB)
    assert int(value(limited, "memory", "memory.memsw.limit_in_bytes", TEAM)) > 2**62
    assert value(limited, "cpu", "cpu.cfs_quota_us", TEAM) == "-1"
    assert value(limited, "pids", "pids.max", TEAM) == "max"
    for name in (ADA, TEAM):
        assert limited.request("DELETE", f"/tenants/{name}").status == 204
    assert int(value(limited, "memory", "memory.limit_in_bytes", ADA)) > 2**62
    assert limited.inspect(container_id)["State"]["Running"]


@pytest.mark.parametrize("limited_one", [TEAM, ADA])
def test_memory_is_held_over_two_containers_and_the_hog_dies_while_its_neighbour_runs_on(
    limited: EngineDaemon, limited_one: str
) -> None:
    """Each alone would fit: it is the sum that does not."""
    neighbour, other = sleeper(limited, ADA), sleeper(limited, ADA if limited_one == ADA else BOB)
    put(limited, limited_one, memory=64 * MIB)
    assert execute(limited, neighbour, HOG.format(40 * MIB)) == 0
    assert execute(limited, other, HOG.format(10 * MIB)) == 0
    assert execute(limited, other, HOG.format(40 * MIB)) != 0
    assert shown(limited, limited_one)["usage"]["memory"] <= 64 * MIB
    for container_id in (neighbour, other):
        assert limited.inspect(container_id)["State"]["Running"]
    assert inside(limited, neighbour, "dev/shm/hog").stat().st_size == 40 * MIB


def test_a_hog_is_killed_in_its_own_container(limited: EngineDaemon) -> None:
    put(limited, TEAM, memory=64 * MIB)
    neighbour = sleeper(limited, ADA)
    # awk keeps its string in memory of its own, and doubles it
    hog = limited.run("awk", 'BEGIN { s = "x"; while (1) s = s s }', tenant=BOB)
    assert limited.wait(hog) == 137
    assert limited.inspect(hog)["State"]["OOMKilled"]
    assert limited.inspect(neighbour)["State"]["Running"]
    assert shown(limited, TEAM)["peak"]["memory"] > 32 * MIB


def test_tmpfs_counts_as_memory(limited: EngineDaemon) -> None:
    put(limited, ADA, memory=32 * MIB)
    container_id = sleeper(limited, ADA, Tmpfs={"/scratch": "size=200m"}, ShmSize=200 * MIB)
    assert execute(limited, container_id, "head -c 20m /dev/zero > /scratch/file") == 0
    assert shown(limited, ADA)["usage"]["memory"] > 20 * MIB
    assert execute(limited, container_id, "head -c 20m /dev/zero > /dev/shm/file") != 0
    assert limited.inspect(container_id)["State"]["Running"]


def test_processes_are_held_over_two_containers_of_two_members(limited: EngineDaemon) -> None:
    put(limited, TEAM, pids=30)
    neighbour = sleeper(limited, ADA)
    bomb = limited.run("sh", "-c", "while :; do sleep 600 & done", tenant=BOB, HostConfig={"RestartPolicy": {"Name": "no"}})
    wait_until(lambda: shown(limited, TEAM)["usage"]["pids"] >= 28 or not limited.inspect(bomb)["State"]["Running"], "the bomb")
    assert shown(limited, TEAM)["peak"]["pids"] in (30, None)
    assert limited.inspect(neighbour)["State"]["Running"]
    assert shown(limited, BOB)["usage"]["pids"] < 30


@V1
def test_processor_time_is_held_over_two_containers(limited: EngineDaemon) -> None:
    """By the kernel's own account: of all periods in which there was something to do, it held somebody up."""
    put(limited, TEAM, cpus=0.2)
    for tenant in (ADA, BOB):
        limited.run("sh", "-c", "while :; do :; done", tenant=tenant)

    def held_up() -> bool:
        lines = dict(line.split() for line in value(limited, "cpu", "cpu.stat", TEAM).splitlines())
        return int(lines["nr_throttled"]) >= 10

    wait_until(held_up, "the team to be held up")
    put(limited, TEAM)
    assert value(limited, "cpu", "cpu.cfs_quota_us", TEAM) == "-1"


@V1
def test_lowering_memory_below_what_is_used_kills_nobody_and_tightens_as_use_falls(limited: EngineDaemon) -> None:
    container_id = sleeper(limited, ADA)
    assert execute(limited, container_id, HOG.format(60 * MIB)) == 0
    put(limited, ADA, memory=200 * MIB)
    view = put(limited, ADA, memory=20 * MIB)
    assert view["over"] == ["memory"]
    assert limited.inspect(container_id)["State"]["Running"]
    held = int(value(limited, "memory", "memory.limit_in_bytes", ADA))
    assert 60 * MIB <= held < 90 * MIB
    assert execute(limited, container_id, HOG.replace("hog", "more").format(40 * MIB)) != 0
    for name in ("hog", "more"):
        inside(limited, container_id, f"dev/shm/{name}").unlink(missing_ok=True)
    wait_until(lambda: value(limited, "memory", "memory.limit_in_bytes", ADA) == str(20 * MIB), "the limit to be as it should")
    assert shown(limited, ADA)["over"] == []


@V1
def test_a_containers_end_tightens_at_once(limited: EngineDaemon) -> None:
    large, small = sleeper(limited, ADA), sleeper(limited, ADA)
    assert execute(limited, large, HOG.format(60 * MIB)) == 0
    put(limited, TEAM, memory=20 * MIB)
    limited.request("POST", f"/containers/{large}/kill")
    limited.wait(large)
    wait_until(lambda: value(limited, "memory", "memory.limit_in_bytes", TEAM) == str(20 * MIB), "the limit to be as it should")
    assert limited.inspect(small)["State"]["Running"]


def test_fewer_processes_than_there_are_stops_new_ones_and_kills_none(limited: EngineDaemon) -> None:
    container_id = limited.run("sh", "-c", "for i in 1 2 3 4 5 6; do sleep 600 & done; wait", tenant=ADA)
    wait_until(lambda: shown(limited, ADA)["usage"]["pids"] == 7, "them to be there")
    assert put(limited, ADA, pids=3)["over"] == ["pids"]
    assert execute(limited, container_id, "sleep 0 & wait $!") != 0
    assert shown(limited, ADA)["usage"]["pids"] == 7


@V1
def test_a_containers_own_processor_time_fits_below_whatever_its_tenant_gets(limited: EngineDaemon) -> None:
    """Version 1 refuses more below than above: then what is above holds, and its own comes back with it."""
    before = sleeper(limited, ADA, NanoCpus=1_500_000_000)
    put(limited, ADA, cpus=1.0)
    after = sleeper(limited, ADA, NanoCpus=300_000_000)
    put(limited, TEAM, cpus=0.5)
    quotas = [value(limited, "cpu", "cpu.cfs_quota_us", ADA, one) for one in (before, after)]
    assert quotas == ["-1", "30000"]
    assert value(limited, "cpu", "cpu.cfs_quota_us", ADA) == "-1"
    put(limited, TEAM, cpus=2.0)
    assert value(limited, "cpu", "cpu.cfs_quota_us", ADA) == "100000"
    put(limited, ADA)
    put(limited, TEAM)
    assert value(limited, "cpu", "cpu.cfs_quota_us", ADA, before) == "150000"
    limited.request("POST", f"/containers/{before}/restart?t=0")
    assert value(limited, "cpu", "cpu.cfs_quota_us", ADA, before) == "150000"
    assert limited.inspect(before)["HostConfig"]["NanoCpus"] == 1_500_000_000


def processors(engine: EngineDaemon, container_id: str) -> frozenset[int]:
    line = engine.cli("exec", container_id, "grep", "Cpus_allowed_list", "/proc/self/status", check=True).stdout.split()[1]
    return parse_set(line.decode(), what="processors")


def test_programs_see_as_many_processors_as_their_tenant_has(limited: EngineDaemon) -> None:
    """Also those that ran before, and those of another team beside it where there are enough."""
    here = processors(limited, sleeper(limited, ADA))
    if len(here) < 2:
        pytest.skip("one processor cannot be shared out")
    container_id = sleeper(limited, ADA)
    put(limited, TEAM, cpus=0.5)
    assert limited.cli("exec", container_id, "nproc").stdout == b"1\n"
    narrowed = processors(limited, container_id)
    assert processors(limited, sleeper(limited, ADA)) == narrowed
    put(limited, "red/eve", cpus=1)
    assert not processors(limited, sleeper(limited, "red/eve")) & narrowed
    put(limited, TEAM, cpus=len(here))
    assert processors(limited, container_id) == here


def test_a_containers_own_processors_are_those_of_them_that_its_tenant_has(limited: EngineDaemon) -> None:
    everywhere = processors(limited, sleeper(limited, ADA))
    if len(everywhere) < 2:
        pytest.skip("one processor cannot be shared out")
    pinned = [sleeper(limited, ADA, CpusetCpus=str(one)) for one in sorted(everywhere)[:2]]
    put(limited, ADA, cpus=1)
    tenants = processors(limited, sleeper(limited, ADA))
    assert {processors(limited, one) for one in pinned} == {tenants}
    for one in pinned:
        limited.request("POST", f"/containers/{one}/restart?t=0")
    assert {processors(limited, one) for one in pinned} == {tenants}
    put(limited, ADA)
    assert [processors(limited, one) for one in pinned] == [frozenset({one}) for one in sorted(everywhere)[:2]]


def two_processors(engine: EngineDaemon) -> list[int]:
    here = sorted(processors(engine, sleeper(engine, ADA)))
    if len(here) < 2:
        pytest.skip("one processor cannot be shared out")
    return here[:2]


def test_an_update_asks_for_processors_that_its_tenant_has(limited: EngineDaemon) -> None:
    both = two_processors(limited)
    container_id, still = sleeper(limited, ADA), limited.create("sleep", "600", tenant=ADA)
    put(limited, TEAM, cpus=1)
    (own,) = processors(limited, container_id)
    (other,) = set(both) - {own}
    for one in (container_id, still):
        for wanted in (str(other), f"{both[0]}-{both[1]}"):
            answer = limited.request("POST", f"/containers/{one}/update", {"CpusetCpus": wanted}, tenant=ADA)
            assert answer.status == 400, answer.body
            text = f"invalid CpusetCpus '{wanted}': the cpus quota of {ADA} leaves it processors {own}"
            assert answer.message == text
        assert limited.inspect(one)["HostConfig"]["CpusetCpus"] == ""
        assert limited.request("POST", f"/containers/{one}/update", {"CpusetCpus": str(own)}, tenant=ADA).status == 200
    put(limited, TEAM)
    assert processors(limited, container_id) == {own}
    assert limited.request("POST", f"/containers/{container_id}/update", {"CpusetCpus": str(other)}, tenant=ADA).status == 200
    assert processors(limited, container_id) == {other}


def test_a_quota_that_comes_and_goes_during_starts_fails_none_of_them(limited: EngineDaemon) -> None:
    """Larger ones than the quota were created before it; each has all of its own in the end."""
    both = two_processors(limited)
    made = [
        limited.create("sleep", "600", tenant=ADA, HostConfig={"NanoCpus": 1_500_000_000, "CpusetCpus": str(both[number % 2])})
        for number in range(10)
    ]
    is_over = threading.Event()

    def come_and_go() -> None:
        while not is_over.is_set():
            put(limited, ADA, cpus=0.5)
            put(limited, ADA)

    with ThreadPoolExecutor(3) as pool:
        changing = pool.submit(come_and_go)
        try:
            answers = list(pool.map(lambda one: limited.request("POST", f"/containers/{one}/start"), made))
        finally:
            is_over.set()
        changing.result()
    assert [(answer.status, answer.body) for answer in answers] == [(204, b"")] * len(made)
    for number, one in enumerate(made):
        assert processors(limited, one) == {both[number % 2]}
        if detect_layout().version == 1:
            assert value(limited, "cpu", "cpu.cfs_quota_us", ADA, one) == "150000"


@V1
def test_a_container_without_a_limited_tenant_has_its_own_before_it_runs(limited: EngineDaemon) -> None:
    """Written after its cgroup is made, as its tenant may be limited between the two."""
    container_id = sleeper(limited, ADA, CpuQuota=20_000, CpuPeriod=40_000)
    names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
    assert [value(limited, "cpu", name, ADA, container_id) for name in names] == ["20000", "40000"]


def test_a_busy_container_reads_as_the_processor_time_that_the_kernel_counts(limited: EngineDaemon) -> None:
    """In cores: what it had between two looks, over the time between them, which lies between these bounds."""
    tenant = "blue/busy"  # nobody has looked at it a moment ago
    container_id = limited.run("sh", "-c", "while :; do :; done", tenant=tenant)
    account = Path(f"/proc/{limited.inspect(container_id)['State']['Pid']}/schedstat")

    def look() -> tuple[float, dict[str, float], float]:
        begun = time.monotonic()
        return begun, shown(limited, tenant)["usage"], time.monotonic()

    first_begun, first, first_ended = look()
    had = int(account.read_text().split()[0])
    wait_until(lambda: int(account.read_text().split()[0]) - had > 10**9, "a second of processor time")
    begun, second, ended = look()
    seconds = second["cpu_seconds"] - first["cpu_seconds"]
    assert 0.9 < seconds < (ended - first_begun) * 1.1  # one process has one processor at most
    assert seconds / (ended - first_begun) * 0.99 <= second["cpus"] <= seconds / (begun - first_ended) * 1.01


@pytest.mark.parametrize(
    ("limits", "status", "words"),
    [
        ({"swap": 10 * MIB}, 400, "limit swap cannot hold without limit memory here"),
        ({"memory": MIB}, 400, "invalid limit memory"),
    ],
)
@V1
def test_what_this_kernel_cannot_hold_is_refused_and_changes_nothing(
    limited: EngineDaemon, limits: dict[str, object], status: int, words: str
) -> None:
    put(limited, ADA, pids=100)
    answer: Answer = limited.request("PUT", f"/tenants/{ADA}", limits)
    assert (answer.status, words in answer.message) == (status, True), answer.body
    assert shown(limited, ADA)["limits"]["pids"] == 100


@V1
def test_sums_and_peaks_of_a_tenant_outlive_its_containers(limited: EngineDaemon) -> None:
    container_id = sleeper(limited, ADA)
    assert execute(limited, container_id, HOG.format(30 * MIB)) == 0
    used = shown(limited, ADA)["usage"]["cpu_seconds"]
    limited.remove_containers()
    after = shown(limited, ADA)
    assert after["usage"]["cpu_seconds"] >= used
    assert after["peak"]["memory"] >= 30 * MIB
    assert after["usage"]["pids"] == 0


@V1
def test_a_tenant_without_limits_and_containers_keeps_no_cgroup_once_its_limits_are_deleted(limited: EngineDaemon) -> None:
    put(limited, "green/eve", pids=10)
    assert directory(limited, "pids", "green/eve").is_dir()
    assert limited.request("DELETE", "/tenants/green/eve").status == 204
    assert not directory(limited, "pids", "green").exists()


@V1
def test_record_and_kernel_agree_after_a_daemon_was_killed(start_engine: Callable[..., EngineDaemon]) -> None:
    """Between the two, in either direction: the record counts."""
    engine = start_engine()
    put(engine, ADA, memory=100 * MIB, pids=40, cpus=1)
    put(engine, BOB, pids=40)
    container_id = sleeper(engine, ADA)
    sleeper(engine, BOB)
    engine.kill()
    (directory(engine, "pids", ADA) / "pids.max").write_text("7")
    (directory(engine, "memory", ADA) / "memory.limit_in_bytes").write_text(str(50 * MIB))
    (directory(engine, "cpu", TEAM) / "cpu.cfs_quota_us").write_text("150000")
    (engine.data_path / "engine" / "tenants" / "limits.json").write_bytes(
        (engine.data_path / "engine" / "tenants" / "limits.json").read_bytes().replace(b'"blue/bob"', b'"blue/eve"')
    )
    engine.start()
    assert value(engine, "pids", "pids.max", ADA) == "40"
    assert value(engine, "memory", "memory.limit_in_bytes", ADA) == str(100 * MIB)
    assert value(engine, "cpu", "cpu.cfs_quota_us", TEAM) == "-1"
    assert value(engine, "pids", "pids.max", BOB) == "max"
    assert engine.inspect(container_id)["State"]["Running"]
    assert engine.cli("exec", container_id, "true").returncode == 0


@V1
def test_what_a_killed_engine_left_empty_is_swept_by_the_next(start_engine: Callable[..., EngineDaemon]) -> None:
    engine = start_engine()
    engine.remove_containers()
    left = directory(engine, "memory", "gone/eve")
    left.mkdir(parents=True)
    engine.kill()
    engine.start()
    assert not left.parent.exists()


@pytest.mark.skipif(not found_views(), reason="lxcfs is not mounted here")
def test_programs_read_their_tenants_memory_in_proc_where_there_is_lxcfs(limited: EngineDaemon) -> None:
    put(limited, TEAM, memory=256 * MIB, cpus=1)
    one, other = sleeper(limited, ADA), sleeper(limited, "red/eve")
    total = b"MemTotal:         262144 kB"
    assert limited.cli("exec", one, "head", "-1", "/proc/meminfo").stdout.strip() == total
    assert limited.cli("exec", other, "head", "-1", "/proc/meminfo").stdout.strip() != total
    assert limited.cli("exec", one, "grep", "-c", "^processor", "/proc/cpuinfo").stdout == b"1\n"
