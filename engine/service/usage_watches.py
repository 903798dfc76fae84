"""Who is watching what tenants use: one look a second for all of them together, and none when nobody watches.

Owns the look that comes next, the latest answer, and how many may watch for one tenant. Nothing queues up for a watcher that is
behind: when it comes back it waits for the next look.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping

from engine.core.tenants import Tenant
from engine.errors import Conflict
from engine.service.fair_threads import for_all
from engine.tenants.usage import TenantUsage

PERIOD_SECONDS = 1.0
MOST_OF_TENANT = 32  # each is a connection, and a line a second
Usages = Mapping[Tenant, TenantUsage]
Wanted = Callable[[], Collection[Tenant]]
Look = Callable[[Collection[Tenant]], Awaitable[Usages]]


class UsageWatches:
    """One for an engine; used from the event loop only."""

    def __init__(self) -> None:
        self._wanted: dict[object, Wanted] = {}
        self._of: Counter[Tenant] = Counter()
        self._latest: Usages = {}
        self._looked_at = 0.0
        self._next: asyncio.Task[Usages] | None = None

    @property
    def count(self) -> int:
        """How many watch."""
        return len(self._wanted)

    async def looks(self, acting: Tenant, wanted: Wanted, look: Look) -> AsyncGenerator[Usages, None]:
        """Yield what is used at once, and then each second; there may be more tenants in it than are ``wanted``. ``look`` is the
        same for all, and handed all tenants that anybody wants.

        Raises Conflict where too many watch for ``acting`` already, and what the look raises.
        """
        place = self._join(acting, wanted)
        try:
            yield self._latest if self._is_known(wanted()) else await look(wanted())
            while True:
                usages = await asyncio.shield(self._next_look(look))
                if usages.keys() >= set(wanted()):  # else one has become known during the look
                    yield usages
        finally:
            self._leave(acting, place)

    def _join(self, acting: Tenant, wanted: Wanted) -> object:
        if not acting.is_administrator and self._of[acting] >= MOST_OF_TENANT:
            raise Conflict(f"tenant {acting.name} watches what is used {MOST_OF_TENANT} times already: close some of them")
        place = object()
        self._wanted[place] = wanted
        self._of[acting] += 1
        return place

    def _leave(self, acting: Tenant, place: object) -> None:
        del self._wanted[place]
        self._of[acting] -= 1
        if not self._of[acting]:
            del self._of[acting]
        if not self._wanted and self._next is not None:
            self._next.cancel()
            self._next = None

    def _is_known(self, tenants: Collection[Tenant]) -> bool:
        is_new = asyncio.get_running_loop().time() - self._looked_at < PERIOD_SECONDS
        return is_new and self._latest.keys() >= set(tenants)

    def _next_look(self, look: Look) -> asyncio.Task[Usages]:
        if self._next is None or self._next.done():
            with for_all():
                self._next = asyncio.create_task(self._look_later(look))
        return self._next

    async def _look_later(self, look: Look) -> Usages:
        await asyncio.sleep(PERIOD_SECONDS)
        self._latest = await look({tenant for wanted in self._wanted.values() for tenant in wanted()})
        self._looked_at = asyncio.get_running_loop().time()
        return self._latest
