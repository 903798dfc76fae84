"""Look-ups of registries' names: in threads of their own, and few at a time for each tenant.

A name may belong to whoever makes its server answer slowly, and nothing can stop a look-up. So it must not take threads that
anything else waits for.
"""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from engine.core.tenants import Tenant

_THREADS = 32
_AT_ONCE = 4  # of one tenant
_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class Names:
    """All look-ups of a client."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._turns: dict[Tenant, asyncio.Semaphore] = {}

    def resolver(self, tenant: Tenant) -> AbstractResolver:
        return _Resolver(self, self._turns.setdefault(tenant, asyncio.Semaphore(_AT_ONCE)))

    async def look_up(self, turns: asyncio.Semaphore, host: str, port: int, family: int) -> list[Any]:
        """Return what the system knows; raises OSError. A look-up that nobody waits for any more counts until it has ended."""
        loop = asyncio.get_running_loop()
        self._pool = self._pool or ThreadPoolExecutor(_THREADS, thread_name_prefix="names")
        await turns.acquire()
        try:
            begun = self._pool.submit(
                socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, 0, socket.AddressInfo.AI_ADDRCONFIG
            )
        except BaseException:
            turns.release()
            raise
        begun.add_done_callback(lambda _: loop.is_closed() or loop.call_soon_threadsafe(turns.release))
        return await asyncio.wrap_future(begun)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


class _Resolver(AbstractResolver):
    def __init__(self, names: Names, turns: asyncio.Semaphore) -> None:
        self._names = names
        self._turns = turns

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AddressFamily.AF_INET
    ) -> list[ResolveResult]:
        found = await self._names.look_up(self._turns, host, port, family)
        return [
            ResolveResult(hostname=host, host=address[0], port=address[1], family=kind, proto=protocol, flags=_NUMERIC)
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """The threads are the client's."""
