"""Volumes: create, look at, list, and what of them containers hold.

Owns the use cases that change no container.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from engine.core.containers import ContainerRecord
from engine.core.filters import Filters, matches_labels, matches_name, parse_bool
from engine.core.tenants import Tenant
from engine.core.volume_options import ON_HOST, read_volume_options
from engine.core.volumes import DRIVER, VolumeRecord, check_driver, check_volume_name, is_driver
from engine.errors import EngineError, Forbidden, InvalidParameter, NotFound, QuotaExceeded
from engine.service.engine import Engine
from engine.service.room import with_room
from engine.storage.areas import full_cause

FILTERS = frozenset({"dangling", "driver", "label", "name"})


@dataclass(frozen=True, slots=True)
class VolumeUse:
    """What a volume takes, and by how many containers it is held."""

    volume: VolumeRecord
    size_bytes: int
    holders: int


async def create_volume(
    engine: Engine, tenant: Tenant, *, name: str, driver: str, options: Mapping[str, str], labels: Mapping[str, str]
) -> VolumeRecord:
    """Make a volume, or answer the tenant's one of that name as it is. Raises InvalidParameter, Forbidden, Fault."""
    if name:
        check_volume_name(name)
    if not is_driver(driver):
        raise NotFound(f"volume driver {driver[:60]!r} not found: use {DRIVER}")
    check_driver(driver, options)
    check_volume_options(engine, tenant, options)
    async with with_room(engine, tenant):
        record, is_new = await asyncio.to_thread(engine.volumes.ensure, tenant, name, labels=labels, options=options)
    if is_new:
        publish_volume(engine, record, "create")
    return record


def check_volume_options(engine: Engine, tenant: Tenant, options: Mapping[str, str]) -> None:
    """Raise Forbidden for what reaches the host, InvalidParameter for a limit that nobody would keep."""
    meaning = read_volume_options(options)
    if meaning.backing == ON_HOST and not tenant.is_administrator:
        raise Forbidden("only administrators may make volumes of the host's folders: leave out device")
    if meaning.limit_bytes is not None and not engine.disk.has_limits:
        raise InvalidParameter("quota size requested but no quota support: the engine's disk sets no limits, leave out size")


@contextmanager
def filling_volume(engine: Engine, volume: VolumeRecord) -> Iterator[None]:
    """Writing into a volume on its tenant's account: whatever fails since a limit is reached raises QuotaExceeded."""
    try:
        with engine.areas.charged(volume.tenant):
            yield
    except (OSError, EngineError) as error:
        limit = volume.meaning.limit_bytes
        if limit is None or isinstance(error, QuotaExceeded) or full_cause(error) is None:
            raise
        raise QuotaExceeded(
            f"volume {volume.name} is full: it was made with a size of {limit} bytes",
            resource="disk",
            limit=limit,
            used=engine.volumes.size_bytes(volume.volume_id),
            requested=0,
            tenant=volume.tenant.name,
        ) from error


def find_volume(engine: Engine, tenant: Tenant, name: str) -> VolumeRecord:
    """Look at one volume. Raises NotFound, Conflict."""
    return engine.volumes.find(tenant, name)


def list_volumes(engine: Engine, tenant: Tenant, *, filters: Filters) -> list[VolumeRecord]:
    """List what the tenant sees. Raises InvalidParameter."""
    dangling = _dangling(filters)
    return [
        record
        for record in engine.volumes.visible(tenant)
        if (dangling is None or dangling != bool(engine.volumes.holders(record.volume_id)))
        and ("driver" not in filters or DRIVER in filters["driver"])
        and matches_labels(filters.get("label", ()), record.labels)
        and ("name" not in filters or matches_name(filters["name"], [record.name]))
    ]


async def volume_usage(engine: Engine, tenant: Tenant) -> list[VolumeUse]:
    """Add up each volume of the tenant that takes any disk; where the disk does not count, file by file."""
    volumes = [volume for volume in engine.volumes.visible(tenant) if not volume.meaning.backing]
    sizes = await engine.slow.run(tenant, lambda: [engine.volumes.size_bytes(volume.volume_id) for volume in volumes])
    return [
        VolumeUse(volume, size, len(engine.volumes.holders(volume.volume_id)))
        for volume, size in zip(volumes, sizes, strict=True)
    ]


def volumes_held(records: Iterable[ContainerRecord]) -> dict[str, list[str]]:
    """Return the volumes of each container that has any, by ids."""
    held = {record.container_id: [point.volume_id for point in record.mounts if point.volume_id] for record in records}
    return {container_id: volume_ids for container_id, volume_ids in held.items() if volume_ids}


def publish_volume(engine: Engine, volume: VolumeRecord, action: str, **attributes: str) -> None:
    """Tell what happened to a volume."""
    engine.events.publish("volume", action, volume.name, {"driver": DRIVER, **attributes}, tenant=volume.tenant)


def _dangling(filters: Filters) -> bool | None:
    if "dangling" not in filters:
        return None
    values = {parse_bool([value], name="dangling") for value in filters["dangling"]}
    if len(values) > 1:
        raise InvalidParameter("invalid filter 'dangling': use true or false")
    return values.pop()
