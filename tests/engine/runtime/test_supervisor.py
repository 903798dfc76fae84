"""Containers and execs through the supervisor: output, input, exit codes, failures that leave nothing."""

import asyncio
import signal
from pathlib import Path

import pytest

from engine.errors import CommandNotRunnable, Conflict, Fault, NotFound
from engine.runtime.client import Supervisor
from engine.runtime.log_format import STDERR, STDOUT
from engine.runtime.process import Process, ProcessExit
from engine.runtime.steps import STEPS
from tests.engine.runtime.conftest import assert_nothing_left, end_all, open_client
from tests.engine.runtime.container_specs import container_spec, exec_spec

pytestmark = pytest.mark.requires_root


async def run(supervisor: Supervisor, base: Path, container_id: str, *args: str, **options: object) -> Process:
    """A started container."""
    process = await supervisor.create(container_spec(base, container_id, *args, **options))  # type: ignore[arg-type] # as there
    process.close_netns()
    await supervisor.start(container_id, [])
    return process


async def output(process: Process, stream: int = STDOUT) -> bytes:
    return b"".join([frame.data async for frame in process.follow() if frame.stream == stream])


async def seen(process: Process, text: bytes, position: int = 0) -> int:
    """Wait until the text is in the output; the position after it."""
    found = b""
    with process.follow(position=position) as follower:
        while text not in found:
            frames = await follower.batch()
            assert frames, found
            found += b"".join(frame.data for frame in frames)
        return follower.position


async def test_output_and_exit_code_are_known_when_a_container_has_ended(
    supervisor: Supervisor, base: Path, exits: list[ProcessExit]
) -> None:
    process = await run(supervisor, base, "c1", "sh", "-c", "echo out; echo err >&2; exit 3")
    found = await process.wait()
    assert (found.process_id, found.kind, found.container_id, found.status, found.oom) == ("c1", "container", "c1", 3, False)
    assert process.started_at_ns is not None
    assert found.finished_at_ns >= process.started_at_ns
    assert (await output(process), await output(process, STDERR)) == (b"out\n", b"err\n")
    await asyncio.sleep(0)
    assert exits == [found]


EXITS = [
    ("success", "true", 0),
    ("code", "exit 42", 42),
    ("largest code", "exit 255", 255),
    ("killed", "sh -c 'kill -9 $$'; exit $?", 137),
    ("terminated", "sh -c 'kill -15 $$'; exit $?", 143),
]


@pytest.mark.parametrize(("command", "status"), [row[1:] for row in EXITS], ids=[row[0] for row in EXITS])
async def test_the_status_is_what_a_shell_shows(supervisor: Supervisor, base: Path, command: str, status: int) -> None:
    process = await run(supervisor, base, "c1", "sh", "-c", command)
    assert (await process.wait()).status == status


async def test_a_killed_container_has_128_and_the_signal(supervisor: Supervisor, base: Path) -> None:
    process = await run(supervisor, base, "c1", "sleep", "1000")
    process.kill(signal.SIGKILL)
    assert (await process.wait()).status == 137
    with pytest.raises(ProcessLookupError):
        process.kill(signal.SIGTERM)


async def test_a_container_beyond_its_memory_is_told_apart(supervisor: Supervisor, base: Path) -> None:
    process = await run(supervisor, base, "c1", "sh", "-c", "x=$(yes)", memory_bytes=16 * 1024 * 1024)
    found = await process.wait()
    assert found.oom
    assert found.status == 137


NOT_RUNNABLE = [("absent", "nothing-like-this", 127), ("not executable", "/etc/passwd", 126)]


@pytest.mark.parametrize(("command", "code"), [row[1:] for row in NOT_RUNNABLE], ids=[row[0] for row in NOT_RUNNABLE])
async def test_a_command_that_cannot_run_leaves_nothing(
    supervisor: Supervisor, base: Path, exits: list[ProcessExit], command: str, code: int
) -> None:
    process = await supervisor.create(container_spec(base, "c1", command))
    process.close_netns()
    with pytest.raises(CommandNotRunnable) as caught:
        await supervisor.start("c1", [])
    assert caught.value.exit_code == code
    assert command in caught.value.message
    assert supervisor.processes == {}
    assert not Path(f"/proc/{process.pid}").exists()
    assert exits == []


async def test_a_created_container_can_be_aborted(supervisor: Supervisor, base: Path, exits: list[ProcessExit]) -> None:
    process = await supervisor.create(container_spec(base, "c1", "true"))
    await supervisor.abort("c1")
    assert supervisor.processes == {}
    assert not Path(f"/proc/{process.pid}").exists()
    assert exits == []


