"""Take a link on the default bridge away from a container (``docker rm --link``). The next start no longer tells of it."""

from dataclasses import replace

from engine.core.links import parse_link
from engine.core.tenants import Tenant
from engine.errors import Fault, NotFound, reason_of
from engine.service.engine import Engine


async def remove_link(engine: Engine, tenant: Tenant, container: str, *, alias: str) -> None:
    """Forget one link by its alias. Raises NotFound, Fault."""
    container_id = engine.containers.find(tenant, container).container_id
    async with engine.containers.lock(container_id):
        record = engine.containers.current(container_id)
        left = tuple(text for text in record.host.links if parse_link(text).alias != alias)
        if left == record.host.links:
            raise NotFound(f"no such link: container {record.name} has none called {alias[:80]}")
        try:
            await engine.containers.save(replace(record, host=replace(record.host, links=left)))
        except OSError as error:
            raise Fault(f"cannot record the links of container {record.name}: {reason_of(error)}") from error
