"""Resize: the size of a container's terminal."""

from engine.core.ids import short_id
from engine.core.tenants import Tenant
from engine.errors import Conflict
from engine.service.engine import Engine


def resize_container(engine: Engine, tenant: Tenant, name: str, *, rows: int, columns: int) -> None:
    """Resize the terminal. Raises NotFound, Conflict."""
    record = engine.containers.find(tenant, name)
    process = engine.process(record.container_id)
    if process is None:
        raise Conflict(f"container {short_id(record.container_id)} is not running")
    process.resize(rows=rows, columns=columns)
    engine.publish(record, "resize", height=str(rows), width=str(columns))
