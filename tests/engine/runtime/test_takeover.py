"""Daemon and supervisor killed in all orders: containers go on, their output is in the log, their exit codes are known."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.core.launch import ExecSpec, LaunchSpec
from engine.errors import EngineError, NotFound, Unavailable
from engine.runtime.client import Supervisor
from engine.runtime.process import ProcessExit
from tests.engine.runtime.conftest import assert_nothing_left, end_all, open_client
from tests.engine.runtime.container_specs import container_spec, exec_spec
from tests.engine.runtime.test_supervisor import output, run, seen

pytestmark = pytest.mark.requires_root

DOUBLE = Path(__file__).with_name("daemon_double.py")
ROOT = Path(__file__).parents[3]


async def kill_supervisor(client: Supervisor) -> None:
    """Kill it and wait until there is another."""
    former = client.pid
    assert former is not None
    os.kill(former, signal.SIGKILL)
    while client.pid in (former, None):  # noqa: ASYNC110 - the client has no event for a death
        await asyncio.sleep(0.001)
    await client.ready()


async def gone(pid: int) -> None:
    while Path(f"/proc/{pid}").exists():  # noqa: ASYNC110 - nobody tells this test
        await asyncio.sleep(0.01)


class Daemon:
    """Another daemon, in a process of its own."""

    def __init__(self, child: asyncio.subprocess.Process, facts: dict[str, Any]) -> None:
        self.child = child
        self.supervisor_pid: int = facts["supervisor"]
        self.processes: dict[str, tuple[int, str, int]] = facts["processes"]

    async def kill(self) -> None:
        self.child.kill()
        await self.child.wait()


@asynccontextmanager
async def daemon(base: Path, *specs: LaunchSpec | ExecSpec) -> AsyncIterator[Daemon]:
    path = base / "specs.json"
    path.write_text(json.dumps(specs))
    child = await asyncio.create_subprocess_exec(
        sys.executable, str(DOUBLE), str(base / "run"), str(path), stdout=asyncio.subprocess.PIPE, env={"PYTHONPATH": str(ROOT)}
    )
    assert child.stdout is not None
    line = await child.stdout.readline()
    yield Daemon(child, json.loads(line))
    if child.returncode is None:
        child.kill()
    await child.wait()


@asynccontextmanager
async def successor(base: Path, exits: list[ProcessExit]) -> AsyncIterator[Supervisor]:
    client = open_client(base, exits)
    await client.open()
    try:
        yield client
    finally:
        await end_all(client)
    assert_nothing_left()


async def test_a_container_survives_its_supervisor(supervisor: Supervisor, base: Path) -> None:
    process = await run(supervisor, base, "c1", "sh", "-c", "read line; echo got $line; exit 9", stdin=True)
    await kill_supervisor(supervisor)
    await process.write(b"input\n")
    assert (await process.wait()).status == 9
    assert await output(process) == b"got input\n"


async def test_a_terminal_survives_its_supervisor(supervisor: Supervisor, base: Path) -> None:
    await run(supervisor, base, "c1", "sleep", "1000")
    process = await supervisor.exec(exec_spec(base, "c1", "e1", "sh", tty=True))
    await process.write(b"A=4\n")
    await kill_supervisor(supervisor)
    await process.write(b"echo ${A}2; exit 6\n")
    await seen(process, b"42\r\n")
    assert (await process.wait()).status == 6


async def test_new_containers_and_execs_start_under_the_new_supervisor(supervisor: Supervisor, base: Path) -> None:
    await run(supervisor, base, "c1", "sleep", "1000")
    await kill_supervisor(supervisor)
    process = await supervisor.exec(exec_spec(base, "c1", "e1", "sh", "-c", "exit 4"))
    assert (await process.wait()).status == 4
    other = await run(supervisor, base, "c2", "sh", "-c", "exit 5")
    assert (await other.wait()).status == 5


async def test_a_container_that_ends_while_no_supervisor_lives_has_its_code(supervisor: Supervisor, base: Path) -> None:
    process = await run(supervisor, base, "c1", "sh", "-c", "read line; echo last; exit 11", stdin=True)
    assert supervisor.pid is not None
    os.kill(supervisor.pid, signal.SIGKILL)
    await process.write(b"\n")  # the loop has not run since: the new supervisor cannot be there yet
    assert (await process.wait()).status == 11
    assert await output(process) == b"last\n"


async def test_output_is_whole_and_single_over_many_deaths_of_the_supervisor(supervisor: Supervisor, base: Path) -> None:
    process = await run(supervisor, base, "c1", "seq", "8000000")
    for _ in range(8):
        await asyncio.sleep(0.02)
        await kill_supervisor(supervisor)
    await process.wait()
    expected, position = 1, b""
    async for frames in process.follow().batches():
        *whole, position = (position + b"".join(frame.data for frame in frames)).split(b"\n")
        assert whole == [b"%d" % number for number in range(expected, expected + len(whole))]
        expected += len(whole)
    assert expected == 8_000_001


async def test_repeated_output_is_counted_right_over_deaths_of_the_supervisor(supervisor: Supervisor, base: Path) -> None:
    process = await run(supervisor, base, "c1", "sh", "-c", "yes | head -n 30000000")
    for _ in range(8):
        await asyncio.sleep(0.02)
        await kill_supervisor(supervisor)
    await process.wait()
    total = 0
    async for frames in process.follow().batches():
        total += sum(len(frame.data) for frame in frames)
    assert total == 60_000_000


MOMENTS: list[tuple[str, Callable[[Supervisor, Path], Coroutine[Any, Any, object]]]] = [
    ("create", lambda supervisor, base: supervisor.create(container_spec(base, "c1", "true"))),
    ("start", lambda supervisor, base: supervisor.start("c0", [])),
    ("exec", lambda supervisor, base: supervisor.exec(exec_spec(base, "c9", "e1", "sleep", "1000"))),
]


@pytest.mark.parametrize("request_of", [row[1] for row in MOMENTS], ids=[row[0] for row in MOMENTS])
@pytest.mark.parametrize("delay_seconds", [0.0, 0.002, 0.006])
async def test_a_supervisor_that_dies_within_a_request_leaves_nothing_half_made(
    supervisor: Supervisor,
    base: Path,
    request_of: Callable[[Supervisor, Path], Coroutine[Any, Any, object]],
    delay_seconds: float,
) -> None:
    (await supervisor.create(container_spec(base, "c0", "sleep", "1000"))).close_netns()
    await run(supervisor, base, "c9", "sleep", "1000")
    task = asyncio.ensure_future(request_of(supervisor, base))
    await asyncio.sleep(delay_seconds)
    await kill_supervisor(supervisor)
    try:
        await task
    except (Unavailable, NotFound):
        assert not {"c1", "e1"} & set(supervisor.processes)
    assert supervisor.processes["c9"].is_running
    process = await run(supervisor, base, "c2", "true")
    assert (await process.wait()).status == 0
    for process_id, process in supervisor.processes.items():
        assert process.started_at_ns is not None or process_id == "c1"


async def test_containers_survive_their_daemon(base: Path, exits: list[ProcessExit]) -> None:
    spec = container_spec(base, "c1", "sh", "-c", "while read line; do echo got $line; done; exit 8", stdin=True)
    async with daemon(base, spec, exec_spec(base, "c1", "e1", "sh", tty=True)) as former:
        await former.kill()
        async with successor(base, exits) as client:
            assert client.pid == former.supervisor_pid
            assert {process.id: process.pid for process in client.processes.values()} == {
                name: facts[0] for name, facts in former.processes.items()
            }
            terminal, container = client.processes["e1"], client.processes["c1"]
            await terminal.write(b"echo $((6*7))\n")
            await seen(terminal, b"42\r\n")
            await container.write(b"me\n")
            await seen(container, b"got me\n")
            container.close_stdin()
            assert (await container.wait()).status == 8


async def test_ends_and_output_while_no_daemon_lives_are_kept(base: Path, exits: list[ProcessExit]) -> None:
    async with daemon(base, container_spec(base, "c1", "sh", "-c", "sleep 0.3; seq 300000; exit 12")) as former:
        await former.kill()
        await asyncio.sleep(1)
        async with successor(base, exits) as client:
            process = client.processes["c1"]
            found = await process.wait()
            assert found.status == 12
            assert (await output(process)).count(b"\n") == 300_000
        assert exits == []


async def test_an_exec_held_up_by_its_reader_goes_on_when_the_daemon_dies(base: Path, exits: list[ProcessExit]) -> None:
    specs = container_spec(base, "c1", "sleep", "1000"), exec_spec(base, "c1", "e1", "seq", "1000000", flow_bytes=65536)
    async with daemon(base, *specs) as former:
        await former.kill()
        async with successor(base, exits) as client:
            assert (await client.processes["e1"].wait()).status == 0


async def test_what_a_dead_daemon_had_only_created_is_undone(base: Path, exits: list[ProcessExit]) -> None:
    async with daemon(base, container_spec(base, "unstarted", "true"), container_spec(base, "c1", "sleep", "1000")) as former:
        await former.kill()
        async with successor(base, exits) as client:
            assert list(client.processes) == ["c1"]
            await gone(former.processes["unstarted"][0])


async def test_the_supervisor_dies_after_the_daemon_was_replaced(base: Path, exits: list[ProcessExit]) -> None:
    """Then the containers' parent is neither: the code comes from the kernel, by the descriptor that was kept."""
    async with daemon(base, container_spec(base, "c1", "sh", "-c", "read line; exit 13", stdin=True)) as former:
        await former.kill()
        async with successor(base, exits) as client:
            await kill_supervisor(client)
            process = client.processes["c1"]
            await process.write(b"\n")
            assert (await process.wait()).status == 13


