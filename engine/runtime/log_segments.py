"""The segments of one log, as its writer sees them: appending whole frames, going on in a new segment, pruning the oldest.

Owns the open segment and the position. Knows nothing of what was lost: whoever appends is told that there was no room. Part of
the supervisor: standard library and no typing at run time.
"""

from __future__ import annotations

import os

from engine.runtime import log_format
from engine.runtime.log_format import CONTINUES_LINE, HEADER, OVERHEAD_BYTES, TRAILER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.linux.packets import Body

    Part = bytes | memoryview

_OPEN = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
_HELD_BYTES = 64 * 1024 * 1024  # so far behind, a reader loses the oldest


class Segments:
    """Nothing is open at first. ``segment_bytes`` and ``keep_segments`` 0: no bound."""

    def __init__(self, directory: str, *, segment_bytes: int, keep_segments: int) -> None:
        self.position = 0
        self.needed_from: int | None = None  # what is behind this position is kept for readers who are not done with it
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._keep_segments = keep_segments
        self._fd = -1
        self._size = 0
        self._is_torn = False  # there may be a part of a frame behind ``_size``
        self._kept: list[int] | None = None  # positions of the segments, once they had to be looked up

    def state(self) -> Body:
        """What another version of this supervisor goes on with."""
        return {"fd": self._fd, "size": self._size, "position": self.position}

    def restore(self, state: Body) -> None:
        self._fd, self._size, self.position = state["fd"], state["size"], state["position"]
        self._is_torn = True  # nobody has looked since

    def open_last(self) -> None:
        """Go on after the last whole frame; one that its former writer could not finish is cut off. Raises OSError."""
        positions = log_format.segment_positions(self._directory)
        if not positions:
            return
        self._fd = os.open(log_format.segment_path(self._directory, positions[-1]), _OPEN)
        self._size = log_format.sound_length(self._fd)
        if self._size != os.fstat(self._fd).st_size:
            os.ftruncate(self._fd, self._size)
        self.position = positions[-1] + self._size

    def last_frame(self) -> tuple[int, bytes] | None:
        """The stream and the payload of the last frame of the open segment. Raises OSError."""
        if self._size < OVERHEAD_BYTES:
            return None
        (length,) = TRAILER.unpack(os.pread(self._fd, TRAILER.size, self._size - TRAILER.size))
        start = self._size - OVERHEAD_BYTES - length
        _, _, stream = HEADER.unpack(os.pread(self._fd, HEADER.size, start))
        return stream & ~CONTINUES_LINE, os.pread(self._fd, length, start + HEADER.size)

    def append(self, time_ns: int, stream: int, *parts: Part) -> None:
        """One frame, to a new segment where the present one would grow too long. Raises OSError; nothing of it is there then."""
        size = sum(map(len, parts))
        length = OVERHEAD_BYTES + size
        if self._is_torn and self._fd >= 0:
            self._cut()
        if self._fd < 0 or self._is_too_long(length):
            self._open_next()
        self._write([HEADER.pack(time_ns, size, stream), *parts, TRAILER.pack(size)], length)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def clear(self) -> None:
        """Delete all that was written. Positions go on, for readers who are still at it. Raises OSError."""
        if self._size:
            self._open_next()
        for position in log_format.segment_positions(self._directory):
            if position != self.position:
                os.unlink(log_format.segment_path(self._directory, position))
        self.close()
        self._kept = None

    def _is_too_long(self, length: int) -> bool:
        return 0 < self._segment_bytes < self._size + length and self._size > 0

    def _write(self, parts: list[Part], length: int) -> None:
        self._is_torn = True
        try:
            written = os.writev(self._fd, parts)
        except OSError:
            written = 0
        if written != length:
            self._cut()
            raise OSError(f"{written} of {length} bytes written to {self._directory}")
        self._is_torn = False
        self._size += length
        self.position += length

    def _cut(self) -> None:
        """Take the part of a frame away. Raises OSError: btrfs wants room for that too, so that each write tries again."""
        os.ftruncate(self._fd, self._size)
        self._is_torn = False

    def _open_next(self) -> None:
        fd = os.open(log_format.segment_path(self._directory, self.position), _OPEN | os.O_CREAT, 0o600)
        self.close()
        self._fd, self._size = fd, 0
        if self._keep_segments > 0:
            self._prune()

    def _prune(self) -> None:
        """Delete the oldest segments, after the new one is there: followers of a log without any think that it was removed."""
        if self._kept is None:
            self._kept = log_format.segment_positions(self._directory)
        else:
            self._kept.append(self.position)
        while len(self._kept) > self._keep_segments and not self._is_needed(self._kept):
            path = log_format.segment_path(self._directory, self._kept.pop(0))
            try:
                os.unlink(path)
            except FileNotFoundError:
                continue

    def _is_needed(self, kept: list[int]) -> bool:
        """Whether a reader is not done with the oldest segment."""
        return self.needed_from is not None and kept[1] > self.needed_from and self.position - kept[0] <= _HELD_BYTES
