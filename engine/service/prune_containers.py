"""Prune: remove the containers of a tenant that do not run, or tell which would go."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from engine.core.containers import ContainerRecord
from engine.core.filters import Filters, matches_labels
from engine.core.lifecycle import ALIVE
from engine.core.tenants import Tenant
from engine.core.timeformat import parse_time
from engine.errors import Conflict, InvalidParameter, NotFound
from engine.service.container_sizes import container_bytes
from engine.service.engine import Engine
from engine.service.remove_container import remove_locked
from engine.service.room import tell_removed

FILTERS = frozenset({"until", "label", "label!"})


@dataclass(slots=True)
class Pruned:
    """What has gone, and how many bytes of the disk with it."""

    container_ids: list[str] = field(default_factory=list)
    freed_bytes: int = 0


async def prune_containers(engine: Engine, tenant: Tenant, filters: Filters, *, now_ns: int, is_trial: bool = False) -> Pruned:
    """Remove the tenant's own stopped containers; those of others that it may see stay. A trial changes and tells nothing.

    Raises InvalidParameter.
    """
    is_wanted = _test(filters, now_ns)
    pruned, removed = Pruned(), list[ContainerRecord]()
    for record in engine.containers.visible(tenant):
        if record.tenant == tenant and record.run.state not in ALIVE and is_wanted(record):
            with suppress(NotFound, Conflict):  # somebody else was faster, or has started it
                pruned.freed_bytes += await (container_bytes(engine, record) if is_trial else _remove(engine, record))
                pruned.container_ids.append(record.container_id)
                removed.append(record)
    if is_trial:
        return pruned
    await tell_removed(engine, *removed)
    engine.events.publish("container", "prune", "", {"reclaimed": str(pruned.freed_bytes)}, tenant=tenant)
    return pruned


async def _remove(engine: Engine, record: ContainerRecord) -> int:
    async with engine.containers.lock(record.container_id):
        present = engine.containers.current(record.container_id)
        size = await container_bytes(engine, present)
        await remove_locked(engine, present)
    return size


def _test(filters: Filters, now_ns: int) -> Callable[[ContainerRecord], bool]:
    until_ns = _until(filters.get("until", ()), now_ns)
    wanted, unwanted = filters.get("label", ()), filters.get("label!", ())

    def test(record: ContainerRecord) -> bool:
        labels = record.config.labels
        is_old = until_ns is None or record.created_ns <= until_ns
        return is_old and matches_labels(wanted, labels) and not (unwanted and matches_labels(unwanted, labels))

    return test


def _until(values: tuple[str, ...], now_ns: int) -> int | None:
    if len(values) > 1:
        raise InvalidParameter("invalid filter 'until': give one time")
    return parse_time(values[0], now_ns=now_ns) if values else None
