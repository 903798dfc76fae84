"""Restart: stop if it runs, then start."""

from engine.core.lifecycle import ALIVE
from engine.core.tenants import Tenant
from engine.service.engine import Engine
from engine.service.start_container import start_locked
from engine.service.stop_container import stop_and_wait


async def restart_container(engine: Engine, tenant: Tenant, name: str, *, timeout_seconds: int | None, signal_name: str) -> None:
    """Restart a container. Raises as stop and start do; one that removes itself at its exit is gone then (NotFound)."""
    record = engine.containers.find(tenant, name)
    if record.run.state in ALIVE:
        await stop_and_wait(engine, record, timeout_seconds=timeout_seconds, signal_name=signal_name)
    async with engine.containers.lock(record.container_id):
        present = engine.containers.current(record.container_id)
        if present.run.state not in ALIVE:  # another client may have been faster
            await start_locked(engine, present)
    engine.publish(present, "restart")
