"""A worker on a container's files, as the daemon sees it: its reports, its data, and its end.

Owns both pipes and the process descriptor; leaving the session ends the worker, whatever it is doing. Nothing is held but one
piece of data, so a slow client slows its own worker.
"""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from typing import Any, BinaryIO, Self

from engine.core.files import FilesSpec
from engine.errors import Conflict, EngineError, Fault, Forbidden, InvalidParameter, NotFound, Unavailable
from engine.linux import pidfd as pidfds
from engine.linux import pipe
from engine.runtime.client import Supervisor

_PIECE_BYTES = 1 << 20
_END_SECONDS = 2.0
_KINDS: dict[str, type[EngineError]] = {
    kind.__name__: kind for kind in (Conflict, Fault, Forbidden, InvalidParameter, NotFound, Unavailable)
}
_LOST = "the work on the container's files was cut off: it ended, or ran out of memory"


class FilesSession:
    """An asynchronous context manager. ``takes_data``: the worker reads what the daemon writes."""

    def __init__(self, supervisor: Supervisor, spec: FilesSpec, *, takes_data: bool = False) -> None:
        self._supervisor = supervisor
        self._spec = spec
        self._takes_data = takes_data
        self._fds: dict[str, int] = {}
        self._reported = b""

    async def __aenter__(self) -> Self:
        report, worker_report = os.pipe2(os.O_CLOEXEC)
        reading, writing = os.pipe2(os.O_CLOEXEC)
        own, worker = (writing, reading) if self._takes_data else (reading, writing)
        self._fds = {"report": report, "data": own}
        try:
            with contextlib.suppress(OSError):  # more at once is only faster
                pipe.grow(own, pipe.LARGE_BYTES)
            for fd in (report, own):
                os.set_blocking(fd, False)
            self._fds["pidfd"] = await self._supervisor.files(self._spec, data_fd=worker, report_fd=worker_report)
        except BaseException:
            self._close()
            raise
        finally:
            os.close(worker)
            os.close(worker_report)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Whoever comes next finds neither the worker nor its mounts, unless its container is frozen and so it is too."""
        try:
            with contextlib.suppress(ProcessLookupError):
                pidfds.send_signal(self._fds["pidfd"], signal.SIGKILL)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_END_SECONDS):
                    await self._wait_readable("pidfd")
        finally:
            self._close()

    async def report(self) -> dict[str, Any]:
        """Wait for the next report. Raises the EngineError that the worker names, Fault when it ended without a word."""
        while b"\n" not in self._reported:
            piece = await self._read("report")
            if not piece:
                raise Fault(_LOST)
            self._reported += piece
        line, _, self._reported = self._reported.partition(b"\n")
        return _checked(json.loads(line))

    async def finish(self) -> None:
        """Wait until the worker has done its work, or has read enough. Raises as ``report``."""
        while "done" not in await self.report():
            pass

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the worker's data to its end, which ``finish`` then judges."""
        while piece := await self._read("data"):
            yield piece

    async def write(self, data: bytes) -> None:
        """Hand data over as fast as the worker reads. Raises BrokenPipeError when it reads no more."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._fds["data"], rest) :]
            except BlockingIOError:
                await self._wait("data", asyncio.get_running_loop().add_writer, asyncio.get_running_loop().remove_writer)

    def end_data(self) -> None:
        """Let the worker see the end of its input."""
        os.close(self._fds.pop("data"))

    def as_file(self) -> "CheckedFile":
        """The worker's data for code that blocks, in a thread, which leaves it as a context manager."""
        for name in ("data", "report"):
            os.set_blocking(self._fds[name], True)
        return CheckedFile(os.dup(self._fds["data"]), os.dup(self._fds["report"]))

    async def _read(self, name: str) -> bytes:
        while True:
            try:
                return os.read(self._fds[name], _PIECE_BYTES)
            except BlockingIOError:
                await self._wait_readable(name)

    async def _wait_readable(self, name: str) -> None:
        loop = asyncio.get_running_loop()
        await self._wait(name, loop.add_reader, loop.remove_reader)

    async def _wait(self, name: str, watch: Callable[..., None], unwatch: Callable[[int], object]) -> None:
        ready, fd = asyncio.Event(), self._fds[name]
        watch(fd, ready.set)
        try:
            await ready.wait()
        finally:
            unwatch(fd)

    def _close(self) -> None:
        while self._fds:
            os.close(self._fds.popitem()[1])


class CheckedFile:
    """A worker's data, whose end counts only when the worker says that it is one. Blocking."""

    def __init__(self, data_fd: int, report_fd: int) -> None:
        self._data_fd = data_fd
        self._report_fd = report_fd

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._data_fd)
        os.close(self._report_fd)

    def read(self, size: int) -> bytes:
        """As a file's. Raises the worker's error at the end of what it could give."""
        data = os.read(self._data_fd, size)
        if not data and size:
            self._check_end()
        return data

    def as_binary(self) -> BinaryIO:
        """The same, for those who ask for a whole file and only read."""
        return self  # type: ignore[return-value]  # read is all that readers of archives call

    def _check_end(self) -> None:
        reported = b""
        while piece := os.read(self._report_fd, _PIECE_BYTES):
            reported += piece
        for line in reported.splitlines():
            if "done" in _checked(json.loads(line)):
                return
        raise Fault(_LOST)


def _checked(report: dict[str, Any]) -> dict[str, Any]:
    error = report.get("error")
    if error is not None:
        raise _KINDS.get(error["kind"], Fault)(error["message"])
    return report
