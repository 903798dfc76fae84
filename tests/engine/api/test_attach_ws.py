"""Messages on a WebSocket, which take turns."""

import asyncio

from aiohttp import ClientWebSocketResponse, WSMsgType, web
from aiohttp.test_utils import TestClient, TestServer

from engine.api.attach_ws import MESSAGES_AT_ONCE, WebSocketClient

MANY = 3000  # as many as come with one read from the connection


def test_messages_take_turns_also_those_that_say_nothing() -> None:
    turns: list[None] = []

    async def turn() -> None:
        turns.append(None)
        await asyncio.sleep(0)

    async def serve(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        client = WebSocketClient(socket, turn)
        receiving = asyncio.create_task(client.receive())
        await client.write(await client.read())
        await socket.close()
        await receiving
        return socket

    async def play() -> int:
        app = web.Application()
        app.router.add_get("/", serve)
        async with TestClient(TestServer(app)) as client, client.ws_connect("/", autoping=False) as socket:
            return await _flood(socket)

    assert asyncio.run(play()) == MANY
    assert len(turns) == (2 * MANY + 1) // MESSAGES_AT_ONCE + 1


async def _flood(socket: ClientWebSocketResponse) -> int:
    """Send pings, empty messages, and one that is answered; return how many pongs come before that answer."""
    for number in range(MANY):
        await socket.ping(str(number).encode())
        await socket.send_bytes(b"")
    await socket.send_str("done")
    pongs = [message.data async for message in socket if message.type is WSMsgType.PONG or message.data != b"done"]
    assert pongs == [str(number).encode() for number in range(MANY)]
    return len(pongs)
