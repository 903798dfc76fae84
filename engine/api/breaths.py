"""Long pieces of work on the event loop, cut so that others are served in between."""

import time
from collections.abc import Awaitable, Callable

_SPELL_SECONDS = 0.005


class Breaths:
    """Begin when the work begins; ``take`` one wherever it may pause. ``turn`` waits until the work may go on."""

    def __init__(self, turn: Callable[[], Awaitable[None]]) -> None:
        self._turn = turn
        self._since = time.monotonic()

    async def take(self) -> None:
        """Let others have their turn, if the work has gone on for long enough since the last one."""
        if time.monotonic() - self._since >= _SPELL_SECONDS:
            await self._turn()
            self._since = time.monotonic()
