"""Who is reading a container's output right now, so that its log is not removed under an attached client.

Owns the count and the waiting for it.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from engine.runtime.log_reader import LogFollower

STALLED_SECONDS = 10.0


class Readers:
    """Followers of attached clients, by container."""

    def __init__(self) -> None:
        self._followers: dict[str, dict[LogFollower, asyncio.Event]] = {}
        self._expected: dict[str, list[int]] = {}

    @contextmanager
    def expecting(self, container_id: str, position: int) -> Iterator[None]:
        """Count a client that will read from ``position`` on once the container has started."""
        positions = self._expected.setdefault(container_id, [])
        positions.append(position)
        try:
            yield
        finally:
            positions.remove(position)
            if not positions:
                self._expected.pop(container_id, None)

    def position(self, container_id: str) -> int | None:
        """Return up to where all have read; None when nobody reads."""
        followers = list(self._followers.get(container_id, ()))
        return min([*self._expected.get(container_id, ()), *(follower.position for follower in followers)], default=None)

    @contextmanager
    def reading(self, container_id: str, follower: LogFollower) -> Iterator[None]:
        """Count a follower while it reads."""
        followers = self._followers.setdefault(container_id, {})
        done = followers[follower] = asyncio.Event()
        try:
            yield
        finally:
            done.set()
            del followers[follower]
            if not followers:
                self._followers.pop(container_id, None)

    async def drain(self, container_id: str) -> None:
        """Wait until all have read to the end. One that makes no progress for some seconds is not waited for."""
        for follower, done in list(self._followers.get(container_id, {}).items()):
            await _wait_while_reading(follower, done)


async def _wait_while_reading(follower: LogFollower, done: asyncio.Event) -> None:
    while True:
        position = follower.position
        try:
            await asyncio.wait_for(done.wait(), STALLED_SECONDS)
            return
        except TimeoutError:
            if follower.position == position:
                return