@pytest.mark.parametrize("is_daemon_first", [True, False])
async def test_containers_outlive_both(base: Path, exits: list[ProcessExit], is_daemon_first: bool) -> None:
    spec = container_spec(base, "c1", "sleep", "1000")
    async with daemon(base, spec) as former:
        if is_daemon_first:
            await former.kill()
        former.child.send_signal(signal.SIGSTOP) if not is_daemon_first else None
        os.kill(former.supervisor_pid, signal.SIGKILL)
        if not is_daemon_first:
            await former.kill()
        pid, identity, started_at_ns = former.processes["c1"]
        async with successor(base, exits) as client:
            assert client.processes == {}
            with pytest.raises(NotFound):
                await client.adopt_orphan("c1", pid, identity + "0", started_at_ns=started_at_ns)
            process = await client.adopt_orphan(
                "c1", pid, identity, started_at_ns=started_at_ns, cgroup=spec["cgroup"], log=spec["log"]
            )
            assert process.is_running
            other = await client.exec(exec_spec(base, "c1", "e1", "sh", "-c", "exit 3"))
            assert (await other.wait()).status == 3
            process.kill(signal.SIGKILL)
            assert (await process.wait()).status in (137, None)


async def test_the_newest_daemon_wins_and_the_other_starts_no_second_supervisor(base: Path, exits: list[ProcessExit]) -> None:
    first = open_client(base, [])
    await first.open()
    await run(first, base, "c1", "sleep", "1000")
    async with successor(base, exits) as second:
        assert second.pid == first.pid
        assert list(second.processes) == ["c1"]
        await asyncio.sleep(0.1)
        with pytest.raises(EngineError):
            await first.exec(exec_spec(base, "c1", "e1", "true"))
        await first.close()
        process = await second.exec(exec_spec(base, "c1", "e2", "true"))
        assert (await process.wait()).status == 0


