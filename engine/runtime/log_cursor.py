"""Steps through the frames of a log on disk, forward or backward.

Owns the open segment and the position; decides nothing about lines or waiting.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from engine.runtime import log_format
from engine.runtime.log_format import HEADER, OVERHEAD_BYTES, TRAILER

CHUNK_BYTES = 2 * log_format.MAX_PAYLOAD_BYTES  # always holds a whole frame


@dataclass(frozen=True, slots=True)
class Frame:
    """A piece of output. ``start`` and ``position`` are its begin and end in the log; ``continues``: it begins within a line."""

    time_ns: int
    stream: int
    data: bytes
    start: int
    position: int
    continues: bool


class Cursor:
    """Reads forward over segments, skipping what has been pruned."""

    def __init__(self, directory: str, position: int = 0) -> None:
        self.position = position
        self.skipped_bytes = 0
        self._directory = directory
        self._fd = -1
        self._segment = 0

    def read(self) -> list[Frame]:
        """The whole frames of the next chunk; none at the end of what is there."""
        if self._fd < 0 and not self._open():
            return []
        frames = self._read_segment()
        if frames or not self._has_next_segment():
            return frames
        # Its writer had finished this segment before it made the next one, so a second look sees all of it.
        frames = self._read_segment()
        if frames:
            return frames
        self.close()
        return self._read_segment() if self._open(after=self._segment) else []

    @property
    def is_removed(self) -> bool:
        """Whether the log that was being read is there no more."""
        return self._fd >= 0 and not log_format.segment_positions(self._directory)

    def close(self) -> None:
        """Close the open segment; reading goes on from the position if asked to."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def _has_next_segment(self) -> bool:
        return any(position > self._segment for position in log_format.segment_positions(self._directory))

    def _open(self, *, after: int = -1) -> bool:
        """Open the segment that holds the position, or the oldest one left."""
        positions = [position for position in log_format.segment_positions(self._directory) if position > after]
        if not positions:
            return False
        self._segment = max((position for position in positions if position <= self.position), default=positions[0])
        try:
            self._fd = os.open(log_format.segment_path(self._directory, self._segment), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # pruned just now
            return self._open(after=self._segment)
        if self._segment > self.position:
            self.skipped_bytes += self._segment - self.position
            self.position = self._segment
        return True

    def _read_segment(self) -> list[Frame]:
        chunk = os.pread(self._fd, CHUNK_BYTES, self.position - self._segment)
        frames = list(_frames(chunk, self.position))
        if frames:
            self.position = frames[-1].position
        return frames


class BackwardCursor:
    """Iterates over the frames from the last to the first."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._fd = -1

    def __iter__(self) -> Iterator[Frame]:
        for segment in reversed(log_format.segment_positions(self._directory)):
            try:
                self._fd = os.open(log_format.segment_path(self._directory, segment), os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return
            yield from self._segment_frames(segment)
            self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._close()

    def _segment_frames(self, segment: int) -> Iterator[Frame]:
        end = log_format.sound_length(self._fd)
        while end >= OVERHEAD_BYTES:
            (length,) = TRAILER.unpack(os.pread(self._fd, TRAILER.size, end - TRAILER.size))
            start = end - OVERHEAD_BYTES - length
            if start < 0:
                return
            yield from _frames(os.pread(self._fd, end - start, start), segment + start)
            end = start

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _frames(chunk: bytes, position: int) -> Iterator[Frame]:
    """The whole frames at the begin of ``chunk``, which stands at ``position`` of the log."""
    offset = 0
    while offset + OVERHEAD_BYTES <= len(chunk):
        time_ns, length, stream = HEADER.unpack_from(chunk, offset)
        payload = offset + HEADER.size
        after = payload + length + TRAILER.size
        if after > len(chunk) or length == 0:
            return
        yield Frame(
            time_ns=time_ns,
            stream=stream & ~log_format.CONTINUES_LINE,
            data=chunk[payload : payload + length],
            start=position + offset,
            position=position + after,
            continues=bool(stream & log_format.CONTINUES_LINE),
        )
        offset = after
