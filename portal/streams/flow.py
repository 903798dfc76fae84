"""Bounds on what waits on its way to and from a browser. The server that holds the socket has none of its own."""

import asyncio
import secrets
from collections import deque


class Window:
    """Lets the sender run ``size`` units ahead of what the other side says it has shown.

    It says so by marks that nobody can guess and that travel behind what they stand for: whoever does not read cannot say it.
    """

    def __init__(self, size: int, *, step: int) -> None:
        """``step``: how much there is to be between two marks; less than ``size``."""
        self._size = size
        self._step = step
        self._taken = 0
        self._marked = 0
        self._shown = 0
        self._marks: dict[str, int] = {}
        self._room = asyncio.Event()
        self._room.set()

    async def take(self, amount: int) -> None:
        """Wait for room, then take ``amount``; one piece may overshoot, so that no piece is too large ever to go."""
        await self._room.wait()
        self._taken += amount
        self._set_room()

    def mark(self) -> str | None:
        """Return a mark to be sent behind what was taken, or None if there is not enough new for one."""
        if self._taken - self._marked < self._step:
            return None
        self._marked = self._taken
        mark = secrets.token_urlsafe(9)
        self._marks[mark] = self._taken
        return mark

    def give_back(self, mark: object) -> None:
        """Take notice that all before a mark was shown; a mark that was never sent, or told before, means nothing."""
        if not isinstance(mark, str) or mark not in self._marks:
            return
        self._shown = self._marks[mark]
        self._marks = {later: taken for later, taken in self._marks.items() if taken > self._shown}
        self._set_room()

    def _set_room(self) -> None:
        if self._taken - self._shown < self._size:
            self._room.set()
        else:
            self._room.clear()


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
