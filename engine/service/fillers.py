"""Threads that fill volumes: few, since each keeps a disk busy, and apart from those that everything else waits for."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from weakref import WeakValueDictionary

_THREADS = 4


class Fillers:
    """One at a time for each volume; who waits takes no thread."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="fill")
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def fill(self, volume_id: str, work: Callable[[], None]) -> None:
        """Do the work on a volume. Raises what it raises."""
        lock = self._locks.setdefault(volume_id, asyncio.Lock())
        async with lock:
            await asyncio.get_running_loop().run_in_executor(self._pool, work)
