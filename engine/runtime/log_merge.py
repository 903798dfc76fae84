"""Steps forward through a log together with its spill: each piece of output once, in the place where it was said.

Owns the order of the two and what was read of one before its turn. A notice of loss is left out for a reader who got all that it
tells of.
"""

import os
from dataclasses import dataclass, replace

from engine.runtime import log_format
from engine.runtime.log_cursor import Cursor, Frame
from engine.runtime.log_format import SPILLED


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a log, and one in its spill."""

    position: int
    spilled: int


class MergedCursor:
    """Holds at most one chunk of each. Without an ``end`` it reads on as they grow."""

    def __init__(self, directory: str, spill: str | None, *, start: Place, end: Place | None) -> None:
        self.directories = [directory] if spill is None else [directory, spill]
        self._log = Cursor(directory, start.position)
        self._spill = Cursor(spill, start.spilled) if spill is not None else None
        self._end = end
        self._frames: list[Frame] = []  # read, but not their turn yet
        self._spilled: list[Frame] = []
        self._given_bytes = 0  # of the spill, since the log's last frame
        self._is_within_line: dict[int, bool] = {}  # where the spill's last frames left off

    @property
    def position(self) -> int:
        """After the log's last frame that was given out."""
        return self._frames[0].start if self._frames else self._log.position

    @property
    def place(self) -> Place:
        """Changes whenever anything was read."""
        return Place(self.position, self._spill.position if self._spill is not None else 0)

    @property
    def skipped_bytes(self) -> int:
        return self._log.skipped_bytes + (self._spill.skipped_bytes if self._spill is not None else 0)

    @property
    def is_removed(self) -> bool:
        return self._log.is_removed or not os.path.isdir(self.directories[0])

    def read(self) -> list[Frame]:
        """The next frames; none at the end of what is there, or where only ``place`` has changed."""
        if not self._frames:
            self._frames = self._read_log()
        # After the log: what stands before a frame that was seen was spilled before it.
        if not self._spilled:
            self._spilled = self._read_spill()
        if not self._spilled and not self._is_within_line:
            frames, self._frames = self._frames, []
            return frames
        return self._reconciled(self._take())

    def close(self) -> None:
        self._log.close()
        if self._spill is not None:
            self._spill.close()

    def _read_log(self) -> list[Frame]:
        return [] if self._end is not None and self._log.position >= self._end.position else self._log.read()

    def _read_spill(self) -> list[Frame]:
        if self._spill is None or (self._end is not None and self._spill.position >= self._end.spilled):
            return []
        return [_placed(frame) for frame in self._spill.read() if len(frame.data) > SPILLED.size]

    def _take(self) -> list[Frame]:
        """Those that nothing can come before any more, in order."""
        last = self._spilled[-1].start if self._spilled else -1
        if last > self._log.position and not self._frames:
            self._frames = self._read_log()
        ready = [frame for frame in self._frames if last < 0 or frame.start < last]
        reach = self._log.position if self._frames else last  # a log that was cut by a crash never comes so far
        spilled = [frame for frame in self._spilled if frame.start <= reach]
        self._frames, self._spilled = self._frames[len(ready) :], self._spilled[len(spilled) :]
        return sorted(spilled + ready, key=_start)

    def _reconciled(self, frames: list[Frame]) -> list[Frame]:
        """Without the notices of what this reader has got, and with lines going on as they were said."""
        found = []
        for frame in frames:
            if frame.position == frame.start:
                self._given_bytes += len(frame.data)
                self._is_within_line[frame.stream] = not frame.data.endswith(b"\n")
                found.append(frame)
            elif not self._is_told_already(frame):
                found.append(replace(frame, continues=self._is_within_line.pop(frame.stream, frame.continues)))
        return found

    def _is_told_already(self, frame: Frame) -> bool:
        """Whether a frame of the log only tells of what was given out."""
        given_bytes, self._given_bytes = self._given_bytes, 0
        if given_bytes and frame.data.removeprefix(b"\n") == log_format.LOST % given_bytes:
            return True
        if given_bytes:  # something else was lost as well: the log begins a line
            self._is_within_line.clear()
        return False


def _placed(frame: Frame) -> Frame:
    """As it would stand in the log; it takes no room there."""
    start, _ = SPILLED.unpack_from(frame.data)
    return replace(frame, data=frame.data[SPILLED.size :], start=start, position=start)


def _start(frame: Frame) -> int:
    return frame.start
