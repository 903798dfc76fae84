"""Where a build's step writes without a container: an overlay of the image and a new upper, opened by descriptor only.

Owns the folders of the destination: how they are found, and made where they are missing. Writes no files.
"""

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.errors import InvalidParameter
from engine.storage.detached import open_inside, resolve, writable_layers
from engine.storage.file_copy import copy_xattrs

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_NODE = os.O_PATH | os.O_NOFOLLOW
_MODE = 0o755
Owner = tuple[int, int]


class Target:
    """Paths are relative to the overlay's top, as ``resolve`` returns them. Nobody else writes to it."""

    def __init__(self, root_fd: int) -> None:
        self._root_fd = root_fd

    def resolve(self, path: str) -> str:
        """Return where a path leads as a process inside would find it, made already or not."""
        return resolve(self._root_fd, path)

    def is_folder(self, path: str) -> bool:
        """Whether a folder is there; raises InvalidParameter where a file stands on the way."""
        try:
            node = open_inside(self._root_fd, path, _NODE)
        except (FileNotFoundError, NotADirectoryError):
            return False
        try:
            return stat.S_ISDIR(os.fstat(node).st_mode)
        finally:
            os.close(node)

    @contextlib.contextmanager
    def folder(self, path: str) -> Iterator[int]:
        """Open a folder that is there. Raises InvalidParameter for a file, OSError."""
        descriptor = self._open(path)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def make_folders(
        self, path: str, *, owner: Owner = (0, 0), last_owner: Owner | None = None, last_mode: int | None = None
    ) -> bool:
        """Make a folder and those above it where they are missing; says whether it was made. Existing ones stay as they are.

        ``last_owner`` and ``last_mode`` are the folder's own. Raises InvalidParameter where a file stands in the way, OSError.
        """
        if self.is_folder(path):
            return False
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            is_last = depth == len(parts)
            self._make("/".join(parts[: depth - 1]), parts[depth - 1], (last_owner if is_last else owner) or (0, 0))
        if last_mode is not None:
            with self.folder(path) as descriptor:
                os.fchmod(descriptor, last_mode)
        return True

    def _make(self, above: str, name: str, owner: Owner) -> None:
        with self.folder(above) as parent:
            try:
                os.mkdir(name, _MODE, dir_fd=parent)
            except FileExistsError:
                return
            descriptor = os.open(name, _FOLDER | os.O_CLOEXEC, dir_fd=parent)
            try:
                os.fchown(descriptor, *owner)
                os.fchmod(descriptor, _MODE)
            finally:
                os.close(descriptor)

    def _open(self, path: str) -> int:
        try:
            return open_inside(self._root_fd, path, _FOLDER)
        except NotADirectoryError:
            raise InvalidParameter(f"/{path[:200]} is a file, not a folder") from None


def new_upper(lowers: Sequence[Path], staging: Path) -> Path:
    """Make an upper whose top looks like that of the image, which would else be changed by the layer."""
    upper = staging / "upper"
    upper.mkdir(mode=_MODE)
    upper.chmod(_MODE)
    if lowers:
        top, own = os.open(lowers[-1], _FOLDER | os.O_CLOEXEC), os.open(upper, _FOLDER | os.O_CLOEXEC)
        try:
            status = os.fstat(top)
            os.fchown(own, status.st_uid, status.st_gid)
            os.fchmod(own, stat.S_IMODE(status.st_mode))
            copy_xattrs(top, own)
        finally:
            os.close(top)
            os.close(own)
    return upper


@contextlib.contextmanager
def open_target(lowers: Sequence[Path], upper: Path, staging: Path) -> Iterator[Target]:
    """Lend the image with ``upper`` on top; layers base first, none for an image from scratch. Raises OSError."""
    work, empty = staging / "work", staging / "empty"
    work.mkdir(mode=0o700)
    empty.mkdir(mode=_MODE)
    with writable_layers(lowers or [empty], upper=upper, work=work) as root:
        yield Target(root)
