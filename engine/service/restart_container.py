"""Restart: stop if it runs, then start."""

from contextlib import nullcontext

from engine.core.lifecycle import ALIVE
from engine.core.tenants import Tenant
from engine.service.admit_container import admitted_start
from engine.service.container_ports import check_bindings
from engine.service.engine import Engine
from engine.service.start_container import start_anew
from engine.service.stop_container import stop_and_wait


async def restart_container(engine: Engine, tenant: Tenant, name: str, *, timeout_seconds: int | None, signal_name: str) -> None:
    """Restart a container. Raises as stop and start do; one that is to remove itself at its exit stays this time."""
    record = engine.containers.find(tenant, name)
    engine.restarts.hold(record.container_id)
    try:
        is_alive = record.run.state in ALIVE  # what may not start runs on, and nobody takes its place while it is stopped
        with admitted_start(engine, record) if is_alive else nullcontext():
            if is_alive:
                check_bindings(engine, record)
                await stop_and_wait(engine, record, timeout_seconds=timeout_seconds, signal_name=signal_name)
            async with engine.containers.lock(record.container_id):
                present = engine.containers.current(record.container_id)
                if present.run.state not in ALIVE:  # another client may have been faster
                    await start_anew(engine, present)
    finally:
        engine.restarts.let_go(record.container_id)
    engine.publish(engine.containers.get(record.container_id) or present, "restart")
