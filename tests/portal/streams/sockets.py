"""Browsers of WebSockets, as tests need them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import Client

from portal.accounts.models import User
from portal.streams.routing import websocket_application

ORIGIN = b"http://localhost"


def sign_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


async def connect(path: str, client: Client | None, *, origin: bytes = ORIGIN, language: str = "en") -> WebsocketCommunicator:
    """Return a socket at ``path`` as the browser with the cookies of ``client`` would open it."""
    headers = [(b"origin", origin), (b"host", b"localhost"), (b"accept-language", language.encode())]
    if client is not None:
        cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
        headers.append((b"cookie", cookie.encode()))
    return WebsocketCommunicator(websocket_application(), path, headers=headers)


@asynccontextmanager
async def open_socket(path: str, user: User | None, **options: Any) -> AsyncIterator[WebsocketCommunicator]:
    """Yield an accepted socket of ``user``; it is closed at the end."""
    client = await sync_to_async(sign_in)(user) if user else None
    socket = await connect(path, client, **options)
    is_accepted, _ = await socket.connect(timeout=10)
    assert is_accepted
    try:
        yield socket
    finally:
        await socket.disconnect(timeout=10)


async def close_code(socket: WebsocketCommunicator) -> int:
    """Return the code with which the server closes, after whatever it says before."""
    while True:
        message = await socket.receive_output(timeout=10)
        if message["type"] == "websocket.close":
            return int(message["code"])


async def receive_type(socket: WebsocketCommunicator, kind: str) -> dict[str, Any]:
    """Return the next message of ``kind``, leaving out others."""
    while True:
        message: dict[str, Any] = await socket.receive_json_from(timeout=10)
        if message["type"] == kind:
            return message
