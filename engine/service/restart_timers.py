"""Containers that wait for their next start: the timers, and how long each waited last.

Owns waiting and nothing else; who is to wait and what happens afterwards is decided elsewhere. Lost with the daemon: the records
tell the next one who was waiting.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from engine.core.restart import next_delay_seconds
from engine.service.fair_threads import for_all

log = logging.getLogger(__name__)
AT_ONCE = 4  # starts at the same time, so that a daemon's own start does not take the whole host


class RestartTimers:
    """Before ``open`` and after ``close`` nothing is begun."""

    def __init__(self) -> None:
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._delays: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: list[str] = []
        self._limit = asyncio.Semaphore(AT_ONCE)
        self._is_open = False

    def open(self) -> None:
        """From here on timers run."""
        self._is_open = True

    async def close(self) -> None:
        """Stop waiting; starts that have begun are finished."""
        self._is_open = False
        for container_id in list(self._timers):
            self.cancel(container_id)
        if self._tasks:
            await asyncio.wait(self._tasks)

    def delay_seconds(self, container_id: str, *, ran_seconds: float) -> float:
        """Return how long to wait this time, and remember it."""
        delay = next_delay_seconds(self._delays.get(container_id), ran_seconds=ran_seconds)
        self._delays[container_id] = delay
        return delay

    def schedule(self, container_id: str, delay_seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        """Do ``work`` after a while, instead of what was scheduled before."""
        self.cancel(container_id)
        if self._is_open:
            loop = asyncio.get_running_loop()
            with for_all():  # of the few starts at a time none is to wait behind what its tenant asks
                self._timers[container_id] = loop.call_later(delay_seconds, self._begin, container_id, work)

    def cancel(self, container_id: str) -> None:
        """Do not begin what has not begun yet."""
        timer = self._timers.pop(container_id, None)
        if timer is not None:
            timer.cancel()

    def forget(self, container_id: str) -> None:
        """Cancel, and begin with the shortest delay next time."""
        self.cancel(container_id)
        self._delays.pop(container_id, None)

    def hold(self, container_id: str) -> None:
        """A client is about to start it again: it is not to be removed in between."""
        self._held.append(container_id)

    def let_go(self, container_id: str) -> None:
        """That client is done."""
        self._held.remove(container_id)

    def is_held(self, container_id: str) -> bool:
        """Whether a client is about to start it again."""
        return container_id in self._held

    def _begin(self, container_id: str, work: Callable[[], Awaitable[None]]) -> None:
        self._timers.pop(container_id, None)
        task = asyncio.get_running_loop().create_task(self._work(container_id, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, container_id: str, work: Callable[[], Awaitable[None]]) -> None:
        async with self._limit:
            try:
                await work()
            except Exception:
                log.exception("container %s cannot be started again", container_id)
