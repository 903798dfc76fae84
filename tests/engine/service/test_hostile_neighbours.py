"""A hostile container next door: meanwhile the daemon answers and an exec in a neighbour works, afterwards nothing is left.

Only that it works is tested, within the patience of a client; how long it takes is for the bench (python -m bench hostile).
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.engine.api.raw_client import RawClient
from tests.engine.daemon import EngineDaemon, wait_until
from tests.engine.escapes.cells import ADA, BOB, Cell, attack_engine, cells

pytestmark = pytest.mark.requires_root

NewCell = Callable[..., Cell]
ROUNDS = 5
MIB = 2**20


@dataclass(frozen=True)
class Hostile:
    """What it does, with which limits, and what it says once it is at it."""

    script: str
    host: dict[str, Any] = field(default_factory=dict)
    ready: str = "ready"


HOSTILE = {
    "fork bomb": Hostile("echo ready; bomb() { while :; do bomb & done; }; bomb; wait", {"PidsLimit": 200}),
    "processes that never end": Hostile("echo ready; while :; do sleep 600 & done", {"PidsLimit": 200}),
    "memory hog": Hostile("echo ready; while :; do tail /dev/zero; done", {"Memory": 64 * MIB}),
    "memory hog in tmpfs": Hostile("echo ready; while :; do dd if=/dev/zero of=/dev/shm/x bs=1M; done", {"Memory": 64 * MIB}),
    "processor hog": Hostile("echo ready; for i in 1 2 3 4 5 6 7 8; do while :; do :; done & done; wait"),
    "log flood of a gigabyte": Hostile("echo ready; head -c 1000000000 /dev/zero; echo done >&2; sleep 600"),
    "log flood of lines": Hostile("yes | head -c 500000000; sleep 600", ready="y"),
    "a hundred thousand files": Hostile(
        "echo ready; mkdir /f; cd /f; seq 100000 | xargs touch; echo done; sleep 600", ready="done"
    ),
    "deep folders": Hostile("for i in $(seq 2000); do mkdir d; cd d; done; echo ready; sleep 600"),
    "open files": Hostile("for i in 1 2 3 4 5; do hog file & done; wait", {"Memory": 128 * MIB}, ready="took"),
    "pipes": Hostile("hog pipe", {"Memory": 64 * MIB}, ready="took"),
    "terminals": Hostile("hog pty", ready="took"),
    "notifications": Hostile("hog inotify", ready="took"),
    "watched files": Hostile("hog watch", {"Memory": 128 * MIB}, ready="took"),
    "timers": Hostile("hog timer", {"Memory": 128 * MIB}, ready="took"),
    "locked memory": Hostile("hog lock", ready="took"),
    "zombies that are traced": Hostile("zombies 60", {"PidsLimit": 300}, ready="took"),
    "connections on the bridge": Hostile("echo ready; frames flood 600 $NEIGHBOUR"),
    "frames on the bridge": Hostile("echo ready; while :; do frames send $(yes ffffffffffff | head -n 500); done >/dev/null"),
    "signals to all": Hostile("echo ready; while :; do kill -STOP -1; done 2>/dev/null"),
    "a stopped first process": Hostile("echo ready; kill -STOP $$; sleep 600"),
}


@pytest.fixture(scope="module")
def engine_daemon() -> Iterator[EngineDaemon]:
    with attack_engine() as engine:
        yield engine


@pytest.fixture
def new_cell(engine_daemon: EngineDaemon) -> Iterator[NewCell]:
    with cells(engine_daemon) as make:
        yield make


@pytest.fixture
def neighbour(new_cell: NewCell) -> Cell:
    return new_cell(tenant=BOB)


def assert_answers(engine: EngineDaemon, neighbour: Cell) -> None:
    for _ in range(ROUNDS):
        assert engine.request("GET", "/_ping").body == b"OK"
        assert neighbour.run("echo", "well") == (0, "well\n")
    assert engine.request("GET", "/containers/json").status == 200


@pytest.mark.parametrize("kind", HOSTILE)
def test_neighbours_are_served_beside(engine_daemon: EngineDaemon, new_cell: NewCell, neighbour: Cell, kind: str) -> None:
    hostile = HOSTILE[kind]
    friend = new_cell(tenant=ADA)
    address = engine_daemon.inspect(friend.container_id)["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
    cell = new_cell("sh", "-c", hostile.script, HostConfig=hostile.host, Env=[f"NEIGHBOUR={address}"])
    wait_until(lambda: hostile.ready in log_start(cell), f"the {kind} to begin")
    assert_answers(engine_daemon, neighbour)
    assert engine_daemon.request("DELETE", f"/containers/{cell.container_id}?force=1").status == 204
    assert_answers(engine_daemon, neighbour)
    assert not any(cell.container_id in entry["Id"] for entry in engine_daemon.request("GET", "/containers/json?all=1").document)


def log_start(cell: Cell) -> str:
    """Its last lines, of each stream, since errors may bury what it said: a flood is too long to be read whole."""
    path = f"/containers/{cell.container_id}/logs?tail=3"
    tails = [cell.engine.request("GET", f"{path}&{stream}=1").body[:10_000] for stream in ("stdout", "stderr")]
    return b"".join(tails).decode(errors="replace")


@pytest.fixture
def crowd() -> Iterator[Callable[[Callable[[], object], int], None]]:
    """Starts threads that do the same thing over and over until the test ends."""
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def start(action: Callable[[], object], number: int) -> None:
        def work() -> None:
            while not stop.is_set():
                action()

        for _ in range(number):
            threads.append(threading.Thread(target=work))
            threads[-1].start()

    yield start
    stop.set()
    for thread in threads:
        thread.join()


def test_neighbours_are_served_beside_a_flood_of_execs(
    engine_daemon: EngineDaemon, new_cell: NewCell, neighbour: Cell, crowd: Callable[..., None]
) -> None:
    cell = new_cell()
    crowd(lambda: cell.run("true"), 4)
    assert_answers(engine_daemon, neighbour)


def test_neighbours_are_served_beside_a_flood_of_starts(
    engine_daemon: EngineDaemon, new_cell: NewCell, neighbour: Cell, crowd: Callable[..., None]
) -> None:
    def life() -> None:
        container_id = engine_daemon.run("true", tenant=ADA)
        assert engine_daemon.request("DELETE", f"/containers/{container_id}?force=1").status == 204

    crowd(life, 3)
    assert_answers(engine_daemon, neighbour)


def test_neighbours_are_served_beside_readers_who_do_not_read(
    engine_daemon: EngineDaemon, new_cell: NewCell, neighbour: Cell
) -> None:
    cell = new_cell("sh", "-c", "yes", HostConfig={"NanoCpus": 300_000_000})
    with ExitStack() as stack:
        for _ in range(20):
            client = stack.enter_context(RawClient(engine_daemon))
            client.post(f"/containers/{cell.container_id}/attach?stream=1&stdout=1&logs=1", upgrade=True)
        assert_answers(engine_daemon, neighbour)
