"""The spill: the last output that found no room in its log, for those who follow it.

A small log of its own, beside the disk that is full: frames of the same form, each with the position in the log at which it would
stand and how much was not told of by then. Owns that form. Loses the oldest, and everything where it has no room either. Part of
the supervisor: standard library and no typing at run time.
"""

from __future__ import annotations

import os
import time

from engine.runtime.log_format import SPILLED
from engine.runtime.log_segments import Segments

SEGMENT_BYTES = 256 * 1024
SEGMENTS = 2
_REFUSED_SECONDS = 0.5


class Spill:
    """Goes on after what is there. Its folder is made by ``clear`` only: that of a container may be on its way out."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._segments = Segments(directory, segment_bytes=SEGMENT_BYTES, keep_segments=SEGMENTS)
        self._refused_until = 0.0
        try:
            self._segments.open_last()
        except OSError:
            self._segments.close()

    @property
    def position(self) -> int:
        return self._segments.position

    def untold_bytes(self, position: int) -> int:
        """How much was lost at the end of a log that ends at ``position``, and is not told of in it."""
        try:
            last = self._segments.last_frame()
        except OSError:
            return 0
        if last is None or len(last[1]) < SPILLED.size:
            return 0
        at, untold_bytes = SPILLED.unpack_from(last[1])
        return int(untold_bytes) if at == position else 0

    def write(self, stream: int, data: memoryview, time_ns: int, *, position: int, untold_bytes: int) -> None:
        """Keep one frame, if there is room. ``untold_bytes`` count it."""
        if self._refused_until and time.monotonic() < self._refused_until:
            return
        try:
            self._segments.append(time_ns, stream, SPILLED.pack(position, untold_bytes), data)
            self._refused_until = 0.0
        except OSError:
            self._refused_until = time.monotonic() + _REFUSED_SECONDS

    def clear(self) -> None:
        """Forget what is there, and be ready for readers."""
        try:
            os.makedirs(self._directory, mode=0o700, exist_ok=True)
            self._segments.clear()
        except OSError:
            self._segments.close()

    def close(self) -> None:
        self._segments.close()
