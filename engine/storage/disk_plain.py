"""The driver where nobody counts: an area is a plain folder, and no limit holds."""

import os
import stat
from collections.abc import Collection
from pathlib import Path

from engine.core.tenants import Tenant
from engine.errors import Unavailable
from engine.storage.disk import Disk, DiskStatus
from engine.storage.trash import remove_tree

_UNCOUNTED = "disk space is not counted: no quota of a tenant, container or volume holds"


class PlainDisk(Disk):
    """Plain folders."""

    kind = "none"
    has_limits = False
    has_nested_limits = False

    def __init__(self, reason: str, data_path: Path = Path("/"), *, is_wanted: bool = True) -> None:
        """Where nobody asked for it, each look at the engine's state tells of it."""
        self.reason = reason
        self._is_wanted = is_wanted
        self._data_path = data_path

    def make_area(
        self,
        path: Path,
        *,
        owner: Tenant,
        limit_bytes: int | None = None,
        mode: int = 0o700,
        apart_from: Collection[Path] | None = None,
    ) -> None:
        _refuse(limit_bytes)
        path.mkdir(mode=mode)
        path.chmod(mode)

    def limit_area(self, path: Path, limit_bytes: int | None) -> None:
        _refuse(limit_bytes)

    def charge_area(self, path: Path, owner: Tenant) -> None:
        """Nothing is counted."""

    def area_bytes(self, path: Path) -> int | None:
        return None

    def remove_area(self, path: Path) -> None:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            remove_tree(folder, path.name)
        finally:
            os.close(folder)

    def is_given_back(self, owners: Collection[Tenant]) -> bool:
        return True

    def is_area(self, path: Path) -> bool:
        try:
            return stat.S_ISDIR(path.lstat().st_mode)
        except FileNotFoundError:
            return False

    def limit_tenant(self, tenant: Tenant, limit_bytes: int | None) -> None:
        """Nothing is counted."""

    def free_tenants(self, limited: Collection[Tenant]) -> None:
        """Nothing is limited."""

    def tenant_bytes(self, tenant: Tenant) -> int | None:
        return None

    def status(self) -> DiskStatus:
        found = os.statvfs(self._data_path)
        free = found.f_bavail * found.f_frsize
        used = (found.f_blocks - found.f_bfree) * found.f_frsize
        return DiskStatus(found.f_blocks * found.f_frsize, used, free, () if self._is_wanted else (_UNCOUNTED,))

    def close(self, *, unmount: bool) -> None:
        """Nothing is mounted."""


def _refuse(limit_bytes: int | None) -> None:
    if limit_bytes is not None:
        raise Unavailable("no limit of disk space can be set here: the engine's data folder is on a disk without quotas")