async def test_a_container_created_for_a_caller_who_left_is_undone(supervisor: Supervisor, base: Path) -> None:
    task = asyncio.create_task(supervisor.create(container_spec(base, "c1", "true")))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await run(supervisor, base, "c2", "true")
    while "c1" in supervisor.processes:  # noqa: ASYNC110 - nobody is told of what nobody waits for
        await asyncio.sleep(0.01)
    assert list(supervisor.processes) == ["c2"]


async def test_names_are_taken_once_and_unknown_ones_refused(supervisor: Supervisor, base: Path) -> None:
    await run(supervisor, base, "c1", "sleep", "1000")
    with pytest.raises(Conflict):
        await supervisor.create(container_spec(base, "c1", "true"))
    with pytest.raises(NotFound):
        await supervisor.start("c2", [])
    with pytest.raises(NotFound):
        await supervisor.exec(exec_spec(base, "c2", "e1", "true"))
    with pytest.raises(Conflict):
        await supervisor.forget("c1")


async def test_input_reaches_the_container_and_ends_when_closed(supervisor: Supervisor, base: Path) -> None:
    process = await run(supervisor, base, "c1", "wc", "-c", stdin=True)
    await process.write(b"x" * 5_000_000)
    process.close_stdin()
    assert (await process.wait()).status == 0
    assert (await output(process)).strip() == b"5000000"
    with pytest.raises(BrokenPipeError):
        await process.write(b"more")


async def test_input_to_a_process_that_ends_without_reading_fails(supervisor: Supervisor, base: Path) -> None:
    process = await run(supervisor, base, "c1", "sleep", "0.2", stdin=True)
    with pytest.raises(BrokenPipeError):
        await process.write(b"x" * 5_000_000)


async def test_a_terminal_has_its_size_and_echoes(supervisor: Supervisor, base: Path) -> None:
    process = await run(supervisor, base, "c1", "sh", tty=True)
    process.resize(rows=40, columns=100)
    await process.write(b"stty size; exit 7\n")
    assert (await process.wait()).status == 7
    assert b"40 100\r\n" in await output(process)


async def test_a_million_lines_are_all_in_the_log_in_order(supervisor: Supervisor, base: Path) -> None:
    process = await run(supervisor, base, "c1", "seq", "1000000")
    data = b""
    async for frames in process.follow().batches():
        data += b"".join(frame.data for frame in frames)
    assert data == b"".join(b"%d\n" % number for number in range(1, 1_000_001))


async def test_an_exec_has_its_own_output_and_exit_code(supervisor: Supervisor, base: Path, exits: list[ProcessExit]) -> None:
    await run(supervisor, base, "c1", "sleep", "1000")
    process = await supervisor.exec(exec_spec(base, "c1", "e1", "sh", "-c", "hostname; exit 5"))
    found = await process.wait()
    assert (found.kind, found.container_id, found.status) == ("exec", "c1", 5)
    assert await output(process) == b"c1\n"
    await supervisor.forget("e1")
    assert list(supervisor.processes) == ["c1"]


async def test_an_exec_that_is_forgotten_at_its_end_is_still_given_to_its_caller(base: Path) -> None:
    async def on_exit(process_exit: ProcessExit) -> None:
        await client.forget(process_exit.process_id)

    client = Supervisor(run_path=base / "run", on_exit=on_exit)
    await client.open()
    try:
        await run(client, base, "c1", "sleep", "1000")
        for number in range(30):
            process = await client.exec(exec_spec(base, "c1", f"e{number}", "echo", "hello"))
            assert (await process.wait()).status == 0
            assert await output(process) == b"hello\n"
    finally:
        await end_all(client)


async def test_an_exec_that_cannot_run_says_why(supervisor: Supervisor, base: Path) -> None:
    await run(supervisor, base, "c1", "sleep", "1000")
    with pytest.raises(CommandNotRunnable, match="nothing-like-this"):
        await supervisor.exec(exec_spec(base, "c1", "e1", "nothing-like-this"))
    assert list(supervisor.processes) == ["c1"]


async def test_an_exec_ends_with_its_process_and_not_with_what_that_left_behind(supervisor: Supervisor, base: Path) -> None:
    await run(supervisor, base, "c1", "sleep", "1000")
    process = await supervisor.exec(exec_spec(base, "c1", "e1", "sh", "-c", "sleep 1000 & echo done"))
    assert (await process.wait()).status == 0
    assert await output(process) == b"done\n"


async def test_an_exec_whose_reader_is_behind_ends_when_all_is_read_whoever_holds_its_output(
    supervisor: Supervisor, base: Path
) -> None:
    await run(supervisor, base, "c1", "sleep", "1000")
    script = "head -c 100000 /dev/zero; sleep 1000 &"
    process = await supervisor.exec(exec_spec(base, "c1", "e1", "sh", "-c", script, flow_bytes=64 * 1024))
    length = 0
    async with asyncio.timeout(20):
        while Path(f"/proc/{process.pid}").exists():  # noqa: ASYNC110 - only a look tells that it has been reaped
            await asyncio.sleep(0.01)
        assert process.exit is None
        follower = process.follow()
        async for frames in follower.batches():
            length += sum(len(frame.data) for frame in frames)
            await supervisor.flow("e1", follower.position)
    assert length == 100_000


