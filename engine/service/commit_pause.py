"""Holding a container still while it is copied into an image, so that its files fit together.

Owns the mark that tells such a pause from one that a user asked for: a daemon that ends meanwhile lets the next one undo it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from engine.core.containers import ContainerRecord
from engine.core.lifecycle import State
from engine.core.tenants import Tenant
from engine.errors import Conflict, EngineError, NotFound
from engine.service.engine import Engine
from engine.service.pause_container import pause_container, unpause_if_paused

_MARK = "paused-for-commit"
log = logging.getLogger(__name__)


@asynccontextmanager
async def held_still(engine: Engine, record: ContainerRecord) -> AsyncIterator[None]:
    """Pause a running container meanwhile; one that does not run, or is paused, stays as it is. Raises Fault."""
    if record.run.state is not State.RUNNING:
        yield
        return
    mark = _mark(engine, record)
    await asyncio.to_thread(mark.touch, mode=0o600)
    try:
        with suppress(Conflict):  # it has ended, or was paused by somebody else meanwhile
            await pause_container(engine, Tenant(), record.container_id)
        yield
    finally:
        await _release(engine, record, mark)


async def release_commit_pauses(engine: Engine) -> None:
    """At the daemon's start: let go on what a former one held still for a commit that it did not live to finish."""
    for record in engine.containers.all():
        mark = _mark(engine, record)
        if await asyncio.to_thread(mark.exists):
            try:
                await _release(engine, record, mark)
            except EngineError as error:
                log.error("container %s stays paused: %s", record.name, error)  # noqa: TRY400 - the reason is the message


async def _release(engine: Engine, record: ContainerRecord, mark: Path) -> None:
    with suppress(NotFound):
        await unpause_if_paused(engine, record.container_id)
    await asyncio.to_thread(mark.unlink, missing_ok=True)


def _mark(engine: Engine, record: ContainerRecord) -> Path:
    return engine.containers.path(record.container_id) / _MARK
