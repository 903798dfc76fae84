"""Move a plain data folder of an earlier version into an image: the whole of it or nothing, and again after an interruption.

All is copied into an image with another name, which gets its own only when it is complete; until then nothing of the old folder
changes. The old folder is removed at the very end. Whoever is killed in between leaves either the old folder as it was or, with a
mark in the old one, both: the same command begins anew or ends what was begun.

Owns the order of steps. Which folders become areas, and whose, is in convert_areas.py.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from engine.errors import Conflict, Unavailable
from engine.service.convert_areas import copy_data
from engine.storage.disk_btrfs import BtrfsDisk
from engine.storage.disk_choice import has_data, image_of
from engine.storage.disk_image import DiskImage, default_size
from engine.storage.files import sync_filesystem, sync_folder
from engine.storage.project_marks import is_counted
from engine.storage.trash import remove_tree

_MARK = ".converted"  # in the old folder: all of it is in the image
_OVERHEAD, _LEAST_BYTES = 1.1, 512 << 20
_MIB = 1 << 20
_MOST_NAMED = 5

Tell = Callable[[str], object]


def convert_disk(data_path: Path, size_bytes: int | None, tell: Tell) -> None:
    """Raises Conflict, Unavailable, OSError; the old folder is as it was then."""
    with _locked(data_path):
        image = image_of(data_path)
        if image.path.exists():
            _finish(image, tell)
            return
        _check_folder(data_path)
        _check_unused(data_path)
        scratch = _scratch(image)
        _clear(scratch)
        (data_path / _MARK).unlink(missing_ok=True)  # of a time when no image came of it
        used = used_bytes(data_path)
        _make(scratch, used, size_bytes)
        try:
            _fill(scratch, data_path, used, tell)
        except BaseException:
            _clear(scratch)
            raise
        (data_path / _MARK).touch()
        sync_folder(data_path)
        scratch.path.rename(image.path)
        sync_folder(image.path.parent)
        _finish(image, tell)


@contextlib.contextmanager
def _locked(data_path: Path) -> Iterator[None]:
    """Hold the lock of the daemon. Raises Conflict."""
    if not data_path.is_dir():
        raise Unavailable(f"there is no data folder {data_path}: nothing to convert")
    descriptor = os.open(data_path.with_name(f"{data_path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Conflict(f"an engine serves {data_path}: stop it and its containers first") from None
    finally:
        os.close(descriptor)


def _check_folder(data_path: Path) -> None:
    if is_counted(data_path):
        raise Unavailable(f"{data_path} is counted by project quotas already: nothing to convert")
    if not has_data(data_path):
        raise Unavailable(f"{data_path} is empty: the engine makes an image by itself when it starts")


def _check_unused(data_path: Path) -> None:
    """What goes on without the daemon holds files or mounts of the folder. Raises Conflict."""
    users = [process.name for process in Path("/proc").iterdir() if process.name.isdigit() and _uses(process, f"{data_path}/")]
    if users:
        named = ", ".join(sorted(users, key=int)[:_MOST_NAMED])
        raise Conflict(f"{len(users)} processes use {data_path} ({named}): stop the containers first")


def _uses(process: Path, folder: str) -> bool:
    try:
        if folder in (process / "mountinfo").read_text():
            return True
        return any(str(file.readlink()).startswith(folder) for file in (process / "fd").iterdir())
    except OSError:  # it has just ended, or closed the file
        return False


def used_bytes(folder: Path) -> int:
    """Return what a tree takes on its disk, each file once."""
    seen: set[int] = set()
    total, waiting = 0, [str(folder)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                if status.st_nlink > 1 and not entry.is_dir(follow_symlinks=False):
                    if status.st_ino in seen:
                        continue
                    seen.add(status.st_ino)
                total += status.st_blocks * 512
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
    return total


def _scratch(image: DiskImage) -> DiskImage:
    parent, name = image.path.parent, image.mount_path.name
    return DiskImage(parent / f".{image.path.name}.converting", parent / f".{name}.converting")


def _clear(scratch: DiskImage) -> None:
    """Take away what is not complete."""
    scratch.clear()
    if scratch.mount_path.exists():
        if scratch.is_mounted:
            scratch.unmount()
        scratch.mount_path.rmdir()
    if scratch.path.exists():
        scratch.wait_for_release()
        scratch.path.unlink()


def _make(scratch: DiskImage, used: int, size_bytes: int | None) -> None:
    needed = int(used * _OVERHEAD) + _LEAST_BYTES
    free = scratch.host_free_bytes
    if free < needed:
        raise Unavailable(
            f"the host has {free // _MIB} MiB free, and {needed // _MIB} MiB are needed to copy the data: make room first"
        )
    size = size_bytes or max(default_size(scratch.path.parent), needed)
    if size < needed:
        raise Unavailable(f"an image of {size // _MIB} MiB cannot hold the data: give --disk-size of at least {needed // _MIB}M")
    scratch.make(size)


def _fill(scratch: DiskImage, data_path: Path, used: int, tell: Tell) -> None:
    tell(f"copying {used // _MIB} MiB of {data_path}")
    scratch.mount_path.mkdir(mode=0o700)
    scratch.mount()
    disk = BtrfsDisk(scratch.mount_path, "being filled", image=scratch)
    try:
        copy_data(data_path, scratch.mount_path, disk)
        sync_filesystem(scratch.mount_path)
    finally:
        disk.close(unmount=True)
    if scratch.is_mounted:
        raise Unavailable(f"{scratch.mount_path} is still in use: try again")
    scratch.mount_path.rmdir()
    scratch.wait_for_release()


def _finish(image: DiskImage, tell: Tell) -> None:
    """Remove old folders whose content is all in the image. A daemon that came first has set one aside by itself."""
    data_path = image.mount_path
    old = data_path.with_name(f"{data_path.name}.converted")
    if not image.is_mounted and (data_path / _MARK).exists():
        data_path.rename(old)
        data_path.mkdir(mode=0o700)
    for folder in (old, data_path.with_name(f"{data_path.name}.before")):
        if (folder / _MARK).exists():
            _remove(folder)
    tell(f"all data is in {image.path}; start the engine")
    if old.exists():
        tell(f"{old} is left over: look at it, and remove it")


def _remove(folder: Path) -> None:
    """The mark goes last: whoever is interrupted knows at the next time what the rest is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        for name in os.listdir(descriptor):  # noqa: PTH208 - a descriptor
            if name != _MARK:
                remove_tree(descriptor, name)
    finally:
        os.close(descriptor)
    (folder / _MARK).unlink()
    folder.rmdir()
