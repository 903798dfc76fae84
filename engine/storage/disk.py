"""The disk: folders whose bytes the kernel counts, charged to tenants. The interface of all drivers, and the choice of one.

An *area* is such a folder: the writable files of a container, the data of a volume, a layer. It is charged to a tenant; what a
member has counts in its team too. The kernel and the folders are the truth, a driver keeps no record that it could not make anew.

Owns what an area is. Must not know what lies in one, nor who may have how much: limits are handed in.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from engine.core.tenants import Tenant

log = logging.getLogger(__name__)
DriverName = Literal["auto", "image", "project", "none"]
DRIVER_NAMES: tuple[DriverName, ...] = get_args(DriverName)


@dataclass(frozen=True, slots=True)
class DiskSettings:
    """``image`` is a btrfs of the engine's own in a file, ``project`` the quotas of the host's XFS or ext4; ``auto`` what
    holds.

    ``size_bytes`` is that of a new image; none means a share of what is free on the host's disk.
    """

    driver: DriverName = "auto"
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class DiskStatus:
    """Bytes of the engine's disk, those the host has left for it, and what administrators are to know."""

    size_bytes: int
    used_bytes: int
    host_free_bytes: int
    warnings: tuple[str, ...] = ()


class Disk(ABC):
    """All methods block and may be called from any thread. Paths lie in the data folder; their parents are there."""

    kind: str  # "btrfs", "xfs", "ext4" or "none"
    reason: str  # why this one, in words for administrators
    has_limits: bool  # whether a limit of an area holds
    has_nested_limits: bool  # whether a tenant's limit over all its areas holds

    @abstractmethod
    def make_area(
        self,
        path: Path,
        *,
        owner: Tenant,
        limit_bytes: int | None = None,
        mode: int = 0o700,
        apart_from: Collection[Path] | None = None,
    ) -> None:
        """Make an empty one, charged to the owner. Raises FileExistsError, OSError; Unavailable for a limit that cannot hold.

        For what is to be part of an overlay ``apart_from`` names what it may be put on, areas or folders in them, if only none:
        no two files of an overlay may have the same inode number. Something is to be made in such an area at once.
        """

    @abstractmethod
    def limit_area(self, path: Path, limit_bytes: int | None) -> None:
        """Set or take away the limit of one area. Raises OSError; Unavailable where it cannot hold."""

    @abstractmethod
    def charge_area(self, path: Path, owner: Tenant) -> None:
        """Count an area for another tenant from now on. Raises OSError."""

    @abstractmethod
    def area_bytes(self, path: Path) -> int | None:
        """What an area takes, as the kernel counts it; None where nobody counts. Raises OSError."""

    @abstractmethod
    def remove_area(self, path: Path) -> None:
        """Remove an area and whatever lies in it, other areas too. Raises FileNotFoundError, OSError."""

    @abstractmethod
    def is_given_back(self, owners: Collection[Tenant]) -> bool:
        """Whether nothing counts any more of the owners' areas that ``remove_area`` took; hasten it where something does.

        Does not wait: ask again. Raises OSError.
        """

    @abstractmethod
    def is_area(self, path: Path) -> bool:
        """Whether a folder is an area, not just a part of one. Where nobody counts, each folder is one."""

    @abstractmethod
    def limit_tenant(self, tenant: Tenant, limit_bytes: int | None) -> None:
        """Set or take away the limit over all areas of a team (its members' included) or of a member.

        Without effect where ``has_nested_limits`` is false: who offers such a limit looks there first. Raises OSError.
        """

    @abstractmethod
    def free_tenants(self, limited: Collection[Tenant]) -> None:
        """Take away the limits of all tenants but these: a daemon may have been killed before it did. Raises OSError."""

    @abstractmethod
    def tenant_bytes(self, tenant: Tenant) -> int | None:
        """What all areas of a tenant take; None where nobody counts. Raises OSError."""

    @abstractmethod
    def status(self) -> "DiskStatus":
        """Say how things are. Raises OSError."""

    @abstractmethod
    def close(self, *, unmount: bool) -> None:
        """Let go. With ``unmount`` nothing of the engine's runs any more and nothing is to stay mounted."""


def open_disk(data_path: Path, wanted: DiskSettings) -> Disk:
    """Choose the driver for a data folder and make it ready. Raises Unavailable, with the way out; OSError."""
    from engine.storage.disk_choice import choose_disk  # drivers derive from what stands here

    disk = choose_disk(data_path, wanted)
    log.log(logging.INFO if disk.has_limits else logging.WARNING, "disk driver %s: %s", disk.kind, disk.reason)
    return disk
