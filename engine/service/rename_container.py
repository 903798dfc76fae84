"""Rename: another name for the same container, running or not."""

from dataclasses import replace

from engine.core.containers import ContainerRecord
from engine.core.names import parse_name
from engine.core.tenants import Tenant
from engine.errors import Fault, InvalidParameter, reason_of
from engine.service.engine import Engine


async def rename_container(engine: Engine, tenant: Tenant, name: str, *, new_name: str) -> None:
    """Rename a container, also on its network. Raises NotFound, InvalidParameter, Conflict, Fault."""
    wanted = parse_name(new_name)
    container_id = engine.containers.find(tenant, name).container_id
    async with engine.containers.lock(container_id):
        record = engine.containers.current(container_id)
        if record.name == wanted:
            raise InvalidParameter(f"container {record.name} already has this name: give another one")
        engine.containers.check_name_free(record.tenant, wanted)
        renamed = replace(record, name=wanted)
        await _save(engine, record, renamed)
        engine.publish(renamed, "rename", oldName=f"/{record.name}")


async def _save(engine: Engine, record: ContainerRecord, renamed: ContainerRecord) -> None:
    """Both the record and the network's, or none."""
    await engine.network.rename(record.container_id, old=record.name, new=renamed.name)
    try:
        await engine.containers.save(renamed)
    except OSError as error:
        await engine.network.rename(record.container_id, old=renamed.name, new=record.name)
        raise Fault(f"cannot rename container {record.name}: {reason_of(error)}") from error
