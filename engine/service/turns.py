"""How much of one kind of work is done for one tenant at a time. Who waits for a turn takes nothing but its own place."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, nullcontext
from weakref import WeakValueDictionary

from engine.core.tenants import Tenant
from engine.service.fair_threads import ASKING


class Turns:
    """``at_once`` of them for each tenant; team and member are two."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._tenants: WeakValueDictionary[Tenant, asyncio.Semaphore] = WeakValueDictionary()

    def of(self, tenant: Tenant) -> asyncio.Semaphore:
        """Return the tenant's turns, to be held while the work is done."""
        return self._tenants.setdefault(tenant, asyncio.Semaphore(self._at_once))

    @asynccontextmanager
    async def taken(self, tenant: Tenant, *, seconds: float) -> AsyncIterator[None]:
        """Hold a turn while the work is done, but for so long at most: what is stuck does not keep the tenant from all else."""
        turns = self.of(tenant)
        await turns.acquire()
        with ExitStack() as held:
            held.callback(turns.release)
            held.callback(asyncio.get_running_loop().call_later(seconds, held.close).cancel)
            yield

    @asynccontextmanager
    async def asked(self, tenant: Tenant, *, seconds: float) -> AsyncIterator[None]:
        """As ``taken``, for the tenant's own requests; what nobody in particular asked for, as a restart, does not wait."""
        async with nullcontext() if ASKING.get() is None else self.taken(tenant, seconds=seconds):
            yield
