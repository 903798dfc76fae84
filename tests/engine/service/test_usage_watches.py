"""Watching what tenants use: one look for all, and only while somebody watches."""

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import AsyncExitStack, aclosing

import pytest

from engine.core.tenants import ADMINISTRATOR, Tenant
from engine.errors import Conflict
from engine.service import usage_watches
from engine.service.fair_threads import ASKING
from engine.service.usage_watches import Usages, UsageWatches
from engine.tenants.usage import TenantUsage

TEAM, ADA, BOB = Tenant("demo"), Tenant("demo", "ada"), Tenant("demo", "bob")


class Source:
    """Counts looks, and answers with their number as processor time."""

    def __init__(self) -> None:
        self.asked: list[frozenset[Tenant]] = []
        self.error: OSError | None = None

    async def look(self, tenants: Collection[Tenant]) -> Usages:
        self.asked.append(frozenset(tenants))
        if self.error is not None:
            raise self.error
        number = float(len(self.asked))
        return {tenant: TenantUsage({}, {"cpu_seconds": number}, {}, None, (), {}, None) for tenant in tenants}


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def hub() -> UsageWatches:
    return UsageWatches()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_watches, "PERIOD_SECONDS", 0.01)


def watch(hub: UsageWatches, source: Source, acting: Tenant, *tenants: Tenant) -> AsyncGenerator[Usages, None]:
    return hub.looks(acting, lambda: tenants, source.look)


async def test_many_watchers_share_one_look_and_nobody_looks_after_the_last(source: Source, hub: UsageWatches) -> None:
    async with AsyncExitStack() as stack:
        crowd = [await stack.enter_async_context(aclosing(watch(hub, source, ADMINISTRATOR, TEAM, ADA))) for _ in range(20)]
        firsts = [await anext(one) for one in crowd]
        assert all(first.keys() == {TEAM, ADA} for first in firsts)
        looked = len(source.asked)
        for _ in range(5):
            seen = await asyncio.gather(*map(anext, crowd))
            assert len({id(one) for one in seen}) == 1
        assert len(source.asked) == looked + 5
        assert hub.count == 20
    looked = len(source.asked)
    await asyncio.sleep(0.05)
    assert (hub.count, len(source.asked)) == (0, looked)


async def test_each_look_is_at_what_all_watchers_want_and_no_more(source: Source, hub: UsageWatches) -> None:
    async with aclosing(watch(hub, source, ADA, ADA)) as one:
        await anext(one)
        async with aclosing(watch(hub, source, BOB, BOB, TEAM)) as other:
            assert (await anext(other)).keys() >= {BOB, TEAM}
            await asyncio.gather(anext(one), anext(other))
            assert source.asked[-1] == {ADA, BOB, TEAM}
        await anext(one)
        await anext(one)
        assert source.asked[-1] == {ADA}


async def test_one_that_becomes_known_meanwhile_is_waited_for(source: Source, hub: UsageWatches) -> None:
    wanted = [ADA]
    async with aclosing(hub.looks(ADMINISTRATOR, lambda: wanted, source.look)) as looks:
        await anext(looks)
        waiting = asyncio.ensure_future(anext(looks))
        await asyncio.sleep(0)
        wanted.append(BOB)
        assert (await waiting).keys() == {ADA, BOB}


async def test_a_tenant_may_watch_so_often_and_keeps_nobody_else_from_it(source: Source, hub: UsageWatches) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(usage_watches.MOST_OF_TENANT):
            await anext(await stack.enter_async_context(aclosing(watch(hub, source, ADA, ADA))))
        with pytest.raises(Conflict, match="demo/ada watches what is used 32 times already"):
            await anext(watch(hub, source, ADA, ADA))
        for acting in (BOB, TEAM, ADMINISTRATOR, ADMINISTRATOR):
            await anext(await stack.enter_async_context(aclosing(watch(hub, source, acting, ADA))))
        assert hub.count == usage_watches.MOST_OF_TENANT + 4
    assert hub.count == 0
    async with aclosing(watch(hub, source, ADA, ADA)) as again:
        assert await anext(again)


async def test_a_look_that_fails_ends_all_who_wait_for_it_and_later_ones_look_anew(source: Source, hub: UsageWatches) -> None:
    async with aclosing(watch(hub, source, ADA, ADA)) as one, aclosing(watch(hub, source, BOB, ADA)) as other:
        await anext(one)
        await anext(other)
        source.error = OSError("the kernel does not tell")
        outcomes = await asyncio.gather(anext(one), anext(other), return_exceptions=True)
        assert [str(outcome) for outcome in outcomes] == ["the kernel does not tell"] * 2
    assert hub.count == 0
    source.error = None
    async with aclosing(watch(hub, source, ADA, ADA)) as again:
        assert await anext(again)
        assert await anext(again)


async def test_a_watcher_that_goes_leaves_the_others_their_look(source: Source, hub: UsageWatches) -> None:
    async with aclosing(watch(hub, source, ADA, ADA)) as one, aclosing(watch(hub, source, BOB, ADA)) as other:
        await anext(one)
        await anext(other)
        waiting, leaving = asyncio.ensure_future(anext(one)), asyncio.ensure_future(anext(other))
        await asyncio.sleep(0)
        leaving.cancel()
        assert (await waiting).keys() == {ADA}
        assert hub.count == 1


async def test_the_look_of_all_is_not_held_back_behind_what_its_first_watcher_asks(source: Source, hub: UsageWatches) -> None:
    asking: list[Tenant | None] = []

    async def look(tenants: Collection[Tenant]) -> Usages:
        asking.append(ASKING.get())
        return await source.look(tenants)

    ASKING.set(ADA)
    async with aclosing(hub.looks(ADA, lambda: (ADA,), look)) as looks:
        for _ in range(3):
            await anext(looks)
    assert asking == [ADA, None, None]
