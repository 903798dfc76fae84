"""The daemon is killed while areas are made, moved and removed: the next start has areas and records agree, no byte is lost."""

import os
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.engine.daemon import wait_until
from tests.engine.service.building import build
from tests.engine.service.counted import MIB, CountedEngine, counted_engine
from tests.engine.service.faults import assert_truthful

pytestmark = pytest.mark.requires_root
ADA = "hurt/ada"
_SUBVOLUME = 256  # the inode of each one's top
_KILLS = 6


@pytest.fixture(scope="module")
def counted() -> Iterator[CountedEngine]:
    with counted_engine() as engine:
        engine.limit(ADA, 200 * MIB)
        yield engine


def create_and_remove(engine: CountedEngine, number: int) -> None:
    container_id = engine.create("true", tenant=ADA, HostConfig={"StorageOpt": {"size": "20m"}})
    if number % 2:
        engine.request("DELETE", f"/containers/{container_id}", tenant=ADA)


def run_and_exec(engine: CountedEngine, number: int) -> None:
    container_id = engine.run("sleep", "600", tenant=ADA)
    engine.cli("exec", container_id, "dd", "if=/dev/zero", "of=/big", "bs=1M", "count=2")
    engine.request("DELETE", f"/containers/{container_id}?force=1", tenant=ADA)


def build_steps(engine: CountedEngine, number: int) -> None:
    text = f"FROM busybox\nRUN echo {number}{os.getpid()} >/one\nCOPY data /two/\nWORKDIR /three/{number}"
    build(engine, text, {"data": os.urandom(MIB)}, tenant=ADA)


def commit(engine: CountedEngine, number: int) -> None:
    container_id = engine.run("sh", "-c", f"echo {number} >/f; dd if=/dev/urandom of=/g bs=1M count=2", tenant=ADA)
    engine.wait(container_id)
    engine.request("POST", f"/commit?container={container_id}&repo=made", tenant=ADA)


OPERATIONS: tuple[Callable[[CountedEngine, int], None], ...] = (create_and_remove, run_and_exec, build_steps, commit)


class Work:
    """An operation over and over, until the daemon dies under it. Counts how often it got through."""

    def __init__(self, engine: CountedEngine, operation: Callable[[CountedEngine, int], None]) -> None:
        self.done = 0
        self._thread = threading.Thread(target=self._work, args=(engine, operation))
        self._thread.start()

    def _work(self, engine: CountedEngine, operation: Callable[[CountedEngine, int], None]) -> None:
        try:
            while True:
                operation(engine, self.done)
                self.done += 1
        except (OSError, HTTPException, AssertionError, ValueError, KeyError):
            return

    def join(self) -> None:
        self._thread.join()


@pytest.mark.parametrize("operation", OPERATIONS, ids=[operation.__name__ for operation in OPERATIONS])
def test_areas_and_records_agree_after_each_death(
    counted: CountedEngine, operation: Callable[[CountedEngine, int], None]
) -> None:
    for kill in range(_KILLS):
        work = Work(counted, operation)
        wait_until(lambda work=work, kill=kill: work.done > kill // 2, "the work to go on")  # type: ignore[misc] # lambda defaults
        counted.kill()
        work.join()
        counted.start()
        assert_truthful(counted)
        assert_areas_agree(counted)
    counted.remove_containers()
    counted.request("POST", "/build/prune?all=1", tenant=ADA)
    for image in counted.request("GET", "/images/json?all=1", tenant=ADA).document:
        counted.request("DELETE", f"/images/{image['Id']}?force=1", tenant=ADA)
    wait_until(lambda: counted.used(ADA) == 0, "every byte to come back", hint=lambda: f"{counted.used(ADA)}: {areas(counted)}")
    assert_areas_agree(counted)


def assert_areas_agree(engine: CountedEngine) -> None:
    """Each container and layer has its area, and nothing else has one."""
    wait_until(lambda: not _surplus(engine), "areas to be those of records", hint=lambda: str(_surplus(engine)))


def _surplus(engine: CountedEngine) -> set[str]:
    data = engine.data_path / "engine"
    containers = {f"containers/{found['Id']}" for found in engine.request("GET", "/containers/json?all=1").document}
    layers = {f"layers/{path.name}" for path in (data / "layers").iterdir() if len(path.name) == 64}
    expected = {f"{one}/disk" for one in containers | layers} | {f"{one}/etc" for one in containers}
    further = {f"{one}/execs" for one in containers}
    found = areas(engine)
    return (found ^ expected) - (found & further)


def areas(engine: CountedEngine) -> set[str]:
    """Where subvolumes are that no driver keeps for itself."""
    data = engine.data_path / "engine"
    rooms = ("containers", "layers", "builds", "trash")
    found = [path for room in rooms for path in (*(data / room).glob("*"), *(data / room).glob("*/*"))]
    return {str(path.relative_to(data)) for path in found if _inode(path) == _SUBVOLUME}


def _inode(path: Path) -> int:
    try:
        return path.lstat().st_ino
    except FileNotFoundError:
        return 0
