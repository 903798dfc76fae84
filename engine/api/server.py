"""The HTTP server: aiohttp on a unix socket, with connections that can be hijacked.

Owns what aiohttp lacks for Docker's hijacked streams: bytes that a client sends right behind the request belong to the stream,
with and without ``Upgrade``, and a client may close its half early. It knows routes only so far as to tell which are hijacked.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Any, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_server import Server

from engine.core.tenants import Tenant

# The request line of a route that takes over its connection.
_HIJACK = re.compile(
    rb"POST (?:/v\d+\.\d+)?/(?:containers/[^/ ?]+/(?:attach|dial)|exec/[^/ ?]+/(?:start|attach))(?:\?[^ ]*)? HTTP/1\.[01]\r\n"
)
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_UPGRADE = re.compile(rb"\r\n(upgrade|connection):", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"
_HEAD_LIMIT = 65_536
_EARLY_LIMIT = 262_144

UPGRADE_HEADER = "Atelier-Upgrade"  # what the server renames ``Upgrade`` to on its way to the handler


class HijackableHandler(RequestHandler):
    """One connection. aiohttp's parser sees a hijack request's head and body only; what follows is kept for the stream."""

    __slots__ = ("_body_left", "_client_eof", "_early", "_held", "_is_given_away", "_is_hijack", "tenant")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._held = b""  # the beginning of a request whose head is not complete yet
        self._is_hijack = False
        self._body_left = 0
        self._early = bytearray()
        self._client_eof = False
        self._is_given_away = False
        self.tenant: Tenant | None = None  # to whom alone the connection's requests can belong

    def data_received(self, data: bytes) -> None:
        if self._is_hijack:
            self._feed_hijack(data)
        elif data and self._is_between_requests():
            self._begin(self._held + data)
        else:
            super().data_received(data)

    def _is_between_requests(self) -> bool:
        waiting = self._waiter is not None and not self._waiter.done()
        return (waiting or self._request_count == 0) and not self._messages and not self._request_in_progress

    def _begin(self, data: bytes) -> None:
        """Read a head whole if it may be a hijack request's; hand everything else to aiohttp as it comes."""
        self._held = b""
        if not data.startswith(b"POST "[: len(data)]):
            return super().data_received(data)
        end = data.find(_HEAD_END)
        if end < 0 and len(data) < _HEAD_LIMIT:
            self._held = data
            return None
        head = data[: end + len(_HEAD_END)]
        if _HIJACK.match(head) is None or _CHUNKED.search(head):
            return super().data_received(data)
        length = _LENGTH.search(head)
        self._is_hijack, self._body_left = True, int(length[1]) if length else 0
        # aiohttp must not act on the upgrade itself, or it would refuse or swallow what follows the head.
        super().data_received(_UPGRADE.sub(rb"\r\nAtelier-\1:", head))
        if len(data) > len(head):
            self._feed_hijack(data[len(head) :])
        return None

    def _feed_hijack(self, data: bytes) -> None:
        if self._body_left:
            body, data = data[: self._body_left], data[self._body_left :]
            self._body_left -= len(body)
            super().data_received(body)
        self._early += data
        if self.is_full() and self.transport is not None:
            self.transport.pause_reading()

    def is_full(self) -> bool:
        """Whether as much has come for a stream that has not begun yet as may wait."""
        return len(self._early) > _EARLY_LIMIT

    def eof_received(self) -> bool | None:  # type: ignore[override]  # aiohttp's own always closes
        self._client_eof = True
        return True if self._is_hijack else None

    def take_over(self) -> "tuple[asyncio.StreamReader, asyncio.StreamWriter]":
        """Give the connection away; aiohttp then thinks that it is gone. Raises ConnectionResetError when it really is."""
        transport, manager, loop = self.transport, self._manager, asyncio.get_running_loop()
        if transport is None or manager is None:
            raise ConnectionResetError("client has gone")
        reader = asyncio.StreamReader(limit=65_536)
        protocol = _TakenOver(reader, self.connection_closed)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        self._task_handler = None  # or it would be cancelled with the connection that it no longer owns
        self.transport = None
        self._is_given_away = True
        self.connection_lost(None)
        if not self._client_eof and not transport.is_reading():
            transport.resume_reading()  # first: the reader pauses again for what is too much, and must not be overruled
        if self._early:
            reader.feed_data(bytes(self._early))
        if self._client_eof:
            reader.feed_eof()
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        if not self._is_given_away:
            self.connection_closed()

    def log_exception(self, *args: Any, **details: Any) -> None:
        """A client that hangs up while its answer begins is no error of the engine, and is not to fill its log."""
        has_gone = self.transport is None or self.transport.is_closing()
        if not (has_gone and isinstance(details.get("exc_info"), ConnectionError)):
            super().log_exception(*args, **details)

    def connection_closed(self) -> None:
        """Called when the connection is really gone, whoever had it last."""

    async def turn(self) -> None:
        """Wait until a further piece of work on the loop may be done for this connection."""
        await asyncio.sleep(0)

    def is_hijack(self) -> bool:
        """Whether the request being handled came on a hijack route."""
        return self._is_hijack


class _TakenOver(asyncio.StreamReaderProtocol):
    """What reads a connection that was given away."""

    def __init__(self, reader: asyncio.StreamReader, on_closed: Callable[[], None]) -> None:
        super().__init__(reader)
        self._on_closed = on_closed

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._on_closed()


class HijackableRunner(web.AppRunner):
    """An AppRunner whose connections can be hijacked."""

    async def _make_server(self) -> Server:
        server = await super()._make_server()
        server.__class__ = HijackableServer
        return server


class HijackableServer(Server):
    """Makes connections that can be hijacked."""

    @property
    def options(self) -> dict[str, Any]:
        """What each connection is made with."""
        return self._kwargs

    def __call__(self) -> RequestHandler:
        return HijackableHandler(self, loop=self._loop, **self._kwargs)


def handler_of(request: web.Request) -> HijackableHandler:
    """Return the connection a request came on."""
    return cast(HijackableHandler, request.protocol)
