"""A host whose disk is full: whoever writes in the engine's disk is told, and the disk stays writable."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.storage.disk import DiskSettings, open_disk
from engine.storage.disk_balloon import balloon_bytes
from engine.storage.disk_btrfs import BtrfsDisk
from tests.engine.storage.disks import ADA, MIB

pytestmark = pytest.mark.requires_root


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Path]:
    """A small disk of the host's."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1200m,mode=700", "tmpfs", tmp_path], check=True)
    try:
        (tmp_path / "engine").mkdir(mode=0o700)
        yield tmp_path
    finally:
        if (tmp_path / "engine").is_mount():
            subprocess.run(["umount", tmp_path / "engine"], check=True)
        subprocess.run(["umount", tmp_path], check=True)


@pytest.fixture
def disk(host: Path) -> Iterator[BtrfsDisk]:
    disk = open_disk(host / "engine", DiskSettings("image", 1 << 30))
    assert isinstance(disk, BtrfsDisk)
    yield disk
    disk.close(unmount=True)


def take(host: Path, size: int) -> None:
    """Something else on the host takes room."""
    with (host / "others").open("ab") as file:
        os.posix_fallocate(file.fileno(), file.tell(), size)


def fill(path: Path) -> int:
    """Write until the disk is full, each MiB through to the disk beneath; return the bytes."""
    written = 0
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                written += file.write(os.urandom(MIB))
                os.fdatasync(file.fileno())
        except OSError:
            return written


def test_with_room_on_the_host_nothing_is_held_back(host: Path, disk: BtrfsDisk) -> None:
    assert balloon_bytes(host / "engine") == 0
    assert disk.status().warnings == ()


def test_who_writes_is_told_before_the_host_is_full(host: Path, disk: BtrfsDisk) -> None:
    take(host, 700 * MIB)
    disk.balloon.look()
    held_back = balloon_bytes(host / "engine")
    assert held_back > 500 * MIB
    (warning,) = disk.status().warnings
    assert f"{held_back >> 20} MiB" in warning
    disk.make_area(host / "engine/a", owner=ADA)
    assert fill(host / "engine/a/f") > 100 * MIB
    (host / "engine/a/f").unlink()
    (host / "engine/record").write_text("still writable")
    assert not os.statvfs(host / "engine").f_flag & os.ST_RDONLY
    assert disk.image.host_free_bytes > 0


def test_room_comes_back_with_that_of_the_host(host: Path, disk: BtrfsDisk) -> None:
    take(host, 700 * MIB)
    disk.balloon.look()
    before = disk.status()
    (host / "others").unlink()
    disk.balloon.look()
    assert balloon_bytes(host / "engine") == 0
    after = disk.status()
    assert after.warnings == ()
    assert after.size_bytes > before.size_bytes
    assert after.used_bytes <= before.used_bytes + MIB


def test_the_next_daemon_goes_on_with_what_the_former_held_back(host: Path, disk: BtrfsDisk) -> None:
    take(host, 700 * MIB)
    disk.balloon.look()
    held_back = balloon_bytes(host / "engine")
    disk.balloon.close()
    following = BtrfsDisk(host / "engine", "again", image=disk.image)
    assert balloon_bytes(host / "engine") == held_back
    (host / "others").unlink()
    following.balloon.look()
    assert balloon_bytes(host / "engine") == 0
    following.close(unmount=False)
