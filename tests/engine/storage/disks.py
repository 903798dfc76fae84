"""Disks for tests: each driver on a folder of its own, mounted and taken away again."""

import errno
import mmap
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from engine.core.tenants import Tenant
from engine.linux import btrfs
from engine.linux.capabilities import put_down
from engine.storage.disk import Disk, DiskSettings, open_disk
from engine.storage.disk_btrfs import BtrfsDisk
from engine.storage.disk_choice import image_of
from engine.storage.disk_project import ProjectDisk, file_system_of
from engine.storage.files import sync_filesystem

MIB = 1 << 20
SETTINGS = DiskSettings("image", 2 << 30)
ADA, BOB, TEAM, OTHER = Tenant("demo", "ada"), Tenant("demo", "bob"), Tenant("demo"), Tenant("other", "eve")
PATIENCE_SECONDS = 20.0


@contextmanager
def image_disk(root: Path, *, is_simple: bool = True) -> Iterator[BtrfsDisk]:
    """A btrfs image below ``root``; with full quota groups where simple ones are not wanted."""
    data_path = root / "engine"
    data_path.mkdir(mode=0o700)
    try:
        if not is_simple:
            _make_full(data_path)
        disk = open_disk(data_path, SETTINGS)
        assert isinstance(disk, BtrfsDisk)
        try:
            yield disk
        finally:
            disk.close(unmount=True)
        assert not data_path.is_mount()
    finally:
        if data_path.is_mount():
            subprocess.run(["umount", data_path], check=True)


def _make_full(data_path: Path) -> None:
    image = image_of(data_path)
    image.make(SETTINGS.size_bytes)
    image.mount()
    folder = os.open(data_path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        btrfs.quota_ctl(folder, btrfs.QUOTA_FULL)
    finally:
        os.close(folder)


@contextmanager
def project_disk(root: Path, kind: str) -> Iterator[ProjectDisk]:
    """Project quotas on an own file system in a file; skips where the kernel has none."""
    data_path, image = root / "engine", root / f"{kind}.img"
    data_path.mkdir(mode=0o700)
    image.touch()
    os.truncate(image, 512 * MIB)
    options = ("-O", "quota,project") if kind == "ext4" else ()
    made = subprocess.run([f"mkfs.{kind}", "-q", *options, image], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"no {kind} can be made: {made.stderr.strip()}")
    mounted = subprocess.run(["mount", "-o", "loop,prjquota", image, data_path], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"this kernel has no project quotas on {kind}: {mounted.stderr.strip().splitlines()[0].rpartition(': ')[2]}")
    image.unlink()  # the loop device holds it
    try:
        put_down("CAP_SYS_RESOURCE")  # as the engine's own processes do
        disk = open_disk(data_path, DiskSettings("project"))
        assert isinstance(disk, ProjectDisk)
        assert disk.kind == kind
        yield disk
        disk.close(unmount=True)
    finally:
        subprocess.run(["umount", data_path], check=True)


def reopened(disk: BtrfsDisk, *, unmount: bool) -> BtrfsDisk:
    """What the next daemon opens."""
    data_path = disk.image.mount_path
    disk.close(unmount=unmount)
    found = open_disk(data_path, DiskSettings("auto"))
    assert isinstance(found, BtrfsDisk)
    return found


def refusal_on(path: Path) -> int:
    """How the file system says that a quota is used up."""
    return errno.ENOSPC if file_system_of(path.parent) == "xfs" else errno.EDQUOT


def fill_patiently(disk: Disk, path: Path, size: int) -> int:
    """Go on after each refusal for as long as the disk deals out more of what a tenant has left; return the bytes."""
    written = fill(path, size)
    while isinstance(disk, ProjectDisk) and written < size:
        disk.balance.settle()
        more = fill(path, size - written, mode="ab")
        if not more:
            break
        written += more
    return written


def fill(path: Path, size: int = 64 * MIB, *, mode: Literal["wb", "ab"] = "wb") -> int:
    """Write until the quota stops it; return the bytes."""
    written = 0
    try:
        with path.open(mode, buffering=0) as file:
            while written < size:
                written += file.write(b"x" * min(MIB, size - written))
    except OSError as error:
        assert error.errno == refusal_on(path)
    return written


def fill_by_allocation(path: Path) -> int:
    """Reserve until the quota stops it."""
    size = 0
    with path.open("wb") as file:
        while size < 64 * MIB:
            try:
                os.posix_fallocate(file.fileno(), size, MIB)
            except OSError as error:
                assert error.errno == refusal_on(path)
                break
            size += MIB
    return size


def fill_by_small_files(path: Path) -> int:
    """Make files that are nothing but metadata until the quota stops it; return their bytes."""
    path.mkdir()
    size = 0
    for number in range(64 * 1024):
        try:
            size += (path / f"{number:200}").write_bytes(b"x" * 1024)
        except OSError as error:
            assert error.errno == refusal_on(path)
            break
    return size


def fill_by_attributes(path: Path) -> int:
    """Keep bytes in attributes of files until the quota stops it."""
    path.mkdir()
    size = 8000 if file_system_of(path) == "btrfs" else 3000  # ext4 keeps no more than fits in a block
    written = 0
    for number in range(64 * 1024):
        try:
            (path / str(number)).touch()
            os.setxattr(path / str(number), "user.data", b"x" * size)
        except OSError as error:
            assert error.errno == refusal_on(path)
            break
        written += size
    return written


def fill_by_map(path: Path) -> int:
    """Write through maps of allocated files, which is the only way that no program dies of; return what was allocated."""
    path.mkdir()
    for number in range(64):
        file = path / str(number)
        if fill_by_allocation_of(file, MIB) < MIB:
            return number * MIB
        with file.open("r+b") as opened, mmap.mmap(opened.fileno(), MIB) as mapped:
            mapped[:] = b"x" * MIB
            mapped.flush()
    return 64 * MIB


def fill_by_allocation_of(path: Path, size: int) -> int:
    """Reserve all of a file; return 0 where the quota is against it."""
    with path.open("wb") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            assert error.errno == refusal_on(path)
            return 0
    return size


def settle(path: Path) -> None:
    """Write out everything."""
    if file_system_of(path) != "btrfs":
        return sync_filesystem(path)
    folder = os.open(path, os.O_RDONLY)
    try:
        btrfs.sync(folder)
    finally:
        os.close(folder)


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Look again until it holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)
