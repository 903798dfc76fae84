"""The lock that whoever changes a container holds; a holder who may take long can tell that others wait."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

GRACE_SECONDS = 5.0


class ContainerLock(asyncio.Lock):
    """As asyncio.Lock, and ``lent`` for those who depend on a client's pace."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting = 0
        self._wanted = asyncio.Event()

    async def acquire(self) -> Literal[True]:
        self._waiting += 1
        self._wanted.set()
        try:
            return await super().acquire()
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._wanted.clear()

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[None]:
        """Hold it, but no longer than some seconds after somebody else wants it. Raises TimeoutError then."""
        async with self, asyncio.timeout(None) as limit:
            watcher = asyncio.create_task(self._watch(limit))
            try:
                yield
            finally:
                watcher.cancel()

    async def _watch(self, limit: asyncio.Timeout) -> None:
        await self._wanted.wait()
        limit.reschedule(asyncio.get_running_loop().time() + GRACE_SECONDS)
