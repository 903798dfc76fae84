"""Threads for work that takes as long as a tenant's files, archives or patience make it take.

Owns that such work is apart from the threads that everything else waits for, and that a tenant has few of them at a time.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from engine.core.tenants import Tenant
from engine.service.turns import Turns

AT_ONCE = 4  # of one tenant
_THREADS = 512  # most of them wait for a client or a registry
T = TypeVar("T")


class SlowWork:
    """Who waits for a turn takes no thread."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="slow")
        self._turns = Turns(AT_ONCE)

    async def run(self, tenant: Tenant, work: Callable[[], T]) -> T:
        """Do ``work`` in a thread, on a tenant's account. Raises what it raises.

        Nothing can stop a thread: when the caller is cancelled, what has begun goes on, and counts until it has ended.
        """
        loop = asyncio.get_running_loop()
        turns = self._turns.of(tenant)
        await turns.acquire()
        try:
            begun = self._pool.submit(work)
        except BaseException:
            turns.release()
            raise
        begun.add_done_callback(lambda _: loop.is_closed() or loop.call_soon_threadsafe(turns.release))
        return await asyncio.wrap_future(begun)
