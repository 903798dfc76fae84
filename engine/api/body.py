"""A request's body as a file for code that blocks.

Owns the pipe between the loop and the thread that reads: it holds little, so a slow reader slows the client.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import BinaryIO

from aiohttp import web

_CHUNK_BYTES = 2**20


@asynccontextmanager
async def body_as_file(request: web.Request) -> AsyncIterator[BinaryIO]:
    """Yield a file that gives the body as it arrives. A body that is cut off ends early, which archives notice."""
    read_fd, write_fd = os.pipe()
    reading = os.fdopen(read_fd, "rb", buffering=_CHUNK_BYTES)
    feeder = asyncio.create_task(_feed(request, write_fd))
    try:
        yield reading
    finally:
        reading.close()  # a feeder that still writes then sees EPIPE
        await feeder


async def _feed(request: web.Request, write_fd: int) -> None:
    try:
        with suppress(BrokenPipeError, ConnectionError):
            async for chunk in request.content.iter_chunked(_CHUNK_BYTES):
                await asyncio.to_thread(_write_all, write_fd, chunk)
    finally:
        os.close(write_fd)


def _write_all(fd: int, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[os.write(fd, rest) :]
