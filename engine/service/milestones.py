"""Points in a container's life that others wait for: started, exited, removed.

Owns the futures; those who change a container's state reach them.
"""

import asyncio
from enum import StrEnum

from engine.core.containers import ContainerRecord


class Milestone(StrEnum):
    STARTED = "started"
    EXITED = "exited"
    REMOVED = "removed"


class Milestones:
    """Each wait is for the next time that a container gets there."""

    def __init__(self) -> None:
        self._futures: dict[tuple[str, Milestone], asyncio.Future[ContainerRecord]] = {}

    def upcoming(self, container_id: str, milestone: Milestone) -> asyncio.Future[ContainerRecord]:
        """Return the future of the next time, shared by all who wait: shield it or use asyncio.wait, never cancel it."""
        key = (container_id, milestone)
        if key not in self._futures:
            self._futures[key] = asyncio.get_running_loop().create_future()
        return self._futures[key]

    def reach(self, milestone: Milestone, record: ContainerRecord) -> None:
        """Wake those who wait. A removed container will reach nothing any more, so all its futures end here."""
        self._resolve((record.container_id, milestone), record)
        if milestone is Milestone.REMOVED:
            for other in Milestone:
                self._resolve((record.container_id, other), record)

    def _resolve(self, key: tuple[str, Milestone], record: ContainerRecord) -> None:
        future = self._futures.pop(key, None)
        if future is not None and not future.done():
            future.set_result(record)
