"""How many connections lead into each container: each costs the daemon descriptors."""

from collections.abc import Iterator
from contextlib import contextmanager

from engine.core.ids import short_id
from engine.errors import Conflict

MOST_OF_CONTAINER = 256


class Dials:
    """The count, by container."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    @contextmanager
    def one_more(self, container_id: str) -> Iterator[None]:
        """Count a connection while it lasts. Raises Conflict for one too many."""
        if self._counts.get(container_id, 0) >= MOST_OF_CONTAINER:
            raise Conflict(f"container {short_id(container_id)} has {MOST_OF_CONTAINER} dialled connections: close some first")
        self._counts[container_id] = self._counts.get(container_id, 0) + 1
        try:
            yield
        finally:
            self._counts[container_id] -= 1
            if not self._counts[container_id]:
                del self._counts[container_id]
