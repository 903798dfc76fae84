"""What the engine keeps for tenants' cgroups between two requests. Decides nothing about them."""

import asyncio
from collections.abc import Awaitable, Callable

from engine.core.tenants import Tenant
from engine.service.fair_threads import CommonLock, for_all

PERIOD_SECONDS = 5.0


class QuotaKeeper:
    """Turns of teams, the processors given to tenants, and whose memory is to be tightened. One for an engine."""

    def __init__(self) -> None:
        self.processors: dict[Tenant, frozenset[int]] = {}
        self.loose: set[Tenant] = set()
        self._turns: dict[str, CommonLock] = {}
        self._task: asyncio.Task[None] | None = None

    def turn(self, team: str) -> CommonLock:
        """Return the lock of a team: whoever writes last has read the newest limits."""
        return self._turns.setdefault(team, CommonLock())

    def watch(self, tighten: Callable[[Tenant], Awaitable[None]]) -> None:
        """Try again every few seconds for as long as anybody has more than its limit."""
        if self.loose and (self._task is None or self._task.done()):
            with for_all():
                self._task = asyncio.create_task(self._keep_trying(tighten))

    async def close(self) -> None:
        """Try no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _keep_trying(self, tighten: Callable[[Tenant], Awaitable[None]]) -> None:
        while self.loose:
            await asyncio.sleep(PERIOD_SECONDS)
            for tenant in sorted(self.loose):
                await tighten(tenant)
