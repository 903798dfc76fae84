"""Turns on the event loop for one tenant: one in each round of the loop, however many of its requests wait.

So a neighbour's request has to wait for one piece of work of each tenant that is busy, and never for all that one of them asks.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial

_LONG_SECONDS, _SHORT_SECONDS = 0.002, 0.0005


class Rounds:
    """Who asks first in a round goes on at once."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], bool]] = deque()
        self._is_taken = False

    def take(self) -> bool:
        """Take the turn of this round, if nobody has."""
        if self._is_taken:
            return False
        self._is_taken = True
        asyncio.get_running_loop().call_soon(self._next)
        return True

    def wait(self, work: Callable[[], bool]) -> None:
        """Have ``work`` called when a turn has come; it answers whether there was still something to do."""
        self._waiting.append(work)

    async def turn(self) -> None:
        """Wait until the tenant has a turn."""
        if not self.take():
            place = asyncio.get_running_loop().create_future()
            self.wait(partial(_give, place))
            await place

    def _next(self) -> None:
        """Called once in each round while somebody has asked in the one before."""
        while self._waiting:
            goes_on = True  # also where work fails, or nobody of the tenant's would ever have a turn again
            try:
                goes_on = self._waiting.popleft()()
            finally:
                if goes_on:
                    asyncio.get_running_loop().call_soon(self._next)
            if goes_on:
                return
        self._is_taken = False


class Pieces:
    """How much of what a tenant sends is read out in one turn: less if that took long, more if it went quickly.

    Most bytes cost next to nothing, but a text made for it costs a millisecond for each kilobyte.
    """

    def __init__(self, *, least: int = 2**10, most: int = 2**16) -> None:
        self.bytes = most
        self._least, self._most = least, most

    def note(self, *, seconds: float) -> None:
        """Tell how long the last one took."""
        if seconds > _LONG_SECONDS:
            self.bytes = max(self._least, self.bytes // 4)
        elif seconds < _SHORT_SECONDS:
            self.bytes = min(self._most, self.bytes * 2)


def _give(place: "asyncio.Future[None]") -> bool:
    if place.done():  # its request was given up
        return False
    place.set_result(None)
    return True
