"""How far the output of a container may run ahead of the clients that are attached to it.

A log that is kept whole holds everything for them. One that is cut keeps what they have not read yet, up to a bound; and one
that is not kept at all, where they are the only readers, makes the container wait for them.
"""

from engine.core.containers import ContainerRecord
from engine.core.launch import LaunchSpec
from engine.core.log_options import NO_DRIVER, log_limits
from engine.service.engine import Engine

_UNKEPT_FLOW_BYTES = 4 * 2**20  # less than is kept for followers behind "none"


def is_cut(record: ContainerRecord) -> bool:
    """Whether output may be gone before a follower has read it."""
    return log_limits(record.host.log_driver, record.host.log_options).keep_segments > 0


def with_readers(engine: Engine, record: ContainerRecord, spec: LaunchSpec) -> LaunchSpec:
    """Return the specification with what the clients mean that wait for the start."""
    flow_bytes = _UNKEPT_FLOW_BYTES if record.host.log_driver == NO_DRIVER else 0
    position = engine.readers.position(record.container_id) if is_cut(record) else None
    return {**spec, "flow_bytes": flow_bytes, "acknowledged": position}


async def tell_readers(engine: Engine, record: ContainerRecord) -> None:
    """Tell the supervisor up to where all attached clients have read."""
    if is_cut(record):
        await engine.supervisor.flow(record.container_id, engine.readers.position(record.container_id))
