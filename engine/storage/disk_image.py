"""The engine's own file system in a sparse file: ``<data>/engine.btrfs`` mounted on ``<data>/engine``.

The file records its size by itself. The mount outlives the daemon while containers run, and a killed daemon too; the next one
finds it, or the loop device that still shows the file. Two devices must never show one image: each would write it as its own.

Owns the file, its loop device and its mount. Knows nothing of areas.
"""

import errno
import logging
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from engine.errors import InvalidParameter, Unavailable
from engine.linux import btrfs, loop
from engine.linux.inode_flags import forgo_copies
from engine.linux.mount import MNT_DETACH, MS_NOATIME, MS_NODEV, mount, umount2
from engine.linux.processes import files_below
from engine.storage.disk import DiskStatus
from engine.storage.disk_balloon import balloon_bytes
from engine.storage.disk_numbers import make_masters, number_masters
from engine.storage.files import sync_folder

_log = logging.getLogger(__name__)
SUFFIX = ".btrfs"
LEAST_BYTES = 1 << 30
_SHARE_OF_FREE = 0.8
_ROUND = 1 << 30
_BLOCK_BYTES = 4096  # of the device: whole blocks of the file beneath, so that none is read to be written
_TRIES = 50
_PAUSE_SECONDS = 0.05
_UNMOUNT_SECONDS = 10.0
_TAKEN = frozenset({errno.EBUSY, errno.ENXIO, errno.ENODEV})
# One copy of metadata: the file beneath lies on a disk that has its own ways. No discard of a file that is empty anyway.
_MKFS = ("mkfs.btrfs", "--quiet", "--nodiscard", "--metadata", "single", "--data", "single", "--label", "atelier")
_OPTIONS = "discard=async"


