"""The driver on btrfs: areas are subvolumes, tenants are quota groups around them.

Simple quotas (Linux 6.7) are preferred to full ones: who wrote an extent first pays for it until it is gone, so the kernel never
walks back from an extent to all that refer to it, nothing is ever counted anew, and moving an area is one addition.
Measured on 6.18, the same for both kinds: area with owner and limit 0.09 ms, removal 0.03 ms.

What holds, and has a test: EDQUOT for a container's root as for the host's, under an overlay with shifted ids, for copy-up,
fallocate, mapped writes and tiny files (metadata counts too: at least 16 KiB an area). A full area can be emptied and written
again. Files that are open count after they were deleted. A cloned extent is paid by its first writer, even where that area is
removed while another still uses it. What is overwritten in the middle of a large extent stays until the whole extent is gone, as
always on btrfs. The call that makes subvolumes is to be kept from containers: what they made would not count in their area.
"""

import errno
import logging
import os
import stat
import threading
import time
from collections.abc import Collection
from pathlib import Path

from engine.core.tenants import Tenant
from engine.errors import Unavailable
from engine.linux import btrfs
from engine.storage.disk import Disk, DiskStatus
from engine.storage.disk_balloon import Balloon
from engine.storage.disk_groups import QuotaGroups, group_of
from engine.storage.disk_image import DiskImage
from engine.storage.disk_numbers import NumberRanges
from engine.storage.disk_removed import RemovedAreas
from engine.storage.trash import remove_tree

