"""The engine's events: published once, followed by many, the last of them remembered.

Owns the bounded history and the followers' queues. A follower that does not keep up is cut off rather than buffered without end.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping

from engine.core.events import EngineEvent, matches_event
from engine.core.filters import Filters
from engine.core.tenants import Tenant

HISTORY = 1000
QUEUE = 1000


class EventBus:
    """Publish and follow."""

    def __init__(self) -> None:
        self._history: deque[EngineEvent] = deque(maxlen=HISTORY)
        self._followers: set[asyncio.Queue[EngineEvent | None]] = set()

    def publish(self, kind: str, action: str, actor_id: str, attributes: Mapping[str, str], *, tenant: Tenant) -> None:
        """Tell all followers; never waits."""
        event = EngineEvent(kind, action, actor_id, dict(attributes), tenant, time.time_ns())
        self._history.append(event)
        for queue in list(self._followers):
            self._offer(queue, event)

    @property
    def listeners(self) -> int:
        return len(self._followers)

    def _offer(self, queue: asyncio.Queue[EngineEvent | None], event: EngineEvent) -> None:
        if queue.qsize() < QUEUE:
            queue.put_nowait(event)
        else:
            self._followers.discard(queue)
            queue.put_nowait(None)

    def close(self) -> None:
        """End all followers."""
        for queue in self._followers:
            queue.put_nowait(None)
        self._followers.clear()

    async def follow(
        self, tenant: Tenant, filters: Filters, *, since_ns: int | None, until_ns: int | None
    ) -> AsyncIterator[EngineEvent]:
        """Yield what the tenant may see: remembered events from ``since_ns`` on, then live ones until ``until_ns``."""
        queue: asyncio.Queue[EngineEvent | None] = asyncio.Queue()
        past = [] if since_ns is None else [event for event in self._history if event.time_ns >= since_ns]
        self._followers.add(queue)
        try:
            for event in past:
                if _wanted(event, tenant, filters, until_ns):
                    yield event
            while (event_or_end := await _next(queue, until_ns)) is not None:
                if _wanted(event_or_end, tenant, filters, until_ns):
                    yield event_or_end
        finally:
            self._followers.discard(queue)


def _wanted(event: EngineEvent, tenant: Tenant, filters: Filters, until_ns: int | None) -> bool:
    return tenant.sees(event.tenant) and (until_ns is None or event.time_ns <= until_ns) and matches_event(event, filters)


async def _next(queue: asyncio.Queue[EngineEvent | None], until_ns: int | None) -> EngineEvent | None:
    if until_ns is None:
        return await queue.get()
    try:
        async with asyncio.timeout(max(0.0, (until_ns - time.time_ns()) / 1e9)):
            return await queue.get()
    except TimeoutError:
        return None
