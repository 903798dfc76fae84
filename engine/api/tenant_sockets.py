"""Listening on tenants' sockets: the same application, with connections that carry their tenant.

Owns how many connections a tenant may have. A connection's place is given back when its descriptor is closed, hijacked or not.
"""

import asyncio
import resource
import socket
import time
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from engine.api.responses import Handler, error_response
from engine.api.rounds import Pieces, Rounds
from engine.api.server import HijackableHandler, HijackableServer, handler_of
from engine.core.tenants import Tenant
from engine.errors import Fault, Unavailable
from engine.service.fair_threads import ASKING

MOST_CONNECTIONS = 256  # of a tenant
_FEW_CONNECTIONS = 8  # of a tenant, while tenants together have half of theirs
_MOST_REFUSED, _REFUSED_SECONDS = 16, 2.0  # of a tenant that are told why; what comes beyond is closed at once
_BACKLOG = 128
_TAKEN_AT_ONCE = 1  # of new connections, before others have their turn


def _share_of_descriptors() -> int:
    """Half of what the daemon may open: the rest is for administrators, containers and files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2**15 if soft == resource.RLIM_INFINITY else soft // 2


@dataclass(slots=True)
class Crowd:
    """The connections of all tenants together."""

    most: int = field(default_factory=_share_of_descriptors)
    count: int = 0


class Guests:
    """The connections of one tenant."""

    def __init__(self, tenant: Tenant, crowd: Crowd) -> None:
        self.tenant = tenant
        self.rounds = Rounds()
        self.pieces = Pieces()
        self._crowd = crowd
        self._served = 0
        self._refused = 0

    def admit(self, *, is_refused: bool = False) -> bool:
        """Take a place among those who are served, or among those who are told that there is none."""
        if self._crowd.count >= self._crowd.most:
            return False
        if is_refused:
            if self._refused >= _MOST_REFUSED:
                return False
            self._refused += 1
        else:
            few = self._crowd.count >= self._crowd.most // 2
            if self._served >= (_FEW_CONNECTIONS if few else MOST_CONNECTIONS):
                return False
            self._served += 1
        self._crowd.count += 1
        return True

    def leave(self, *, is_refused: bool) -> None:
        """Give the place back."""
        self._crowd.count -= 1
        if is_refused:
            self._refused -= 1
        else:
            self._served -= 1

    def refusal(self) -> Unavailable:
        """Why there is no place."""
        return Unavailable(
            f"too many connections of tenant {self.tenant.name} to the engine: {self._served} are open, close some and try again"
        )


class TenantHandler(HijackableHandler):
    """A connection on a tenant's socket."""

    __slots__ = ("_guests", "_has_place", "_kept", "is_refused")

    def __init__(self, guests: Guests, server: HijackableServer, **options: object) -> None:
        super().__init__(server, **options)
        self.tenant = guests.tenant
        self.is_refused = False
        self._guests = guests
        self._has_place = False
        self._kept = b""  # what has come and waits for its turn

    def data_received(self, data: bytes) -> None:
        """Of all that comes from one tenant a piece is read out in each round, and no more is taken meanwhile."""
        is_waiting = bool(self._kept)
        self._kept += data
        if not data:  # aiohttp goes on with what it has
            super().data_received(data)
        elif not is_waiting and self._guests.rounds.take():
            self._feed()
        elif not is_waiting:
            self._guests.rounds.wait(self._feed)
        if self._kept:
            self._pause_transport_reading()

    def _feed(self) -> bool:
        if not self._kept:
            return False
        pieces, began = self._guests.pieces, time.monotonic()
        piece, self._kept = self._kept[: pieces.bytes], self._kept[pieces.bytes :]
        super().data_received(piece)
        pieces.note(seconds=time.monotonic() - began)
        if self._kept:
            self._guests.rounds.wait(self._feed)
        elif not (self._reading_paused or self._buffer_paused or self.is_full()):
            self._resume_transport_reading()
        return True

    def _feed_all(self) -> None:
        kept, self._kept = self._kept, b""
        if kept:
            super().data_received(kept)

    def _resume_transport_reading(self) -> None:
        if not self._kept:
            super()._resume_transport_reading()

    def eof_received(self) -> bool | None:  # type: ignore[override]  # as its parent's
        self._feed_all()
        return super().eof_received()

    def take_over(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self._feed_all()
        return super().take_over()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._kept = b""
        super().connection_lost(exc)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._has_place = self._guests.admit()
        if not self._has_place:
            self.is_refused = True
            self._has_place = self._guests.admit(is_refused=True)
            _end_later(transport) if self._has_place else _end(transport)

    def connection_closed(self) -> None:
        if self._has_place:
            self._has_place = False
            self._guests.leave(is_refused=self.is_refused)

    async def turn(self) -> None:
        """All connections of a tenant take turns."""
        await self._guests.rounds.turn()

    def log_exception(self, *args: Any, **details: Any) -> None:
        """What a tenant sends that is no HTTP is told to the tenant: it is not to fill the log of the host."""
        if not isinstance(details.get("exc_info"), HttpProcessingError):
            super().log_exception(*args, **details)

    def refusal(self) -> Unavailable:
        """Why this connection is only told that it is one too many."""
        return self._guests.refusal()


@web.middleware
async def guests_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let each tenant's requests begin one by one. Refuse what comes on a connection that is one too many, and close that."""
    connection = handler_of(request)
    if not isinstance(connection, TenantHandler):
        return await handler(request)
    ASKING.set(connection.tenant)
    await connection.turn()
    if not connection.is_refused:
        return await handler(request)
    response = error_response(connection.refusal())
    response.force_close()
    return response


class TenantSockets:
    """Listens for tenants with the server of the application."""

    def __init__(self, runner: web.AppRunner) -> None:
        if not isinstance(runner.server, HijackableServer):
            raise Fault("the application has not been set up")
        self._server = runner.server
        self._crowd = Crowd()

    async def listen(self, tenant: Tenant, sock: socket.socket) -> asyncio.Server:
        """Serve a tenant on its socket."""
        guests, server = Guests(tenant, self._crowd), self._server
        loop = asyncio.get_running_loop()
        try:
            listening = await loop.create_unix_server(
                lambda: TenantHandler(guests, server, loop=loop, **server.options), sock=sock, backlog=_TAKEN_AT_ONCE
            )
            sock.listen(_BACKLOG)  # what the loop takes at once is not all that may wait
            return listening
        except OSError:
            sock.close()
            raise


def _end_later(transport: asyncio.BaseTransport) -> None:
    asyncio.get_running_loop().call_later(_REFUSED_SECONDS, _end, transport)


def _end(transport: asyncio.BaseTransport) -> None:
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()
