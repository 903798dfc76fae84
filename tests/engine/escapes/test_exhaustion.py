"""What the kernel counts for each user or machine: a container that takes all of it takes nothing from others."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engine.daemon import EngineDaemon, wait_until
from tests.engine.escapes.attack_image import compiled
from tests.engine.escapes.cells import BOB, Cell

pytestmark = pytest.mark.requires_root

FEW = 3
KINDS = ["inotify", "pty", "timer", "queue", "lock", "file", "pipe", "watch"]


@pytest.fixture(params=KINDS)
def hogged(request: pytest.FixtureRequest, new_cell: Callable[..., Cell]) -> Iterator[tuple[str, Cell]]:
    """A container that has taken all of one thing that it could get."""
    cell = new_cell("hog", request.param, HostConfig={"Memory": 512 * 2**20})
    wait_until(lambda: "took" in cell.log(), "the hog to take all")
    assert int(cell.log().split()[1]) > FEW
    yield request.param, cell


def taken(output: str) -> int:
    return int(output.split()[1])


def test_a_container_that_takes_all_leaves_enough_for_another_tenant(
    hogged: tuple[str, Cell], new_cell: Callable[..., Cell]
) -> None:
    other = new_cell("hog", hogged[0], str(FEW), tenant=BOB)
    wait_until(lambda: "took" in other.log(), "the neighbour to take a few")
    assert taken(other.log()) == FEW


def test_a_container_that_takes_all_leaves_enough_for_the_host(hogged: tuple[str, Cell], tmp_path: Path) -> None:
    (program,) = (path for path in compiled(tmp_path) if path.name == "hog")
    with subprocess.Popen([program, hogged[0], str(FEW)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert taken(process.stdout.readline()) == FEW
        process.kill()


def test_a_container_that_takes_all_can_be_entered_and_removed(hogged: tuple[str, Cell]) -> None:
    _, cell = hogged
    assert cell.run("echo", "well") == (0, "well\n")
    assert cell.engine.request("DELETE", f"/containers/{cell.container_id}?force=1").status == 204


def test_terminals_of_one_container_are_bounded(new_cell: Callable[..., Cell]) -> None:
    cell = new_cell("hog", "pty")
    wait_until(lambda: "took" in cell.log(), "the hog to take all")
    assert taken(cell.log()) == 256
    one_more = cell.engine.cli("exec", "-t", cell.container_id, "true")
    assert (one_more.returncode, b"no terminal is left" in one_more.stderr + one_more.stdout) == (126, True)


def test_logs_are_followed_beside_a_container_that_has_taken_all_notifications(
    engine: EngineDaemon, new_cell: Callable[..., Cell]
) -> None:
    hog = new_cell("hog", "inotify")
    wait_until(lambda: "took" in hog.log(), "the hog to take all")
    for _ in range(3):
        container_id = engine.run("sh", "-c", "sleep 0.2; echo late", tenant=BOB)
        body = engine.request("GET", f"/containers/{container_id}/logs?follow=1&stdout=1").body
        assert body.endswith(b"late\n")


@pytest.mark.parametrize(
    ("what", "script"),
    [
        ("tmpfs", "dd if=/dev/zero of=/tmp/big bs=1M count=200"),
        ("shared memory", "dd if=/dev/zero of=/dev/shm/big bs=1M count=200"),
        ("devices' file system", "dd if=/dev/zero of=/dev/big bs=1M count=200"),
        ("pipes", "exec hog pipe"),
        ("locked memory", "exec hog lock"),
    ],
)
def test_memory_that_is_taken_by_a_detour_counts_for_the_container(new_cell: Callable[..., Cell], what: str, script: str) -> None:
    cell = new_cell("sh", "-c", f"{script}; echo over; sleep 1000", HostConfig={"Memory": 24 * 2**20, "Tmpfs": {"/tmp": ""}})
    wait_until(
        lambda: not cell.engine.inspect(cell.container_id)["State"]["Running"] or "over" in cell.log() or "took" in cell.log(),
        f"{what} to be used up",
    )
    usage = list(Path("/sys/fs/cgroup").glob(f"**/c-{cell.container_id}/memory.*usage_in_bytes"))
    usage += Path("/sys/fs/cgroup").glob(f"**/c-{cell.container_id}/memory.current")
    assert all(int(path.read_text()) <= 26 * 2**20 for path in usage if "memsw" not in path.name and "kmem" not in path.name)


@pytest.mark.parametrize("resource", ["nofile", "nproc", "core", "memlock", "msgqueue", "sigpending", "rtprio", "nice"])
def test_a_limit_of_processes_cannot_be_raised(cell: Cell, resource: str) -> None:
    numbers = {"nofile": 7, "nproc": 6, "core": 4, "memlock": 8, "msgqueue": 12, "sigpending": 11, "rtprio": 14, "nice": 13}
    line = {"nofile": "open files", "nproc": "processes", "core": "core file", "memlock": "locked", "msgqueue": "msgqueue"}
    line |= {"sigpending": "pending", "rtprio": "realtime priority", "nice": "nice priority"}
    hard = next(text for text in cell.shell("cat /proc/self/limits").splitlines() if line[resource] in text.lower()).split()
    if hard[-2 if resource not in ("rtprio", "nice") else -1] == "unlimited":
        pytest.skip("this host sets no such limit for the engine")
    wish = (2**62).to_bytes(8, "little").hex() * 2
    assert cell.call(302, 0, numbers[resource], f"x:{wish}", 0) == "EPERM"
