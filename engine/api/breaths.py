"""Long pieces of work on the event loop, cut so that others are served in between."""

import asyncio
import time

_SPELL_SECONDS = 0.005


class Breaths:
    """Begin when the work begins; ``take`` one wherever it may pause."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    async def take(self) -> None:
        """Let others have their turn, if the work has gone on for long enough since the last one."""
        if time.monotonic() - self._since >= _SPELL_SECONDS:
            await asyncio.sleep(0)
            self._since = time.monotonic()