async def test_a_stopped_daemon_leaves_the_supervisor_while_it_has_processes(base: Path, exits: list[ProcessExit]) -> None:
    first = open_client(base, [])
    await first.open()
    await run(first, base, "c1", "sleep", "1000")
    pid = first.pid
    await first.close()
    async with successor(base, exits) as second:
        assert second.pid == pid
        assert second.processes["c1"].is_running


async def test_a_daemon_that_stands_still_holds_nothing_up(base: Path, exits: list[ProcessExit]) -> None:
    specs = [container_spec(base, f"c{number}", "sh", "-c", f"sleep 0.3; seq 100000; exit {number}") for number in range(5)]
    async with daemon(base, *specs) as former:
        former.child.send_signal(signal.SIGSTOP)
        await asyncio.sleep(0.5)
        async with successor(base, exits) as client:
            for number in range(5):
                process = client.processes[f"c{number}"]
                assert (await process.wait()).status == number
                assert (await output(process)).count(b"\n") == 100_000


async def test_many_ends_at_once_reach_a_daemon_that_was_away(base: Path, exits: list[ProcessExit]) -> None:
    specs: list[LaunchSpec | ExecSpec] = [container_spec(base, "c1", "sleep", "1000")]
    specs += [exec_spec(base, "c1", f"e{number}", "sh", "-c", f"sleep 0.5; exit {number}") for number in range(40)]
    async with daemon(base, *specs) as former:
        await former.kill()
        await asyncio.sleep(0.7)
        async with successor(base, exits) as client:
            assert [(await client.processes[f"e{number}"].wait()).status for number in range(40)] == list(range(40))
