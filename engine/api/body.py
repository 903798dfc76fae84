"""A request's body as a file for code that blocks.

Owns how the body gets into the pipe that the thread reads from; a slow reader slows the client.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import BinaryIO

from aiohttp import web

from engine.linux.pipe_feed import CHUNK_BYTES, open_feed, write_all


@asynccontextmanager
async def body_as_file(request: web.Request) -> AsyncIterator[BinaryIO]:
    """Yield a file that gives the body as it arrives. A body that is cut off ends early, which archives notice.

    While nobody reads, as when work waits for its turn, it stays with its client: there may be many who wait.
    """
    loop, is_read = asyncio.get_running_loop(), asyncio.Event()

    def begin() -> None:
        with suppress(RuntimeError):  # the loop has been closed
            loop.call_soon_threadsafe(is_read.set)

    reading, write_fd = open_feed(begin)
    feeder = asyncio.create_task(_feed(request, write_fd, is_read))
    try:
        yield reading
    finally:
        feeder.cancel()  # whoever still reads comes to an end then, and only so can the file be closed
        await asyncio.gather(feeder, return_exceptions=True)
        await asyncio.to_thread(reading.close)


async def _feed(request: web.Request, write_fd: int, is_read: asyncio.Event) -> None:
    try:
        await is_read.wait()
        with suppress(BrokenPipeError, ConnectionError):
            async for chunk in request.content.iter_chunked(CHUNK_BYTES):
                await write_all(write_fd, chunk)
    finally:
        os.close(write_fd)
