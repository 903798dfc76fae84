"""Writes a log: frames into segments, for one container or exec.

Owns what is said of lines and losses. A disk that refuses, or a quota that is used up, loses output and never holds the process
up; how much is counted, and said in the log itself once there is room. Until then whoever follows has it from the spill. Part of
the supervisor: standard library and no typing at run time.
"""

from __future__ import annotations

import os
import time

from engine.runtime import log_format
from engine.runtime.log_format import CONTINUES_LINE, MAX_PAYLOAD_BYTES, OVERHEAD_BYTES
from engine.runtime.log_segments import Segments
from engine.runtime.log_spill import Spill

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.core.launch import LogSpec
    from engine.linux.packets import Body

_LINE_FEED = 0x0A
# A full quota has the kernel look for room each time, which takes long: one such log must not slow down all others.
_REFUSED_SECONDS = 0.5


class LogWriter:
    """Goes on after the last whole frame of the log; a frame that its former writer could not finish is cut off."""

    def __init__(self, spec: LogSpec, state: Body | None = None) -> None:
        self.dropped_bytes = 0
        self._untold_bytes = 0  # of those that were dropped
        self._refused_until = 0.0
        self._directory = spec["directory"]
        self._segment_bytes = spec["segment_bytes"]
        self._segments = Segments(self._directory, segment_bytes=self._segment_bytes, keep_segments=spec["keep_segments"])
        self._spill = Spill(spec["spill"]) if spec.get("spill") else None
        self._within_line = {log_format.STDOUT: False, log_format.STDERR: False}
        self._said_within_line = dict(self._within_line)  # with what was dropped since the log has told of it
        if state is None:
            self._open_last()
        else:
            self._restore(state)

    def begin(self) -> None:
        """A run begins: what an earlier one had spilled goes. What it lost is told of."""
        if self._spill is not None:
            self._spill.clear()

    def state(self) -> Body:
        """What another version of this supervisor goes on with."""
        return {
            **self._segments.state(),
            "dropped_bytes": self.dropped_bytes,
            "untold_bytes": self._untold_bytes,
            "within_line": [stream for stream, is_within in self._within_line.items() if is_within],
            "said_within_line": [stream for stream, is_within in self._said_within_line.items() if is_within],
        }

    def _restore(self, state: Body) -> None:
        self._segments.restore(state)
        self.dropped_bytes, self._untold_bytes = state["dropped_bytes"], state.get("untold_bytes", 0)
        self._within_line.update(dict.fromkeys(state["within_line"], True))
        self._said_within_line.update(dict.fromkeys(state.get("said_within_line", ()), True))

    @property
    def position(self) -> int:
        return self._segments.position

    @property
    def mark(self) -> int:
        """Grows with each frame that is written, wherever it found room."""
        return self.position + (self._spill.position if self._spill is not None else 0)

    @property
    def needed_from(self) -> int | None:
        """What is behind this position is kept for readers who are not done with it."""
        return self._segments.needed_from

    @needed_from.setter
    def needed_from(self, position: int | None) -> None:
        self._segments.needed_from = position

    @property
    def frame_bytes(self) -> int:
        """The longest payload that one segment holds."""
        if self._segment_bytes <= 0:
            return MAX_PAYLOAD_BYTES
        return max(1, min(MAX_PAYLOAD_BYTES, self._segment_bytes - OVERHEAD_BYTES))

    def write(self, stream: int, data: memoryview, time_ns: int) -> None:
        """Append one frame of at most ``frame_bytes``, to a new segment where the present one would grow too long."""
        if self._refused_until and time.monotonic() < self._refused_until:
            self._drop(stream, data, time_ns)
            return
        try:
            if self._untold_bytes:
                self._tell_loss(stream, time_ns)
            self._write_frame(stream, data, time_ns)
            self._refused_until = 0.0
        except OSError:
            self._drop(stream, data, time_ns)
            self._refused_until = time.monotonic() + _REFUSED_SECONDS

    def _drop(self, stream: int, data: memoryview, time_ns: int) -> None:
        if not self._untold_bytes:
            self._said_within_line.update(self._within_line)
        self.dropped_bytes += len(data)
        self._untold_bytes += len(data)
        if self._spill is not None:
            flags = CONTINUES_LINE if self._said_within_line[stream] else 0
            self._spill.write(stream | flags, data, time_ns, position=self.position, untold_bytes=self._untold_bytes)
        self._said_within_line[stream] = data[-1] != _LINE_FEED

    def _tell_loss(self, stream: int, time_ns: int) -> None:
        """On a line of its own. What comes next begins one too, whatever of it was lost."""
        told = log_format.LOST % self._untold_bytes
        self._write_frame(stream, memoryview(b"\n" + told if self._within_line[stream] else told)[: self.frame_bytes], time_ns)
        self._untold_bytes = 0

    def _write_frame(self, stream: int, data: memoryview, time_ns: int) -> None:
        """Raises OSError; nothing of it is there then."""
        flags = CONTINUES_LINE if self._within_line[stream] else 0
        self._segments.append(time_ns, stream | flags, data)
        self._within_line[stream] = data[-1] != _LINE_FEED

    def resume_line(self) -> None:
        """Go on within the line at which the former writer stopped, rather than at a new one."""
        last = self._segments.last_frame()
        if last is not None:
            stream, data = last
            self._within_line[stream] = data[-1] != _LINE_FEED

    def close(self) -> None:
        """Let go of the log; nobody writes to it any more."""
        if self._untold_bytes:
            try:
                self._tell_loss(log_format.STDERR, time.time_ns())
            except OSError:
                self._untold_bytes = 0
        self._segments.close()
        if self._spill is not None:
            self._spill.close()

    def _open_last(self) -> None:
        try:
            os.makedirs(self._directory, mode=0o700, exist_ok=True)
            self._segments.open_last()
        except OSError:
            self._segments.close()  # each write tries again, and counts what it loses
        if self._spill is not None:
            self._untold_bytes = self._spill.untold_bytes(self.position)
