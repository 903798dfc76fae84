"""Blocks that arrive on the loop, as a file for a thread that unpacks them.

Owns how they get into the pipe that the thread reads from; a slow disk slows the download and memory stays as it is.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import BinaryIO

from engine.linux.pipe_feed import open_feed, write_all

Blocks = AbstractAsyncContextManager[AsyncIterator[bytes]]


class Feed:
    """``file`` ends when the blocks have, or when they failed; ``failure`` tells which, and is set before the end shows."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.failure: BaseException | None = None
        self.feeder: asyncio.Task[None]

    async def stop(self) -> None:
        """End the file early, so that whoever reads it comes to an end."""
        self.feeder.cancel()
        await asyncio.gather(self.feeder, return_exceptions=True)


@asynccontextmanager
async def feeding(blocks: Blocks, *, begin: asyncio.Event) -> AsyncIterator[Feed]:
    """Open ``blocks`` once somebody reads, which ``begin`` tells. Whoever reads has ended before the block does."""
    reading, write_fd = open_feed()
    feed = Feed(reading)
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
                await write_all(write_fd, block)
    except BaseException as error:
        feed.failure = error
        if not isinstance(error, Exception):
            raise
    finally:
        os.close(write_fd)
