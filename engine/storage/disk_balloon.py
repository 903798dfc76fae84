"""Room that the host has lost is taken away inside the image too, so that who writes is told that the disk is full.

The image is a sparse file. When the host's disk is full beneath it, a write fails that nobody can answer for any more, and btrfs
becomes read-only for all. So a file in the image, the *balloon*, is kept as large as what the image may still take but the host
has not: its space is only reserved, which writes nothing, and it goes back as soon as the host has room again.

Owns the file and the thread that looks. While no daemon is there nobody looks.
"""

import errno
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

from engine.storage.files import sync_filesystem

_log = logging.getLogger(__name__)
FILE = "balloon"
_MOST_RESERVE_BYTES = 1 << 30  # of the host: what may be written between two looks, and is on its way to the disk
_RESERVE_SHARE = 8  # of a small image it is this part
_STEPS = 8  # changes of less than this part of the reserve are not worth a write
_LEAST_LEFT_BYTES = 64 << 20  # in the image, for records, and for what tells where the balloon itself is
_PAUSE_SECONDS = 1.0
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Balloon:
    """``lacking_bytes`` tells how much the image may grow by more than the host has free; less than 0 where it has enough."""

    def __init__(self, data_path: Path, lacking_bytes: Callable[[], int]) -> None:
        """Look at once. Raises OSError."""
        inside = os.statvfs(data_path)
        self._data_path = data_path
        self._path = data_path / FILE
        self._lacking_bytes = lacking_bytes
        self._reserve_bytes = min(_MOST_RESERVE_BYTES, inside.f_blocks * inside.f_frsize // _RESERVE_SHARE)
        self._end = threading.Event()
        self._size_bytes = balloon_bytes(data_path)
        self.look()
        self._watcher = threading.Thread(target=self._watch, name="balloon", daemon=True)
        self._watcher.start()

    def close(self) -> None:
        """Look no more; the balloon stays as it is."""
        self._end.set()
        self._watcher.join()

    def look(self) -> None:
        """Let it have the size that it should. Raises OSError."""
        # Whatever it has is part of what the image may take, but never will.
        wanted, step = max(0, self._lacking_bytes() + self._reserve_bytes), self._reserve_bytes // _STEPS
        if wanted >= self._size_bytes + step:
            self._grow(wanted, step)
        elif self._size_bytes and not wanted:
            self._remove()
        elif wanted + self._reserve_bytes < self._size_bytes:
            os.truncate(self._path, wanted)
            self._size_bytes = wanted

    def _grow(self, wanted: int, step: int) -> None:
        inside = os.statvfs(self._data_path)
        possible = inside.f_bavail * inside.f_frsize - _LEAST_LEFT_BYTES
        more = min(wanted - self._size_bytes, possible)
        if more < step:
            return
        if not self._size_bytes:
            _log.warning("the host's disk is nearly full: room in %s is held back until it has more", self._data_path)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, self._size_bytes, more)
        except OSError as error:
            if error.errno not in _FULL:  # others were quicker; the next look sees what there is now
                raise
        finally:
            self._size_bytes = os.fstat(descriptor).st_size
            os.close(descriptor)
        sync_filesystem(self._data_path)  # until then nobody is told that the room is taken

    def _remove(self) -> None:
        self._path.unlink()
        self._size_bytes = 0
        sync_filesystem(self._data_path)
        _log.warning("the host's disk has room again: nothing in %s is held back", self._data_path)

    def _watch(self) -> None:
        while not self._end.wait(_PAUSE_SECONDS):
            try:
                self.look()
            except OSError as error:
                _log.warning("room in %s is not held back any more: %s", self._data_path, error)
                return


def balloon_bytes(data_path: Path) -> int:
    """Return the size of the balloon in a mounted data folder."""
    try:
        return (data_path / FILE).stat().st_size
    except FileNotFoundError:
        return 0
