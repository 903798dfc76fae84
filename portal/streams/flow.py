"""Bounds on what waits on its way to and from a browser. The server that holds the socket has none of its own."""

import asyncio
from collections import deque


class Window:
    """Lets the sender run ``size`` units ahead of what the other side says it has shown."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._ahead = 0
        self._room = asyncio.Event()
        self._room.set()

    async def take(self, amount: int) -> None:
        """Wait for room, then take ``amount``; one piece may overshoot, so that no piece is too large ever to go."""
        await self._room.wait()
        self._ahead += amount
        if self._ahead >= self._size:
            self._room.clear()

    def give_back(self, amount: int) -> None:
        self._ahead = max(0, self._ahead - max(0, amount))
        if self._ahead < self._size:
            self._room.set()


class InputQueue:
    """Bytes typed and not yet taken by the shell. Refuses to grow past ``size``."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._waiting = 0
        self._pieces: deque[bytes] = deque()
        self._filled = asyncio.Event()

    def put(self, data: bytes) -> bool:
        """Add ``data``; False if it does not fit any more."""
        if self._waiting + len(data) > self._size:
            return False
        if not data:  # costs nothing of the bound, so it must take no place
            return True
        self._pieces.append(data)
        self._waiting += len(data)
        self._filled.set()
        return True

    async def get(self) -> bytes:
        """Wait for input and return a piece of it, in order."""
        while not self._pieces:
            self._filled.clear()
            await self._filled.wait()
        data = self._pieces.popleft()
        self._waiting -= len(data)
        return data
