"""A long life: hundreds of containers later the daemon and the supervisor hold no more descriptors, threads or memory."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.engine.api.raw_client import RawClient
from tests.engine.daemon import EngineDaemon, wait_until

pytestmark = pytest.mark.requires_root

WARMING, CYCLES = 100, 500
GROWTH_MIB = 8.0
RUNNING = 200
BUDGET_MIB = 120.0


@dataclass(frozen=True)
class Holdings:
    """What a process holds."""

    descriptors: int
    threads: int
    memory_mib: float


def holdings(pid: int) -> Holdings:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
    assert found is not None
    return Holdings(_count(f"/proc/{pid}/fd"), _count(f"/proc/{pid}/task"), int(found[1]) / 1024)


def _count(folder: str) -> int:
    return sum(1 for _ in Path(folder).iterdir())


def _cycle(engine: EngineDaemon, number: int) -> None:
    """The life of a container, and clients that leave in the middle of what they asked for."""
    container_id = engine.create(
        "sh", "-c", "trap 'exit 0' TERM; echo here; sleep 600 & wait", Tty=number % 2 == 0, OpenStdin=True
    )
    with RawClient(engine) as waiting, RawClient(engine) as following, RawClient(engine) as attached:
        waiting.post(f"/containers/{container_id}/wait?condition=removed")
        attached.post(f"/containers/{container_id}/attach?stream=1&stdin=1&stdout=1", upgrade=True)
        assert engine.request("POST", f"/containers/{container_id}/start").status == 204
        following.socket.sendall(f"GET /containers/{container_id}/logs?follow=1&stdout=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        created = engine.request("POST", f"/containers/{container_id}/exec", {"Cmd": ["true"], "AttachStdout": True})
        assert engine.request("POST", f"/exec/{created.document['Id']}/start", {"Detach": False}).status == 200
        attached.read_until(b"here")
    assert engine.request("POST", f"/containers/{container_id}/stop?t=1").status == 204
    assert engine.request("DELETE", f"/containers/{container_id}").status == 204


def _live(engine: EngineDaemon, count: int) -> None:
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(lambda number: _cycle(engine, number), range(count)):
            pass


def test_five_hundred_lives_leave_no_descriptor_thread_or_memory_behind(start_engine: Callable[..., EngineDaemon]) -> None:
    engine = start_engine()
    supervisor = engine.supervisor_pid()
    assert supervisor is not None
    _live(engine, WARMING)
    before = {pid: holdings(pid) for pid in (engine.pid, supervisor)}
    _live(engine, CYCLES)
    for pid, former in before.items():
        wait_until(
            lambda pid=pid, former=former: _is_no_more(former, holdings(pid)),  # type: ignore[misc]  # lambda defaults
            "nothing to be held",
            hint=lambda pid=pid, former=former: f"{former} {holdings(pid)} {_descriptors(pid)}",  # type: ignore[misc]  # lambda defaults
        )


def _is_no_more(former: Holdings, present: Holdings) -> bool:
    return (
        present.descriptors <= former.descriptors + 2  # a request under way
        and present.threads <= max(former.threads, 40)  # the pool for blocking calls grows to its limit
        and present.memory_mib <= former.memory_mib + GROWTH_MIB
    )


def _descriptors(pid: int) -> list[str]:
    return sorted(str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink())


def test_two_hundred_running_containers_stay_within_their_budget_of_memory(start_engine: Callable[..., EngineDaemon]) -> None:
    engine = start_engine()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: engine.run("sleep", "600"), range(RUNNING)))
        supervisor = engine.supervisor_pid()
        assert supervisor is not None
        assert holdings(engine.pid).memory_mib + holdings(supervisor).memory_mib < BUDGET_MIB
        names = [container["Id"] for container in engine.request("GET", "/containers/json").document]
        assert len(names) == RUNNING
        list(pool.map(lambda name: engine.request("DELETE", f"/containers/{name}?force=1"), names))
