"""A host whose disk fills up while containers write: they are told, the engine goes on and says why."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.daemon import EngineDaemon, unmount_disk, wait_until

pytestmark = pytest.mark.requires_root
WRITE = (
    "while dd if=/dev/zero bs=1M count=16 conv=fsync of=/f.$((n=n+1)) 2>/dev/null; do :; done;"
    " rm /f.*; echo still >/writable; cat /writable"
)
WORDS = "the host's disk is nearly full"


class OnSmallHost(EngineDaemon):
    """Its data folder is a disk of the host that others write to as well."""

    disk = "image"

    def __init__(self) -> None:
        super().__init__()
        self.data_path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1200m,mode=700", "tmpfs", self.data_path], check=True)

    def command(self) -> list[str]:
        return [*super().command(), "--disk-size", "1G"]

    @property
    def others(self) -> Path:
        """What others have written there."""
        return self.data_path / "others"

    def destroy(self) -> None:
        self.stop()
        wait_until(lambda: unmount_disk(self.data_path), "the disk to be unmounted")
        subprocess.run(["umount", self.data_path], check=True)
        super().destroy()


@pytest.fixture
def small_host() -> Iterator[OnSmallHost]:
    engine = OnSmallHost()
    try:
        engine.start()
        engine.import_busybox()
        yield engine
        engine.remove_containers()
    finally:
        engine.destroy()


def warnings(engine: EngineDaemon) -> list[str]:
    return [line for line in engine.request("GET", "/info").document["Warnings"] if WORDS in line]


def test_the_engine_outlives_a_full_host(small_host: OnSmallHost) -> None:
    assert warnings(small_host) == []
    with small_host.others.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 700 << 20)
    wait_until(lambda: warnings(small_host), "the engine to notice")
    writer = small_host.run("sh", "-c", WRITE)
    wait_until(lambda: not small_host.inspect(writer)["State"]["Running"], "the disk to be full")
    assert small_host.output(writer) == b"still\n"
    small_host.others.unlink()
    wait_until(lambda: not warnings(small_host), "the engine to notice")
    assert small_host.wait(small_host.run("true")) == 0
