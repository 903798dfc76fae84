"""Remove a volume that no container has."""

import asyncio

from engine.core.tenants import Tenant
from engine.errors import NotFound
from engine.service.engine import Engine
from engine.service.room import wait_for_room
from engine.service.volumes import publish_volume


async def remove_volume(engine: Engine, tenant: Tenant, name: str, *, force: bool) -> None:
    """Remove a volume with its data; with ``force`` a missing one is fine. Raises NotFound, Conflict, Fault."""
    try:
        volume = engine.volumes.find(tenant, name)
        await asyncio.to_thread(engine.volumes.remove, volume.volume_id)
    except NotFound:
        if force:
            return
        raise
    publish_volume(engine, volume, "destroy")
    await wait_for_room(engine, volume.tenant)
