"""A pipe that the loop fills and a thread reads.

It holds little, so a slow reader slows whoever sends. Waiting for the reader takes no thread, since there may be many who wait.
"""

import asyncio
import io
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

from engine.linux import pipe

if TYPE_CHECKING:
    from typing_extensions import Buffer

CHUNK_BYTES = 2**20


class _Reader(io.FileIO):
    def __init__(self, fd: int, on_read: Callable[[], object]) -> None:
        super().__init__(fd, "rb")
        self._on_read: Callable[[], object] | None = on_read

    def readinto(self, buffer: "Buffer", /) -> int | None:
        on_read, self._on_read = self._on_read, None
        if on_read is not None:
            on_read()
        return super().readinto(buffer)


def open_feed(on_read: Callable[[], object] = int) -> tuple[BinaryIO, int]:
    """Return the reader's end, which blocks, and the writer's, for ``write_all``; the caller closes both. Raises OSError.

    ``on_read`` is called by whichever thread is the first to read.
    """
    read_fd, write_fd = os.pipe()
    pipe.grow(write_fd, pipe.LARGE_BYTES)
    os.set_blocking(write_fd, False)
    return io.BufferedReader(_Reader(read_fd, on_read), CHUNK_BYTES), write_fd


async def write_all(write_fd: int, block: bytes) -> None:
    """Write a block as fast as it is read. Raises BrokenPipeError when nobody will read it."""
    rest = memoryview(block)
    while rest:
        try:
            rest = rest[os.write(write_fd, rest) :]
        except BlockingIOError:
            await _writable(write_fd)


async def _writable(fd: int) -> None:
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_writer(fd, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_writer(fd)
