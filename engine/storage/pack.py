"""A tree of files as a tar stream, written to a descriptor as it is read: nothing is held but one piece.

Everything is opened from its folder's descriptor, following no link, and nothing but regular files is opened for reading, so that
neither a pipe nor a device can hold the writer up. The tree may change meanwhile: what vanishes is left out, what shrinks is
filled up with zeros to the size that its header says. Reads the files of a container; knows no layers.
"""

import errno
import os
import stat
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from engine.storage.tar_source import BLOCK
from engine.storage.tar_write import END, Member, header, is_archivable, padded
from engine.storage.tree import OPEN_FOLDER, names_in

_PIECE_BYTES = 1 << 20
_SMALL_BYTES = 1 << 17  # read before its header is written, which then is true even for files that lie about their size
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_MAX_PATH_BYTES = 4096  # beyond it no program could open what it unpacked
_XATTRS = ("security.capability",)
_XATTR_PREFIX, _XATTR_REFUSED = "user.", "user.overlay."
_SECOND_NS = 10**9
_VANISHED = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})

Skip = Callable[[str, os.stat_result], bool]


class Found(NamedTuple):
    """One entry of a walk: ``path`` from the top, ``folder`` the descriptor of where it lies, valid until the next entry."""

    path: str
    name: str
    folder: int
    status: os.stat_result


class PathTooLongError(Exception):
    """Folders are nested deeper than a path can be long."""


class TornFileError(Exception):
    """A file could not be read to its end, and its header was written already."""


def walk(root_fd: int, *, skip: Skip | None = None, is_strict: bool = False) -> Iterator[Found]:
    """Yield all that is below a folder, by name, each folder before what is in it; ``skip`` says which folders not to enter.

    ``is_strict`` raises for what cannot be read, where else it is left out. Raises OSError, PathTooLongError.
    """
    open_folders: list[tuple[str, int, list[str]]] = [("", os.dup(root_fd), _names(root_fd))]
    try:
        while open_folders:
            above, folder, names = open_folders[-1]
            if not names:
                os.close(open_folders.pop()[1])
                continue
            name = names.pop()
            try:
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            except OSError as error:
                _check_tolerable(error, is_strict=is_strict)
                continue
            path = f"{above}{name}"
            if len(path) > _MAX_PATH_BYTES:
                raise PathTooLongError
            yield Found(path, name, folder, status)
            if stat.S_ISDIR(status.st_mode) and (skip is None or not skip(path, status)):
                _enter(open_folders, f"{path}/", name, folder, is_strict=is_strict)
    finally:
        for _, folder, _ in open_folders:
            os.close(folder)


def _names(folder: int) -> list[str]:
    """Last one first, as they are taken from the end."""
    return sorted(names_in(folder), reverse=True)


def _enter(open_folders: list[tuple[str, int, list[str]]], path: str, name: str, folder: int, *, is_strict: bool) -> None:
    descriptor = -1
    try:
        descriptor = os.open(name, OPEN_FOLDER, dir_fd=folder)
        open_folders.append((path, descriptor, _names(descriptor)))
    except OSError as error:
        if descriptor >= 0:
            os.close(descriptor)
        _check_tolerable(error, is_strict=is_strict)


def _check_tolerable(error: OSError, *, is_strict: bool) -> None:
    """What has just gone is never missed; the kernel's own file systems refuse a look in many ways, and an archive goes on."""
    if isinstance(error, BrokenPipeError) or (is_strict and error.errno not in _VANISHED):
        raise error


