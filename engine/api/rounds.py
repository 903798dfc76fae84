"""Turns on the event loop for one tenant: one in each round of the loop, however many of its requests wait.

So a neighbour's request has to wait for one piece of work of each tenant that is busy, and never for all that one of them asks.
"""

import asyncio
from collections import deque


class Rounds:
    """Who asks first in a round goes on at once."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_taken = False

    async def turn(self) -> None:
        """Wait until the tenant has a turn."""
        loop = asyncio.get_running_loop()
        if not self._is_taken:
            self._is_taken = True
            loop.call_soon(self._next)
            return
        place = loop.create_future()
        self._waiting.append(place)
        await place

    def _next(self) -> None:
        """Called once in each round while somebody has asked in the one before."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():  # else its request was given up
                place.set_result(None)
                asyncio.get_running_loop().call_soon(self._next)
                return
        self._is_taken = False
