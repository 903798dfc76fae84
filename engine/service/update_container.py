"""Update: other limits and another restart policy for a container, while it runs or not.

Owns the order: what the kernel refuses is put back, and is not recorded.
"""

import asyncio
import errno
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace

from engine.core.containers import ContainerRecord
from engine.core.cpusets import check_processors, format_set, parse_set
from engine.core.ids import short_id
from engine.core.lifecycle import State
from engine.core.limit_changes import LimitChanges, merge_limits, plan_limit_writes, plan_new_groups
from engine.core.limits import Limits, cgroup_path, check_limits, plan_cgroup, tenant_limits
from engine.core.restart import RestartPolicy
from engine.core.tenants import Tenant
from engine.errors import Conflict, EngineError, Fault, InvalidParameter, reason_of
from engine.runtime.limit_writer import apply_limits
from engine.service.admit_container import check_sizes, pids_quota
from engine.service.container_networks import rates_of
from engine.service.engine import Engine
from engine.service.restart_policy import give_up_locked, goes_on


@dataclass(frozen=True, slots=True)
class UpdateRequest:
    """``restart`` None: as it is."""

    limits: LimitChanges
    restart: RestartPolicy | None = None


async def update_container(engine: Engine, tenant: Tenant, name: str, wanted: UpdateRequest) -> None:
    """Change a container. Raises NotFound, Conflict, InvalidParameter, QuotaExceeded, Fault."""
    container_id = engine.containers.find(tenant, name).container_id
    async with engine.containers.lock(container_id):
        record = engine.containers.current(container_id)
        updated = _updated(engine, record, wanted)
        await _make_true(engine, record, updated)
        engine.publish(updated, "update")
        if updated.run.state is State.RESTARTING and not goes_on(updated, updated.run.exit_code):
            await give_up_locked(engine, updated)


def _updated(engine: Engine, record: ContainerRecord, wanted: UpdateRequest) -> ContainerRecord:
    if record.run.state in (State.REMOVING, State.DEAD):
        raise Conflict(f"container {short_id(record.container_id)} is {record.run.state}: it can only be removed")
    limits = merge_limits(record.host.limits, wanted.limits)
    if not record.tenant.is_administrator:
        limits = tenant_limits(limits, pids_quota=pids_quota(engine, record.tenant))
    check_limits(limits)
    check_sizes(engine, record.tenant, limits, before=record.host.limits)
    check_processors(limits, processors=engine.host.processors, memory_nodes=engine.host.memory_nodes)
    if wanted.limits.cpuset_cpus:
        _check_own_processors(engine, record.tenant, wanted.limits.cpuset_cpus)
    plan_cgroup(engine.host.cgroups, _path(engine, record), limits)
    if wanted.restart is not None and record.host.auto_remove and not wanted.restart.is_none:
        raise Conflict("restart policy cannot be updated because AutoRemove is enabled for the container")
    return replace(record, host=replace(record.host, limits=limits, restart=wanted.restart or record.host.restart))


def _check_own_processors(engine: Engine, tenant: Tenant, wanted: str) -> None:
    """What a container was made with is cut down to those that its tenant has; what is asked for today should be had today."""
    for there in (engine.quotas.processors[scope] for scope in tenant.scopes if scope in engine.quotas.processors):
        if not parse_set(wanted, what="CpusetCpus") <= there:
            raise InvalidParameter(
                f"invalid CpusetCpus {wanted[:60]!r}: the cpus quota of {tenant.name} leaves it processors {format_set(there)}"
            )


async def _make_true(engine: Engine, record: ContainerRecord, updated: ContainerRecord) -> None:
    """In the kernel first, then on disk. Whoever waits is never left with one of the two."""
    is_live = record.run.state in (State.RUNNING, State.PAUSED)
    undo = await _apply(engine, record, updated.host.limits) if is_live else ExitStack()
    try:
        if is_live:
            await _tell_supervisor(engine, record, updated.host.limits)
            await _shape(engine, record, updated)
        await engine.containers.save(updated)
    except (OSError, EngineError) as error:
        await asyncio.to_thread(undo.close)
        if is_live:
            with suppress(EngineError):  # it is what could not be changed
                await _shape(engine, updated, record)
        if isinstance(error, EngineError):
            raise
        raise Fault(f"cannot record the update of container {record.name}: {reason_of(error)}") from error
    undo.pop_all()


async def _apply(engine: Engine, record: ContainerRecord, limits: Limits) -> ExitStack:
    layout, path, present = engine.host.cgroups, _path(engine, record), record.host.limits
    writes = plan_limit_writes(layout, path, present, limits)
    groups = plan_new_groups(layout, path, present, limits)
    members = plan_cgroup(layout, path, present)["join"][0]
    try:
        return await asyncio.to_thread(apply_limits, writes, groups, members=members)
    except OSError as error:
        raise _refusal(record, error) from error


def _refusal(record: ContainerRecord, error: OSError) -> EngineError:
    """In the words of whoever set the limit; the folder of the control file is the host's affair."""
    control = str(error.filename or "").rpartition("/")[2]
    if error.errno == errno.EBUSY and control.startswith("memory."):
        return Conflict(f"cannot update container {record.name}: it uses more memory than the new limit, and cannot give it back")
    if error.errno in (errno.EINVAL, errno.ERANGE, errno.EBUSY, errno.ENOSPC):
        return InvalidParameter(
            f"cannot update container {record.name}: the kernel refuses the value for {control}: {reason_of(error)}"
        )
    return Fault(f"cannot update container {record.name}: {control}: {reason_of(error)}")


async def _tell_supervisor(engine: Engine, record: ContainerRecord, limits: Limits) -> None:
    """It removes the cgroups at the end, so it has to know of those that were joined on top."""
    layout, path = engine.host.cgroups, _path(engine, record)
    groups = plan_new_groups(layout, path, record.host.limits, limits)
    if groups["join"]:
        await engine.supervisor.join_groups(record.container_id, groups)


async def _shape(engine: Engine, before: ContainerRecord, after: ContainerRecord) -> None:
    if rates_of(before) != rates_of(after):
        await engine.network.set_rates(after.container_id, rates_of(after))


def _path(engine: Engine, record: ContainerRecord) -> list[str]:
    return cgroup_path(engine.instance, record.tenant, record.container_id)
