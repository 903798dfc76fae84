"""The channel layer ends with the sockets that it serves."""

import asyncio
import contextlib
from typing import Any

import pytest
from channels.layers import get_channel_layer
from channels_redis.core import RedisChannelLayer

MANY = 30


async def test_readers_end_as_soon_as_they_are_cancelled() -> None:
    layer = get_channel_layer()
    assert layer is not None
    readers = []
    for _ in range(MANY):
        channel = await layer.new_channel()
        readers.append(asyncio.create_task(layer.receive(channel)))
        await asyncio.sleep(0)
    for reader in readers:
        reader.cancel()
    async with asyncio.timeout(5):
        await asyncio.gather(*readers, return_exceptions=True)
    assert all(reader.cancelled() for reader in readers)


async def test_a_cancellation_that_the_client_loses_is_said_again(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = 0

    async def receive(self: Any, channel: str) -> None:
        nonlocal heard
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        heard = 1
        await asyncio.sleep(3600)

    monkeypatch.setattr(RedisChannelLayer, "receive", receive)
    layer = get_channel_layer()
    assert layer is not None
    reader = asyncio.create_task(layer.receive("specific.a!b"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    reader.cancel()
    async with asyncio.timeout(5):
        await asyncio.gather(reader, return_exceptions=True)
    assert reader.cancelled()
    assert heard


async def test_messages_arrive() -> None:
    layer = get_channel_layer()
    assert layer is not None
    channel = await layer.new_channel()
    await layer.group_add("user.1", channel)
    await layer.group_send("user.1", {"type": "hello"})
    assert await layer.receive(channel) == {"type": "hello"}
