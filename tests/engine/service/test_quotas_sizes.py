"""Memory, processors and processes: what is asked for has to fit, at create, at update and at the start."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.engine.daemon import EngineDaemon, wait_until
from tests.engine.service.quotas import (
    as_tenant,
    compose_up,
    create,
    is_refused,
    plain_engine,
    refusals,
    set_free,
    set_quota,
    used,
    verb,
)

pytestmark = pytest.mark.requires_root
ADA, BOB, MIB = "demo/ada", "demo/bob", 1 << 20


@pytest.fixture(scope="module")
def shared() -> Iterator[EngineDaemon]:
    with plain_engine() as engine:
        yield engine


@pytest.fixture
def engine(shared: EngineDaemon) -> Iterator[EngineDaemon]:
    yield shared
    set_free(shared)


def holding(engine: EngineDaemon, tenant: str, name: str, mib: int) -> str:
    """Start a container that has so much memory in use."""
    script = f"dd if=/dev/zero of=/held/file bs=1M count={mib} && echo held && exec sleep 600"
    host = {"Tmpfs": {"/held": f"size={mib + 1}m"}, "NetworkMode": "none"}
    container_id = str(create(engine, tenant, name=name, Cmd=["sh", "-c", script], HostConfig=host).document["Id"])
    assert verb(engine, tenant, container_id, "start").status == 204
    wait_until(lambda: b"held\n" in engine.output(container_id), "the memory to be in use")
    return container_id


SIZES = {"memory": ("--memory 300m", "300 MiB"), "cpus": ("--cpus 1.5", "1.5 cpus"), "pids": ("--pids-limit 500", "500")}
QUOTAS = {"memory": 256 * MIB, "cpus": 0.5, "pids": 100}
ALL = {"memory": "256 MiB", "cpus": "0.5 cpus", "pids": "100"}
WORDS = {"memory": "memory", "cpus": "cpu", "pids": "process"}


@pytest.mark.parametrize("resource", SIZES)
@pytest.mark.parametrize("command", ["docker create {} busybox", "docker run --rm {} busybox true", "docker update {} small"])
@pytest.mark.parametrize(("limited", "named"), [(ADA, ADA), ("demo", "team demo")])
def test_what_is_more_than_the_whole_quota_is_refused_when_it_is_asked_for(
    engine: EngineDaemon, resource: str, command: str, limited: str, named: str
) -> None:
    create(engine, ADA, name="small")
    option, amount = SIZES[resource]
    before = refusals(engine, ADA).get(resource, 0)
    set_quota(engine, limited, **{resource: QUOTAS[resource]})
    done = as_tenant(engine, ADA, command.format(f"{option} {'--memory-swap -1' if 'memory' in option else ''}"))
    assert done.returncode != 0
    expected = f"{WORDS[resource]} quota of {named}: {amount} needed, {ALL[resource]} is all there is; choose a smaller size"
    assert expected in done.stderr
    assert refusals(engine, ADA)[resource] == before + 1
    assert [one["Names"] for one in engine.request("GET", "/containers/json?all=1").document] == [["/small"]]


def test_compose_is_told_too(engine: EngineDaemon) -> None:
    set_quota(engine, "demo", memory=QUOTAS["memory"])
    done = as_tenant(engine, ADA, compose_up("{image: busybox, mem_limit: 300m}").replace("'3'", "'2.4'"))
    assert "memory quota of team demo: 300 MiB needed, 256 MiB is all there is" in done.stderr


def test_an_update_of_something_else_is_not_held_against_a_size_of_before(engine: EngineDaemon) -> None:
    sized = {"Memory": 300 * MIB, "NanoCpus": 10**9, "PidsLimit": 500, "NetworkMode": "none"}
    container = create(engine, ADA, HostConfig=sized).document["Id"]
    set_quota(engine, ADA, memory=QUOTAS["memory"], cpus=0.5, pids=100)
    assert engine.request("POST", f"/containers/{container}/update", {"CpuShares": 512}, tenant=ADA).status == 200
    answer = engine.request("POST", f"/containers/{container}/update", {"Memory": 299 * MIB, "MemorySwap": -1}, tenant=ADA)
    assert is_refused(answer, "memory", ADA)
    assert engine.inspect(container)["HostConfig"]["Memory"] == 300 * MIB


def test_swap_counts_where_it_is_asked_for_and_not_where_it_follows_from_the_memory(engine: EngineDaemon) -> None:
    set_quota(engine, ADA, memory=100 * MIB, swap=30 * MIB)
    most = {"Memory": 64 * MIB, "MemorySwap": 100 * MIB, "NetworkMode": "none"}
    assert is_refused(create(engine, ADA, HostConfig=most), "swap", ADA)
    sized = create(engine, ADA, name="sized", HostConfig={"Memory": 64 * MIB, "NetworkMode": "none"}).document["Id"]
    assert engine.request("POST", f"/containers/{sized}/update", {"CpuShares": 512}, tenant=ADA).status == 200
    fits = {**most, "MemorySwap": 94 * MIB}
    assert create(engine, ADA, HostConfig=fits).status == 201


def test_a_start_needs_the_memory_that_it_asks_for(engine: EngineDaemon) -> None:
    set_quota(engine, "demo", memory=200 * MIB)
    holding(engine, BOB, "bobs", 60)
    holding(engine, ADA, "less", 30)
    holding(engine, ADA, "most", 50)
    sized = create(engine, ADA, name="sized", HostConfig={"Memory": 100 * MIB, "NetworkMode": "none"}).document["Id"]
    answer = verb(engine, ADA, sized, "start")
    assert is_refused(answer, "memory", "demo")
    assert answer.message.startswith("memory quota of team demo: 100 MiB needed, ")
    assert answer.message.endswith(" left of 200 MiB; stop one of most, less, choose a smaller size, or ask for more")
    assert "bobs" not in answer.message, "names of another member's"
    assert engine.inspect(sized)["State"]["Error"] == answer.message
    assert 130 * MIB < answer.document["quota"]["used"] <= 200 * MIB
    assert verb(engine, ADA, create(engine, ADA, name="unsized").document["Id"], "start").status == 204
    engine.request("POST", "/containers/most/stop?t=0", tenant=ADA)
    wait_until(lambda: used(engine, "demo", "memory") < 100 * MIB, "the memory to come back")
    assert verb(engine, ADA, sized, "start").status == 204


def test_a_restart_gives_back_first_what_it_has(engine: EngineDaemon) -> None:
    one = holding(engine, ADA, "one", 60)
    set_quota(engine, ADA, memory=70 * MIB)
    assert verb(engine, ADA, one, "restart").status == 204


def test_without_a_size_a_start_is_refused_where_nothing_is_left_and_nothing_is_killed(engine: EngineDaemon) -> None:
    one = holding(engine, ADA, "one", 60)
    set_quota(engine, "demo", memory=50 * MIB)
    assert engine.inspect(one)["State"]["Running"]
    answer = verb(engine, ADA, create(engine, ADA).document["Id"], "start")
    assert is_refused(answer, "memory", "demo")
    assert "6 MiB needed, 0 B left of 50 MiB; stop one, choose a smaller size" in answer.message
    assert engine.inspect(one)["State"]["Running"]


def test_a_start_needs_a_process(engine: EngineDaemon) -> None:
    set_quota(engine, ADA, pids=6)
    forking = ["sh", "-c", "for n in 1 2 3 4 5; do sleep 600 & done; wait; exec sleep 600"]
    one = create(engine, ADA, name="forking", Cmd=forking).document["Id"]
    assert engine.inspect(one)["HostConfig"]["PidsLimit"] == 6, "the limit that each has is no more than the quota"
    assert verb(engine, ADA, one, "start").status == 204
    wait_until(lambda: used(engine, ADA, "pids") >= 6, "all processes to be there")
    two = create(engine, ADA, name="two").document["Id"]
    answer = verb(engine, ADA, two, "start")
    assert is_refused(answer, "pids", ADA)
    assert "process quota of demo/ada: 1 needed, 0 left of 6; stop forking, choose a smaller size" in answer.message


@pytest.mark.parametrize(
    ("quotas", "expected"), [({}, 4096), ({ADA: 50}, 50), ({"demo": 70, ADA: 90}, 70), ({"demo": 9999}, 4096)]
)
def test_the_limit_that_every_container_has_follows_the_quotas(
    engine: EngineDaemon, quotas: dict[str, int], expected: int
) -> None:
    for tenant, pids in quotas.items():
        set_quota(engine, tenant, pids=pids)
    container = create(engine, ADA).document["Id"]
    assert engine.inspect(container)["HostConfig"]["PidsLimit"] == expected


def test_after_a_restart_of_the_host_as_many_start_as_may(start_engine: Callable[..., EngineDaemon]) -> None:
    engine = start_engine()
    always = {"RestartPolicy": {"Name": "always"}, "NetworkMode": "none"}
    ids = [create(engine, ADA, name=f"n{number}", HostConfig=always).document["Id"] for number in range(5)]
    for one in ids:
        assert verb(engine, ADA, one, "start").status == 204
    set_quota(engine, "demo", running=2)
    assert used(engine, "demo", "running") == 5, "a quota below what runs has ended some"
    supervisor = engine.supervisor_pid()
    pids = [engine.inspect(one)["State"]["Pid"] for one in ids]
    engine.kill()
    for pid in (supervisor, *pids):
        with suppress(ProcessLookupError):
            assert pid is not None
            _kill(pid)
    engine.start()

    def states() -> list[str]:
        return sorted(engine.inspect(one)["State"]["Status"] for one in ids)

    wait_until(lambda: states() == ["exited"] * 3 + ["running"] * 2, "as many to run as may", hint=lambda: str(states()))
    for one in ids:
        state = engine.inspect(one)["State"]
        assert state["Running"] or "running container quota of team demo: 1 needed, 0 left of 2" in state["Error"]


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the process to be gone")
