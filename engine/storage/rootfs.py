"""What a container writes: one area in the container's folder, beside the records that the engine keeps of it.

    <container>/disk/upper, work   the folders of its overlay
    <container>/disk/logs          its output
    <container>/execs              an area too: records and output of execs
    <container>/etc                an area too: the files of its networks, which are mounted into it and may be written there
    <container>/spill              the last of its output that found no room, little, which nobody is charged for

Containers of earlier versions have the overlay's folders in rootfs/, and logs beside the record. All paths are named here only.

Execs are how a container whose area is full is cleared, and nobody can clear it without seeing what the shell says: their output
is no tenant's, but limited for each container. So are the files that the engine writes for it at each start.
The mount itself is made by the supervisor. On disk files carry the container's own ids, so nothing here changes owners.
"""

import contextlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.core.tenants import ADMINISTRATOR, Tenant
from engine.storage.areas import AREA, Areas
from engine.storage.sizes import bytes_below
from engine.storage.trash import Trash
from engine.storage.tree import OPEN_FOLDER

FORMER = "rootfs"
_ETC, _ETC_BYTES = "etc", 4 << 20
EXECS = "execs"
EXECS_BYTES = 64 << 20  # the last output of 30 that were noisy


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


def area_of(container_path: Path) -> Path | None:
    """Return the area of a container, made or not; None for one of an earlier version."""
    return None if _is_former(container_path) else container_path / AREA


def rootfs_of(container_path: Path) -> Rootfs:
    """Say where a container's writable layer is, made or not."""
    return Rootfs(container_path / (FORMER if _is_former(container_path) else AREA))


def logs_of(container_path: Path) -> Path:
    """Say where a container's output is. What is not kept but only handed on, and so has a limit, is with that of execs."""
    if (passing := container_path / EXECS / "logs").is_dir():
        return passing
    return (container_path if _is_former(container_path) else container_path / AREA) / "logs"


def spill_of(container_path: Path) -> Path:
    """Say where the last of a container's output is that found no room in its log."""
    return container_path / "spill"


def exec_log_of(container_path: Path, exec_id: str) -> Path:
    """Say where the output of an exec is."""
    return container_path / EXECS / exec_id / "log"


def ensure_exec_area(container_path: Path, areas: Areas) -> None:
    """Make the area of a container's execs if it has none. Raises OSError, also where the container has just been removed."""
    if not (container_path / EXECS).is_dir():
        limit_bytes = EXECS_BYTES if areas.disk.has_limits else None
        with contextlib.suppress(FileExistsError):
            areas.disk.make_area(container_path / EXECS, owner=ADMINISTRATOR, limit_bytes=limit_bytes)


def network_files_of(container_path: Path) -> Path:
    """Say where ``hosts``, ``hostname`` and ``resolv.conf`` are: beside the record where nobody counts, and formerly."""
    return etc if (etc := container_path / _ETC).is_dir() else container_path


def has_room_for_network_files(container_path: Path, names: Sequence[str]) -> bool:
    """Whether they can be written anew at a start, which they cannot after a container has filled their area."""
    folder = network_files_of(container_path)
    return folder == container_path or not any(_is_large(folder / name) for name in names)


def renew_network_files(container_path: Path, areas: Areas) -> None:
    """Make their area anew, for a container that does not run. Raises OSError."""
    areas.disk.remove_area(container_path / _ETC)
    areas.disk.make_area(container_path / _ETC, owner=ADMINISTRATOR, limit_bytes=_ETC_BYTES)


def _is_large(path: Path) -> bool:
    try:
        return path.stat().st_size > _ETC_BYTES // 8
    except FileNotFoundError:
        return False


def _is_former(container_path: Path) -> bool:
    return (container_path / FORMER).is_dir()


def create_rootfs(
    container_path: Path,
    lowers: Sequence[Path],
    *,
    areas: Areas | None = None,
    owner: Tenant = ADMINISTRATOR,
    limit_bytes: int | None = None,
    keeps_log: bool = True,
) -> Rootfs:
    """Make the area with its folders. The container's ``/`` takes mode and owner from upper, so the top layer's are copied.

    Without ``keeps_log`` its output is only handed on to who reads it.

    Raises QuotaExceeded, OSError, Unavailable where the disk sets no limits.
    """
    areas = areas or Areas()
    container_path.mkdir(mode=0o700, parents=True, exist_ok=True)
    areas.make(container_path / AREA, owner=owner, limit_bytes=limit_bytes, apart_from=lowers)
    rootfs = Rootfs(container_path / AREA)
    if areas.disk.has_limits:
        areas.disk.make_area(container_path / _ETC, owner=ADMINISTRATOR, limit_bytes=_ETC_BYTES)
    if not keeps_log:
        ensure_exec_area(container_path, areas)
        (container_path / EXECS / "logs").mkdir(mode=0o700)
    with areas.charged(owner):
        rootfs.work.mkdir(mode=0o700)
        rootfs.upper.mkdir(mode=0o755)
        logs_of(container_path).mkdir(mode=0o700, exist_ok=True)
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
