"""Filling an empty volume with what the image has at its mount point: contents, owners, modes, attributes, links.

Whoever has the volume mounted already may change it meanwhile, so every step goes through descriptors and follows no link; what
stands in the way is left as it is. The image is read through an overlay of its layers that has no path and cannot be written.
"""

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from engine.errors import InvalidParameter
from engine.linux.files import RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_XDEV, openat2
from engine.storage.detached import open_inside, readable_layers
from engine.storage.file_copy import copy_content, copy_xattrs
from engine.storage.tree import OPEN_FOLDER, Parts, Tree

_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NODE = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
# What somebody who changes the volume meanwhile brings about: it is theirs then, and nothing is forced on it.
_CHANGED = (FileExistsError, FileNotFoundError, NotADirectoryError)


def check_mount_point(layers: Sequence[Path], target: str) -> None:
    """Raise InvalidParameter where the image has something else than a folder at ``target``."""
    with readable_layers(layers) as root, contextlib.suppress(FileNotFoundError):
        _open_inside(root, target)


def fill_volume(
    layers: Sequence[Path],
    target: str,
    data_path: Path,
    subpath: str = "",
    *,
    marked: AbstractContextManager[None] | None = None,
) -> None:
    """Copy what the layers (base first) show at ``target`` into a volume, or a folder of it, that is still empty.

    ``marked`` is entered around the copying, if there is any. Raises InvalidParameter for a target that is no folder and for a
    subpath that is not in the volume, OSError where the disk fails.
    """
    with readable_layers(layers) as root, open_beneath(data_path, subpath) as volume_fd:
        try:
            source = _open_inside(root, target)
        except FileNotFoundError:
            return
        try:
            os.lseek(volume_fd, 0, os.SEEK_SET)  # as for names_in, which lists all
            with os.scandir(volume_fd) as entries:
                is_empty = next(iter(entries), None) is None
            if is_empty:
                with marked or contextlib.nullcontext():
                    _Copy(source, volume_fd).run()
        finally:
            os.close(source)


@contextlib.contextmanager
def open_beneath(data_path: Path, subpath: str) -> Iterator[int]:
    """Open a volume's folder, or one inside of it that no link leads out to. Raises InvalidParameter, OSError."""
    descriptor = os.open(data_path, OPEN_FOLDER)
    try:
        if subpath:
            above = descriptor
            try:
                resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV
                descriptor = openat2(above, subpath, os.O_RDONLY | os.O_DIRECTORY, resolve=resolve)
            finally:
                os.close(above)
    except OSError as error:
        raise InvalidParameter(f"cannot use subpath {subpath[:120]!r} of the volume: {error.strerror}") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _open_inside(root: int, target: str) -> int:
    """Open a folder as a process in the image would: links lead nowhere but inside."""
    try:
        return open_inside(root, target, os.O_RDONLY | os.O_DIRECTORY)
    except NotADirectoryError:
        raise InvalidParameter(f"cannot mount a volume over {target[:120]}: it is a file in the image") from None


class _Copy:
    """One copy of a folder's contents, without recursion: images may nest as deep as a path is long."""

    def __init__(self, source: int, target: int) -> None:
        self._source, self._target = Tree(source), Tree(target)
        self._links: dict[tuple[int, int], tuple[Parts, str]] = {}
        self._folder_times: list[tuple[Parts, os.stat_result]] = []

    def run(self) -> None:
        waiting: list[Parts] = [()]
        while waiting:
            parts = waiting.pop()
            with contextlib.suppress(*_CHANGED):
                waiting += self._folder(parts)
        for parts, status in reversed(self._folder_times):
            with contextlib.suppress(*_CHANGED), self._target.existing_folder(parts) as target:
                _set_times(target, status)

    def _folder(self, parts: Parts) -> list[Parts]:
        with self._source.existing_folder(parts) as source, self._target.existing_folder(parts) as target:
            _dress(source, target, os.fstat(source))
            self._folder_times.append((parts, os.fstat(source)))
            return [(*parts, name) for name in self._entries(source, target, parts)]

    def _entries(self, source: int, target: int, parts: Parts) -> Iterator[str]:
        """Copy what is in one folder; yield the folders among it, made but still empty."""
        with os.scandir(source) as entries:
            names = sorted(entry.name for entry in entries)
        for name in names:
            status = os.stat(name, dir_fd=source, follow_symlinks=False)
            with contextlib.suppress(*_CHANGED):
                if stat.S_ISDIR(status.st_mode):
                    os.mkdir(name, 0o700, dir_fd=target)
                    yield name
                elif status.st_nlink > 1 and (earlier := self._links.get((status.st_dev, status.st_ino))) is not None:
                    self._link(earlier, target, name)
                else:
                    _copy_node(source, target, name, status)
                    self._links[status.st_dev, status.st_ino] = (parts, name)

    def _link(self, earlier: tuple[Parts, str], target: int, name: str) -> None:
        parts, first = earlier
        with self._target.existing_folder(parts) as folder:
            os.link(first, name, src_dir_fd=folder, dst_dir_fd=target, follow_symlinks=False)


def _copy_node(source: int, target: int, name: str, status: os.stat_result) -> None:
    """Device nodes are left out, as from layers."""
    match stat.S_IFMT(status.st_mode):
        case stat.S_IFREG:
            _copy_file(source, target, name, status)
        case stat.S_IFLNK:
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
            os.chown(name, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)
            os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=target, follow_symlinks=False)
        case stat.S_IFIFO:
            os.mkfifo(name, 0o600, dir_fd=target)
            _dress_pipe(target, name, status)


def _dress_pipe(target: int, name: str, status: os.stat_result) -> None:
    """By a descriptor that is known to be the pipe: chmod(2) by name would follow a link that was put in its place."""
    node = os.open(name, _NODE, dir_fd=target)
    try:
        if stat.S_ISFIFO(os.fstat(node).st_mode):
            os.chown(f"/proc/self/fd/{node}", status.st_uid, status.st_gid)
            Path(f"/proc/self/fd/{node}").chmod(stat.S_IMODE(status.st_mode))
    finally:
        os.close(node)


def _copy_file(source: int, target: int, name: str, status: os.stat_result) -> None:
    reader = os.open(name, _FILE, dir_fd=source)
    try:
        writer = os.open(name, _NEW_FILE, 0o600, dir_fd=target)
        try:
            copy_content(reader, writer)
            _dress(reader, writer, status)
            _set_times(writer, status)
        finally:
            os.close(writer)
    finally:
        os.close(reader)


def _dress(source: int, target: int, status: os.stat_result) -> None:
    os.fchown(target, status.st_uid, status.st_gid)
    os.fchmod(target, stat.S_IMODE(status.st_mode))  # after the owner, whose change clears set-user-id
    copy_xattrs(source, target)


def _set_times(target: int, status: os.stat_result) -> None:
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
