"""Logs: a container's output from its log, as bytes ready to send."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

from engine.core import stdcopy
from engine.core.containers import ContainerRecord
from engine.core.log_options import NO_DRIVER, LogSubject, attributes
from engine.core.tenants import Tenant
from engine.core.timeformat import format_time
from engine.errors import InvalidParameter, Unimplemented
from engine.runtime.log_cursor import Frame
from engine.runtime.log_lines import Line, LineJoiner
from engine.runtime.log_reader import LogFollower, LogReader, LogStart
from engine.service.engine import Engine

# Clients start a container and at once read what it wrote, which works with daemons whose starts take this long.
_BEGINNING_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which part. ``tail_lines`` None: all of it; times are nanoseconds since 1970."""

    stdout: bool
    stderr: bool
    follow: bool = False
    timestamps: bool = False
    details: bool = False
    tail_lines: int | None = None
    since_ns: int | None = None
    until_ns: int | None = None

    @property
    def streams(self) -> frozenset[int]:
        return frozenset(s for s, wanted in ((stdcopy.STDOUT, self.stdout), (stdcopy.STDERR, self.stderr)) if wanted)

    @property
    def needs_lines(self) -> bool:
        """Whether lines must be told apart: to write something before each, or since some are left out by their time.

        The begin of a log from a time on is found without.
        """
        has_times = self.until_ns is not None or (self.since_ns is not None and self.tail_lines is not None)
        return self.timestamps or self.details or has_times


@dataclass(slots=True)
class LogStream:
    """A checked query. Iterate over ``chunks`` and close it. ``details`` is what stands before each line where asked for."""

    query: LogQuery
    is_tty: bool
    follower: LogFollower
    details: str = ""
    cleanup: ExitStack = field(default_factory=ExitStack)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield bytes: multiplexed, a line a frame, unless the container has a terminal."""
        async for chunk in self._lines() if self.query.needs_lines else self._frames():
            if chunk:
                yield chunk

    def close(self) -> None:
        self.cleanup.close()
        self.follower.close()

    async def _frames(self) -> AsyncIterator[bytes]:
        within_line: dict[int, bool] = {}
        skipped = 0
        async for frames in self.follower.batches():
            if self.follower.skipped_bytes > skipped:
                skipped = self.follower.skipped_bytes
                yield self._end_cut_lines(within_line)
            wanted = self._of_streams(frames)
            within_line.update((frame.stream, not frame.data.endswith(b"\n")) for frame in wanted)
            if self.is_tty:
                yield b"".join(frame.data for frame in wanted)
            else:
                yield b"".join(stdcopy.line_frames(frame.stream, frame.data) for frame in wanted)

    def _end_cut_lines(self, within_line: dict[int, bool]) -> bytes:
        """What follows was written much later than what a line began with."""
        cut = [stream for stream, is_within in within_line.items() if is_within]
        return b"".join(b"\n" if self.is_tty else stdcopy.frame(stream, b"\n") for stream in cut)

    async def _lines(self) -> AsyncIterator[bytes]:
        joiner, until, skipped = LineJoiner(), self.query.until_ns, 0
        async for frames in self.follower.batches():
            lines = []
            if self.follower.skipped_bytes > skipped:
                skipped = self.follower.skipped_bytes
                lines = [Line(cut.time_ns, cut.stream, cut.data + b"\n", cut.continues) for cut in joiner.rest()]
            lines += [line for frame in self._of_streams(frames) for line in joiner.feed(frame)]
            yield self._encode(lines)
            if until is not None and frames[-1].time_ns > until and not joiner.is_within_line(until):
                return
        yield self._encode(joiner.rest())

    def _of_streams(self, frames: list[Frame]) -> list[Frame]:
        return [frame for frame in frames if frame.stream in self.query.streams]

    def _encode(self, lines: list[Line]) -> bytes:
        since, until = self.query.since_ns or 0, self.query.until_ns
        pieces, time_ns, prefix = [], -1, b""
        for line in lines:
            if line.time_ns < since or (until is not None and line.time_ns > until):
                continue
            if line.time_ns != time_ns:  # most lines share their time with the one before
                time_ns, prefix = line.time_ns, self._prefix(line.time_ns)
            data = line.data if line.continues else prefix + line.data
            pieces.append(data if self.is_tty else stdcopy.frame(line.stream, data))
        return b"".join(pieces)

    def _prefix(self, time_ns: int) -> bytes:
        stamp = f"{format_time(time_ns)} " if self.query.timestamps else ""
        return f"{stamp}{self.details} ".encode() if self.query.details else stamp.encode()


async def read_logs(engine: Engine, tenant: Tenant, name: str, query: LogQuery) -> LogStream:
    """Open a container's log. Raises NotFound, InvalidParameter, Unimplemented."""
    record = engine.containers.find(tenant, name)
    if not query.streams:
        raise InvalidParameter("you must choose at least one stream: stdout or stderr")
    check_readable(record)
    if not query.follow:
        await _let_begin(engine, record)
    reader = engine.log(record.container_id)
    start = await asyncio.to_thread(_start, reader, query)
    cleanup = ExitStack()
    ended = _end_to_follow(engine, record, query, cleanup)
    details = attributes(record.host.log_options, _subject(record)) if query.details else ""
    return LogStream(query, record.config.tty, reader.follow(start=start, ended=ended), details, cleanup)


async def _let_begin(engine: Engine, record: ContainerRecord) -> None:
    """Wait until a container that was started a moment ago has ended, or has had the time to write something."""
    process, age = engine.process(record.container_id), (time.time_ns() - record.run.started_ns) / 1e9
    if process is not None and 0 <= age < _BEGINNING_SECONDS:
        with suppress(TimeoutError):
            await asyncio.wait_for(process.ended.wait(), _BEGINNING_SECONDS - age)


def check_readable(record: ContainerRecord) -> None:
    """Raise Unimplemented for a container that was made without a log."""
    if record.host.log_driver == NO_DRIVER:
        raise Unimplemented("configured logging driver does not support reading")


def _start(reader: LogReader, query: LogQuery) -> LogStart:
    if query.tail_lines is not None:
        return reader.tail(query.tail_lines, streams=query.streams)
    return LogStart(whole_lines=True) if query.since_ns is None else reader.since(query.since_ns)


def _end_to_follow(engine: Engine, record: ContainerRecord, query: LogQuery, cleanup: ExitStack) -> asyncio.Event | None:
    """What ends the following: the end of the process, or the time up to which lines are wanted. None: nothing is followed."""
    process = engine.process(record.container_id) if query.follow else None
    if process is None or query.until_ns is None:
        return process.ended if process is not None else None
    left_seconds = (query.until_ns - time.time_ns()) / 1e9
    if left_seconds <= 0:
        return None
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    cleanup.callback(loop.call_later(left_seconds, ended.set).cancel)
    cleanup.callback(asyncio.ensure_future(_pass_on(process.ended, ended)).cancel)
    return ended


async def _pass_on(ended: asyncio.Event, to: asyncio.Event) -> None:
    await ended.wait()
    to.set()


def _subject(record: ContainerRecord) -> LogSubject:
    config = record.config
    return LogSubject(record.container_id, record.name, record.image_id, config.image, config.labels, config.env)
