"""What a container takes of the disk: by the kernel where it counts, else file by file."""

from engine.core.containers import ContainerRecord
from engine.service.engine import Engine
from engine.storage.rootfs import area_of, size_rw


async def container_bytes(engine: Engine, record: ContainerRecord) -> int:
    """Return all that would be given back with the container; its output counts only where the kernel does. Raises OSError."""
    return await engine.slow.run(record.tenant, lambda: _bytes(engine, record))


def _bytes(engine: Engine, record: ContainerRecord) -> int:
    path = engine.containers.path(record.container_id)
    area = area_of(path)
    counted = engine.disk.area_bytes(area) if area is not None else None
    return size_rw(path) if counted is None else counted
