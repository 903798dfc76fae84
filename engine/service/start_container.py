"""Start: rootfs, cgroup and namespaces through the supervisor, then the network, then the user's command.

Owns the order, and undoing it when a step fails.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import TypedDict, TypeVar, cast

from engine.core.containers import ContainerRecord, Run
from engine.core.launch import LaunchSpec
from engine.core.lifecycle import Event, State, next_state
from engine.core.namespace_modes import joined_container
from engine.core.storage_options import storage_limit
from engine.core.tenants import Tenant
from engine.errors import CommandNotRunnable, Conflict, EngineError, Fault, NotModified, reason_of
from engine.image.settled import settled
from engine.network.model import Endpoint
from engine.runtime.process import Process
from engine.service.admit_container import admitted_start
from engine.service.container_mounts import publish_mounts
from engine.service.container_networks import guest_of, joins_of, publish_endpoints
from engine.service.container_ports import publish_ports
from engine.service.engine import LAUNCH_SECONDS, Engine
from engine.service.health_monitor import begin_health
from engine.service.io_limits import limit_start
from engine.service.isolation import container_cgroup, isolate
from engine.service.launch_spec import NETWORK_FILES, launch_spec
from engine.service.links import linked_lines, renew_links, with_links
from engine.service.milestones import Milestone
from engine.service.network_files import write_network_files
from engine.service.network_modes import network_owner
from engine.service.output_flow import with_readers
from engine.service.own_socket import with_socket
from engine.service.proc_views import with_proc_views
from engine.service.remove_container import remove_locked
from engine.service.room import with_room
from engine.service.tenant_cgroups import limit_start_in_kernel
from engine.storage.rootfs import area_of, has_room_for_network_files, network_files_of, renew_network_files, rootfs_of
from engine.storage.volatile import clear_mark

T = TypeVar("T")
U = TypeVar("U")
FAILED_EXIT_CODE = 128  # as dockerd: nothing of the user's ever ran


async def start_container(engine: Engine, tenant: Tenant, name: str) -> None:
    """Start a container. Raises NotFound, NotModified, Conflict, CommandNotRunnable, Fault, Unavailable."""
    found = engine.containers.find(tenant, name)
    async with with_room(engine, found.tenant), engine.containers.lock(found.container_id):
        record = engine.containers.current(found.container_id)
        if record.run.state in (State.RUNNING, State.RESTARTING):
            raise NotModified(f"container {record.name} is already running")
        if record.run.state is State.PAUSED:
            raise Conflict("cannot start a paused container: unpause it instead")
        next_state(record.run.state, Event.START)
        await start_anew(engine, record)


async def start_anew(engine: Engine, record: ContainerRecord) -> None:
    """Start a container whose lock is held because somebody asked for it: its restart policy begins from the beginning."""
    engine.restarts.forget(record.container_id)
    await start_locked(engine, replace(record, restart_count=0, is_stopped_by_hand=False))


async def start_locked(engine: Engine, record: ContainerRecord) -> None:
    """Start a container whose lock is held. After a failure nothing is left but the reason in its record."""
    try:
        with admitted_start(engine, record):
            started = await _bring_up(engine, record)
    except OSError as error:
        failure = Fault(f"cannot start container {record.name}: {reason_of(error)}")
        await _note_failure(engine, record, failure)
        raise failure from error
    except EngineError as error:
        await _note_failure(engine, record, error)
        raise
    await renew_links(engine, started)
    publish_endpoints(engine, started, engine.network.endpoints_of(started.container_id), "connect")
    publish_mounts(engine, started, "mount")
    engine.publish(started, "start")
    begin_health(engine, started)
    engine.milestones.reach(Milestone.STARTED, started)


async def _bring_up(engine: Engine, record: ContainerRecord) -> ContainerRecord:
    path = engine.containers.path(record.container_id)
    if not has_room_for_network_files(path, NETWORK_FILES):
        await asyncio.to_thread(renew_network_files, path, engine.areas)
    async with AsyncExitStack() as undo:
        process, endpoints = await _both(_create(engine, record, undo), _reserve(engine, record, undo))
        if endpoints:
            endpoints = await _attach(engine, record, process, endpoints)
        process.close_netns()
        started = replace(record, run=_run_of(record, process))
        messages = [message for endpoint in endpoints for message in endpoint.netlink]
        await engine.containers.save_if(started, _run(engine, process, messages, undo))
        undo.pop_all()
    return started


async def _both(first: Awaitable[T], second: Awaitable[U]) -> tuple[T, U]:
    """Await both to their ends, so that what each has made is known, then raise what one of them raised."""
    results = await asyncio.gather(first, second, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return cast(tuple[T, U], results)


async def _create(engine: Engine, record: ContainerRecord, undo: AsyncExitStack) -> Process:
    spec, lent = await asyncio.to_thread(_plan_and_lend, engine, record)
    try:
        async with engine.launches.asked(record.tenant, seconds=LAUNCH_SECONDS):
            process = await engine.supervisor.create(spec)
    finally:
        if lent:
            await settled(asyncio.to_thread(engine.areas.take_room_back, **lent))
    undo.push_async_callback(_abort, engine, record.container_id)
    await limit_start(engine, record)
    await limit_start_in_kernel(engine, record)
    return process


async def _reserve(engine: Engine, record: ContainerRecord, undo: AsyncExitStack) -> tuple[Endpoint, ...]:
    """The addresses that it is to have, and the files that tell them."""
    endpoints: tuple[Endpoint, ...] = ()
    if joins := joins_of(record):
        undo.push_async_callback(engine.network.detach, record.container_id)
        endpoints = await engine.network.reserve(guest_of(record, joins))
    await asyncio.to_thread(_write_network_files, engine, record, endpoints)
    return endpoints


async def _run(engine: Engine, process: Process, netlink: Sequence[bytes], undo: AsyncExitStack) -> None:
    await engine.supervisor.start(process.id, netlink)
    undo.push_async_callback(_end, process)


class _Lent(TypedDict):
    area: Path
    owner: Tenant
    limit_bytes: int | None


def _plan_and_lend(engine: Engine, record: ContainerRecord) -> tuple[LaunchSpec, _Lent | None]:
    """The specification, and what was lent so that it can be mounted. Raises QuotaExceeded, OSError."""
    spec, area = _plan(engine, record), area_of(engine.containers.path(record.container_id))
    if area is None:
        return spec, None
    room = _Lent(area=area, owner=record.tenant, limit_bytes=storage_limit(record.host.storage_options))
    return spec, room if engine.areas.lend_room(**room) else None


def _plan(engine: Engine, record: ContainerRecord) -> LaunchSpec:
    image = engine.images.by_id(record.image_id)
    clear_mark(rootfs_of(engine.containers.path(record.container_id)).work)
    for name in NETWORK_FILES:  # bound by descriptor when the container is made, and filled when its address is known
        (network_files_of(engine.containers.path(record.container_id)) / name).touch(mode=0o644)
    spec = launch_spec(
        record,
        path=engine.containers.path(record.container_id),
        lowers=engine.images.lowers(image),
        ids=engine.tenants.id_mappings(record.tenant),
        cgroup=container_cgroup(engine, record),
        seccomp=engine.seccomp_paths(record),
        volume_path=engine.volumes.data_path,
        network_path=engine.containers.path(network_owner(engine, record).container_id),
    )
    whole = with_proc_views(engine, record, with_socket(engine, record, isolate(engine, record, spec)))
    return with_readers(engine, record, with_links(engine, record, whole))


async def _abort(engine: Engine, container_id: str) -> None:
    """A start that failed has undone the container itself, a supervisor that died took it along, one that ran has ended."""
    try:
        await engine.supervisor.abort(container_id)
    except Conflict:  # it had started when the supervisor died over the answer: it runs, and must not
        if (process := engine.process(container_id)) is not None:
            await _end(process)
    except EngineError:
        pass


async def _attach(
    engine: Engine, record: ContainerRecord, process: Process, reserved: tuple[Endpoint, ...]
) -> tuple[Endpoint, ...]:
    endpoints = await engine.network.attach(guest_of(record, joins_of(record)), process.netns)
    await publish_ports(engine, record)
    if endpoints != reserved:  # an address turned out to be in use
        await asyncio.to_thread(_write_network_files, engine, record, endpoints)
    return endpoints


def _write_network_files(engine: Engine, record: ContainerRecord, endpoints: tuple[Endpoint, ...]) -> None:
    if joined_container(record.host.network_mode):  # it has the other's
        return
    linked = linked_lines(engine, record)
    write_network_files(engine.containers.path(record.container_id), record, endpoints, linked=linked)


async def _end(process: Process) -> None:
    """A container whose run cannot be recorded must not run."""
    with contextlib.suppress(ProcessLookupError):
        process.kill(signal.SIGKILL)
    await process.ended.wait()


def _run_of(record: ContainerRecord, process: Process) -> Run:
    return Run(
        state=next_state(record.run.state, Event.START),
        pid=process.pid,
        identity=process.identity,
        started_ns=process.started_at_ns or time.time_ns(),
        finished_ns=record.run.finished_ns,
    )


async def _note_failure(engine: Engine, record: ContainerRecord, error: EngineError) -> None:
    """Keep the reason in the record. A container that goes by itself goes now: it will never exit."""
    code = error.exit_code if isinstance(error, CommandNotRunnable) else FAILED_EXIT_CODE
    failed = replace(record, run=replace(record.run, exit_code=code, error=error.message, finished_ns=time.time_ns()))
    await engine.containers.note(failed)
    if failed.host.auto_remove:
        await remove_locked(engine, failed, with_volumes=True)
        engine.milestones.reach(Milestone.REMOVED, failed)
