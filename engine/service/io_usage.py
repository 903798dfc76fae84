"""What the containers of a tenant have read and written, by the kernel's counters of their cgroups. Owns where to look."""

from engine.core.limits import cgroup_path
from engine.core.stats import FILES_V1, FILES_V2, HostCpu, Reading, read_v1, read_v2
from engine.core.tenants import Tenant
from engine.linux.cgroup_usage import read_texts
from engine.service.engine import Engine
from engine.tenants.io_counts import IoUsage


def io_usage(engine: Engine, tenant: Tenant) -> IoUsage:
    """Return what a tenant's containers have done, its members' included. Blocking."""
    return engine.io.counts.total(tenant, _usage_of(_look(engine, tenant)))


def _look(engine: Engine, tenant: Tenant) -> Reading:
    layout, path = engine.host.cgroups, cgroup_path(engine.instance, tenant, "")[:-1]
    nothing = HostCpu(0, 0)
    if layout.version == 2:
        texts = read_texts("/".join([layout.unified, *path]), FILES_V2)
        return read_v2(texts, time_ns=0, host=nothing, memory_bytes=0, interfaces={})
    texts = read_texts("/".join([layout.mounts["blkio"], *path]), FILES_V1["blkio"]) if "blkio" in layout.mounts else {}
    return read_v1(texts, time_ns=0, host=nothing, memory_bytes=0, interfaces={}, ticks=1)


def _usage_of(reading: Reading) -> IoUsage:
    sums = [
        sum(one.value for one in counts if one.operation == operation)
        for counts in (reading.io_bytes, reading.io_operations)
        for operation in ("read", "write")
    ]
    return IoUsage(*sums)
