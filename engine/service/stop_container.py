"""Stop: ask the first process to end, and kill it when it does not in time."""

import asyncio

from engine.core.containers import ContainerRecord
from engine.core.lifecycle import ALIVE
from engine.core.signals import DEFAULT_STOP_SIGNAL, parse_signal
from engine.core.tenants import Tenant
from engine.errors import NotModified
from engine.service.engine import Engine
from engine.service.kill_container import kill_and_wait, send_signal
from engine.service.milestones import Milestone
from engine.service.pause_container import unpause_if_paused
from engine.service.restart_policy import note_stop_by_hand

DEFAULT_TIMEOUT_SECONDS = 10


async def stop_container(engine: Engine, tenant: Tenant, name: str, *, timeout_seconds: int | None, signal_name: str) -> None:
    """Stop a container. ``timeout_seconds``: -1 waits for ever, None means the container's own. Raises NotFound, NotModified."""
    record = engine.containers.find(tenant, name)
    if record.run.state not in ALIVE:
        raise NotModified(f"container {record.name} is already stopped")
    await stop_and_wait(engine, record, timeout_seconds=timeout_seconds, signal_name=signal_name)


async def stop_and_wait(
    engine: Engine, record: ContainerRecord, *, timeout_seconds: int | None = None, signal_name: str = ""
) -> ContainerRecord:
    """Stop a running container and return its record after the exit."""
    number = parse_signal(signal_name or record.config.stop_signal or DEFAULT_STOP_SIGNAL)
    ended = await note_stop_by_hand(engine, record)
    if ended is None:
        ended = await _end(engine, record, number, _timeout(record, timeout_seconds))
    engine.publish(ended, "stop")
    return ended


async def _end(engine: Engine, record: ContainerRecord, number: int, timeout_seconds: float | None) -> ContainerRecord:
    exited = engine.milestones.upcoming(record.container_id, Milestone.EXITED)
    ended = None
    if send_signal(engine, record, number):
        await unpause_if_paused(engine, record.container_id)
        ended = await _wait_at_most(exited, timeout_seconds)
    return ended or await kill_and_wait(engine, record)


def _timeout(record: ContainerRecord, wanted: int | None) -> float | None:
    if wanted is None:
        own = record.config.stop_timeout_seconds
        wanted = DEFAULT_TIMEOUT_SECONDS if own is None else own
    return None if wanted < 0 else float(wanted)


async def _wait_at_most(exited: asyncio.Future[ContainerRecord], timeout_seconds: float | None) -> ContainerRecord | None:
    done, _ = await asyncio.wait({exited}, timeout=timeout_seconds)
    return exited.result() if done else None
