"""The daemon's view of one supervised process: signals, terminal size, standard input, exit.

Owns the daemon's duplicates of the process's descriptors, which is what lets a process outlive the supervisor. Starts nothing and
reads no output: that is the supervisor's, and comes back through the log.
"""

import asyncio
import contextlib
import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from engine.linux.pidfd import is_alive, send_signal, send_signal_to_group
from engine.linux.pty import set_window_size
from engine.runtime.log_reader import LogFollower, LogReader
from engine.runtime.log_watch import LogWatcher

Kind = Literal["container", "exec"]


@dataclass(frozen=True, slots=True)
class ProcessExit:
    """How a process ended. ``status`` is what a shell shows (0-255, 128 + signal), None when nobody could learn it."""

    process_id: str
    kind: Kind
    container_id: str
    status: int | None
    oom: bool
    finished_at_ns: int
    dropped_bytes: int = 0  # output that the disk refused


class Process:
    """A container's init or an exec."""

    def __init__(
        self, *, facts: dict[str, Any], fds: dict[str, int], watcher: LogWatcher, on_stdin_closed: Callable[[str], None]
    ) -> None:
        self.id: str = facts["id"]
        self.kind: Kind = facts["kind"]
        self.container_id: str = facts["container_id"]
        self.pid: int = facts["pid"]
        self.tty: bool = facts["tty"]
        self.identity: str = facts["identity"]
        self.started_at_ns: int | None = facts["started_at_ns"]
        self.facts = facts
        self.fds = fds
        self.netns = fds.pop("netns", -1)
        self.exit: ProcessExit | None = None
        self.ended = asyncio.Event()
        self.log = LogReader(Path(facts["log"]["directory"]), watcher=watcher) if facts["log"] else None
        self._on_stdin_closed = on_stdin_closed
        self._writing = asyncio.Lock()
        self._writable = asyncio.Event()  # also set when there will never be room again

    @property
    def pidfd(self) -> int:
        return self.fds.get("pidfd", -1)

    @property
    def is_running(self) -> bool:
        return self.started_at_ns is not None and self.exit is None

    @property
    def has_stdin(self) -> bool:
        """Whether ``write`` can reach the process."""
        return self._input_fd >= 0

    def kill(self, signal: int) -> None:
        """Send a signal. Raises ProcessLookupError when the process has ended."""
        if self.exit is not None:
            raise ProcessLookupError(errno.ESRCH, f"process {self.id} has ended")
        send_signal(self.pidfd, signal)

    def kill_group(self, signal: int) -> None:
        """Send a signal to it and to what it has started in its process group. Raises ProcessLookupError when all have ended."""
        if self.exit is not None:
            raise ProcessLookupError(errno.ESRCH, f"process {self.id} has ended")
        send_signal_to_group(self.pidfd, signal)

    def resize(self, *, rows: int, columns: int) -> None:
        """Set the terminal's size; the kernel tells the foreground processes by SIGWINCH. No-op without a terminal."""
        terminal = self.fds.get("terminal", -1)
        if terminal >= 0:
            set_window_size(terminal, rows=rows, columns=columns)

    async def write(self, data: bytes) -> None:
        """Write all of ``data`` to standard input, as fast as the process reads. Raises BrokenPipeError when it reads no more."""
        async with self._writing:
            rest = memoryview(data)
            while rest:
                written = self._write_some(rest)
                rest = rest[written:]
                if rest:
                    await self._wait_writable()

    def close_stdin(self) -> None:
        """Let the process see the end of its input. A terminal has none: there this does nothing."""
        stdin = self.fds.pop("stdin", -1)
        if stdin >= 0:
            _close_watched(stdin)
            self._writable.set()
            self._on_stdin_closed(self.id)

    async def wait(self) -> ProcessExit:
        """Wait for the end; all output is in the log by then."""
        await self.ended.wait()
        if self.exit is None:
            raise asyncio.CancelledError  # the process was aborted before it started
        return self.exit

    def follow(self, *, position: int = 0) -> LogFollower:
        """The output from ``position`` on, until the process has ended and all is read."""
        if self.log is None:
            raise ProcessLookupError(errno.ESRCH, f"process {self.id} was found without its output")
        return self.log.follow(position=position, ended=self.ended)

    def open_netns(self) -> int:
        """Return a descriptor of its network namespace, the caller's to close. Raises ProcessLookupError, FileNotFoundError."""
        netns = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        if self.exit is None and is_alive(self.pidfd):  # else its number may be another's by now
            return netns
        os.close(netns)
        raise ProcessLookupError(errno.ESRCH, f"process {self.id} has ended")

    def close_netns(self) -> None:
        """Give up the descriptor of the network namespace, once the sandbox is set up."""
        netns, self.netns = self.netns, -1
        if netns >= 0:
            os.close(netns)

    def finish(self, process_exit: ProcessExit | None) -> None:
        """Note the end and wake all who wait for it."""
        self.exit = process_exit
        self.ended.set()
        self._writable.set()

    def close(self) -> None:
        """Give up all descriptors; the process itself is not touched."""
        self.close_netns()
        while self.fds:
            _close_watched(self.fds.popitem()[1])
        self._writable.set()

    @property
    def _input_fd(self) -> int:
        return self.fds.get("terminal", self.fds.get("stdin", -1))

    def _write_some(self, data: memoryview) -> int:
        fd = self._input_fd
        if fd < 0:
            raise BrokenPipeError(errno.EPIPE, f"standard input of {self.id} is closed")
        try:
            return os.write(fd, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            # A terminal whose last user has gone says EIO.
            raise BrokenPipeError(errno.EPIPE, f"standard input of {self.id} is closed") from error

    async def _wait_writable(self) -> None:
        loop, fd = asyncio.get_running_loop(), self._input_fd
        if fd < 0:
            return
        self._writable.clear()
        loop.add_writer(fd, self._writable.set)
        try:
            await self._writable.wait()
        finally:
            if self._input_fd == fd:
                loop.remove_writer(fd)
        if self.ended.is_set():
            raise BrokenPipeError(errno.EPIPE, f"process {self.id} has ended")


def _close_watched(fd: int) -> None:
    """Close a descriptor that a writer may be waiting for."""
    with contextlib.suppress(RuntimeError):  # no loop runs: nobody waits
        asyncio.get_running_loop().remove_writer(fd)
    os.close(fd)
