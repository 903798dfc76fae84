"""Filling volumes: one at a time for each volume, in threads apart from those that everything else waits for."""

import asyncio
from collections.abc import Callable
from weakref import WeakValueDictionary

from engine.core.tenants import Tenant
from engine.service.slow_work import SlowWork


class Fillers:
    """Who waits takes no thread."""

    def __init__(self, slow: SlowWork) -> None:
        self._slow = slow
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def fill(self, tenant: Tenant, volume_id: str, work: Callable[[], object]) -> None:
        """Do the work on a volume, on a tenant's account. Raises what it raises."""
        lock = self._locks.setdefault(volume_id, asyncio.Lock())
        async with lock:
            await self._slow.run(tenant, work)
