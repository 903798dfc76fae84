"""The builds that are going on: how many at a time, which images they need, and their end when the daemon stops.

Owns the set of their tasks; knows nothing of what a build does.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from engine.core.tenants import Tenant
from engine.service.turns import Turns

AT_ONCE = 4  # of one tenant


class Builds:
    """A build that waits for its turn takes nothing but its connection."""

    def __init__(self) -> None:
        self._turns = Turns(AT_ONCE)
        self._going: dict[asyncio.Task[object], tuple[Tenant, set[str]]] = {}

    @asynccontextmanager
    async def going(self, tenant: Tenant) -> AsyncIterator[set[str]]:
        """Count the calling task as a build of a tenant's, once it is its turn; yield where it notes images that it needs."""
        task = cast("asyncio.Task[object]", asyncio.current_task())
        needed: set[str] = set()
        self._going[task] = tenant, needed
        try:
            async with self._turns.of(tenant):
                yield needed
        finally:
            del self._going[task]

    def users(self, image_id: str) -> list[Tenant]:
        """Return whose builds need an image, once for each build. May be called from any thread."""
        return [tenant for tenant, needed in list(self._going.values()) if image_id in needed]

    def images(self) -> set[str]:
        """Return the ids of all images that builds need. May be called from any thread."""
        return {image_id for _, needed in list(self._going.values()) for image_id in list(needed)}

    async def close(self) -> None:
        """End all builds and wait until they have cleaned up."""
        tasks = list(self._going)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
