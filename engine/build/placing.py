"""Files, links and folders of a source written into an open folder of the destination.

What stands in the way is removed, but for a folder that meets a folder: it keeps its content and gets the source's mode and
owner, as with Docker's classic builder. Device nodes never get here. Finds no paths: it is given open folders.
"""

import contextlib
import os
import stat
from dataclasses import dataclass

from engine.build.content import walk_source
from engine.build.sources import Source
from engine.build.tree import SourceTree
from engine.errors import InvalidParameter
from engine.storage.bounds import Bounds
from engine.storage.file_copy import copy_content, copy_xattrs
from engine.storage.folder_times import FolderTimes
from engine.storage.insert import remove
from engine.storage.pack import Found
from engine.storage.tree import OPEN_FOLDER, Parts, Tree, status_of
from engine.storage.untar import WHITEOUT_PREFIX

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Dress:
    """Owner and mode of what is written; None for those of the source, ``keeps_owners`` or root's."""

    owner: tuple[int, int] | None = None
    mode: int | None = None
    keeps_owners: bool = False

    def of(self, tree: SourceTree) -> "Dress":
        return Dress(self.owner, self.mode, tree.keeps_owners)

    def owner_of(self, status: os.stat_result) -> tuple[int, int]:
        return self.owner or ((status.st_uid, status.st_gid) if self.keeps_owners else (0, 0))

    def mode_of(self, status: os.stat_result) -> int:
        return stat.S_IMODE(status.st_mode) if self.mode is None else self.mode


def place_folder(source: Source, reader: int, writer: int, dress: Dress) -> None:
    """Copy what an open folder of the source holds into an open folder. Raises InvalidParameter, OSError."""
    bounds = Bounds("the source")
    with FolderTimes(writer) as times, contextlib.closing(Tree(writer)) as tree:
        placing = _Placing(tree, times, dress.of(source.tree))
        for found in walk_source(source, reader):
            bounds.add(found.path)
            placing.add(found)
        times.apply()


class _Placing:
    def __init__(self, tree: Tree, times: FolderTimes, dress: Dress) -> None:
        self._tree = tree
        self._dress = dress
        self._links: dict[tuple[int, int], Parts] = {}
        self._times = times

    def add(self, found: Found) -> None:
        parts = tuple(found.path.split("/"))
        parent = self._tree.folder(parts[:-1])
        if stat.S_ISDIR(found.status.st_mode):
            _place_one_folder(found, parent, self._dress)
            self._times.add(parts, found.status.st_mtime_ns)
            return
        identity = (found.status.st_dev, found.status.st_ino)
        if found.status.st_nlink > 1 and (first := self._links.get(identity)) is not None:
            self._link(first, parent, found.name)
            return
        place_node(found, parent, found.name, self._dress)
        if found.status.st_nlink > 1:
            self._links[identity] = parts

    def _link(self, first: Parts, parent: int, name: str) -> None:
        _make_room(parent, name, is_folder=False)
        with self._tree.existing_folder(first[:-1]) as folder:
            os.link(first[-1], name, src_dir_fd=folder, dst_dir_fd=parent, follow_symlinks=False)


def place_node(found: Found, parent: int, name: str, dress: Dress) -> None:
    """Write one file, link or pipe as ``name`` in an open folder. Raises InvalidParameter, OSError."""
    _make_room(parent, name, is_folder=False)
    status = found.status
    if stat.S_ISREG(status.st_mode):
        _place_file(found, parent, name, dress)
        return
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(found.name, dir_fd=found.folder), name, dir_fd=parent)
    else:
        os.mkfifo(name, 0o600, dir_fd=parent)
        os.chmod(name, dress.mode_of(status), dir_fd=parent)  # nobody else is here to put a link in its place
    os.chown(name, *dress.owner_of(status), dir_fd=parent, follow_symlinks=False)
    os.utime(name, ns=(status.st_mtime_ns, status.st_mtime_ns), dir_fd=parent, follow_symlinks=False)


def _place_file(found: Found, parent: int, name: str, dress: Dress) -> None:
    with contextlib.ExitStack() as opened:
        reader = os.open(found.name, _READ, dir_fd=found.folder)
        opened.callback(os.close, reader)
        writer = os.open(name, _NEW_FILE, 0o600, dir_fd=parent)
        opened.callback(os.close, writer)
        copy_content(reader, writer)
        _dress(reader, writer, found.status, dress)
        _set_times(writer, found.status)


def _place_one_folder(found: Found, parent: int, dress: Dress) -> None:
    _make_room(parent, found.name, is_folder=True)
    with contextlib.suppress(FileExistsError):
        os.mkdir(found.name, 0o700, dir_fd=parent)
    with contextlib.ExitStack() as opened:
        reader = os.open(found.name, OPEN_FOLDER, dir_fd=found.folder)
        opened.callback(os.close, reader)
        writer = os.open(found.name, OPEN_FOLDER, dir_fd=parent)
        opened.callback(os.close, writer)
        _dress(reader, writer, found.status, dress)


def _make_room(parent: int, name: str, *, is_folder: bool) -> None:
    if name.startswith(WHITEOUT_PREFIX):
        raise InvalidParameter(f"{name[:200]!r} cannot be in an image: in layers {WHITEOUT_PREFIX} means what is removed")
    was = status_of(parent, name)
    if was is not None and not (is_folder and stat.S_ISDIR(was.st_mode)):
        remove(parent, name)


def _dress(reader: int, writer: int, status: os.stat_result, dress: Dress) -> None:
    os.fchown(writer, *dress.owner_of(status))
    copy_xattrs(reader, writer)
    os.fchmod(writer, dress.mode_of(status))  # after the owner, whose change clears set-user-id


def _set_times(descriptor: int, status: os.stat_result) -> None:
    os.utime(descriptor, ns=(status.st_mtime_ns, status.st_mtime_ns))
