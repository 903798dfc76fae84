"""Remove: the record, the writable layer and the log of a container that does not run."""

import asyncio
import contextlib

from engine.core.containers import ContainerRecord
from engine.core.lifecycle import ALIVE, Event, next_state
from engine.core.tenants import Tenant
from engine.errors import Conflict, NotFound
from engine.service.container_mounts import expect_removal, release_volumes
from engine.service.engine import Engine
from engine.service.kill_container import kill_and_wait
from engine.service.room import tell_removed, wait_for_room

_KILLS = 10


class _RunsAgain(Conflict):
    """Somebody has started it before its lock was free."""


async def remove_container(engine: Engine, tenant: Tenant, name: str, *, force: bool, with_volumes: bool = False) -> None:
    """Remove a container, with ``force`` also a running one. Raises NotFound, Conflict."""
    record = engine.containers.find(tenant, name)
    if (removed := await _removed(engine, record, name, force=force, with_volumes=with_volumes)) is not None:
        await tell_removed(engine, removed)
    else:
        await wait_for_room(engine, record.tenant)


async def _removed(
    engine: Engine, record: ContainerRecord, name: str, *, force: bool, with_volumes: bool
) -> ContainerRecord | None:
    """Return it as it was in the end; None where it removed itself."""
    for _ in range(_KILLS if force else 0):
        with contextlib.suppress(_RunsAgain):
            return await _killed_and_removed(engine, record, with_volumes=with_volumes)
    async with engine.containers.lock(record.container_id):
        present = engine.containers.get(record.container_id)
        if present is None:
            raise NotFound(f"no such container: {name}")
        if present.run.state in ALIVE:
            raise Conflict(
                f'cannot remove container "/{present.name}": container is {present.run.state}:'
                " stop the container before removing or force remove"
            )
        await remove_locked(engine, present, with_volumes=with_volumes)
        return present


async def _killed_and_removed(engine: Engine, record: ContainerRecord, *, with_volumes: bool) -> ContainerRecord | None:
    """None where it removed itself at its exit. Raises _RunsAgain."""
    present = engine.containers.get(record.container_id)
    if present is not None and present.run.state in ALIVE:
        await kill_and_wait(engine, present)
    async with engine.containers.lock(record.container_id):
        present = engine.containers.get(record.container_id)
        if present is None:
            return None
        if present.run.state in ALIVE:
            raise _RunsAgain(f"container {present.name} has been started again")
        await remove_locked(engine, present, with_volumes=with_volumes)
        return present


async def remove_locked(engine: Engine, record: ContainerRecord, *, with_volumes: bool = False) -> None:
    """Remove a container whose lock is held, and its anonymous volumes where asked for. Who waits for that is to be told after.

    The folder goes in one rename, so there is no half of it.
    """
    next_state(record.run.state, Event.REMOVE)
    if with_volumes:
        await expect_removal(engine, record)
    with contextlib.suppress(FileNotFoundError):
        await asyncio.to_thread(engine.trash.discard, engine.containers.path(record.container_id))
    engine.restarts.forget(record.container_id)
    engine.health.drop(record.container_id)
    engine.execs.drop_container(record.container_id)
    engine.containers.drop(record.container_id)
    engine.publish(record, "destroy")
    await release_volumes(engine, record.container_id, is_told=True)
    engine.collect_image(record.image_id)
