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
MOST_CHARACTERS = 16 * 2**20  # of the history, and of each queue: labels and commands may be long


class _Queue(asyncio.Queue[EngineEvent | None]):
    """What one follower has not taken yet."""

    def _init(self, maxsize: int) -> None:
        super()._init(maxsize)
        self._characters = 0

    @property
    def has_room(self) -> bool:
        return self.qsize() < QUEUE and self._characters < MOST_CHARACTERS

    def _put(self, item: EngineEvent | None) -> None:
        super()._put(item)
        self._characters += item.characters if item else 0

    def _get(self) -> EngineEvent | None:
        item: EngineEvent | None = super()._get()
        self._characters -= item.characters if item else 0
        return item


class EventBus:
    """Publish and follow."""

    def __init__(self) -> None:
        self._history: deque[EngineEvent] = deque()
        self._characters = 0
        self._followers: set[_Queue] = set()

    def publish(self, kind: str, action: str, actor_id: str, attributes: Mapping[str, str], *, tenant: Tenant) -> None:
        """Tell all followers; never waits."""
        event = EngineEvent(kind, action, actor_id, dict(attributes), tenant, time.time_ns())
        self._remember(event)
        for queue in list(self._followers):
            self._offer(queue, event)

    def remembered(self) -> list[EngineEvent]:
        """Return what ``follow`` could still tell of the past."""
        return list(self._history)

    @property
    def listeners(self) -> int:
        return len(self._followers)

    def _remember(self, event: EngineEvent) -> None:
        self._history.append(event)
        self._characters += event.characters
        while len(self._history) > HISTORY or (self._characters > MOST_CHARACTERS and len(self._history) > 1):
            self._characters -= self._history.popleft().characters

    def _offer(self, queue: "_Queue", event: EngineEvent) -> None:
        if queue.has_room:
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
        """Yield what the tenant may see: remembered events from ``since_ns`` on, then live ones until ``until_ns``.

        An end without a beginning means all that is remembered; without either only live ones are told.
        """
        queue = _Queue()
        is_live_only = since_ns is None and until_ns is None
        past = [] if is_live_only else [event for event in self._history if event.time_ns >= (since_ns or 0)]
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


async def _next(queue: _Queue, until_ns: int | None) -> EngineEvent | None:
    if until_ns is None:
        return await queue.get()
    try:
        async with asyncio.timeout(max(0.0, (until_ns - time.time_ns()) / 1e9)):
            return await queue.get()
    except TimeoutError:
        return None
