"""Writes the entries of an archive into a folder of a container, which may be running and hostile.

For a process whose root is the container's, or with ``stays_below``: links on the way are followed, as ``docker cp`` promises,
and lead nowhere but inside; those of /proc, which could lead to other processes, are not. What an entry replaces is removed
first, its own last name is never followed. No device nodes: nobody could make them from inside.
"""

import contextlib
import errno
import os
import posixpath
import stat
from collections.abc import Callable, Iterator
from typing import NamedTuple

from engine.errors import EngineError, Fault, Forbidden, InvalidParameter
from engine.linux.files import RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, openat2
from engine.storage import tar
from engine.storage.bounds import Bounds
from engine.storage.file_copy import set_xattrs
from engine.storage.tar_fill import fill_file
from engine.storage.tar_source import TarSource
from engine.storage.tree import OPEN_FOLDER

_XATTR_REFUSALS = frozenset({errno.ENOTSUP, errno.EPERM})  # the root of a container may not set them all
_CREATE_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_HOST_FAILS = frozenset({errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EUCLEAN})
_MAX_FOLDERS = 1 << 20  # whose times are remembered
_MAX_DEPTH = 2048  # as deep as a path can be long


class Options(NamedTuple):
    """``keeps_kinds``: no folder may replace a file or the other way round. ``owner``: of all that is written, if given.

    ``stays_below``: the destination is the root of all links, for a process whose own root is another.
    ``refused_prefix``: names that begin so cannot be, if given. ``is_bounded``: no more than a layer may hold.
    """

    keeps_kinds: bool = False
    owner: tuple[int, int] | None = None
    stays_below: bool = False
    refused_prefix: str = ""
    is_bounded: bool = False


def insert(source: TarSource, folder_fd: int, options: Options) -> None:
    """Write all entries below an open folder. Raises InvalidParameter, Forbidden, Fault; what is written stays."""
    insertion = _Insertion(source, folder_fd, options)
    name = "its end"
    try:
        for entry in tar.read_entries(source):
            name = entry.name
            insertion.add(entry)
        insertion.set_folder_times()
    except (OSError, ValueError) as error:
        raise _translated(error, name) from error


class _Insertion:
    def __init__(self, source: TarSource, folder_fd: int, options: Options) -> None:
        self._source = source
        self._folder_fd = folder_fd
        self._options = options
        self._resolve = RESOLVE_NO_MAGICLINKS | (RESOLVE_IN_ROOT if options.stays_below else 0)
        self._bounds = Bounds("the archive") if options.is_bounded else None
        self._folder_times: dict[str, int] = {}
        self._writers: dict[str, Callable[[tar.Entry, int, str], None]] = {
            tar.FILE: self._file,
            tar.SYMLINK: self._symlink,
            tar.HARD_LINK: self._hard_link,
            tar.FIFO: self._fifo,
        }

    def add(self, entry: tar.Entry) -> None:
        path = _inside(entry.name)
        if path == ".":
            return  # the folder is there, and stays as it is
        self._count(path)
        above, name = posixpath.split(path)
        if (prefix := self._options.refused_prefix) and any(part.startswith(prefix) for part in path.split("/")):
            raise InvalidParameter(f"the archive holds {path[:200]!r}, but no name can begin with {prefix}")
        parent = self._parent(above)
        try:
            if entry.kind == tar.FOLDER:
                self._folder(entry, parent, name, path)
            elif (writer := self._writers.get(entry.kind)) is not None:
                self._make_room(entry, parent, name, is_folder=False)
                writer(entry, parent, name)
        finally:
            os.close(parent)

    def _count(self, path: str) -> None:
        if self._bounds is not None:
            self._bounds.add(path)

    def set_folder_times(self) -> None:
        """Folders get their times last, because filling them changes these."""
        for path, time_ns in self._folder_times.items():
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                descriptor = self._open(path)
                try:
                    _touch(descriptor, time_ns)
                finally:
                    os.close(descriptor)

    def _open(self, path: str) -> int:
        return openat2(self._folder_fd, path or ".", os.O_RDONLY | os.O_DIRECTORY, resolve=self._resolve)

    def _parent(self, path: str) -> int:
        """Open a folder below the destination; missing ones are made."""
        with contextlib.suppress(FileNotFoundError):
            return self._open(path)
        reached = ""
        folder = self._open(reached)
        for name in path.split("/"):
            try:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, 0o755, dir_fd=folder)
                    self._count(posixpath.join(reached, name))
            finally:
                os.close(folder)
            reached = posixpath.join(reached, name)
            folder = self._open(reached)
        return folder

    def _make_room(self, entry: tar.Entry, parent: int, name: str, *, is_folder: bool) -> None:
        """Remove what is at the place, but for a folder that meets a folder."""
        try:
            was = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return
        was_folder = stat.S_ISDIR(was.st_mode)
        if was_folder and is_folder:
            return
        if self._options.keeps_kinds and was_folder:
            raise InvalidParameter(f'cannot overwrite directory "{entry.name}" with non-directory')
        if self._options.keeps_kinds and is_folder:
            raise InvalidParameter(f'cannot overwrite non-directory "{entry.name}" with directory')
        remove(parent, name)

    def _folder(self, entry: tar.Entry, parent: int, name: str, path: str) -> None:
        self._make_room(entry, parent, name, is_folder=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=parent)
        descriptor = os.open(name, OPEN_FOLDER, dir_fd=parent)
        try:
            self._dress(descriptor, entry)
        finally:
            os.close(descriptor)
        if len(self._folder_times) < _MAX_FOLDERS:
            self._folder_times[path] = entry.mtime_ns

    def _file(self, entry: tar.Entry, parent: int, name: str) -> None:
        descriptor = os.open(name, _CREATE_FILE, 0o600, dir_fd=parent)
        try:
            fill_file(descriptor, self._source, entry)
            self._dress(descriptor, entry)
            _touch(descriptor, entry.mtime_ns)
        finally:
            os.close(descriptor)

    def _dress(self, descriptor: int, entry: tar.Entry) -> None:
        with _unknown_ids_ignored():
            os.fchown(descriptor, *self._owner(entry))
        os.fchmod(descriptor, entry.mode)  # after the owner, whose change clears set-user-id
        set_xattrs(descriptor, entry.xattrs, refusals=_XATTR_REFUSALS)

    def _owner(self, entry: tar.Entry) -> tuple[int, int]:
        return self._options.owner or (entry.uid, entry.gid)

    def _symlink(self, entry: tar.Entry, parent: int, name: str) -> None:
        os.symlink(entry.link, name, dir_fd=parent)
        self._dress_node(entry, parent, name)

    def _fifo(self, entry: tar.Entry, parent: int, name: str) -> None:
        os.mkfifo(name, entry.mode, dir_fd=parent)
        self._dress_node(entry, parent, name)

    def _dress_node(self, entry: tar.Entry, parent: int, name: str) -> None:
        with _unknown_ids_ignored():
            os.chown(name, *self._owner(entry), dir_fd=parent, follow_symlinks=False)
        os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=parent, follow_symlinks=False)

    def _hard_link(self, entry: tar.Entry, parent: int, name: str) -> None:
        above, target = posixpath.split(_inside(entry.link))
        folder = self._open(above)
        try:
            os.link(target, name, src_dir_fd=folder, dst_dir_fd=parent, follow_symlinks=False)
        finally:
            os.close(folder)


