"""Rename: another name for the same container, running or not."""

from dataclasses import replace

from engine.core.names import parse_name
from engine.core.tenants import Tenant
from engine.errors import InvalidParameter
from engine.service.engine import Engine


async def rename_container(engine: Engine, tenant: Tenant, name: str, *, new_name: str) -> None:
    """Rename a container. Raises NotFound, InvalidParameter, Conflict."""
    wanted = parse_name(new_name)
    container_id = engine.containers.find(tenant, name).container_id
    async with engine.containers.lock(container_id):
        record = engine.containers.current(container_id)
        if record.name == wanted:
            raise InvalidParameter(f"container {record.name} already has this name: give another one")
        engine.containers.check_name_free(record.tenant, wanted)
        renamed = replace(record, name=wanted)
        await engine.containers.save(renamed)
        engine.publish(renamed, "rename", oldName=f"/{record.name}")
