"""Project ids of areas: which are free, what each uses, and the limits that the kernel holds.

Ids are taken from a range that follows from the data folder's path. One is free when the kernel counts nothing for it: what was
removed while it was open still counts, and nobody else may pay for it.
"""

import hashlib
from pathlib import Path

from engine.errors import Unavailable
from engine.linux.project_quota import Quota, limit_project, next_quota, quota_of

_FIRST, _RANGES, _RANGE = 1 << 30, 1 << 14, 1 << 16
_LEAST_INODES = 1024
_BYTES_AN_INODE = 4096  # files without content cost room too, and ext4 has only so many


class ProjectIds:
    """``fd`` is an open folder of the file system; it stays the caller's. Not safe for several threads at once."""

    def __init__(self, fd: int, data_path: Path) -> None:
        self._fd = fd
        digest = hashlib.sha256(str(data_path).encode()).digest()
        self.first = _FIRST + int.from_bytes(digest[:4], "big") % _RANGES * _RANGE
        self._next = self.first

    def put_right(self) -> None:
        """Take limits away that are nobody's any more. Raises OSError."""
        found = next_quota(self._fd, self.first)
        while found is not None and found.project < self.first + _RANGE:
            if is_unused(found) and (found.limit_bytes or found.limit_inodes):
                self.limit(found.project, None)
            found = next_quota(self._fd, found.project + 1)

    def take(self) -> int:
        """Return a free one. Raises Unavailable, OSError."""
        for _ in range(_RANGE):
            project, self._next = self._next, self._next + 1
            if self._next == self.first + _RANGE:
                self._next = self.first
            if is_unused(quota_of(self._fd, project)):
                return project
        raise Unavailable(f"all {_RANGE} project ids of the engine's disk are in use: remove containers, images or volumes")

    def quota(self, project: int) -> Quota:
        """Raises OSError."""
        return quota_of(self._fd, project)

    def limit(self, project: int, limit_bytes: int | None) -> None:
        """Hold an area to a number of bytes and to as many files as fit; None lifts both. Raises OSError."""
        if limit_bytes is None:
            limit_project(self._fd, project, limit_bytes=0, limit_inodes=0)
        else:
            inodes = max(_LEAST_INODES, limit_bytes // _BYTES_AN_INODE)
            limit_project(self._fd, project, limit_bytes=max(1, limit_bytes), limit_inodes=inodes)  # 0 would be none


def is_unused(quota: Quota) -> bool:
    """Whether nothing at all is counted: an area that is there counts its own folder."""
    return not quota.used_bytes and not quota.inodes
