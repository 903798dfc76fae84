"""Containers that are on their way up: from the decision that they may until their records say that they run.

Owns that list and nothing else. Used from the event loop only.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from engine.core.containers import ContainerRecord
from engine.core.tenants import Tenant


class Starts:
    """One for each engine."""

    def __init__(self) -> None:
        self._records: dict[str, ContainerRecord] = {}
        self._turned_away: set[str] = set()

    def of(self, tenant: Tenant) -> list[ContainerRecord]:
        """Return those of a tenant and its members."""
        return [record for record in self._records.values() if tenant.sees(record.tenant)]

    def turn_away(self, container_id: str) -> None:
        """Count a container that waited for its restart no more, though its record does not say yet that it is given up."""
        self._turned_away.add(container_id)

    def is_turned_away(self, container_id: str) -> bool:
        """Whether a container's place is free again."""
        return container_id in self._turned_away

    def settle(self, container_id: str) -> None:
        """From now on its record tells everything."""
        self._turned_away.discard(container_id)

    @contextmanager
    def keeping(self, record: ContainerRecord) -> Iterator[None]:
        """Count a container in meanwhile; once, also where a restart has kept its place already."""
        if record.container_id in self._records:
            yield
            return
        self._records[record.container_id] = record
        try:
            yield
        finally:
            del self._records[record.container_id]
