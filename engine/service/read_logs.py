"""Logs: a container's output from its log, as bytes ready to send."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from engine.core import stdcopy
from engine.core.containers import ContainerRecord
from engine.core.tenants import Tenant
from engine.core.timeformat import format_time
from engine.errors import InvalidParameter
from engine.runtime.log_cursor import Frame
from engine.runtime.log_lines import Line, lines
from engine.runtime.log_reader import LogFollower, LogReader, LogStart
from engine.service.engine import Engine


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which part. ``tail_lines`` None: all of it; times are nanoseconds since 1970."""

    stdout: bool
    stderr: bool
    follow: bool = False
    timestamps: bool = False
    details: bool = False  # a blank stands before each line: attributes of a log driver, of which there are none
    tail_lines: int | None = None
    since_ns: int | None = None
    until_ns: int | None = None

    @property
    def streams(self) -> frozenset[int]:
        return frozenset(s for s, wanted in ((stdcopy.STDOUT, self.stdout), (stdcopy.STDERR, self.stderr)) if wanted)


@dataclass(slots=True)
class LogStream:
    """A checked query. Iterate over ``chunks`` and close it."""

    query: LogQuery
    is_tty: bool
    follower: LogFollower

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield bytes: multiplexed unless the container has a terminal."""
        pieces = self._lines() if self.query.timestamps or self.query.details else self._frames()
        async for chunk in pieces:
            if chunk:
                yield chunk

    def close(self) -> None:
        self.follower.close()

    async def _frames(self) -> AsyncIterator[bytes]:
        async for frames in self._wanted():
            yield b"".join(self._encode(frame.stream, frame.data) for frame in frames)

    async def _lines(self) -> AsyncIterator[bytes]:
        async for batch in lines(self._wanted()):
            yield b"".join(self._encode(line.stream, self._prefixed(line)) for line in batch)

    async def _wanted(self) -> AsyncIterator[list[Frame]]:
        since, until = self.query.since_ns or 0, self.query.until_ns
        async for frames in self.follower.batches():
            yield [
                frame
                for frame in frames
                if frame.stream in self.query.streams and since <= frame.time_ns <= (until or frame.time_ns)
            ]
            if until is not None and frames[-1].time_ns > until:
                return

    def _prefixed(self, line: Line) -> bytes:
        stamp = f"{format_time(line.time_ns)} " if self.query.timestamps else ""
        return f"{stamp}{' ' if self.query.details else ''}".encode() + line.data

    def _encode(self, stream: int, data: bytes) -> bytes:
        return data if self.is_tty else stdcopy.frame(stream, data)


async def read_logs(engine: Engine, tenant: Tenant, name: str, query: LogQuery) -> LogStream:
    """Open a container's log. Raises NotFound, InvalidParameter."""
    record = engine.containers.find(tenant, name)
    if not query.streams:
        raise InvalidParameter("you must choose at least one stream: stdout or stderr")
    reader = engine.log(record.container_id)
    start = await asyncio.to_thread(_start, reader, query)
    return LogStream(query, record.config.tty, reader.follow(start=start, ended=_end_to_follow(engine, record, query)))


def _start(reader: LogReader, query: LogQuery) -> LogStart:
    if query.tail_lines is not None:
        return reader.tail(query.tail_lines, streams=query.streams)
    return LogStart() if query.since_ns is None else reader.since(query.since_ns)


def _end_to_follow(engine: Engine, record: ContainerRecord, query: LogQuery) -> asyncio.Event | None:
    process = engine.process(record.container_id) if query.follow else None
    return process.ended if process is not None else None
