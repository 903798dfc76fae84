"""Writes a log: frames into segments, for one container or exec.

Owns the open segment. A disk that refuses, or a quota that is used up, loses output and never holds the process up; how much is
counted, and said in the log itself once there is room. Part of the
supervisor: standard library and no typing at run time.
"""

from __future__ import annotations

import os
import time

from engine.runtime import log_format
from engine.runtime.log_format import CONTINUES_LINE, HEADER, MAX_PAYLOAD_BYTES, OVERHEAD_BYTES, TRAILER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.core.launch import LogSpec
    from engine.linux.packets import Body

_OPEN = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
_LINE_FEED = 0x0A
# A full quota has the kernel look for room each time, which takes long: one such log must not slow down all others.
_REFUSED_SECONDS = 0.5
_LOST = b"[%d bytes of output were lost here: there was no room for the log]\n"
_HELD_BYTES = 64 * 1024 * 1024  # so far behind, a reader loses the oldest


class LogWriter:
    """Goes on after the last whole frame of the log; a frame that its former writer could not finish is cut off."""

    def __init__(self, spec: LogSpec, state: Body | None = None) -> None:
        self.dropped_bytes = 0
        self.position = 0
        self._untold_bytes = 0  # of those that were dropped
        self._refused_until = 0.0
        self._directory = spec["directory"]
        self._segment_bytes = spec["segment_bytes"]
        self._keep_segments = spec["keep_segments"]
        self._fd = -1
        self._size = 0
        self._is_torn = False  # there may be a part of a frame behind ``_size``
        self._kept: list[int] | None = None  # positions of the segments, once they had to be looked up
        self.needed_from: int | None = None  # what is behind this position is kept for readers who are not done with it
        self._within_line = {log_format.STDOUT: False, log_format.STDERR: False}
        if state is None:
            self._open_last()
        else:
            self._restore(state)

    def state(self) -> Body:
        """What another version of this supervisor goes on with."""
        return {
            "fd": self._fd,
            "size": self._size,
            "position": self.position,
            "dropped_bytes": self.dropped_bytes,
            "untold_bytes": self._untold_bytes,
            "within_line": [stream for stream, is_within in self._within_line.items() if is_within],
        }

    def _restore(self, state: Body) -> None:
        self._fd, self._size, self.position = state["fd"], state["size"], state["position"]
        self.dropped_bytes, self._untold_bytes = state["dropped_bytes"], state.get("untold_bytes", 0)
        self._within_line.update(dict.fromkeys(state["within_line"], True))
        self._is_torn = True  # nobody has looked since

    @property
    def frame_bytes(self) -> int:
        """The longest payload that one segment holds."""
        if self._segment_bytes <= 0:
            return MAX_PAYLOAD_BYTES
        return max(1, min(MAX_PAYLOAD_BYTES, self._segment_bytes - OVERHEAD_BYTES))

    def write(self, stream: int, data: memoryview, time_ns: int) -> None:
        """Append one frame of at most ``frame_bytes``, to a new segment where the present one would grow too long."""
        if self._refused_until and time.monotonic() < self._refused_until:
            self._drop(len(data))
            return
        try:
            if self._untold_bytes:
                self._tell_loss(stream, time_ns)
            self._write_frame(stream, data, time_ns)
            self._refused_until = 0.0
        except OSError:
            self._drop(len(data))
            self._refused_until = time.monotonic() + _REFUSED_SECONDS

    def _drop(self, length: int) -> None:
        self.dropped_bytes += length
        self._untold_bytes += length

    def _tell_loss(self, stream: int, time_ns: int) -> None:
        """On a line of its own. What comes next begins one too, whatever of it was lost."""
        told = _LOST % self._untold_bytes
        self._write_frame(stream, memoryview(b"\n" + told if self._within_line[stream] else told)[: self.frame_bytes], time_ns)
        self._untold_bytes = 0

    def _write_frame(self, stream: int, data: memoryview, time_ns: int) -> None:
        """Raises OSError; nothing of it is there then."""
        length = OVERHEAD_BYTES + len(data)
        if self._is_torn and self._fd >= 0:
            self._cut()
        if self._fd < 0 or self._is_too_long(length):
            self._open_next()
        flags = CONTINUES_LINE if self._within_line[stream] else 0
        self._append([HEADER.pack(time_ns, len(data), stream | flags), data, TRAILER.pack(len(data))], length)
        self._within_line[stream] = data[-1] != _LINE_FEED

    def _is_too_long(self, length: int) -> bool:
        return 0 < self._segment_bytes < self._size + length and self._size > 0

    def resume_line(self) -> None:
        """Go on within the line at which the former writer stopped, rather than at a new one."""
        if self._size < OVERHEAD_BYTES:
            return
        (length,) = TRAILER.unpack(os.pread(self._fd, TRAILER.size, self._size - TRAILER.size))
        _, _, stream = HEADER.unpack(os.pread(self._fd, HEADER.size, self._size - OVERHEAD_BYTES - length))
        last = os.pread(self._fd, 1, self._size - TRAILER.size - 1)
        self._within_line[stream & ~CONTINUES_LINE] = last[0] != _LINE_FEED

    def close(self) -> None:
        """Let go of the log; nobody writes to it any more."""
        if self._fd >= 0 and self._untold_bytes:
            try:
                self._tell_loss(log_format.STDERR, time.time_ns())
            except OSError:
                self._untold_bytes = 0
        self._close_segment()

    def _close_segment(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _append(self, parts: list[bytes | memoryview], length: int) -> None:
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

    def _open_last(self) -> None:
        try:
            os.makedirs(self._directory, mode=0o700, exist_ok=True)
            positions = log_format.segment_positions(self._directory)
            if positions:
                self._open_segment(positions[-1])
        except OSError:
            self._close_segment()  # each write tries again, and counts what it loses

    def _open_segment(self, position: int) -> None:
        self._fd = os.open(log_format.segment_path(self._directory, position), _OPEN)
        self._size = log_format.sound_length(self._fd)
        if self._size != os.fstat(self._fd).st_size:
            os.ftruncate(self._fd, self._size)
        self.position = position + self._size

    def _open_next(self) -> None:
        fd = os.open(log_format.segment_path(self._directory, self.position), _OPEN | os.O_CREAT, 0o600)
        self._close_segment()
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
