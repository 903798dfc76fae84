"""Carries the output of processes from pipe or terminal into the log.

Owns reading and its pauses: a reader that is behind holds an exec up (flow control), a disk that refuses holds nobody up. Part
of the supervisor: standard library and no typing at run time.
"""

from __future__ import annotations

import os
import time

from engine.linux import pipe
from engine.runtime import reactor as events
from engine.runtime.inflight import Inflight
from engine.runtime.log_format import MAX_PAYLOAD_BYTES, OVERHEAD_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.runtime.log_writer import LogWriter
    from engine.runtime.reactor import Reactor

_MIN_READ_BYTES = 4096  # waiting for so much room keeps frames from becoming tiny


class Copier:
    """What all outputs share: one buffer, one side pipe, one frame in flight. The supervisor has one thread."""

    def __init__(self, inflight: Inflight) -> None:
        self.inflight = inflight
        self.outputs: set[Output] = set()  # all that are open, also those of processes that are forgotten
        self._buffer = memoryview(bytearray(MAX_PAYLOAD_BYTES))
        self._side_read, self._side_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        pipe.grow(self._side_write, pipe.LARGE_BYTES)

    def read(self, fd: int, limit: int) -> memoryview:
        """Take bytes out of a terminal. Empty at its end; BlockingIOError when there is nothing."""
        return self._buffer[: os.readv(fd, [self._buffer[:limit]])]

    def peek(self, fd: int, limit: int) -> memoryview:
        """Copy bytes from a pipe, leaving them in it."""
        copied = pipe.tee(fd, self._side_write, min(limit, MAX_PAYLOAD_BYTES))
        count = 0
        while count < copied:
            count += os.readv(self._side_read, [self._buffer[count:copied]])
        return self._buffer[:copied]


class Output:
    """One stream of one process. ``on_idle`` is called when it has ended, or is empty for now."""

    def __init__(
        self,
        *,
        process_id: str,
        fd: int,
        stream: int,
        is_terminal: bool,
        reactor: Reactor,
        copier: Copier,
        on_idle: Callable[[], None],
    ) -> None:
        self.fd = fd
        self.stream = stream
        self.is_terminal = is_terminal
        self.is_drained = False  # nothing was left at the last look, or nothing of what there was at the process's end
        self._process_id = process_id
        self._reactor = reactor
        self._copier = copier
        self._on_idle = on_idle
        self._log: LogWriter | None = None
        self._may_read: Callable[[], int] = lambda: MAX_PAYLOAD_BYTES
        self._is_paused = False
        self._rest: int | None = None  # bytes in the pipe that the ended process had written

    def open(self, log: LogWriter | None, may_read: Callable[[], int]) -> None:
        """Begin to read. ``may_read`` tells how many bytes flow control allows now."""
        os.set_blocking(self.fd, False)
        self._log, self._may_read = log, may_read
        self._copier.outputs.add(self)
        self._reactor.add(self.fd, events.IN, self._on_readable)

    def resume(self) -> None:
        """Look again whether flow control allows reading."""
        if self._is_paused and self.fd >= 0:
            self._is_paused = False
            self._reactor.add(self.fd, events.IN, self._on_readable)

    def forget_log(self) -> None:
        """Go on reading for whoever still writes, and keep nothing of it."""
        self._log = None
        self.resume()

    def drain(self) -> None:
        """Read all that is there at the process's end, as far as flow control allows; what is left ``on_idle`` tells of later.

        It is counted, since others may hold the pipe: as long as they say nothing, nothing tells that it has become empty.
        """
        if self.fd >= 0 and not self.is_terminal:
            self._rest = pipe.held_bytes(self.fd)
        while self.fd >= 0 and not self._is_paused and not self.is_drained:
            self._pump()
        self.is_drained = self.is_drained or self._rest == 0

    def close(self) -> None:
        if self.fd >= 0:
            self._reactor.remove(self.fd)
            os.close(self.fd)
            self.fd, self.is_drained = -1, True
            self._copier.outputs.discard(self)

    def skip_written(self, length: int) -> None:
        """Take out what the former supervisor had written to the log, but not taken out any more."""
        self._copier.inflight.take(self.fd, length)

    def _on_readable(self, _events: int) -> None:
        self._pump()
        if self.fd < 0 or self.is_drained:
            self._on_idle()

    def _pump(self) -> None:
        """Move one chunk."""
        limit = min(self._may_read(), MAX_PAYLOAD_BYTES) if self._log is not None else MAX_PAYLOAD_BYTES
        if limit <= 0:
            self._pause()
            return
        try:
            count = self._copy_terminal(limit) if self.is_terminal else self._copy_pipe(limit)
        except BlockingIOError:
            self.is_drained = True
            return
        except OSError:  # a terminal whose last user has gone says EIO
            count = 0
        if self._rest is not None:
            self._rest -= count
        self.is_drained = self._rest is not None and self._rest <= 0
        if count == 0:
            self.close()

    def _copy_pipe(self, limit: int) -> int:
        data = self._copier.peek(self.fd, limit)
        if data and self._log is not None:
            self._copier.inflight.enter(self._process_id, self.stream, len(data), self._log.mark)
            self._log.write(self.stream, data, time.time_ns())
        self._copier.inflight.take(self.fd, len(data))
        return len(data)

    def _copy_terminal(self, limit: int) -> int:
        data = self._copier.read(self.fd, limit)
        if data and self._log is not None:
            self._log.write(self.stream, data, time.time_ns())
        return len(data)

    def _pause(self) -> None:
        # Not watched at all: the kernel would go on telling of a writer that has hung up.
        self._is_paused = True
        self._reactor.remove(self.fd)


def allowance(flow_bytes: int, acknowledged: int | None, position: int) -> int:
    """How many bytes of payload may follow so that the log is at most ``flow_bytes`` ahead of the reader.

    Without a limit or a reader: as many as one frame holds.
    """
    if flow_bytes <= 0 or acknowledged is None:
        return MAX_PAYLOAD_BYTES
    room = flow_bytes - (position - acknowledged) - OVERHEAD_BYTES
    return room if room >= min(_MIN_READ_BYTES, flow_bytes // 4) else 0
