"""The device beneath a folder: that of the innermost mount, and the whole disk in place of a partition."""

from pathlib import Path

import pytest

from engine.linux.block_devices import device_beneath

DISKS = [path for path in sorted(Path("/sys/block").glob("*")) if Path("/dev", path.name).is_block_device()]


def line(point: str, source: str, kind: str = "btrfs") -> str:
    return f"31 27 0:44 / {point} rw,relatime shared:1 - {kind} {source} rw\n"


@pytest.mark.skipif(not DISKS, reason="this host has no block device")
def test_the_innermost_mount_tells_the_device(tmp_path: Path) -> None:
    """A btrfs has a device number of its own, which no limit takes."""
    folder = tmp_path / "a b" / "engine"
    folder.mkdir(parents=True)
    mounts = tmp_path / "mountinfo"
    point = str(folder.parent).replace(" ", "\\040")
    lines = [line("/", "/dev/null", "ext4"), line(point, f"/dev/{DISKS[0].name}"), line(f"{point}/engine2", "tmpfs")]
    mounts.write_text("".join(lines))
    assert device_beneath(folder, mounts=mounts) == (DISKS[0] / "dev").read_text().strip()


def test_a_folder_in_memory_lies_on_no_device(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(line("/", "tmpfs", "tmpfs"))
    assert device_beneath(Path("/dev/shm"), mounts=mounts) is None


@pytest.mark.parametrize("source", ["/dev/null", "/no/such/device", "overlay"])
def test_a_source_that_is_no_block_device_is_not_taken_for_one(tmp_path: Path, source: str) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(line("/dev/shm", source))
    assert device_beneath(Path("/dev/shm"), mounts=mounts) is None
