"""The channel layer on Redis, whose readers can be cancelled for good. Must not know what is in a message."""

import asyncio
from typing import Any

from channels_redis.core import RedisChannelLayer

_PATIENCE_SECONDS = 0.05


class ChannelLayer(RedisChannelLayer):  # type: ignore[misc]  # channels_redis has no types
    async def receive(self, channel: str) -> Any:
        """Return the next message of ``channel``.

        Before Python 3.12 ``asyncio.wait_for``, with which the client writes to Redis, loses a cancellation that comes together
        with its result (python/cpython#86296). A closed socket would then wait on until the server kills it after ten seconds.
        """
        reading = asyncio.ensure_future(super().receive(channel))
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            await _cancel(reading)
            raise


async def _cancel(task: "asyncio.Future[Any]") -> None:
    """Cancel until it is heard, and take the end of the task, whatever it is."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_PATIENCE_SECONDS)
    if not task.cancelled():
        task.exception()
