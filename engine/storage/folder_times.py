"""Times of folders, which are set once nothing is put into them any more. They wait on disk: an archive may hold a million."""

import contextlib
import errno
import os
import struct
import tempfile
from types import TracebackType
from typing import BinaryIO

from engine.storage.tree import Parts, open_below

_HEAD = struct.Struct("<qI")
_NO_TMPFILE = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL})


class FolderTimes:
    """A context; what it holds has no name on disk."""

    def __init__(self, root_fd: int) -> None:
        self._root_fd = root_fd
        self._file: BinaryIO | None = None

    def __enter__(self) -> "FolderTimes":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, parts: Parts, time_ns: int) -> None:
        """Remember the time of a folder below the root; the last one counts."""
        if self._file is None:
            self._file = _spool(self._root_fd)
        path = os.fsencode("/".join(parts))
        self._file.write(_HEAD.pack(time_ns, len(path)) + path)

    def apply(self) -> None:
        """Set them; folders that something else has replaced are passed over. Raises OSError."""
        if self._file is None:
            return
        self._file.seek(0)
        while head := self._file.read(_HEAD.size):
            time_ns, length = _HEAD.unpack(head)
            path = os.fsdecode(self._file.read(length))
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                self._set(tuple(path.split("/")) if path else (), time_ns)

    def _set(self, parts: Parts, time_ns: int) -> None:
        descriptor = open_below(self._root_fd, parts)
        try:
            os.utime(descriptor, ns=(time_ns, time_ns))
        finally:
            os.close(descriptor)


def _spool(folder: int) -> BinaryIO:
    try:
        return os.fdopen(os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600, dir_fd=folder), "w+b")
    except OSError as error:
        if error.errno not in _NO_TMPFILE:
            raise
        return tempfile.TemporaryFile()