@dataclass(frozen=True, slots=True)
class DiskImage:
    """``path`` is the file, ``mount_path`` the data folder that it is seen in."""

    path: Path
    mount_path: Path

    @property
    def is_mounted(self) -> bool:
        """Whether the data folder is the top of another file system than the folder above it."""
        return self.mount_path.stat().st_dev != self.mount_path.parent.stat().st_dev and self.mount_path.is_mount()

    @property
    def host_free_bytes(self) -> int:
        """What the file system beneath has left."""
        found = os.statvfs(self.path.parent)
        return found.f_bavail * found.f_frsize

    @property
    def lacking_bytes(self) -> int:
        """How much the file may grow by more than is free beneath it; less than 0 where that is enough."""
        file = self.path.stat()
        return file.st_size - file.st_blocks * 512 - self.host_free_bytes

    def make(self, size_bytes: int | None) -> None:
        """Make the file, whole or not at all; no size takes a share of what is free. Raises Unavailable, OSError."""
        size = size_bytes or default_size(self.path.parent)
        if size < LEAST_BYTES:
            raise Unavailable(f"an image of {size} bytes is too small for the engine's disk: give --disk-size of at least 1G")
        temporary = self.path.with_name(f".{self.path.name}.new")
        self.clear()
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            forgo_copies(descriptor)
            os.ftruncate(descriptor, size)
            _run((*_MKFS, str(temporary)))
            self._prepare(temporary, descriptor)
            os.fsync(descriptor)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        temporary.rename(self.path)
        sync_folder(self.path.parent)

    def _prepare(self, temporary: Path, descriptor: int) -> None:
        """Make the masters of areas, and number them while the new image is mounted nowhere."""
        scratch = DiskImage(temporary, temporary.with_name(f"{temporary.name}.mounted"))
        scratch.mount_path.mkdir(mode=0o700)
        try:
            scratch.mount()
            try:
                leaves = make_masters(scratch.mount_path)
            finally:
                scratch.unmount()
            scratch.wait_for_release()
        finally:
            scratch.mount_path.rmdir()
        number_masters(descriptor, leaves)

    def clear(self) -> None:
        """Take away what a daemon left that was killed while it made the file. Raises OSError."""
        temporary = self.path.with_name(f".{self.path.name}.new")
        scratch = DiskImage(temporary, temporary.with_name(f"{temporary.name}.mounted"))
        if scratch.mount_path.exists():
            if scratch.is_mounted:
                scratch.unmount()
            scratch.mount_path.rmdir()
        temporary.unlink(missing_ok=True)

    def wait_for_release(self) -> None:
        """Return when no device shows the file any more. Raises Unavailable where one stays."""
        deadline = time.monotonic() + _UNMOUNT_SECONDS
        while loop.loop_of(self.path) is not None:
            if time.monotonic() > deadline:
                raise Unavailable(f"{self.path} is still in use: look for it with losetup --all")
            time.sleep(_PAUSE_SECONDS / 10)

    def mount(self) -> None:
        """Mount it, through the device that shows it already if there is one. Raises Unavailable, OSError."""
        device, descriptor = self._device()  # open until then: an unused device lets go of its file by itself
        try:
            mount(str(device), str(self.mount_path), "btrfs", MS_NODEV | MS_NOATIME, _OPTIONS)
        finally:
            os.close(descriptor)

    def unmount(self, *, at_end: bool = False) -> None:
        """Wait for those who are just leaving. Raises OSError EBUSY where somebody stays.

        ``at_end``: this process is about to end, and what it alone still has open there ends with it.
        """
        deadline = time.monotonic() + _UNMOUNT_SECONDS
        while True:
            try:
                return umount2(str(self.mount_path))
            except OSError as error:
                is_late = time.monotonic() > deadline
                if error.errno != errno.EBUSY or (is_late and not (at_end and self._detach())):
                    raise
                if is_late:
                    return None
            time.sleep(_PAUSE_SECONDS)

    def _detach(self) -> bool:
        """Take the mount away under files of this process; tell whether it was alone."""
        holders = files_below(str(self.mount_path))
        own = holders.pop(os.getpid(), [])
        if holders:
            return False
        _log.warning("the engine still had open at its end: %s", ", ".join(own[:5]) or "nothing that it knows of")
        umount2(str(self.mount_path), MNT_DETACH)
        return True

    def status(self) -> DiskStatus:
        """Say how full file system and host are. What is held back counts neither as used nor as there. Raises OSError."""
        inside, held_back = os.statvfs(self.mount_path), balloon_bytes(self.mount_path)
        size, free = inside.f_blocks * inside.f_frsize, inside.f_bfree * inside.f_frsize
        warnings = []
        if held_back:
            warnings.append(
                f"the host's disk is nearly full: {held_back >> 20} MiB of the engine's cannot be used until it has more room"
            )
        if inside.f_flag & os.ST_RDONLY:
            warnings.append(
                "the engine's disk has become read-only, as the host's was full or failed: make room and start it again"
            )
        return DiskStatus(size - held_back, size - free - held_back, self.host_free_bytes, tuple(warnings))

    def grow(self, size_bytes: int) -> None:
        """Enlarge file, device and file system while it is in use. Raises InvalidParameter, OSError."""
        size, inside = self.path.stat().st_size, os.statvfs(self.mount_path)
        if size_bytes <= inside.f_blocks * inside.f_frsize:
            raise InvalidParameter(f"the disk has {size} bytes: it can only grow")
        os.truncate(self.path, max(size, size_bytes))  # the file may have grown before, by one who was killed over the rest
        device, descriptor = self._device()
        try:
            loop.renew_size(descriptor)
        finally:
            os.close(descriptor)
        folder = os.open(self.mount_path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            btrfs.resize(folder)
        finally:
            os.close(folder)
        _log.info("%s on %s has grown to %d bytes", self.path, device, size_bytes)

    def _device(self) -> tuple[Path, int]:
        """Return the device that shows the file, and it opened; one is taken where there is none. Raises Unavailable, OSError.

        Others look for free devices too, which the kernel says only when it is taken; and one that shows the file may just be
        letting go of it. In both cases the next look tells.
        """
        for _ in range(_TRIES):
            found = loop.loop_of(self.path)
            device = found or loop.free_loop()
            try:
                descriptor = os.open(device, os.O_RDWR | os.O_CLOEXEC)
            except OSError as error:
                if error.errno not in _TAKEN:
                    raise
                continue
            if loop.loop_of(self.path) == device if found else self._attach(descriptor):
                return device, descriptor
            os.close(descriptor)
            time.sleep(_PAUSE_SECONDS)
        raise Unavailable("no loop device is free: take away those that nobody needs (losetup --all), or raise max_loop")

    def _attach(self, device_fd: int) -> bool:
        """Show the file on an open device; False where that has been taken. Raises OSError."""
        file = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        try:
            for flags in (loop.AUTOCLEAR | loop.DIRECT_IO, loop.AUTOCLEAR):
                try:
                    loop.configure_loop(device_fd, file, flags=flags, block_bytes=_BLOCK_BYTES)
                except OSError as error:
                    if error.errno in _TAKEN:
                        return False
                    if error.errno != errno.EINVAL or not flags & loop.DIRECT_IO:
                        raise
                    continue  # the disk beneath has no direct access
                return True
        finally:
            os.close(file)
        return False


def default_size(folder: Path) -> int:
    """Return the size of a new image: most of what is free, whole GiB."""
    status = os.statvfs(folder)
    free = status.f_bavail * status.f_frsize
    return int(free * _SHARE_OF_FREE) // _ROUND * _ROUND


def _run(command: tuple[str, ...]) -> None:
    """Raises Unavailable with the program's own words."""
    if shutil.which(command[0]) is None:
        raise Unavailable(f"{command[0]} is not installed: install btrfs-progs")
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"{command[0]} failed: {done.stderr.strip()}")
