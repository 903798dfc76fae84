"""Watching what containers use: read once for all, and only while somebody looks."""

import asyncio
from contextlib import aclosing

import pytest

from engine.core.containers import ContainerConfig, ContainerRecord, HostConfig
from engine.core.stats import Cpu, Memory, Reading
from engine.core.tenants import Tenant
from engine.service import watches
from engine.service.watches import Sample, Watches

RECORD = ContainerRecord("c", "lab", Tenant(), 1, "i", ContainerConfig("busybox", "h"), HostConfig())


class Source:
    """Counts how often it is read."""

    def __init__(self, most: int = 10**6) -> None:
        self.count = 0
        self.ten_readings = asyncio.Event()
        self._most = most

    async def take(self, before: Reading | None) -> Sample | None:
        self.count += 1
        if self.count == 10:
            self.ten_readings.set()
        if self.count > self._most:
            return None
        return Sample(RECORD, Reading(self.count, Cpu(), Memory(), 1, None, (), (), {}), before)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "PERIOD_SECONDS", 0.001)


async def test_many_watchers_share_one_reading_and_nobody_reads_after_the_last() -> None:
    source, hub = Source(), Watches()
    async with aclosing(hub.samples("c", source.take)) as first, aclosing(hub.samples("c", source.take)) as second:
        seen = [await anext(first) for _ in range(5)]
        assert [sample.now for sample in seen[:-1]] == [sample.before for sample in seen[1:]]
        latest = await anext(second)
        assert latest.now is not None
        assert seen[-1].now is not None
        assert latest.now.time_ns >= seen[-1].now.time_ns
        assert hub.count == 1
    read = source.count
    await asyncio.sleep(0.02)
    assert (hub.count, source.count) == (0, read)


async def test_a_watcher_that_is_behind_finds_the_latest_and_nothing_else() -> None:
    source, hub = Source(), Watches()
    async with aclosing(hub.samples("c", source.take)) as samples:
        await anext(samples)
        await source.ten_readings.wait()
        latest = await anext(samples)
        assert latest.now is not None
        assert latest.now.time_ns >= 9


async def test_watching_ends_with_the_container() -> None:
    source, hub = Source(most=3), Watches()
    assert len([sample async for sample in hub.samples("c", source.take)]) <= 3
    assert hub.count == 0
