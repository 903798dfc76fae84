"""Containers that are removed at their end do not wait for the disk; all others keep what they have synced."""

from collections.abc import Iterator

import pytest

from tests.engine.daemon import EngineDaemon, running_engine

pytestmark = pytest.mark.requires_root
MOUNTS = ("cat", "/proc/self/mounts")


@pytest.fixture(scope="module")
def engine() -> Iterator[EngineDaemon]:
    with running_engine() as daemon:
        daemon.import_busybox()
        yield daemon


def options_of_root(mounts: bytes) -> str:
    """Kernels write ``volatile`` or ``fsync=volatile`` among them."""
    return next(fields[3] for fields in map(str.split, mounts.decode().splitlines()) if fields[1] == "/")


def test_only_a_container_that_goes_with_its_end_is_volatile(engine: EngineDaemon) -> None:
    passing = engine.cli("run", "--rm", "busybox", *MOUNTS, check=True)
    kept = engine.cli("run", "busybox", *MOUNTS, check=True)
    assert "volatile" in options_of_root(passing.stdout)
    assert "volatile" not in options_of_root(kept.stdout)


def test_a_passing_container_keeps_its_files_over_a_restart(engine: EngineDaemon) -> None:
    engine.cli("run", "-d", "--rm", "--name", "passing", "busybox", "sleep", "3600", check=True)
    engine.cli("exec", "passing", "sh", "-c", "echo kept > /file", check=True)
    engine.cli("restart", "-t", "0", "passing", check=True)
    assert engine.cli("exec", "passing", "cat", "/file", check=True).stdout == b"kept\n"
    engine.cli("rm", "-f", "passing", check=True)


def test_a_volatile_container_can_sync(engine: EngineDaemon) -> None:
    engine.cli(
        "run", "--rm", "busybox", "sh", "-c", "echo x > /file && dd if=/dev/null of=/file conv=notrunc,fsync && sync", check=True
    )
