"""Changes that go on to their end although the client that asked has gone.

A client that goes away cancels its handler, which is right for streams and wrong for a change that has begun.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

T = TypeVar("T")
_running: set[asyncio.Future[Any]] = set()  # the loop itself remembers tasks only weakly


async def to_the_end(work: Awaitable[T]) -> T:
    """Await ``work``; when the caller is cancelled, ``work`` is not."""
    task = asyncio.ensure_future(work)
    _running.add(task)
    task.add_done_callback(_forget)
    return await asyncio.shield(task)


def _forget(task: asyncio.Future[Any]) -> None:
    _running.discard(task)
    if not task.cancelled():
        task.exception()  # seen here, since nobody may be left to be told
