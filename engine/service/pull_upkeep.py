"""Layers that pulls left behind are kept for a day, not longer: looked at from time to time.

Owns the task that looks.
"""

import asyncio
import logging
from collections.abc import Callable

from engine.errors import Fault
from engine.image.sources import SourceStore

_log = logging.getLogger(__name__)
_EACH_SECONDS = 1800.0


class PullUpkeep:
    """Runs from ``start`` to ``close``."""

    def __init__(self, sources: SourceStore, collect: Callable[[], None]) -> None:
        """``collect`` removes in the background what nobody holds any more."""
        self._sources = sources
        self._collect = collect
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._look_again())

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _look_again(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(_EACH_SECONDS)

    async def look(self) -> None:
        """Give back what was kept long enough. A disk that fails is logged, and tried again."""
        try:
            if await asyncio.to_thread(self._sources.expire):
                self._collect()
        except (Fault, OSError) as error:
            _log.error("layers of earlier pulls stay for now: %s", error)
