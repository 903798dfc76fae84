"""How much of one kind of work is done for one tenant at a time. Who waits for a turn takes nothing but its own place."""

import asyncio
from weakref import WeakValueDictionary

from engine.core.tenants import Tenant


class Turns:
    """``at_once`` of them for each tenant; team and member are two."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._tenants: WeakValueDictionary[Tenant, asyncio.Semaphore] = WeakValueDictionary()

    def of(self, tenant: Tenant) -> asyncio.Semaphore:
        """Return the tenant's turns, to be held while the work is done."""
        return self._tenants.setdefault(tenant, asyncio.Semaphore(self._at_once))
