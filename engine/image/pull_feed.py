"""Blocks that arrive on the loop, as a file for a thread that unpacks them.

Owns the pipe between the two: it holds little, so a slow disk slows the download and memory stays as it is.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import BinaryIO

from engine.linux import pipe

Blocks = AbstractAsyncContextManager[AsyncIterator[bytes]]
_CHUNK_BYTES = 2**20


class Feed:
    """``file`` ends when the blocks have, or when they failed; ``failure`` tells which, and is set before the end shows."""

    def __init__(self, read_fd: int) -> None:
        self.file: BinaryIO = os.fdopen(read_fd, "rb", buffering=_CHUNK_BYTES)
        self.failure: BaseException | None = None
        self.feeder: asyncio.Task[None]

    async def stop(self) -> None:
        """End the file early, so that whoever reads it comes to an end."""
        self.feeder.cancel()
        await asyncio.gather(self.feeder, return_exceptions=True)


@asynccontextmanager
async def feeding(blocks: Blocks, *, begin: asyncio.Event) -> AsyncIterator[Feed]:
    """Open ``blocks`` once somebody reads, which ``begin`` tells. Whoever reads has ended before the block does."""
    read_fd, write_fd = os.pipe()
    pipe.grow(write_fd, pipe.LARGE_BYTES)
    os.set_blocking(write_fd, False)
    feed = Feed(read_fd)
    feed.feeder = asyncio.create_task(_feed(feed, blocks, write_fd, begin))
    try:
        yield feed
    finally:
        await feed.stop()
        feed.file.close()


async def _feed(feed: Feed, blocks: Blocks, write_fd: int, begin: asyncio.Event) -> None:
    try:
        await begin.wait()
        async with blocks as opened:
            async for block in opened:
                await _write_all(write_fd, block)
    except BaseException as error:
        feed.failure = error
        if not isinstance(error, Exception):
            raise
    finally:
        os.close(write_fd)


async def _write_all(fd: int, block: bytes) -> None:
    rest = memoryview(block)
    while rest:
        try:
            rest = rest[os.write(fd, rest) :]
        except BlockingIOError:
            await _writable(fd)


async def _writable(fd: int) -> None:
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_writer(fd, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_writer(fd)
