"""Who is watching what containers use, so that each is read once a second however many look, and not at all when nobody does.

Owns the tasks that read and the latest sample of each. A watcher that is behind finds the latest sample when it comes back;
nothing queues up for it.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

from engine.core.containers import ContainerRecord
from engine.core.stats import Reading
from engine.service.fair_threads import for_all

PERIOD_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Sample:
    """Two readings a second apart; none for a container that does not run, and no ``before`` for a first one."""

    record: ContainerRecord
    now: Reading | None = None
    before: Reading | None = None


TakeSample = Callable[[Reading | None], Awaitable[Sample | None]]  # handed the reading before; None when there will be no more


class _Watch:
    def __init__(self) -> None:
        self.watchers = 0
        self.count = 0
        self.latest: Sample | None = None
        self.has_ended = False
        self.changed = asyncio.Condition()
        self.task: asyncio.Task[None] | None = None


class Watches:
    """What is watched, by container."""

    def __init__(self) -> None:
        self._watches: dict[str, _Watch] = {}

    @property
    def count(self) -> int:
        """How many containers are being read each second."""
        return len(self._watches)

    async def samples(self, container_id: str, take: TakeSample) -> AsyncGenerator[Sample, None]:
        """Yield a sample each second, the latest at once where others watch already."""
        watch = self._join(container_id, take)
        seen = 0
        try:
            while True:
                async with watch.changed:
                    while watch.count == seen and not watch.has_ended:
                        await watch.changed.wait()
                if watch.has_ended or watch.latest is None:
                    return
                seen = watch.count
                yield watch.latest
        finally:
            self._leave(container_id, watch)

    def _join(self, container_id: str, take: TakeSample) -> _Watch:
        watch = self._watches.get(container_id)
        if watch is None or watch.has_ended:
            watch = self._watches[container_id] = _Watch()
            with for_all():
                watch.task = asyncio.create_task(_keep_reading(watch, take))
        watch.watchers += 1
        return watch

    def _leave(self, container_id: str, watch: _Watch) -> None:
        watch.watchers -= 1
        if watch.watchers:
            return
        if watch.task is not None:
            watch.task.cancel()
        if self._watches.get(container_id) is watch:
            del self._watches[container_id]


async def _keep_reading(watch: _Watch, take: TakeSample) -> None:
    try:
        while (sample := await take(watch.latest.now if watch.latest else None)) is not None:
            async with watch.changed:
                watch.latest = sample
                watch.count += 1
                watch.changed.notify_all()
            await asyncio.sleep(PERIOD_SECONDS)
    finally:
        watch.has_ended = True
        async with watch.changed:
            watch.changed.notify_all()
