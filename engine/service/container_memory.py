"""What one container uses by the kernel's count. Owns where to look; each look takes microseconds."""

from engine.core.containers import ContainerRecord
from engine.core.limits import cgroup_path
from engine.linux.cgroup_sums import memory_used_v1, memory_used_v2, pids_in
from engine.service.engine import Engine


def memory_of(engine: Engine, record: ContainerRecord) -> int:
    """Return the bytes of memory that a container uses, without the inactive cache of files; 0 for one that does not run."""
    directory = container_directory(engine, record, "memory")
    used = memory_used_v2(directory) if engine.host.cgroups.version == 2 else memory_used_v1(directory)
    return used or 0


def pids_of(engine: Engine, record: ContainerRecord) -> int:
    """Return a container's processes and threads."""
    return pids_in(container_directory(engine, record, "pids")) or 0


def container_directory(engine: Engine, record: ContainerRecord, controller: str) -> str:
    """Return a container's cgroup below a controller, there or not."""
    layout = engine.host.cgroups
    root = layout.unified if layout.version == 2 else layout.mounts.get(controller, "")
    return "/".join([root, *cgroup_path(engine.instance, record.tenant, record.container_id)])
