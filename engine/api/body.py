"""A request's body as a file for code that blocks.

Owns the pipe between the loop and the thread that reads: it holds little, so a slow reader slows the client.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import BinaryIO

from aiohttp import web

from engine.linux import pipe

_CHUNK_BYTES = 2**20


@asynccontextmanager
async def body_as_file(request: web.Request) -> AsyncIterator[BinaryIO]:
    """Yield a file that gives the body as it arrives. A body that is cut off ends early, which archives notice."""
    read_fd, write_fd = os.pipe()
    pipe.grow(write_fd, pipe.LARGE_BYTES)
    os.set_blocking(write_fd, False)
    reading = os.fdopen(read_fd, "rb", buffering=_CHUNK_BYTES)
    feeder = asyncio.create_task(_feed(request, write_fd))
    try:
        yield reading
    finally:
        feeder.cancel()  # whoever still reads comes to an end then, and only so can the file be closed
        await asyncio.gather(feeder, return_exceptions=True)
        await asyncio.to_thread(reading.close)


async def _feed(request: web.Request, write_fd: int) -> None:
    """Waiting for the reader takes no thread, since there may be many who wait."""
    try:
        with suppress(BrokenPipeError, ConnectionError):
            async for chunk in request.content.iter_chunked(_CHUNK_BYTES):
                await _write_all(write_fd, chunk)
    finally:
        os.close(write_fd)


async def _write_all(fd: int, chunk: bytes) -> None:
    rest = memoryview(chunk)
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
