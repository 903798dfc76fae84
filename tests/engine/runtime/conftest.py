"""A BusyBox layer and a supervisor of its own for each test; afterwards nothing of it may be left."""

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from engine.runtime.client import Supervisor
from engine.runtime.process import ProcessExit
from tests.engine.runtime.container_specs import CGROUP_PATH, make_rootfs


@pytest.fixture(scope="session")
def rootfs_path() -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("starts containers, which needs root")
    path = Path(tempfile.mkdtemp(prefix="atelier-layer-"))
    path.chmod(0o755)
    yield make_rootfs(path / "rootfs")
    shutil.rmtree(path)


@pytest.fixture
def base(rootfs_path: Path) -> Iterator[Path]:
    """A short path: that of a unix socket has to fit 108 bytes."""
    path = Path(tempfile.mkdtemp(prefix="atelier-"))
    path.chmod(0o755)
    (path / "rootfs").symlink_to(rootfs_path)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def exits() -> list[ProcessExit]:
    """What ``on_exit`` was told."""
    return []


@pytest.fixture
async def supervisor(base: Path, exits: list[ProcessExit]) -> AsyncIterator[Supervisor]:
    client = open_client(base, exits)
    await client.open()
    yield client
    await end_all(client)
    assert_nothing_left()


def open_client(base: Path, exits: list[ProcessExit]) -> Supervisor:
    async def on_exit(process_exit: ProcessExit) -> None:
        exits.append(process_exit)

    return Supervisor(run_path=base / "run", on_exit=on_exit)


async def end_all(client: Supervisor) -> None:
    """Kill and forget every process, then let the supervisor end; whatever a test did to it, it does not stay."""
    supervisor_pid = client.pid
    try:
        await _end_processes(client)
        await client.close()
        assert not _is_running(supervisor_pid)
    finally:
        if supervisor_pid is not None and _is_running(supervisor_pid):
            os.kill(supervisor_pid, signal.SIGKILL)


async def _end_processes(client: Supervisor) -> None:
    for process in list(client.processes.values()):
        if process.exit is None and process.started_at_ns is None:
            await client.abort(process.id)
            continue
        with contextlib.suppress(ProcessLookupError):
            process.kill(signal.SIGKILL)
        await process.wait()
        await client.forget(process.id)


def assert_nothing_left() -> None:
    assert list(CGROUP_PATH.glob(f"*/atelier-test-{os.getpid()}-*")) == []
    assert list(CGROUP_PATH.glob(f"atelier-test-{os.getpid()}-*")) == []
    assert [pid for pid in _children() if _is_ours(pid)] == []


def _is_running(pid: int | None) -> bool:
    """A zombie does not run; its parent may be a daemon that a test has stopped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] != "Z"
    except FileNotFoundError:
        return False


def _children() -> list[int]:
    tasks = Path("/proc/self/task").iterdir()
    return [int(pid) for task in tasks for pid in (task / "children").read_text().split()]


def _is_ours(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return b"engine.runtime.supervisor" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False
