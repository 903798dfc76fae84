"""The builds that are going on: how many at a time, and their end when the daemon stops.

Owns the set of their tasks; knows nothing of what a build does.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import TypeVar, cast

from engine.core.tenants import Tenant
from engine.service.turns import Turns

AT_ONCE = 4  # of one tenant
T = TypeVar("T")


class Builds:
    """A build that waits for its turn takes nothing but its connection."""

    def __init__(self) -> None:
        self._turns = Turns(AT_ONCE)
        self._tasks: set[asyncio.Task[object]] = set()

    @asynccontextmanager
    async def going(self, tenant: Tenant) -> AsyncIterator[None]:
        """Count the calling task as a build of a tenant's, once it is its turn."""
        task = cast("asyncio.Task[object]", asyncio.current_task())
        self._tasks.add(task)
        try:
            async with self._turns.of(tenant):
                yield
        finally:
            self._tasks.discard(task)

    async def close(self) -> None:
        """End all builds and wait until they have cleaned up."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def undisturbed(work: Awaitable[T]) -> T:
    """Await ``work`` to its end even when the caller is cancelled meanwhile, which is raised only then."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
