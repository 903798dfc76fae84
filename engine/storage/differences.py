"""What a writable layer changes against the layers below it, and that as a layer's tar.

Reads the upper folder of an overlay and the lower ones by descriptor, following nothing; all may be read while the container
runs. Whiteouts and opaque folders are the overlay's (kernel documentation, filesystems/overlayfs), in a tar they become those of
layers (OCI image specification, "Whiteouts").
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from engine.storage.pack import Found, Packer, walk
from engine.storage.tar_write import Member
from engine.storage.tree import OPAQUE_XATTR, OPEN_FOLDER, is_whiteout, names_in, status_of
from engine.storage.untar import OPAQUE_NAME, WHITEOUT_PREFIX

MODIFIED, ADDED, DELETED = 0, 1, 2
ACLS = ("system.posix_acl_access", "system.posix_acl_default")
# Made by the engine when a container starts, so that something can be mounted there; no change of the container's.
_MOUNT_FILES = frozenset({"etc/hosts", "etc/hostname", "etc/resolv.conf"})
_MOUNT_FOLDERS = frozenset({"proc", "sys", "dev"})


class Change(NamedTuple):
    """``found`` is the entry of the upper folder behind it, None for what an opaque folder hides."""

    path: str
    kind: int
    found: Found | None = None
    is_opaque: bool = False


class _Level(NamedTuple):
    """The lower folders at one path, topmost first, and whether an opaque folder of the upper hides them."""

    path: str
    folders: list[int]
    is_hidden: bool = False

    def close(self) -> None:
        for folder in self.folders:
            os.close(folder)

    def status(self, name: str) -> os.stat_result | None:
        """Return what is at a name, None for nothing or for what a whiteout hides."""
        for folder in self.folders:
            found = status_of(folder, name)
            if found is not None:
                return None if is_whiteout(found) else found
        return None

    def below(self, name: str) -> "_Level":
        """Open what shows through one folder further in."""
        opened: list[int] = []
        for folder in self.folders:
            found = status_of(folder, name)
            if found is None:
                continue
            if not stat.S_ISDIR(found.st_mode):
                break
            opened.append(os.open(name, OPEN_FOLDER, dir_fd=folder))
            if is_opaque(opened[-1]):
                break
        return _Level(f"{self.path}{name}/", opened, self.is_hidden)

    def names(self) -> list[str]:
        return sorted({name for folder in self.folders for name in names_in(folder)})


def is_opaque(folder: int) -> bool:
    """Whether a folder hides all that the layers below have there."""
    try:
        return os.getxattr(folder, OPAQUE_XATTR) == b"y"
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP):
            return False
        raise


def changes(upper: int, lowers: Sequence[int]) -> Iterator[Change]:
    """Yield the changes by path, parents first; ``lowers`` are topmost first. ``found`` is valid until the next one.

    A folder that only leads to a change is listed as modified, as dockerd does. Raises OSError, PathTooLongError.
    """
    with Scan(lowers) as scan:
        for found in walk(upper, is_strict=True):
            yield from scan.visit(found)


class Scan:
    """The state of a walk: the lower folders of each level that is entered, and the folders not listed yet."""

    def __init__(self, lowers: Sequence[int]) -> None:
        self._levels = [_Level("", [os.dup(folder) for folder in lowers])]
        self._unlisted: list[Change] = []
        self.unchanged: list[str] = []  # folders that were left without being listed

    def __enter__(self) -> "Scan":
        return self

    def __exit__(self, *_: object) -> None:
        while self._levels:
            self._levels.pop().close()

    def finish(self) -> None:
        """Leave the last folders."""
        self.unchanged += [change.path for change in self._unlisted]
        self._unlisted.clear()

    def visit(self, found: Found) -> Iterator[Change]:
        """Yield what one entry of the walk changes."""
        self._leave(found.path)
        level = self._levels[-1]
        was = level.status(found.name)
        if is_whiteout(found.status):
            if was is not None:
                yield from self._listed(Change(found.path, DELETED, found))
        elif stat.S_ISDIR(found.status.st_mode):
            yield from self._visit_folder(found, was)
        elif was is not None or not _is_mount_point(found):
            yield from self._listed(Change(found.path, MODIFIED if was else ADDED, found))

    def _visit_folder(self, found: Found, was: os.stat_result | None) -> Iterator[Change]:
        was_folder = was is not None and stat.S_ISDIR(was.st_mode)
        opaque = was_folder and _is_opaque_at(found)
        change = Change(found.path, ADDED if was is None else MODIFIED, found, opaque)
        level = self._levels[-1].below(found.name) if was_folder else _Level(f"{found.path}/", [])
        self._levels.append(level._replace(is_hidden=level.is_hidden or opaque))
        if self._levels[-1].is_hidden:
            yield from self._listed(change)
            yield from self._hidden(found, level)
        elif (was_folder and was is not None and _is_same(found, was)) or (was is None and _is_mount_point(found)):
            self._unlisted.append(change)
        else:
            yield from self._listed(change)

    def _hidden(self, found: Found, level: _Level) -> Iterator[Change]:
        """What an opaque folder, or one inside of it, takes away."""
        folder = os.open(found.name, OPEN_FOLDER, dir_fd=found.folder)
        try:
            gone = [name for name in level.names() if level.status(name) is not None and status_of(folder, name) is None]
        finally:
            os.close(folder)
        for name in gone:
            yield Change(f"{found.path}/{name}", DELETED)

    def _leave(self, path: str) -> None:
        """Go back up to the folder that ``path`` lies in."""
        while not path.startswith(self._levels[-1].path):
            self._levels.pop().close()
        while self._unlisted and not path.startswith(f"{self._unlisted[-1].path}/"):
            self.unchanged.append(self._unlisted.pop().path)

    def _listed(self, change: Change) -> Iterator[Change]:
        yield from self._unlisted
        self._unlisted.clear()
        yield change


def _is_mount_point(found: Found) -> bool:
    if stat.S_ISDIR(found.status.st_mode):
        return found.path in _MOUNT_FOLDERS
    return found.path in _MOUNT_FILES and stat.S_ISREG(found.status.st_mode) and not found.status.st_size


def _is_same(found: Found, was: os.stat_result) -> bool:
    """Whether nothing but the change of a child, which is listed itself, made the overlay copy a folder up."""
    status = found.status
    if (status.st_mode, status.st_uid, status.st_gid) != (was.st_mode, was.st_uid, was.st_gid):
        return False
    return status.st_mtime_ns == was.st_mtime_ns or found.path == "etc"


def pack_changes(upper: int, lowers: Sequence[int], output: int) -> None:
    """Write the changes as the tar of a layer. Raises OSError, PathTooLongError."""
    _pack(Packer(output, further_xattrs=ACLS, is_strict=True), upper, changes(upper, lowers))


def pack_upper(upper: int, output: int) -> None:
    """Write all of an upper folder as the tar of a layer, whatever is below it. Raises OSError, PathTooLongError."""
    _pack(Packer(output, further_xattrs=ACLS, is_strict=True), upper, map(as_it_lies, walk(upper, is_strict=True)))


def as_it_lies(found: Found) -> Change:
    """An entry of an upper folder as a change of its own."""
    if is_whiteout(found.status):
        return Change(found.path, DELETED, found)
    return Change(found.path, ADDED, found, stat.S_ISDIR(found.status.st_mode) and _is_opaque_at(found))


def _is_opaque_at(found: Found) -> bool:
    folder = os.open(found.name, OPEN_FOLDER, dir_fd=found.folder)
    try:
        return is_opaque(folder)
    finally:
        os.close(folder)


def _pack(packer: Packer, upper: int, found: Iterator[Change]) -> None:
    is_begun = False
    for change in found:
        if not is_begun:
            packer.add_folder(upper, ".")
            is_begun = True
        pack_change(packer, change)
    packer.finish()


def pack_change(packer: Packer, change: Change) -> None:
    """Write one change as the members that a layer has for it."""
    if change.found is None:
        return  # the marker of its folder says so
    if change.kind == DELETED:
        above, slash, name = change.path.rpartition("/")
        packer.add_raw(Member(f"{above}{slash}{WHITEOUT_PREFIX}{name}", stat.S_IFREG))
        return
    with contextlib.suppress(FileNotFoundError):
        packer.add(change.found, change.path)
    if change.is_opaque:
        packer.add_raw(Member(f"{change.path}/{OPAQUE_NAME}", stat.S_IFREG))
