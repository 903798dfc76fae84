"""Sockets of tenants: which are open, and that each is before its tenant hears that it exists.

Owns the set of open ones. What listens on them is handed in by the daemon.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Collection
from typing import Protocol

from engine.core.tenants import Tenant
from engine.errors import Fault, reason_of
from engine.service.fair_threads import CommonLock
from engine.tenants.doors import Doors


class Listening(Protocol):
    """What listens on one socket."""

    def close(self) -> None: ...


Listen = Callable[[Tenant, socket.socket], Awaitable[Listening]]


class TenantDoors:
    """Closed until ``open``: what becomes known before is opened then."""

    def __init__(self, files: Doors) -> None:
        self.files = files
        self._listen: Listen | None = None
        self._open: dict[Tenant, Listening] = {}
        self._changing = CommonLock()

    async def open(self, known: Collection[Tenant], *, in_use: Collection[Tenant], listen: Listen) -> None:
        """Listen for all tenants that are known. Raises Fault."""
        try:
            await asyncio.to_thread(self.files.prepare, known, in_use=in_use)
        except OSError as error:
            raise Fault(f"cannot make the folders of tenants' sockets: {reason_of(error)}") from error
        self._listen = listen
        for tenant in {*known, *in_use}:
            await self.ensure(tenant)

    async def ensure(self, tenant: Tenant) -> None:
        """Have the sockets of a tenant and its team listen when this returns. Raises Fault."""
        if tenant in self._open or tenant.is_administrator:
            return
        async with self._changing:
            for one in {Tenant(tenant.team), tenant} - set(self._open):
                await self._open_one(one)

    async def forget(self, tenant: Tenant, *, known: Collection[Tenant]) -> None:
        """Close the socket of a tenant that is not among the known any more, with the folder that its containers would mount."""
        kept = {*known, *(Tenant(one.team) for one in known)}
        async with self._changing:
            for one in {tenant, Tenant(tenant.team)} - kept:
                if (listening := self._open.pop(one, None)) is not None:
                    listening.close()
                    await asyncio.to_thread(self.files.remove, one)

    async def close(self, *, in_use: Collection[Tenant]) -> None:
        """Stop listening at the daemon's end. Doors of those ``in_use`` stay, as containers that run have them."""
        async with self._changing:
            self._listen = None
            for tenant, listening in self._open.items():
                listening.close()
                await asyncio.to_thread(self.files.close if tenant in in_use else self.files.remove, tenant)
            self._open.clear()

    async def _open_one(self, tenant: Tenant) -> None:
        if self._listen is None:
            return
        try:
            sock = await asyncio.to_thread(self.files.bind, tenant)
            self._open[tenant] = await self._listen(tenant, sock)
        except OSError as error:
            raise Fault(f"cannot open the socket of tenant {tenant.name}: {reason_of(error)}") from error
