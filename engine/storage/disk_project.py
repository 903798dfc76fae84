"""The driver on XFS and ext4 with project quotas: an area is a folder with a project id of its own.

The kernel holds the limit of each area. It knows no tenants, so what one may take over all its areas is dealt out to them
(project_balance.py): the sum holds at any moment, but who fills one area quickly may be stopped there before the tenant's limit
is reached, and can go on a second later. Limits of tenants are handed in anew after each start; until then those of the areas
stay as they were.

XFS answers ENOSPC at a limit, ext4 EDQUOT. ext4 lets whoever has CAP_SYS_RESOURCE in force write on: the engine's processes put
that right down (linux/capabilities.py), and overlayfs does so by itself. A file can be renamed or linked into an area only from
the same area, so areas are moved whole, between folders that are none.
"""

import errno
import os
import stat
import threading
from collections.abc import Callable, Collection
from pathlib import Path

from engine.core.tenants import Tenant
from engine.linux.project_quota import are_enforced, project_of, set_project
from engine.storage.disk import Disk, DiskStatus
from engine.storage.project_balance import Balance
from engine.storage.project_ids import ProjectIds
from engine.storage.project_marks import Mark, find_areas, mark_counted, read_mark, write_mark
from engine.storage.trash import remove_tree

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class ProjectDisk(Disk):
    """Limits of areas hold in the kernel, those of tenants by dealing out."""

    has_limits = True
    has_nested_limits = True

    def __init__(self, data_path: Path, kind: str, reason: str) -> None:
        """Takes over the areas that are there. Raises OSError."""
        self.kind = kind
        self.reason = reason
        self.data_path = data_path
        self._lock = threading.Lock()
        self._fd = os.open(data_path, _FOLDER)
        try:
            mark_counted(data_path)
            ids = ProjectIds(self._fd, data_path)
            ids.put_right()
            self.balance = Balance(ids)
            self.balance.take_over(_read(path) for path in find_areas(data_path))
        except BaseException:
            os.close(self._fd)
            raise

    def make_area(
        self,
        path: Path,
        *,
        owner: Tenant,
        limit_bytes: int | None = None,
        mode: int = 0o700,
        apart_from: Collection[Path] | None = None,
    ) -> None:
        """All areas lie on one file system, where no two files have the same number anyway."""
        path.mkdir(mode=mode)
        try:
            path.chmod(mode)
            self._count(path, Mark(owner, limit_bytes))
        except BaseException:
            path.rmdir()
            raise

    def _count(self, path: Path, mark: Mark) -> None:
        folder = os.open(path, _FOLDER)
        try:
            project = self.balance.add(mark)
            try:
                set_project(folder, project, inherits=True)
                write_mark(folder, mark)
            except BaseException:
                set_project(folder, 0, inherits=False)
                self.balance.give_back(project)
                raise
            self.balance.made(project)
        finally:
            os.close(folder)

    def limit_area(self, path: Path, limit_bytes: int | None) -> None:
        self._change(path, lambda mark: Mark(mark.owner, limit_bytes))

    def charge_area(self, path: Path, owner: Tenant) -> None:
        self._change(path, lambda mark: Mark(owner, mark.limit_bytes))

    def _change(self, path: Path, changed: Callable[[Mark], Mark]) -> None:
        folder = os.open(path, _FOLDER)
        try:
            with self._lock:
                project, mark = _read_open(folder, path)
                write_mark(folder, changed(mark))
                self.balance.change(project, changed(mark))
        finally:
            os.close(folder)

    def area_bytes(self, path: Path) -> int | None:
        return self.balance.used(_read(path)[0])

    def is_area(self, path: Path) -> bool:
        try:
            return stat.S_ISDIR(path.lstat().st_mode) and read_mark(path) is not None
        except FileNotFoundError:
            return False

    def remove_area(self, path: Path) -> None:
        if not stat.S_ISDIR(path.lstat().st_mode):
            path.unlink()
            return
        folder = os.open(path, _FOLDER)
        try:
            project = project_of(folder)
            set_project(folder, project, inherits=False)  # areas inside are moved up into it, which that would forbid
            for name in os.listdir(folder):  # noqa: PTH208 - a descriptor
                remove_tree(folder, name)
        finally:
            os.close(folder)
        path.rmdir()
        self.balance.forget(project)

    def is_given_back(self, owners: Collection[Tenant]) -> bool:
        """The room of what has gone is dealt out to the areas that are left now, not with the next pass."""
        self.balance.deal_out(owners)
        return True

    def limit_tenant(self, tenant: Tenant, limit_bytes: int | None) -> None:
        if not tenant.is_administrator:
            self.balance.limit_tenant(tenant, limit_bytes)

    def free_tenants(self, limited: Collection[Tenant]) -> None:
        self.balance.free(limited)

    def tenant_bytes(self, tenant: Tenant) -> int | None:
        return None if tenant.is_administrator else self.balance.used_by(tenant)

    def status(self) -> DiskStatus:
        found = os.statvfs(self.data_path)
        free = found.f_bavail * found.f_frsize
        return DiskStatus(found.f_blocks * found.f_frsize, (found.f_blocks - found.f_bfree) * found.f_frsize, free)

    def close(self, *, unmount: bool) -> None:
        self.balance.close()
        os.close(self._fd)


def _read(path: Path) -> tuple[int, Mark]:
    """Return id and mark of an area. Raises OSError EINVAL where there is none."""
    folder = os.open(path, _FOLDER)
    try:
        return _read_open(folder, path)
    finally:
        os.close(folder)


def _read_open(folder: int, path: Path) -> tuple[int, Mark]:
    mark = read_mark(folder)
    if mark is None:
        raise OSError(errno.EINVAL, "not an area of the disk", str(path))
    return project_of(folder), mark


def lacking_quotas(data_path: Path) -> str:
    """Return why project quotas cannot be had for a folder; nothing where they can."""
    folder = os.open(data_path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        project_of(folder)
        if are_enforced(folder):
            return ""
        return "the file system is not mounted with prjquota, or the kernel has no project quotas"
    except OSError as error:
        if error.errno not in {errno.ENOTTY, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.EPERM}:
            raise
        return "the file system has no project quotas"
    finally:
        os.close(folder)


def file_system_of(path: Path) -> str:
    """Return the name of the file system that holds a folder (proc_pid_mountinfo(5))."""
    device = path.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        if fields.split()[2] == wanted:
            return rest.split()[0]
    return "unknown"
