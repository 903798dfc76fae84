"""The writable layer of a container: the upper and work folders of its overlay, below the container's own folder.

The mount itself is made by the supervisor. On disk files carry the container's own ids, so nothing here changes owners.
"""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.storage.sizes import bytes_below
from engine.storage.trash import Trash
from engine.storage.tree import OPEN_FOLDER

FOLDER = "rootfs"


@dataclass(frozen=True, slots=True)
class Rootfs:
    """The writable folders; both lie in ``path`` so that one id-mapped mount of it holds both."""

    path: Path

    @property
    def upper(self) -> Path:
        return self.path / "upper"

    @property
    def work(self) -> Path:
        return self.path / "work"


def rootfs_of(container_path: Path) -> Rootfs:
    """Say where a container's writable layer is, made or not."""
    return Rootfs(container_path / FOLDER)


def create_rootfs(container_path: Path, lowers: Sequence[Path]) -> Rootfs:
    """Make the folders. The container's ``/`` takes mode and owner from upper, so they are copied from the top layer."""
    rootfs = rootfs_of(container_path)
    rootfs.path.mkdir(mode=0o700, parents=True)
    rootfs.work.mkdir(mode=0o700)
    rootfs.upper.mkdir(mode=0o755)
    if lowers:
        top = lowers[-1].stat()
        os.chown(rootfs.upper, top.st_uid, top.st_gid)
        rootfs.upper.chmod(stat.S_IMODE(top.st_mode))
    return rootfs


def remove_rootfs(container_path: Path, trash: Trash) -> None:
    """Take the writable layer away; a missing one is fine. It must not be mounted."""
    trash.discard(rootfs_of(container_path).path)


def size_rw(container_path: Path) -> int:
    """Return the bytes of all files that the container wrote or changed. Safe on a running container."""
    upper_fd = os.open(rootfs_of(container_path).upper, OPEN_FOLDER)
    try:
        return bytes_below(upper_fd)
    finally:
        os.close(upper_fd)
