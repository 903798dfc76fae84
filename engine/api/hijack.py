"""A hijacked connection as a plain stream of bytes both ways.

Owns the head of the answer and the closing. It does not know what is sent through it.
"""

import asyncio
import time
from http import HTTPStatus

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from engine.api.hangup import HangupWatcher
from engine.api.server import UPGRADE_HEADER, handler_of
from engine.linux.unread import has_unread

RAW_STREAM = "application/vnd.docker.raw-stream"
MULTIPLEXED_STREAM = "application/vnd.docker.multiplexed-stream"
_READ_BYTES = 65_536
_HEAD_SECONDS, _HEAD_LOOK_SECONDS = 1.0, 0.002
HANGUPS: web.AppKey[HangupWatcher] = web.AppKey("hangups", HangupWatcher)


class Hijacked(web.StreamResponse):
    """What the handler returns after it took the connection over: aiohttp has nothing left to send."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None


class ClientStream:
    """The client's end. ``read`` gives b"" when the client has closed its half or is gone."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hangups: HangupWatcher, *, is_upgrade: bool
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._hangups = hangups
        self._is_head_pending = is_upgrade
        self._fd = writer.get_extra_info("socket").fileno()

    async def read(self) -> bytes:
        try:
            return await self._reader.read(_READ_BYTES)
        except ConnectionError:
            return b""

    async def write(self, data: bytes) -> None:
        """Send, waiting for a slow client. Raises ConnectionError when it is gone."""
        if self._is_head_pending:
            self._is_head_pending = False
            await self._head_is_read()
        self._writer.write(data)
        await self._writer.drain()

    async def _head_is_read(self) -> None:
        """docker-py reads the head through a buffer, then the bare socket: it would lose what comes together with the head."""
        deadline = time.monotonic() + _HEAD_SECONDS
        while time.monotonic() < deadline:
            if self._writer.transport.is_closing() or not has_unread(self._fd):
                return
            await asyncio.sleep(_HEAD_LOOK_SECONDS)

    def half_close(self) -> None:
        """Tell the client that nothing more comes, while it may still send."""
        if self._writer.can_write_eof() and not self._writer.transport.is_closing():
            self._writer.write_eof()

    async def gone(self) -> None:
        """Wait until the client has hung up in both directions."""
        if not self._writer.transport.is_closing():
            await self._hangups.wait(self._fd)

    async def close(self) -> None:
        """Flush and close."""
        try:
            if self._writer.can_write_eof():
                self._writer.write_eof()
            self._writer.close()
            await self._writer.wait_closed()
        except OSError:
            pass  # the client went first; there is nobody left to tell


async def hijack(request: web.Request, *, content_type: str) -> ClientStream:
    """Answer 101 (or 200 where no upgrade was asked for) and take the connection over."""
    wants_upgrade = UPGRADE_HEADER in request.headers or "Upgrade" in request.headers
    reader, writer = handler_of(request).take_over()
    status = HTTPStatus.SWITCHING_PROTOCOLS if wants_upgrade else HTTPStatus.OK
    head = f"HTTP/1.1 {status.value} {'UPGRADED' if wants_upgrade else 'OK'}\r\nContent-Type: {content_type}\r\n"
    head += "Connection: Upgrade\r\nUpgrade: tcp\r\n" if wants_upgrade else ""
    writer.write(head.encode() + b"\r\n")
    await writer.drain()
    return ClientStream(reader, writer, request.app[HANGUPS], is_upgrade=wants_upgrade)
