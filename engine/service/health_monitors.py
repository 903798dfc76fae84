"""What is known of containers' health, and the tasks that keep asking.

Owns both tables and the file beside a container's record, which lets a next daemon go on. Probing is ``health_monitor``'s.
"""

import asyncio
import logging
from collections.abc import Collection, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.core.health import Health
from engine.core.records import dump_record, parse_record

log = logging.getLogger(__name__)
FILE = "health.json"


class HealthMonitors:
    """At most one task for each container."""

    def __init__(self) -> None:
        self._known: dict[str, Health] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def get(self, container_id: str) -> Health | None:
        """Return what the last probes have shown; None for a container that was never to be probed."""
        return self._known.get(container_id)

    def put(self, container_id: str, health: Health) -> None:
        """Note what is known now."""
        self._known[container_id] = health

    def load(self, container_id: str, path: Path) -> None:
        """Read what an earlier daemon knew. Blocking."""
        with suppress(FileNotFoundError):
            try:
                self._known[container_id] = parse_record(Health, (path / FILE).read_bytes())
            except (OSError, ValueError) as error:
                log.warning("health of container %s is begun anew: %s", container_id, error)

    def save(self, container_id: str, path: Path) -> None:
        """Write it for the next daemon; not synced, since a power cut ends the container too. Blocking."""
        health = self._known.get(container_id)
        if health is not None:
            temporary = path / f".{FILE}.new"
            temporary.write_bytes(dump_record(health))
            temporary.rename(path / FILE)

    def begin(self, container_id: str, work: Coroutine[Any, Any, None]) -> None:
        """Ask from now on; whoever calls has ended the task before."""
        task = self._tasks[container_id] = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(lambda done: self._on_done(container_id, done))

    def watched(self) -> Collection[str]:
        """Return the ids of the containers that are asked."""
        return self._tasks.keys()

    async def end(self, container_id: str) -> None:
        """Ask no more; what is known stays. Returns when a probe under way is ended."""
        task = self._tasks.pop(container_id, None)
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    def drop(self, container_id: str) -> None:
        """Forget a container that is gone."""
        self._known.pop(container_id, None)

    async def close(self) -> None:
        """End all tasks."""
        await asyncio.gather(*(self.end(container_id) for container_id in list(self._tasks)))

    def _on_done(self, container_id: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(container_id) is task:
            del self._tasks[container_id]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("health of container %s is not watched any more", container_id, exc_info=error)
