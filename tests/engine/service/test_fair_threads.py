"""Threads for short work: a share for each tenant."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import nullcontext
from contextvars import copy_context
from typing import Any

import pytest

from engine.core.tenants import Tenant
from engine.service.fair_threads import ASKING, SHARE, CommonLock, FairThreads, for_all

ADA, BOB = Tenant("blue", "ada"), Tenant("red", "bob")
PATIENCE_SECONDS = 20


@pytest.fixture
def threads() -> Iterator[FairThreads]:
    threads = FairThreads()
    yield threads
    threads.shutdown()


class Hold:
    """Work that lasts until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.end = threading.Event()
        self.count = 0
        self._counting = threading.Lock()

    def __call__(self) -> None:
        with self._counting:
            self.count += 1
        self.begun.release()
        assert self.end.wait(PATIENCE_SECONDS)


def submit(threads: FairThreads, tenant: Tenant | None, work: Callable[[], Any]) -> Future[Any]:
    def ask() -> Future[Any]:
        ASKING.set(tenant)
        return threads.submit(work)

    return copy_context().run(ask)


def test_who_asks_for_much_leaves_threads_to_others(threads: FairThreads) -> None:
    hold = Hold()
    futures = [submit(threads, ADA, hold) for _ in range(100)]
    for _ in range(SHARE):
        assert hold.begun.acquire(timeout=PATIENCE_SECONDS)
    assert submit(threads, BOB, lambda: "bob's").result(PATIENCE_SECONDS) == "bob's"
    assert submit(threads, None, lambda: "the engine's").result(PATIENCE_SECONDS) == "the engine's"
    assert hold.count == SHARE
    hold.end.set()
    for future in futures:
        future.result(PATIENCE_SECONDS)
    assert hold.count == 100


def test_what_is_given_up_before_its_turn_is_not_done(threads: FairThreads) -> None:
    hold = Hold()
    running = [submit(threads, ADA, hold) for _ in range(SHARE)]
    waiting = submit(threads, ADA, lambda: pytest.fail("done nevertheless"))
    assert waiting.cancel()
    hold.end.set()
    for future in running:
        future.result(PATIENCE_SECONDS)
    assert submit(threads, ADA, lambda: "next").result(PATIENCE_SECONDS) == "next"


def test_an_error_is_its_callers(threads: FairThreads) -> None:
    with pytest.raises(KeyError, match="lost"):
        submit(threads, ADA, lambda: dict[str, str]()["lost"]).result(PATIENCE_SECONDS)
    assert submit(threads, ADA, lambda: "goes on").result(PATIENCE_SECONDS) == "goes on"


def test_what_waits_at_the_end_is_given_up() -> None:
    threads, hold = FairThreads(), Hold()
    futures = [submit(threads, ADA, hold) for _ in range(SHARE + 3)]
    for _ in range(SHARE):
        assert hold.begun.acquire(timeout=PATIENCE_SECONDS)
    threads.shutdown(wait=False)
    hold.end.set()
    for future in futures[:SHARE]:
        future.result(PATIENCE_SECONDS)
    for future in futures[SHARE:]:
        with pytest.raises(CancelledError):
            future.result(PATIENCE_SECONDS)


@pytest.mark.parametrize("fails", [False, True])
def test_who_holds_a_lock_of_all_keeps_nobody_waiting_behind_what_else_its_tenant_asks(fails: bool) -> None:
    async def play() -> None:
        asyncio.get_running_loop().set_default_executor(FairThreads())
        hold, lock = Hold(), CommonLock()
        ASKING.set(ADA)
        flood = [asyncio.ensure_future(asyncio.to_thread(hold)) for _ in range(SHARE)]
        try:
            with pytest.raises(KeyError) if fails else nullcontext():
                async with lock, asyncio.timeout(PATIENCE_SECONDS):
                    await asyncio.to_thread(_fail if fails else int)
            assert not lock.locked()
            assert ASKING.get() == ADA
        finally:
            hold.end.set()
            await asyncio.gather(*flood)

    asyncio.run(play())


def _fail() -> None:
    raise KeyError("lost")


def test_who_gives_up_waiting_for_a_lock_of_all_still_asks_for_itself() -> None:
    async def play() -> None:
        lock = CommonLock()

        async def ask(tenant: Tenant) -> Tenant | None:
            ASKING.set(tenant)
            try:
                async with lock:
                    return ASKING.get()
            except asyncio.CancelledError:
                return ASKING.get()

        await lock.acquire()
        asking = [asyncio.create_task(ask(tenant)) for tenant in (ADA, BOB)]
        await asyncio.sleep(0)
        asking[0].cancel()
        assert await asking[0] == ADA
        lock.release()
        assert await asking[1] is None

    asyncio.run(play())


def test_what_is_begun_for_all_is_not_held_back_later_either() -> None:
    async def play() -> list[Tenant | None]:
        ASKING.set(ADA)
        seen: list[Tenant | None] = []
        with for_all():
            asyncio.get_running_loop().call_soon(lambda: seen.append(ASKING.get()))
        asyncio.get_running_loop().call_soon(lambda: seen.append(ASKING.get()))
        await asyncio.sleep(0)
        return seen

    assert asyncio.run(play()) == [None, ADA]
