"""Reads a container's or exec's log: from a position, from a time, the last lines, and on as it grows.

Owns positions and following. Renders nothing (``log_lines`` does) and never holds more than one chunk, so a slow reader costs the
memory of its chunk and nobody waits for it.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from engine.runtime import log_format
from engine.runtime.log_cursor import BackwardCursor, Cursor, Frame
from engine.runtime.log_merge import MergedCursor, Place
from engine.runtime.log_watch import LogWatcher

ALL_STREAMS = frozenset({log_format.STDOUT, log_format.STDERR})


@dataclass(frozen=True, slots=True)
class LogStart:
    """Where to begin: ``offset`` bytes into the payload of the frame at ``position``.

    ``whole_lines`` leaves out the rest of lines that began before, here and behind what was pruned before it could be read.
    ``spilled`` is the position in the log's spill.
    """

    position: int = 0
    offset: int = 0
    whole_lines: bool = False
    spilled: int = 0


class LogReader:
    """A log on disk, whether its process lives or not. ``watcher`` is needed to follow only, ``spill`` where it has one."""

    def __init__(self, path: Path, *, watcher: LogWatcher | None = None, spill: Path | None = None) -> None:
        self.path = path
        self._watcher = watcher
        self._spill = LogReader(spill) if spill is not None else None

    def end(self) -> int:
        """The position after the last frame."""
        positions = log_format.segment_positions(str(self.path))
        if not positions:
            return 0
        try:
            fd = os.open(log_format.segment_path(str(self.path), positions[-1]), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # pruned since, by a writer who is that fast
            return self.end()
        try:
            return positions[-1] + log_format.sound_length(fd)
        finally:
            os.close(fd)

    def now(self) -> LogStart:
        """Where whatever is said from now on begins."""
        return LogStart(self.end(), spilled=self._spill_end())

    def tail(self, lines: int, *, streams: frozenset[int] = ALL_STREAMS) -> LogStart:
        """Where the last ``lines`` lines of ``streams`` begin that were kept. Reads backward, only as far as needed."""
        if lines <= 0:
            return self.now()
        spilled = self._spill_end()
        for frame in self._backward():
            if frame.stream not in streams:
                continue
            starts = _count_line_starts(frame)
            if starts >= lines:
                return LogStart(frame.start, _offset_of_last_lines(frame.data, lines), whole_lines=True, spilled=spilled)
            lines -= starts
        return LogStart(whole_lines=True, spilled=spilled)

    def since(self, time_ns: int) -> LogStart:
        """Where the first frame not older than ``time_ns`` (since 1970) begins."""
        spilled = self._spill.since(time_ns).position if self._spill is not None else 0
        with Cursor(str(self.path), self._segment_before(time_ns)) as cursor:
            while frames := cursor.read():
                for frame in frames:
                    if frame.time_ns >= time_ns:
                        return LogStart(frame.start, whole_lines=True, spilled=spilled)
            return LogStart(cursor.position, whole_lines=True, spilled=spilled)

    def follow(self, *, position: int = 0, start: LogStart | None = None, ended: asyncio.Event | None = None) -> "LogFollower":
        """Read from ``start`` or ``position`` on. With ``ended``, wait for more until that is set.

        Without, stop where the end is now: a process may write faster than anybody reads.
        """
        start = start or LogStart(position)
        # That of the spill first: all that stands before what was spilled is in the log by then.
        end = Place(spilled=self._spill_end(), position=self.end()) if ended is None else None
        cursor = MergedCursor(str(self.path), self._spill_path, start=Place(start.position, start.spilled), end=end)
        return LogFollower(cursor, start, ended=ended, watcher=self._watcher)

    @property
    def _spill_path(self) -> str | None:
        return str(self._spill.path) if self._spill is not None else None

    def _spill_end(self) -> int:
        return self._spill.end() if self._spill is not None else 0

    def _segment_before(self, time_ns: int) -> int:
        """The segment before the first that begins at the time or later; no bisection, since a host's clock may be set back."""
        last = 0
        for position in log_format.segment_positions(str(self.path)):
            if self._first_time(position) >= time_ns:
                break
            last = position
        return last

    def _first_time(self, segment: int) -> int:
        """When a segment begins; 0 when it is empty, or has been pruned just now."""
        try:
            fd = os.open(log_format.segment_path(str(self.path), segment), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return 0
        try:
            return log_format.first_time(fd)
        finally:
            os.close(fd)

    def _backward(self) -> Iterator[Frame]:
        with BackwardCursor(str(self.path)) as cursor:
            yield from cursor


class LogFollower:
    """Iterates over frames, or over ``batches`` of them. Close it, or use it as a context manager, when leaving early."""

    def __init__(self, cursor: MergedCursor, start: LogStart, *, ended: asyncio.Event | None, watcher: LogWatcher | None) -> None:
        self._cursor = cursor
        self._start = start
        self._begun: set[int] = set()  # streams of which a whole line has been seen
        self._skipped_bytes = 0
        self._ended = ended
        self._watcher = watcher
        self._waker: asyncio.Event | None = None
        self._cleanup = ExitStack()
        self._cleanup.callback(self._cursor.close)

    @property
    def position(self) -> int:
        """After the last frame read: where to resume, and what to acknowledge."""
        return self._cursor.position

    @property
    def skipped_bytes(self) -> int:
        """How much was pruned before it could be read."""
        return self._cursor.skipped_bytes

    async def batch(self) -> list[Frame]:
        """The next frames, at most one chunk; empty at the end."""
        while True:
            is_last = self._ended is None or self._ended.is_set()
            if self._waker is not None:
                self._waker.clear()  # before the read, so that a later write is not missed
            before = self._cursor.place
            frames = self._trimmed(self._cursor.read())
            if frames:
                await asyncio.sleep(0)  # a reader who never has to wait must not stop the others
                return frames
            if self._cursor.place == before and (is_last or not await self._wait_for_more()):
                self.close()
                return []

    async def batches(self) -> AsyncIterator[list[Frame]]:
        """Frames in lists of at most one chunk: cheaper than one by one where a program writes many small pieces."""
        while frames := await self.batch():
            yield frames

    async def __aiter__(self) -> AsyncIterator[Frame]:
        while frames := await self.batch():
            for frame in frames:
                yield frame

    def close(self) -> None:
        """Give up file and watch; may be called again."""
        self._cleanup.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    async def _wait_for_more(self) -> bool:
        """Wait for a write or the end. False when there will be none: the log has been removed."""
        if self._waker is not None:
            await self._waker.wait()
            return not self._cursor.is_removed
        if self._watcher is None or self._ended is None:
            return False
        try:
            self._waker = self._cleanup.enter_context(self._watcher.watching(*self._cursor.directories))
        except FileNotFoundError:
            return False
        task = asyncio.ensure_future(_wake_at(self._ended, self._waker))
        self._cleanup.callback(task.cancel)
        return True  # look once more: something may have come before the watch was there

    def _trimmed(self, frames: list[Frame]) -> list[Frame]:
        if not self._start.whole_lines and not self._start.offset:
            return frames
        if self._cursor.skipped_bytes > self._skipped_bytes:
            self._skipped_bytes = self._cursor.skipped_bytes
            self._begun.clear()
        return [trimmed for frame in frames if (trimmed := self._trim(frame)).data]

    def _trim(self, frame: Frame) -> Frame:
        if frame.stream in self._begun:
            return frame
        data, is_begun = frame.data, True
        if self._start.offset and frame.start == self._start.position:
            data = data[self._start.offset :]
        elif frame.continues and self._start.whole_lines:
            _, newline, data = data.partition(b"\n")
            is_begun = bool(newline)
        if is_begun:
            self._begun.add(frame.stream)
        return replace(frame, data=data)


async def _wake_at(ended: asyncio.Event, waker: asyncio.Event) -> None:
    await ended.wait()
    waker.set()


def _count_line_starts(frame: Frame) -> int:
    """How many lines begin here; a line feed at the very end begins none."""
    return (not frame.continues) + frame.data.count(b"\n", 0, len(frame.data) - 1)


def _offset_of_last_lines(data: bytes, lines: int) -> int:
    position = len(data) - 1
    for _ in range(lines):
        position = data.rfind(b"\n", 0, position)
        if position < 0:
            return 0
    return position + 1
