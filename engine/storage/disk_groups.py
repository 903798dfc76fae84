"""The quota groups of tenants on btrfs: a member's on level 1, inside its team's on level 2; areas are groups of level 0.

A group's number follows from the tenant's name, so no record is needed that could be lost: 48 bits of its hash, which for 4096
tenants collide once in thirty million installations. Administrators have no group.

Which groups there are, what counts in what and how much is used is read from the kernel each time it matters.
"""

import hashlib
import logging
import threading
from pathlib import Path

from engine.core.tenants import Tenant
from engine.linux import btrfs

_log = logging.getLogger(__name__)
_LEVEL_SHIFT = 48
_MEMBER, _TEAM = 1, 2


def group_of(tenant: Tenant) -> int:
    """Return the number of a tenant's group."""
    level = _MEMBER if tenant.member else _TEAM
    digest = hashlib.sha256(tenant.name.encode()).digest()
    return level << _LEVEL_SHIFT | int.from_bytes(digest[:6], "big")


class QuotaGroups:
    """``fd`` is an open folder of the file system; it stays the caller's."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()
        self._sysfs = Path("/sys/fs/btrfs") / btrfs.filesystem_uuid(fd)
        self._ready: set[Tenant] = set()

    @property
    def are_on(self) -> bool:
        return (self._sysfs / "qgroups").is_dir()

    @property
    def are_simple(self) -> bool:
        try:
            return (self._sysfs / "qgroups" / "mode").read_text().strip() == "squota"
        except FileNotFoundError:  # a kernel that knows only the one kind
            return False

    def turn_on(self) -> None:
        """Simple quotas where the kernel has them (6.7), else full ones. Raises OSError."""
        if self.are_on:
            return
        try:
            btrfs.quota_ctl(self._fd, btrfs.QUOTA_SIMPLE)
        except OSError:
            btrfs.quota_ctl(self._fd, btrfs.QUOTA_FULL)

    def put_right(self) -> None:
        """Count anew where the kernel lost count, and remove groups that nothing is counted in. Raises OSError."""
        if (self._sysfs / "qgroups" / "inconsistent").read_text().strip() != "0":
            _log.warning("quota groups have lost count: the kernel counts anew")
            btrfs.rescan(self._fd)
        relations = btrfs.search(self._fd, btrfs.QUOTA_TREE, btrfs.QGROUP_RELATION)  # each is there from both ends
        parents = {max(item.object_id, item.offset) for item in relations}
        subvolumes = {item.object_id for item in btrfs.search(self._fd, btrfs.ROOT_TREE, btrfs.ROOT_ITEM)}
        limited = self._limited()
        found = [item.offset for item in btrfs.search(self._fd, btrfs.QUOTA_TREE, btrfs.QGROUP_INFO)]
        with self._lock:
            for group in sorted(found):
                is_needed = group in subvolumes if group >> _LEVEL_SHIFT == 0 else group in parents or group in limited
                if not is_needed:
                    self._remove(group)
            self._ready.clear()

    def _limited(self) -> set[int]:
        items = btrfs.search(self._fd, btrfs.QUOTA_TREE, btrfs.QGROUP_LIMIT)
        return {item.offset for item in items if int.from_bytes(item.data[:8], "little")}

    def limited_tenants(self) -> set[int]:
        """Return the groups of tenants that the kernel limits now. Raises OSError."""
        return {group for group in self._limited() if group >> _LEVEL_SHIFT}

    def _remove(self, group: int) -> None:
        try:
            btrfs.remove_group(self._fd, group)
        except OSError as error:  # something is still counted in it, as of a subvolume that is being taken apart
            _log.debug("quota group %d stays: %s", group, error)

    def holding(self, owner: Tenant) -> tuple[int, ...]:
        """Return the groups that an owner's areas belong to, made where missing. Raises OSError."""
        if owner.is_administrator:
            return ()
        with self._lock:
            if owner not in self._ready:
                self._make(owner)
                self._ready.add(owner)
        return (group_of(owner),)

    def _make(self, owner: Tenant) -> None:
        team = group_of(Tenant(owner.team))
        self._create(team)
        if owner.member:
            self._create(group_of(owner))
            if team not in self.parents(group_of(owner)):
                btrfs.assign_group(self._fd, group_of(owner), team)

    def _create(self, group: int) -> None:
        if not self._path(group).exists():
            btrfs.create_group(self._fd, group)

    def parents(self, group: int) -> list[int]:
        """Return what a group counts in."""
        related = btrfs.search(self._fd, btrfs.QUOTA_TREE, btrfs.QGROUP_RELATION, object_id=group)
        return [item.offset for item in related if item.offset >> _LEVEL_SHIFT > group >> _LEVEL_SHIFT]

    def move(self, area: int, owner: Tenant) -> None:
        """Count an area for its owner alone. In between it counts for both: never for nobody. Raises OSError."""
        wanted, found = set(self.holding(owner)), set(self.parents(area))
        lost_count = [btrfs.assign_group(self._fd, area, group) for group in wanted - found]
        lost_count += [btrfs.unassign_group(self._fd, area, group) for group in found - wanted]
        if any(lost_count):  # full groups only: what an area shares with others cannot be moved without counting
            btrfs.rescan(self._fd)

    def limit(self, group: int, limit_bytes: int | None) -> None:
        """Raises OSError."""
        btrfs.limit_group(self._fd, group, limit_bytes)

    def used(self, group: int) -> int:
        """Return the bytes of data and metadata, those on their way to the disk included. Raises OSError."""
        path = self._path(group)
        try:
            return sum(int((path / name).read_text()) for name in ("referenced", "rsv_data"))
        except FileNotFoundError:  # nothing was ever charged to it
            return 0

    def generation(self) -> int:
        """Return the number of the running transaction: it grows with each commit. Raises OSError."""
        return int((self._sysfs / "generation").read_text())

    def _path(self, group: int) -> Path:
        return self._sysfs / "qgroups" / f"{group >> _LEVEL_SHIFT}_{group & (1 << _LEVEL_SHIFT) - 1}"
