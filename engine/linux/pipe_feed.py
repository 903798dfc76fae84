"""A pipe that the loop fills and a thread reads.

It holds little, so a slow reader slows whoever sends. Waiting for the reader takes no thread, since there may be many who wait.
"""

import asyncio
import os
from typing import BinaryIO

from engine.linux import pipe

CHUNK_BYTES = 2**20


def open_feed() -> tuple[BinaryIO, int]:
    """Return the reader's end, which blocks, and the writer's, for ``write_all``; the caller closes both. Raises OSError."""
    read_fd, write_fd = os.pipe()
    pipe.grow(write_fd, pipe.LARGE_BYTES)
    os.set_blocking(write_fd, False)
    return os.fdopen(read_fd, "rb", buffering=CHUNK_BYTES), write_fd


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