class Packer:
    """Writes members to ``output``, a pipe or file; ``further_xattrs`` are wanted beside those of users and programs.

    Names are as given to ``add``, and hard links between them are kept.
    """

    def __init__(self, output: int, *, further_xattrs: Collection[str] = (), is_strict: bool = False) -> None:
        self._output = output
        self._xattrs = frozenset((*_XATTRS, *further_xattrs))
        self._is_strict = is_strict
        self._links: dict[tuple[int, int], str] = {}
        self._waiting = bytearray()  # small pieces that go out together: the reader is woken less often

    def add(self, found: Found, name: str) -> bool:
        """Write one entry as ``name``; says whether it could be read.

        Raises BrokenPipeError when the reader has left, TornFileError, and OSError if strict.
        """
        mode = found.status.st_mode
        if not is_archivable(mode):
            return False
        try:
            if stat.S_ISREG(mode):
                self._add_file(found, name)
            else:
                self._write(header(self._member(found, name)))
        except OSError as error:
            _check_tolerable(error, is_strict=self._is_strict)
            return False
        return True

    def add_raw(self, member: Member) -> None:
        """Write a header of the caller's own making, without content."""
        self._write(header(member))

    def add_folder(self, descriptor: int, name: str) -> None:
        """Write an open folder itself, as ``name``."""
        status = os.fstat(descriptor)
        self._write(header(_plain(f"{name.rstrip('/')}/", status)._replace(xattrs=self._read_xattrs(descriptor))))

    def finish(self) -> None:
        """Write the end of the archive."""
        self._write(END)
        self._flush()

    def _member(self, found: Found, name: str) -> Member:
        mode = found.status.st_mode
        if stat.S_ISDIR(mode):
            descriptor = os.open(found.name, OPEN_FOLDER, dir_fd=found.folder)
            try:
                return _plain(f"{name}/", os.fstat(descriptor))._replace(xattrs=self._read_xattrs(descriptor))
            finally:
                os.close(descriptor)
        link = os.readlink(found.name, dir_fd=found.folder) if stat.S_ISLNK(mode) else ""
        return _plain(name, found.status)._replace(link=link)

    def _add_file(self, found: Found, name: str) -> None:
        earlier = self._links.get((found.status.st_dev, found.status.st_ino)) if found.status.st_nlink > 1 else None
        if earlier is not None:
            self._write(header(_plain(name, found.status)._replace(link=earlier, is_hard_link=True)))
            return
        descriptor = os.open(found.name, _OPEN_FILE, dir_fd=found.folder)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return  # it was put in the file's place a moment ago
            if status.st_nlink > 1:
                self._links[status.st_dev, status.st_ino] = name
            self._write_file(descriptor, _plain(name, status)._replace(xattrs=self._read_xattrs(descriptor)))
        finally:
            os.close(descriptor)

    def _write_file(self, descriptor: int, member: Member) -> None:
        if member.size <= _SMALL_BYTES:
            data = _read_up_to(descriptor, member.size)
            self._write(header(member._replace(size=len(data))) + padded(data))
            return
        self._write(header(member))
        self._copy(descriptor, member.size)
        self._write(bytes(-member.size % BLOCK))

    def _copy(self, descriptor: int, size: int) -> None:
        left = size
        self._flush()
        try:
            while left and (moved := self._move(descriptor, min(left, _PIECE_BYTES))):
                left -= moved
        except BrokenPipeError:
            raise
        except OSError as error:
            raise TornFileError(error.strerror) from error
        while left:  # the file has become shorter
            piece = bytes(min(left, _PIECE_BYTES))
            self._write(piece)
            left -= len(piece)

    def _move(self, descriptor: int, size: int) -> int:
        """Copy without looking, where the file system allows it; answers how much, 0 at the end of the file."""
        try:
            return os.sendfile(self._output, descriptor, None, size)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
        data = os.read(descriptor, size)
        self._write(data)
        self._flush()
        return len(data)

    def _read_xattrs(self, descriptor: int) -> dict[str, bytes]:
        try:
            names = [name for name in os.listxattr(descriptor) if self._is_wanted(name)]
            return {name: os.getxattr(descriptor, name) for name in names}
        except OSError as error:
            if error.errno in (errno.ENOTSUP, errno.ENODATA):
                return {}
            raise

    def _is_wanted(self, name: str) -> bool:
        if "=" in name or not _is_utf8(name):
            return False  # a record of a tar would be read as another name
        return name in self._xattrs or (name.startswith(_XATTR_PREFIX) and not name.startswith(_XATTR_REFUSED))

    def _write(self, data: bytes) -> None:
        self._waiting += data
        if len(self._waiting) >= _SMALL_BYTES:
            self._flush()

    def _flush(self) -> None:
        with memoryview(self._waiting) as waiting:
            written = 0
            while written < len(waiting):
                written += os.write(self._output, waiting[written:])
        self._waiting.clear()


def _plain(name: str, status: os.stat_result) -> Member:
    is_device = stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)
    return Member(
        name,
        status.st_mode,
        uid=status.st_uid,
        gid=status.st_gid,
        size=status.st_size,
        mtime=status.st_mtime_ns // _SECOND_NS,
        device=status.st_rdev if is_device else 0,
    )


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _read_up_to(descriptor: int, size: int) -> bytes:
    data = b""
    while len(data) < size and (piece := os.read(descriptor, size - len(data))):
        data += piece
    return data