async def test_execs_end_with_their_container(supervisor: Supervisor, base: Path) -> None:
    container = await run(supervisor, base, "c1", "sleep", "1000")
    execs = [await supervisor.exec(exec_spec(base, "c1", f"e{number}", "sh", tty=True)) for number in range(3)]
    container.kill(signal.SIGKILL)
    await container.wait()
    assert [(await process.wait()).status for process in execs] == [137] * 3


async def test_output_waits_for_the_reader_of_an_exec_and_loses_nothing(supervisor: Supervisor, base: Path) -> None:
    flow_bytes = 1024 * 1024
    await run(supervisor, base, "c1", "sleep", "1000")
    process = await supervisor.exec(exec_spec(base, "c1", "e1", "seq", "2000000", flow_bytes=flow_bytes))
    await seen(process, b"\n1000\n")
    await asyncio.sleep(0.3)
    assert process.log is not None
    assert flow_bytes // 2 < process.log.end() <= flow_bytes
    data = b""
    follower = process.follow()
    async for frames in follower.batches():
        data += b"".join(frame.data for frame in frames)
        await supervisor.flow("e1", follower.position)
    assert data == b"".join(b"%d\n" % number for number in range(1, 2_000_001))
    assert follower.skipped_bytes == 0


async def test_output_goes_on_when_the_reader_has_left(supervisor: Supervisor, base: Path) -> None:
    await run(supervisor, base, "c1", "sleep", "1000")
    process = await supervisor.exec(exec_spec(base, "c1", "e1", "seq", "2000000", flow_bytes=64 * 1024))
    await seen(process, b"\n1000\n")
    await supervisor.flow("e1", None)
    assert (await process.wait()).status == 0


async def test_a_disk_that_refuses_does_not_hold_a_container_up(supervisor: Supervisor, base: Path) -> None:
    spec = container_spec(base, "c1", "seq", "1000000")
    Path(spec["log"]["directory"]).write_text("a file where the folder should be")
    process = await supervisor.create(spec)
    await supervisor.start("c1", [])
    found = await process.wait()
    assert found.status == 0
    assert found.dropped_bytes == 6_888_896


async def test_a_specification_larger_than_a_packet_arrives(supervisor: Supervisor, base: Path) -> None:
    spec = container_spec(base, "c1", "sh", "-c", "echo ${#BIG1} ${#BIG2}")
    spec["process"]["env"] += [f"BIG1={'x' * 100_000}", f"BIG2={'y' * 100_000}"]
    process = await supervisor.create(spec)
    await supervisor.start("c1", [])
    await process.wait()
    assert await output(process) == b"100000 100000\n"


async def test_thirty_containers_start_together(supervisor: Supervisor, base: Path) -> None:
    processes = await asyncio.gather(*(run(supervisor, base, f"c{number}", "sh", "-c", f"echo {number}") for number in range(30)))
    assert [(await process.wait()).status for process in processes] == [0] * 30
    assert [await output(process) for process in processes] == [b"%d\n" % number for number in range(30)]


async def test_no_descriptor_of_supervisor_or_daemon_is_left_after_a_container(supervisor: Supervisor, base: Path) -> None:
    async def once(container_id: str) -> None:
        process = await run(supervisor, base, container_id, "true", stdin=True)
        await process.wait()
        await output(process)
        await supervisor.forget(container_id)
        await run(supervisor, base, f"{container_id}t", "true", tty=True)
        await supervisor.processes[f"{container_id}t"].wait()
        await supervisor.forget(f"{container_id}t")
        with pytest.raises(CommandNotRunnable):
            await run(supervisor, base, f"{container_id}x", "nothing")

    async def counts() -> tuple[int, int]:
        with pytest.raises(NotFound):  # all that was sent before is done
            await supervisor.exec(exec_spec(base, "none", "none", "true"))
        return len(list(Path("/proc/self/fd").iterdir())), len(list(Path(f"/proc/{supervisor.pid}/fd").iterdir()))

    await once("c1")
    before = await counts()
    for number in range(3):
        await once(f"d{number}")
    assert await counts() == before


@pytest.mark.parametrize("step", STEPS)
async def test_a_start_that_fails_at_any_step_leaves_nothing(
    base: Path, exits: list[ProcessExit], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setenv("ATELIER_FAIL_STEP", step)
    client = open_client(base, exits)
    await client.open()
    try:
        for is_last in (False, True):
            with pytest.raises(Fault, match=step):
                await run(client, base, "c1", "true", tty=is_last)
        assert client.processes == {}
    finally:
        await end_all(client)
    assert_nothing_left()
    assert exits == []