_log = logging.getLogger(__name__)
_LEAST_HOST_BYTES = 256 << 20  # what runs goes on writing, and a write that finds no room on the host ends the whole disk
_COMMIT_SECONDS = 0.3  # removals within that time become one commit
_HASTE_SECONDS = 0.05  # between commits that somebody waits for
_REST_BYTES = 64 * 1024  # of what was removed: the last blocks of trees take a commit more, and are nobody's room
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class BtrfsDisk(Disk):
    """``image`` is what the data folder lies in."""

    kind = "btrfs"
    has_limits = True
    has_nested_limits = True

    def __init__(self, data_path: Path, reason: str, *, image: DiskImage) -> None:
        """Turns quotas on where they are off. Raises OSError."""
        self.reason = reason
        self.image = image
        self._lock = threading.Lock()
        self._commit: threading.Timer | None = None
        self._hastened = 0.0
        self._fd = os.open(data_path, _FOLDER)
        try:
            self.groups = QuotaGroups(self._fd)
            self.groups.turn_on()
            self.groups.put_right()
            self._removed = RemovedAreas(self._fd, self.groups)
            self.numbers = NumberRanges(data_path)
            self.balloon = Balloon(data_path, lambda: image.lacking_bytes)
        except BaseException:
            os.close(self._fd)
            raise
        self._commit_soon()  # what a daemon removed that was then killed

    def make_area(
        self,
        path: Path,
        *,
        owner: Tenant,
        limit_bytes: int | None = None,
        mode: int = 0o700,
        apart_from: Collection[Path] | None = None,
    ) -> None:
        if self.image.host_free_bytes < _LEAST_HOST_BYTES:
            raise Unavailable("the host's disk is full: nothing new can be stored until an administrator makes room on it")
        if apart_from is None:
            self._make_subvolume(path, owner, limit_bytes)
            path.chmod(mode)
            return
        self.numbers.take(path, apart_from=apart_from)
        try:
            path.chmod(mode)
            self.charge_area(path, owner)
            if limit_bytes is not None:
                self.limit_area(path, limit_bytes)
        except BaseException:
            self.remove_area(path)
            raise

    def _make_subvolume(self, path: Path, owner: Tenant, limit_bytes: int | None) -> None:
        folder = os.open(path.parent, _FOLDER)
        try:
            btrfs.create_subvolume(folder, path.name, groups=self.groups.holding(owner), limit_bytes=limit_bytes)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error
        finally:
            os.close(folder)

    def limit_area(self, path: Path, limit_bytes: int | None) -> None:
        self.groups.limit(_subvolume(path), limit_bytes)

    def charge_area(self, path: Path, owner: Tenant) -> None:
        self.groups.move(_subvolume(path), owner)

    def area_bytes(self, path: Path) -> int | None:
        return self.groups.used(_subvolume(path))

    def is_area(self, path: Path) -> bool:
        try:
            status = path.lstat()
        except FileNotFoundError:
            return False
        return stat.S_ISDIR(status.st_mode) and status.st_ino == btrfs.FIRST_INODE

    def remove_area(self, path: Path) -> None:
        """The kernel takes it apart in the background, so that even a large one goes at once."""
        folder = os.open(path.parent, _FOLDER)
        try:
            self._remove_subvolumes_below(path)
            if self.is_area(path):
                self._removed.note(_subvolume(path))
                btrfs.destroy_subvolume(folder, path.name)
            else:
                remove_tree(folder, path.name)
        finally:
            os.close(folder)
        self._commit_soon()

    def is_given_back(self, owners: Collection[Tenant]) -> bool:
        if self._removed.bytes_of(owners) <= _REST_BYTES:
            return True
        self._commit_in_haste()
        return False

    def _remove_subvolumes_below(self, path: Path) -> None:
        """Destroy areas inside a folder, the innermost first. Few folders have any: the kernel's list is looked at only then."""
        if not stat.S_ISDIR(path.lstat().st_mode):
            return
        descriptor = os.open(path, _FOLDER)
        try:
            top, status = btrfs.subvolume_of(descriptor), os.fstat(descriptor)
        finally:
            os.close(descriptor)
        inside = self._children(top)
        if status.st_ino != btrfs.FIRST_INODE:
            inside = [child for child in inside if self._lies_below(top, child, path)]
        for child, _ in inside:
            self._destroy_with_children(child)

    def _destroy_with_children(self, subvolume: int) -> None:
        waiting, found = [subvolume], []
        while waiting:
            found.append(waiting.pop())
            waiting.extend(child for child, _ in self._children(found[-1]))
        for one in reversed(found):
            self._removed.note(one)
            btrfs.destroy_subvolume_by_id(self._fd, one)

    def _children(self, subvolume: int) -> list[tuple[int, int]]:
        """Return the subvolumes that lie in one, each with the number of the folder it is in."""
        items = btrfs.search(self._fd, btrfs.ROOT_TREE, btrfs.ROOT_REF, object_id=subvolume)
        return [(item.offset, int.from_bytes(item.data[:8], "little")) for item in items]

    def _lies_below(self, top: int, child: tuple[int, int], path: Path) -> bool:
        inner = Path("/") / btrfs.path_in_subvolume(self._fd, top, child[1])
        return inner.is_relative_to(Path("/") / self._inner_path(path))

    def _inner_path(self, path: Path) -> str:
        descriptor = os.open(path, _FOLDER)
        try:
            return btrfs.path_in_subvolume(descriptor, 0, os.fstat(descriptor).st_ino)
        finally:
            os.close(descriptor)

    def limit_tenant(self, tenant: Tenant, limit_bytes: int | None) -> None:
        if not tenant.is_administrator:
            self.groups.holding(tenant)
            self.groups.limit(group_of(tenant), limit_bytes)

    def free_tenants(self, limited: Collection[Tenant]) -> None:
        kept = {group_of(tenant) for tenant in limited}
        for group in self.groups.limited_tenants() - kept:
            self.groups.limit(group, None)

    def tenant_bytes(self, tenant: Tenant) -> int | None:
        return None if tenant.is_administrator else self.groups.used(group_of(tenant))

    def status(self) -> DiskStatus:
        return self.image.status()

    def close(self, *, unmount: bool) -> None:
        self.numbers.close()
        self.balloon.close()
        with self._lock:
            if self._commit is not None:
                self._commit.cancel()
                self._commit = None
            os.close(self._fd)
            self._fd = -1
        if unmount:
            try:
                self.image.unmount(at_end=True)
            except OSError as error:
                _log.warning("%s stays mounted: %s; the next engine uses it again", self.image.mount_path, error.strerror)

    def _commit_soon(self) -> None:
        """The kernel gives the space of removed areas back after a commit, and by itself makes one only every 30 seconds."""
        with self._lock:
            if self._commit is None and self._fd >= 0:
                self._commit = threading.Timer(_COMMIT_SECONDS, self._commit_now)
                self._commit.daemon = True
                self._commit.start()

    def _commit_now(self) -> None:
        with self._lock:
            self._commit = None
            self._start_commit()

    def _commit_in_haste(self) -> None:
        """Again and again while somebody waits: a commit wakes whoever takes areas apart, and may come before the last of one."""
        if not self._lock.acquire(blocking=False):  # somebody commits right now, which may take long: no second thread for that
            return
        try:
            if time.monotonic() - self._hastened >= _HASTE_SECONDS:
                self._start_commit()
                self._hastened = time.monotonic()
        finally:
            self._lock.release()

    def _start_commit(self) -> None:
        if self._fd < 0:
            return
        try:
            os.utime(self._fd)  # else there may be nothing to commit, and whoever takes areas apart would sleep on
            btrfs.start_sync(self._fd)
        except OSError as error:
            _log.warning("cannot commit what was removed: %s", error)


def _subvolume(path: Path) -> int:
    """Return the id of an area. Raises FileNotFoundError; OSError ENOTDIR or EINVAL where there is none."""
    descriptor = os.open(path, _FOLDER)
    try:
        if os.fstat(descriptor).st_ino != btrfs.FIRST_INODE:
            raise OSError(errno.EINVAL, "not an area of the disk", str(path))
        return btrfs.subvolume_of(descriptor)
    finally:
        os.close(descriptor)
