"""Between execs that are just starting and a pause: a process frozen before its command runs would leave its caller waiting.

Owns the counts. A pause closes the gate of its container and waits for those inside; who comes then is refused.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

from engine.core.ids import short_id
from engine.errors import Conflict

PATIENCE_SECONDS = 5.0  # a start takes milliseconds; one that a hostile image stalls must not keep a container from being paused


class ExecGate:
    """One for all containers."""

    def __init__(self) -> None:
        self._inside: dict[str, int] = {}
        self._left: dict[str, asyncio.Event] = {}  # of those that a pause has closed

    @property
    def starting(self) -> Mapping[str, int]:
        """How many execs are just starting, by container."""
        return self._inside

    @contextmanager
    def passing(self, container_id: str) -> Iterator[None]:
        """Hold while an exec starts. Raises Conflict when the container is just being paused."""
        if container_id in self._left:
            raise Conflict(f"container {short_id(container_id)} is paused, unpause the container before exec")
        self._inside[container_id] = self._inside.get(container_id, 0) + 1
        try:
            yield
        finally:
            self._leave(container_id)

    def _leave(self, container_id: str) -> None:
        self._inside[container_id] -= 1
        if self._inside[container_id] == 0:
            del self._inside[container_id]
            if container_id in self._left:
                self._left[container_id].set()

    @asynccontextmanager
    async def closed(self, container_id: str) -> AsyncIterator[None]:
        """Hold while the container is frozen and recorded as paused. Hold its lock too."""
        left = self._left[container_id] = asyncio.Event()
        try:
            if container_id in self._inside:
                await asyncio.wait({waiting := asyncio.ensure_future(left.wait())}, timeout=PATIENCE_SECONDS)
                waiting.cancel()
            yield
        finally:
            del self._left[container_id]
