"""Pause and unpause: all processes of a container stand still, or go on."""

import asyncio
import errno
from collections.abc import Sequence
from dataclasses import replace

from engine.core.containers import ContainerRecord
from engine.core.freezers import Freezer, plan_freezers
from engine.core.ids import short_id
from engine.core.lifecycle import Event, State, next_state
from engine.core.limits import cgroup_path
from engine.core.tenants import Tenant
from engine.errors import Conflict, Fault, reason_of
from engine.runtime.freezer import freeze, is_frozen, thaw
from engine.service.engine import Engine
from engine.service.health_monitor import leave_health, watch_health


async def pause_container(engine: Engine, tenant: Tenant, name: str) -> None:
    """Return when everything in it stands still. Raises NotFound, Conflict, Fault."""
    container_id = engine.containers.find(tenant, name).container_id
    async with engine.containers.lock(container_id):
        record = engine.containers.current(container_id)
        _check(record, State.RUNNING)
        await leave_health(engine, container_id)
        try:
            async with engine.execs.gate.closed(container_id):
                await _freeze(engine, record)
                paused = replace(record, run=replace(record.run, state=next_state(record.run.state, Event.PAUSE)))
                await _save_or_thaw(engine, paused)
        except BaseException:
            watch_health(engine, record)
            raise
        engine.publish(paused, "pause")


async def unpause_container(engine: Engine, tenant: Tenant, name: str) -> None:
    """Let everything in it go on. Raises NotFound, Conflict, Fault."""
    container_id = engine.containers.find(tenant, name).container_id
    async with engine.containers.lock(container_id):
        record = engine.containers.current(container_id)
        _check(record, State.PAUSED)
        await unpause_locked(engine, record)


async def unpause_if_paused(engine: Engine, container_id: str) -> None:
    """For a signal that is to end a container: what stands still could not follow it. Raises Fault."""
    record = engine.containers.get(container_id)
    if record is None or record.run.state is not State.PAUSED:
        return
    async with engine.containers.lock(container_id):
        record = engine.containers.get(container_id)
        if record is not None and record.run.state is State.PAUSED:
            await unpause_locked(engine, record)


async def unpause_locked(engine: Engine, record: ContainerRecord) -> None:
    """Let a paused container go on whose lock is held. Raises Fault."""
    try:
        await asyncio.to_thread(thaw, _freezers(engine, record))
    except OSError as error:
        raise Fault(f"cannot unpause container {record.name}: {reason_of(error)}") from error
    running = replace(record, run=replace(record.run, state=next_state(record.run.state, Event.UNPAUSE)))
    await engine.containers.note(running)
    engine.publish(running, "unpause")
    watch_health(engine, running)


async def observed_state(engine: Engine, record: ContainerRecord) -> State:
    """After a restart of the daemon: whether a container that lives stands still."""
    frozen = await asyncio.to_thread(is_frozen, _freezers(engine, record))
    return State.PAUSED if frozen else State.RUNNING


def _freezers(engine: Engine, record: ContainerRecord) -> Sequence[Freezer]:
    return plan_freezers(engine.host.cgroups, cgroup_path(engine.instance, record.tenant, record.container_id))


def _check(record: ContainerRecord, wanted: State) -> None:
    state = record.run.state
    if state is wanted:
        return
    name = short_id(record.container_id)
    if state is State.RESTARTING:
        raise Conflict(f"container {name} is restarting, wait until the container is running")
    if state is State.PAUSED:
        raise Conflict(f"container {name} is already paused")
    if wanted is State.PAUSED:
        raise Conflict(f"container {name} is not paused")
    raise Conflict(f"container {name} is not running")


async def _freeze(engine: Engine, record: ContainerRecord) -> None:
    try:
        await asyncio.to_thread(freeze, _freezers(engine, record))
    except TimeoutError as error:
        raise Fault(f"cannot pause container {record.name}: {error}") from error
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENODEV):  # its cgroup is going, or gone
            raise Conflict(f"container {short_id(record.container_id)} is not running") from error
        raise Fault(f"cannot pause container {record.name}: {reason_of(error)}") from error


async def _save_or_thaw(engine: Engine, paused: ContainerRecord) -> None:
    """What cannot be recorded as paused goes on. Raises Fault."""
    try:
        await engine.containers.save(paused)
    except OSError as error:
        await asyncio.to_thread(thaw, _freezers(engine, paused))
        raise Fault(f"cannot pause container {paused.name}: {reason_of(error)}") from error