def remove(parent: int, name: str) -> None:
    """Remove a file or tree without following links. Raises OSError, also when others put something in meanwhile."""
    if _unlink(parent, name):
        return
    waiting = [(parent, name, *_listed(parent, name))]
    try:
        while waiting:
            above, own, folder, children = waiting[-1]
            if not children:
                os.rmdir(own, dir_fd=above)
                os.close(folder)
                waiting.pop()
            elif not _unlink(folder, child := children.pop()):
                if len(waiting) > _MAX_DEPTH:  # each takes a descriptor
                    raise OSError(errno.ENAMETOOLONG, "folders are nested too deeply")
                waiting.append((folder, child, *_listed(folder, child)))
    finally:
        for _, _, folder, _ in waiting:
            os.close(folder)


def _unlink(parent: int, name: str) -> bool:
    """Whether it is gone; False for a folder."""
    try:
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        return True
    except IsADirectoryError:
        return False
    return True


def _listed(parent: int, name: str) -> tuple[int, list[str]]:
    folder = os.open(name, OPEN_FOLDER, dir_fd=parent)
    return folder, os.listdir(folder)  # noqa: PTH208 - a descriptor


def _inside(name: str) -> str:
    """Return a path relative to the destination. Raises InvalidParameter where it would leave it."""
    path = posixpath.normpath(name.lstrip("/") or ".")
    if path == ".." or path.startswith("../"):
        raise InvalidParameter(f"the archive holds a path that leads outside: {name[:200]!r}")
    return path


def _touch(descriptor: int, time_ns: int) -> None:
    os.utime(descriptor, ns=(time_ns, time_ns))


@contextlib.contextmanager
def _unknown_ids_ignored() -> Iterator[None]:
    """An id that the container does not have leaves the file to its root, rather than the whole archive outside."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOVERFLOW):
            raise


def _translated(error: OSError | ValueError, name: str) -> EngineError:
    shown = name[:200]
    if isinstance(error, ValueError):
        return InvalidParameter(f"cannot write {shown!r} of the archive: {error}")
    if error.errno == errno.EROFS:
        return Forbidden(f"cannot write {shown!r} of the archive: the file system there is read-only")
    reason = (error.strerror or type(error).__name__).lower()
    kind = Fault if error.errno in _HOST_FAILS else InvalidParameter
    return kind(f"cannot write {shown!r} of the archive: {reason}")
