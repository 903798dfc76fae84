"""What quotas say to a container: to the sizes that it is made with or given, to its start, and to execs in it.

Owns what counts as used at a start: what the kernel counts, with all that starts under way have asked for, as those are about to
use it. Nothing waits between the decision and the place that is kept, so of many starts at once as many are let in as fit.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from engine.core.containers import ContainerRecord
from engine.core.lifecycle import ALIVE, State
from engine.core.limits import MEMORY_LEAST_BYTES, Limits, cpus_of, swap_total
from engine.core.tenants import Tenant
from engine.errors import QuotaExceeded
from engine.service.container_memory import memory_of, pids_of
from engine.service.engine import Engine
from engine.service.tenant_usage import memory_used, pids_used

_LEAST_PIDS = 1
_NO_LIMITS = Limits()


def check_sizes(engine: Engine, tenant: Tenant, limits: Limits, *, before: Limits = _NO_LIMITS) -> None:
    """Raise QuotaExceeded where a size that was asked for, or changed, is more than all that the tenant may have."""
    present = _sizes(before)
    for resource, size in _sizes(limits).items():
        if size is not None and size != present[resource]:
            engine.admission.check_size(tenant, resource, size)


def pids_quota(engine: Engine, tenant: Tenant) -> int | None:
    """Return the most processes that a tenant may have in all."""
    quotas = [limit for scope in tenant.scopes if (limit := engine.admission.limit(scope, "pids")) is not None]
    return int(min(quotas)) if quotas else None


@contextmanager
def admitted_start(engine: Engine, record: ContainerRecord) -> Iterator[None]:
    """Keep a place for a container until it runs, or has run before. Raises QuotaExceeded, and nothing is kept."""
    try:
        _check(engine, record)
    except QuotaExceeded:
        if record.run.state is State.RESTARTING:  # at once: of many that wait, one that has to go makes room for the next
            engine.starts.turn_away(record.container_id)
        raise
    with engine.starts.keeping(record):
        yield


def admit_exec(engine: Engine, record: ContainerRecord) -> None:
    """Raise QuotaExceeded where a container's tenant has no process left for an exec, whoever asks for it.

    Version 1 lets in whatever joins a cgroup, past its limit. Who is let in has to pass the gate of execs without waiting.
    """
    engine.admission.admit(record.tenant, "pids", requested=_LEAST_PIDS, used=lambda scope: _pids_taken(engine, scope))


def count_running(engine: Engine, tenant: Tenant, *, apart_from: str = "") -> int:
    """Return how many containers of a tenant and its members run, are paused, wait for a restart, or are being started."""
    alive = (one.container_id for one in engine.containers.all() if one.run.state in ALIVE and tenant.sees(one.tenant))
    running = {container_id for container_id in alive if not engine.starts.is_turned_away(container_id)}
    return len((running | {one.container_id for one in engine.starts.of(tenant)}) - {apart_from})


def _check(engine: Engine, record: ContainerRecord) -> None:
    """A container that runs already, and is to be started anew, gives back first what it has now."""
    admission, tenant, own_id = engine.admission, record.tenant, record.container_id
    admission.admit(tenant, "running", requested=1, used=lambda scope: count_running(engine, scope, apart_from=own_id))
    admission.admit(tenant, "memory", requested=_memory_asked(record), used=lambda scope: _memory(engine, scope, record))
    admission.admit(tenant, "pids", requested=_LEAST_PIDS, used=lambda scope: _pids(engine, scope, record))
    if admission.has_limit(tenant, "ports"):  # what a start publishes is decided when it does; a restart would lose what it has
        own = len({(port.port.protocol, port.host_port) for port in engine.network.published(own_id)})
        admission.admit(tenant, "ports", requested=own, used=lambda scope: engine.network.count_ports(scope) - own)


def _memory(engine: Engine, scope: Tenant, record: ContainerRecord) -> int:
    others = sum(_memory_asked(one) for one in engine.starts.of(scope) if one.container_id != record.container_id)
    return (memory_used(engine, scope) or 0) + others - memory_of(engine, record)


def _pids(engine: Engine, scope: Tenant, record: ContainerRecord) -> int:
    return _pids_taken(engine, scope, apart_from=record.container_id) - pids_of(engine, record)


def _pids_taken(engine: Engine, scope: Tenant, *, apart_from: str = "") -> int:
    """What the kernel counts, with all that is about to come: at worst something that has just come counts twice."""
    starts = sum(one.container_id != apart_from for one in engine.starts.of(scope))
    execs = sum(count for key, count in engine.execs.gate.starting.items() if key != apart_from and _is_of(engine, key, scope))
    return (pids_used(engine, scope) or 0) + (starts + execs) * _LEAST_PIDS


def _is_of(engine: Engine, container_id: str, scope: Tenant) -> bool:
    record = engine.containers.get(container_id)
    return record is not None and scope.sees(record.tenant)


def _memory_asked(record: ContainerRecord) -> int:
    """Without a size there has to be as much as lets any program start."""
    return record.host.limits.memory_bytes or MEMORY_LEAST_BYTES


def _sizes(limits: Limits) -> dict[str, float | None]:
    """As much swap as memory is what clients get who have asked for none: the kernel holds them to what there is."""
    memory, total = limits.memory_bytes or 0, swap_total(limits)
    return {
        "memory": limits.memory_bytes,
        "swap": None if total in (None, 2 * memory) else total - memory,
        "cpus": cpus_of(limits),
        "pids": limits.pids,
    }
