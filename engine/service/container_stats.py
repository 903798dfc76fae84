"""Stats: what a container uses, once or each second for as long as somebody looks."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator

from engine.core.containers import ContainerRecord
from engine.core.lifecycle import ALIVE
from engine.core.limits import cgroup_path
from engine.core.namespace_modes import HOST
from engine.core.stats import FILES_V1, FILES_V2, Interface, Reading, parse_host_cpu, parse_interfaces, read_v1, read_v2
from engine.core.tenants import Tenant
from engine.linux.cgroup_usage import read_texts
from engine.linux.pidfd import is_alive
from engine.service.engine import Engine, HostFacts
from engine.service.watches import PERIOD_SECONDS, Sample

_TICKS = os.sysconf("SC_CLK_TCK")


async def read_stats(engine: Engine, tenant: Tenant, name: str, *, is_single: bool) -> Sample:
    """Look once; unless ``is_single``, twice with a second between, so that shares of time can be told. Raises NotFound."""
    record = engine.containers.find(tenant, name)
    first = await _read(engine, record)
    if first is None or is_single:
        return Sample(record, first)
    await asyncio.sleep(PERIOD_SECONDS)
    second = await _read(engine, record)
    return Sample(record) if second is None else Sample(record, second, first)


def watch_stats(engine: Engine, tenant: Tenant, name: str) -> AsyncGenerator[Sample, None]:
    """Look each second, until the container is removed. Raises NotFound at once."""
    container_id = engine.containers.find(tenant, name).container_id

    async def take(before: Reading | None) -> Sample | None:
        record = engine.containers.get(container_id)
        if record is None:
            return None
        now = await _read(engine, record)
        return Sample(record) if now is None else Sample(record, now, before)

    return engine.watches.samples(container_id, take)


async def _read(engine: Engine, record: ContainerRecord) -> Reading | None:
    """None for a container that does not run."""
    process = engine.process(record.container_id)
    current = engine.containers.get(record.container_id)
    if process is None or current is None or current.run.state not in ALIVE:
        return None
    path = cgroup_path(engine.instance, record.tenant, record.container_id)
    pidfd = os.dup(process.pidfd)
    try:
        reading = await asyncio.to_thread(_look, engine.host, path, process.pid, record.host.network_mode)
        return reading if is_alive(pidfd) else None  # or the number could have been another's meanwhile
    finally:
        os.close(pidfd)


def _look(host: HostFacts, path: list[str], pid: int, network_mode: str) -> Reading:
    """Blocking. The host's own interfaces are nothing that a container on its network uses."""
    layout = host.cgroups
    with open("/proc/stat") as file:
        cpu = parse_host_cpu(file.read(), ticks=_TICKS)
    interfaces, time_ns = ({} if network_mode == HOST else _interfaces(pid)), time.time_ns()
    if layout.version == 2:
        texts = read_texts("/".join([layout.unified, *path]), FILES_V2)
        return read_v2(texts, time_ns=time_ns, host=cpu, memory_bytes=host.memory_bytes, interfaces=interfaces)
    texts = {}
    for controller, names in FILES_V1.items():
        if controller in layout.mounts:
            texts |= read_texts("/".join([layout.mounts[controller], *path]), names)
    return read_v1(texts, time_ns=time_ns, host=cpu, memory_bytes=host.memory_bytes, interfaces=interfaces, ticks=_TICKS)


def _interfaces(pid: int) -> dict[str, Interface]:
    """The container's own view; none when its first process has just ended."""
    try:
        with open(f"/proc/{pid}/net/dev") as file:
            return parse_interfaces(file.read())
    except OSError:
        return {}
