"""Removed areas on btrfs that still count: the kernel takes a subvolume apart after it has gone, and only then is its space free.

Owns which were removed, whom they count for, and whether they still do, which is asked of the kernel. Must not remove anything.
What a daemon before this one removed is not known here: its space comes back all the same.
"""

import threading
import time
from collections.abc import Collection
from dataclasses import dataclass

from engine.core.tenants import Tenant
from engine.linux import btrfs
from engine.storage.disk_groups import QuotaGroups, group_of

_MOST_NOTED = 4096  # the oldest are then taken for gone, as are those
_LONGEST_SECONDS = 10.0  # ago: somebody holds a file of it open, and nobody is to wait for that again and again


@dataclass(slots=True)
class _Noted:
    """``groups`` are those of its member and team; ``gone_at`` is the generation in which it was first seen to be no more."""

    groups: frozenset[int]
    since: float
    gone_at: int | None = None


class RemovedAreas:
    """``fd`` is an open folder of the file system; it stays the caller's. All methods may be called from any thread."""

    def __init__(self, fd: int, groups: QuotaGroups) -> None:
        self._fd = fd
        self._groups = groups
        self._lock = threading.Lock()
        self._noted: dict[int, _Noted] = {}

    def note(self, subvolume: int) -> None:
        """To be called before it is destroyed, while the kernel still tells whom it counts for. Raises OSError."""
        owners = self._groups.parents(subvolume)
        if not owners:  # an administrator's
            return
        teams = [team for owner in owners for team in self._groups.parents(owner)]
        with self._lock:
            self._noted[subvolume] = _Noted(frozenset([*owners, *teams]), time.monotonic())
            self._forget_old()

    def bytes_of(self, owners: Collection[Tenant]) -> int:
        """Return what still counts of the owners' removed areas, their members' included. Raises OSError."""
        wanted = {group_of(owner) for owner in owners if not owner.is_administrator}
        with self._lock:
            self._forget_old()
            chosen = [(subvolume, noted) for subvolume, noted in self._noted.items() if wanted & noted.groups]
        return sum(self._bytes(subvolume, noted) for subvolume, noted in chosen)

    def _forget_old(self) -> None:
        least = time.monotonic() - _LONGEST_SECONDS
        while self._noted:
            oldest = next(iter(self._noted))
            if self._noted[oldest].since >= least and len(self._noted) <= _MOST_NOTED:
                return
            del self._noted[oldest]

    def _bytes(self, subvolume: int, noted: _Noted) -> int:
        used = self._groups.used(subvolume)
        if used and not self._is_taken_apart(subvolume, noted):
            return used
        with self._lock:
            self._noted.pop(subvolume, None)
        return 0

    def _is_taken_apart(self, subvolume: int, noted: _Noted) -> bool:
        """The last of it is subtracted with the commit after that. What counts then is still used by a clone elsewhere."""
        if any(btrfs.search(self._fd, btrfs.ROOT_TREE, btrfs.ROOT_ITEM, object_id=subvolume)):
            return False
        generation = self._groups.generation()
        if noted.gone_at is None:
            noted.gone_at = generation
        return generation > noted.gone_at
