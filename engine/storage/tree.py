"""A folder being filled by path, in which no path can lead outside: every component is opened by descriptor, following no link.

Used on folders that nobody else writes to. Knows no archive format.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator

from engine.errors import InvalidParameter
from engine.linux.files import RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, openat2
from engine.storage.trash import remove_tree

Parts = tuple[str, ...]

OPAQUE_XATTR = "trusted.overlay.opaque"
OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_PATH_LENGTH = 4096
_PATH_BYTES = 4095
_STRIDE = 15  # so many components fit one path, however long each is

Discard = Callable[[int, str], None]  # removes what is at a name in an open folder


def names_in(folder: int) -> list[str]:
    """Return the names in an open folder. On btrfs one shows only what was there when it was opened, until it is rewound."""
    os.lseek(folder, 0, os.SEEK_SET)
    return os.listdir(folder)


def split_path(path: str) -> Parts:
    """Return the components of a path taken from the top of the tree. Raises InvalidParameter where it would climb."""
    if len(path) > _MAX_PATH_LENGTH:
        raise InvalidParameter(f"the archive holds a path of {len(path)} characters, at most {_MAX_PATH_LENGTH} can be used")
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    if ".." in parts:
        raise InvalidParameter(f"the archive holds a path that leads outside: {path!r}")
    return parts


def status_of(parent: int, name: str) -> os.stat_result | None:
    """Return what is at a name, link not followed; None for nothing."""
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None


def is_whiteout(status: os.stat_result) -> bool:
    """Whether overlayfs takes this for "removed here": a character device 0:0."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


class Tree:
    """Opens, and makes where missing, the folders of a tree. ``made`` counts those that no entry asked for."""

    def __init__(self, root_fd: int, discard: Discard = remove_tree, *, tell_made: Callable[[Parts], None] | None = None) -> None:
        self.root_fd = root_fd
        self.made = 0
        self._tell_made = tell_made
        self._discard = discard
        # Entries come folder by folder, so keeping the last one open saves nearly all walks.
        self._near: tuple[Parts, int] | None = None

    def close(self) -> None:
        """Close the folder kept open; the root stays its owner's."""
        if self._near is not None:
            os.close(self._near[1])
            self._near = None

    def folder(self, parts: Parts) -> int:
        """Return the descriptor of a folder, valid until the next call; missing ones are made, owned by root."""
        if not parts:
            return self.root_fd
        if self._near is None or self._near[0] != parts:
            reached = self._reach(parts)
            self.close()
            self._near = (parts, reached)
        return self._near[1]

    @contextlib.contextmanager
    def existing_folder(self, parts: Parts) -> Iterator[int]:
        """Open a folder that is to be there already. Raises FileNotFoundError or NotADirectoryError."""
        descriptor = open_below(self.root_fd, parts)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def replace(self, parent: int, name: str, create: Callable[[], int | None]) -> int:
        """Create something new at a name, removing what this tree already has there; return what ``create`` returned."""
        try:
            return create() or 0
        except FileExistsError:
            if self._near is not None and self._near[1] != parent:
                self.close()  # it may lie inside of what goes
            self._discard(parent, name)
            return create() or 0

    def make_folder(self, parent: int, name: str, mode: int) -> int:
        """Make a folder, or keep the one that is there, and open it. One that takes the place of a whiteout becomes opaque."""
        was = status_of(parent, name)
        if was is None or not stat.S_ISDIR(was.st_mode):
            if was is not None:
                self._discard(parent, name)
            os.mkdir(name, mode, dir_fd=parent)
        descriptor = _open(parent, name)
        if was is not None and is_whiteout(was):
            os.setxattr(descriptor, OPAQUE_XATTR, b"y")
        return descriptor

    def _reach(self, parts: Parts) -> int:
        """Open the longest way that is there already, and make the rest: in time linear to the path, however much is missing."""
        start, above = self.root_fd, 0
        if self._near is not None and parts[: len(self._near[0])] == self._near[0]:
            start, above = self._near[1], len(self._near[0])
        missing = 0
        while True:
            there = max(above, len(parts) - missing)
            try:
                current = open_below(start, parts[above:there])
                break
            except (FileNotFoundError, NotADirectoryError):
                missing = missing * 2 or 1
                if there == above:
                    raise
        for depth in range(there, len(parts)):
            made = self.made
            try:
                below = self._step(current, parts[depth])
            finally:
                os.close(current)
            current = below
            if self._tell_made is not None and self.made > made:
                self._tell_made(parts[: depth + 1])
        return current

    def _step(self, parent: int, name: str) -> int:
        try:
            return _open(parent, name)
        except FileNotFoundError:
            self.made += 1
            return self.make_folder(parent, name, 0o755)
        except NotADirectoryError:
            was = status_of(parent, name)
            if was is None or not is_whiteout(was):
                raise
            self.made += 1
            return self.make_folder(parent, name, 0o755)


def _open(parent: int, name: str) -> int:
    return os.open(name, OPEN_FOLDER, dir_fd=parent)


def open_below(folder: int, parts: Parts) -> int:
    """Open a folder below an open one, following no link. Raises OSError, NotADirectoryError for a link too."""
    if len(parts) < 2:
        return _open(folder, parts[0]) if parts else os.dup(folder)
    path = "/".join(parts)
    if len(path) * 3 <= _PATH_BYTES or len(os.fsencode(path)) <= _PATH_BYTES:
        return _open_path(folder, path)
    current = _open_path(folder, "/".join(parts[:_STRIDE]))
    try:
        return open_below(current, parts[_STRIDE:])
    finally:
        os.close(current)


def _open_path(folder: int, path: str) -> int:
    try:
        return openat2(folder, path, OPEN_FOLDER, resolve=RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from error
        raise


def hide(parent: int, name: str) -> None:
    """Put a whiteout. It concerns the layers below only: what this tree itself has there stays."""
    was = status_of(parent, name)
    if was is None:
        os.mknod(name, stat.S_IFCHR, 0, dir_fd=parent)
    elif stat.S_ISDIR(was.st_mode):
        descriptor = _open(parent, name)
        try:
            os.setxattr(descriptor, OPAQUE_XATTR, b"y")
        finally:
            os.close(descriptor)
