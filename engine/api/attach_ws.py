"""Route ``GET /containers/{id}/attach/ws``: an attach over a WebSocket, for browsers.

As with dockerd, messages are binary and both outputs come as they are, without frames that name the stream.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import WSMsgType, web

from engine.api.container_streams import attach_wish
from engine.api.context import engine_of, name_of, tenant_of
from engine.api.server import handler_of
from engine.errors import InvalidParameter
from engine.service.attach_container import attach_container

_MOST_BYTES = 2**20  # of one message
_WAITING_MESSAGES = 4
MESSAGES_AT_ONCE = 16
_PING_SECONDS = 30.0  # a browser that has vanished without a word is noticed


class WebSocketClient:
    """The client's end, as an exchange wants it."""

    def __init__(self, socket: web.WebSocketResponse, turn: Callable[[], Awaitable[None]]) -> None:
        self._socket = socket
        self._turn = turn
        self._messages: asyncio.Queue[bytes] = asyncio.Queue(_WAITING_MESSAGES)
        self._gone = asyncio.Event()

    async def receive(self) -> None:
        """Take messages until the client leaves. Whoever types faster than the program reads waits.

        A few take a turn, pings as well: of those that say nothing thousands fit into one read from the connection.
        """
        taken = 0
        try:
            async for message in self._socket:
                if taken % MESSAGES_AT_ONCE == 0:
                    await self._turn()
                taken += 1
                if message.type is WSMsgType.PING:
                    await self._socket.pong(message.data)
                elif message.type is WSMsgType.BINARY and message.data:
                    await self._messages.put(message.data)
                elif message.type is WSMsgType.TEXT and message.data:
                    await self._messages.put(message.data.encode())
        finally:
            self._gone.set()

    async def read(self) -> bytes:
        return await self._messages.get()

    async def write(self, data: bytes) -> None:
        await self._socket.send_bytes(data)

    async def gone(self) -> None:
        await self._gone.wait()


@asynccontextmanager
async def _receiving(socket: web.WebSocketResponse, turn: Callable[[], Awaitable[None]]) -> AsyncIterator[WebSocketClient]:
    client = WebSocketClient(socket, turn)
    receiving = asyncio.create_task(client.receive())
    try:
        yield client
    finally:
        receiving.cancel()
        await asyncio.gather(receiving, return_exceptions=True)
        await socket.close()


async def attach_ws(request: web.Request) -> web.StreamResponse:
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise InvalidParameter("not websocket protocol: use POST without /ws for a plain stream")
    wish = attach_wish(request, is_multiplexed=False)
    attachment = attach_container(engine_of(request), tenant_of(request), name_of(request), wish)
    socket = web.WebSocketResponse(max_msg_size=_MOST_BYTES, heartbeat=_PING_SECONDS, autoping=False, compress=False)
    try:
        await socket.prepare(request)
        async with _receiving(socket, handler_of(request).turn) as client:
            await attachment.run(client)
    finally:
        attachment.close()
    return socket
