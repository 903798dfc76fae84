"""A pipe that a thread fills and the loop empties: the thread waits for the loop, the loop for nobody else."""

import asyncio
import os

from engine.linux import pipe

PIECE_BYTES = 2**20


def open_drain() -> tuple[int, int]:
    """Return the end to read from, for ``read_some``, and the one to write to, which blocks; the caller closes both."""
    read_fd, write_fd = os.pipe2(os.O_CLOEXEC)
    pipe.grow(write_fd, pipe.LARGE_BYTES)
    os.set_blocking(read_fd, False)
    return read_fd, write_fd


async def read_some(read_fd: int) -> bytes:
    """Return what is there, waiting for it; nothing at the end."""
    while True:
        try:
            return os.read(read_fd, PIECE_BYTES)
        except BlockingIOError:
            await _readable(read_fd)


async def _readable(fd: int) -> None:
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(fd, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(fd)
