"""How verbs reach the files of a container: by a worker that has the container's root as its own.

Owns which view a container's state asks for, and the lock that a view of a stopped container takes. No path of a client's is ever
looked at here.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from engine.core.containers import ContainerRecord
from engine.core.files import FilesSpec, FilesTask, View
from engine.core.ids import short_id
from engine.core.launch import BindSpec
from engine.core.lifecycle import State
from engine.core.tenants import Tenant
from engine.errors import Conflict
from engine.runtime.files_filter import files_profile
from engine.runtime.files_session import FilesSession
from engine.service.container_groups import standing_cgroup
from engine.service.engine import Engine
from engine.service.launch_spec import NETWORK_FILES
from engine.service.mount_specs import bind_specs
from engine.storage.rootfs import network_files_of, rootfs_of

_WITH_PROCESSES = (State.RUNNING, State.PAUSED)
_GOING = (State.REMOVING, State.DEAD)


@asynccontextmanager
async def files_session(
    engine: Engine, tenant: Tenant, name: str, task: FilesTask, *, takes_data: bool = False
) -> AsyncIterator[tuple[FilesSession, ContainerRecord]]:
    """Begin a task on the files that a container sees, running or not. Raises NotFound, Conflict, Fault, Unavailable.

    A container that does not run keeps its lock meanwhile: its mounts are made for this task, and a start would make them again.
    A client who takes its time has to give way when somebody wants to start or remove the container.
    """
    try:
        async with _held(engine, tenant, name, task, takes_data=takes_data) as session:
            yield session
    except TimeoutError:
        raise Conflict(f"the copy of files of container {name[:80]} gave way to another request: try again") from None


@asynccontextmanager
async def _held(
    engine: Engine, tenant: Tenant, name: str, task: FilesTask, *, takes_data: bool
) -> AsyncIterator[tuple[FilesSession, ContainerRecord]]:
    record = engine.containers.find(tenant, name)
    async with engine.copies.of(record.tenant), AsyncExitStack() as held:
        record = engine.containers.current(record.container_id)
        if record.run.state not in _WITH_PROCESSES:
            await held.enter_async_context(engine.containers.lock(record.container_id).lent())
            record = engine.containers.current(record.container_id)
        view: View = "running" if record.run.state in _WITH_PROCESSES else "stopped"
        if view == "running":
            await held.aclose()  # it may have been started while we waited
        yield await held.enter_async_context(_session(engine, record, view, task, takes_data=takes_data)), record


@asynccontextmanager
async def layer_session(engine: Engine, record: ContainerRecord, task: FilesTask) -> AsyncIterator[FilesSession]:
    """Begin a task on what a container has written, as it lies on disk. Raises Conflict, Fault, Unavailable."""
    async with engine.copies.of(record.tenant), _session(engine, record, "layer", task) as session:
        yield session


@asynccontextmanager
async def _session(
    engine: Engine, record: ContainerRecord, view: View, task: FilesTask, *, takes_data: bool = False
) -> AsyncIterator[FilesSession]:
    if record.run.state in _GOING:
        raise Conflict(f"container {short_id(record.container_id)} is being removed: its files can no longer be had")
    spec = await asyncio.to_thread(_spec, engine, record, view, task)
    async with FilesSession(engine.supervisor, spec, takes_data=takes_data) as session:
        yield session


def _spec(engine: Engine, record: ContainerRecord, view: View, task: FilesTask) -> FilesSpec:
    rootfs = rootfs_of(engine.containers.path(record.container_id))
    lowers = [] if view == "running" else engine.images.lowers(engine.images.by_id(record.image_id))
    return {
        "container_id": record.container_id,
        "view": view,
        "ids": engine.tenants.id_mappings(record.tenant),
        "rootfs": {
            "lower": [str(lower) for lower in lowers],
            "upper": str(rootfs.upper),
            "work": str(rootfs.work),
            "readonly": record.host.readonly_rootfs,
        },
        "binds": _binds(engine, record) if view == "stopped" and task["verb"] != "export" else [],
        "cgroup_join": _cgroups(engine, record) if view == "running" else [],
        "seccomp": engine.seccomp.path((), document=files_profile()) if engine.host.is_seccomp_available else "",
        "task": task,
    }


def _binds(engine: Engine, record: ContainerRecord) -> list[BindSpec]:
    """What the container would find mounted; the network's files only if it has ever had any."""
    path = network_files_of(engine.containers.path(record.container_id))
    own: list[BindSpec] = [
        {"source": str(path / name), "target": f"/etc/{name}", "readonly": False, "idmapped": True}
        for name in NETWORK_FILES
        if (path / name).exists()
    ]
    return [*own, *bind_specs(record, engine.volumes.data_path)]


def _cgroups(engine: Engine, record: ContainerRecord) -> list[str]:
    """What the worker takes counts for the container, but where that would make it stand still."""
    if record.run.state is State.PAUSED:
        return []
    return standing_cgroup(engine, record)["join"]
