"""Health checks at work: probing a running container again and again, counting, and telling.

Owns when probes happen. One at a time for each container, and none while it is paused or does not run.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import replace

from engine.core.containers import ContainerRecord
from engine.core.health import Health, HealthStatus, judge_probe, pause_seconds, probe_command
from engine.core.lifecycle import State
from engine.core.tenants import Tenant
from engine.service.engine import Engine
from engine.service.health_probe import end_probes, run_probe

MOST_A_SECOND = 20  # of one tenant: ten containers may be asked twice a second, a thousand every 50 seconds
LEAST_PAUSE_SECONDS = 0.1  # a probe is an exec: nobody gains by more of them, and all share the host


def begin_health(engine: Engine, record: ContainerRecord) -> None:
    """Watch a container that has just started: whatever it was before, it is starting now."""
    if not is_probed(record):
        engine.health.drop(record.container_id)
        return
    known = engine.health.get(record.container_id) or Health()
    engine.health.put(record.container_id, replace(known, status=HealthStatus.STARTING, failing_streak=0))
    watch_health(engine, record)


def watch_health(engine: Engine, record: ContainerRecord) -> None:
    """Go on watching a running container that nobody watches at the moment."""
    if is_probed(record):
        engine.health.begin(record.container_id, _monitor(engine, record.container_id))


async def leave_health(engine: Engine, container_id: str) -> None:
    """Probe no more; a probe under way is killed."""
    await engine.health.end(container_id)


async def end_health(engine: Engine, record: ContainerRecord) -> None:
    """At its exit: probe no more. What does not run is unhealthy, as with Docker, and nobody is told."""
    await engine.health.end(record.container_id)
    known = engine.health.get(record.container_id)
    if known is not None and is_probed(record):
        engine.health.put(record.container_id, replace(known, status=HealthStatus.UNHEALTHY))
        with suppress(OSError):
            await asyncio.to_thread(engine.health.save, record.container_id, engine.containers.path(record.container_id))


async def resume_health(engine: Engine) -> None:
    """When the daemon starts: go on with all that run. Probes that the former daemon began are ended: nobody would read them."""
    for record in engine.containers.all():
        if not is_probed(record):
            continue
        await asyncio.to_thread(engine.health.load, record.container_id, engine.containers.path(record.container_id))
        if record.run.state is State.RUNNING:
            end_probes(engine, record.container_id)
            watch_health(engine, record)


def is_probed(record: ContainerRecord) -> bool:
    """Whether the container has a health check."""
    return bool(probe_command(record.config.healthcheck, record.config.shell))


async def _monitor(engine: Engine, container_id: str) -> None:
    while (record := engine.containers.get(container_id)) is not None and record.run.state is State.RUNNING:
        check, health = record.config.healthcheck, engine.health.get(container_id) or Health()
        if check is None:
            return
        pause = pause_seconds(check, health, age_ns=time.time_ns() - record.run.started_ns)
        await asyncio.sleep(max(pause, _least_pause(engine, record.tenant)))
        await _probe_once(engine, container_id)


def _least_pause(engine: Engine, tenant: Tenant) -> float:
    """All probes of a tenant share a rate, so that many containers that ask for many probes wait for each other only."""
    watched = [engine.containers.get(container_id) for container_id in engine.health.watched()]
    own = sum(1 for one in watched if one is not None and one.tenant == tenant)
    return max(LEAST_PAUSE_SECONDS, own / MOST_A_SECOND)


async def _probe_once(engine: Engine, container_id: str) -> None:
    record = engine.containers.get(container_id)
    if record is None or record.config.healthcheck is None or record.run.state is not State.RUNNING:
        return
    result = await run_probe(engine, record)
    before = engine.health.get(container_id) or Health()
    age_ns = result.started_ns - record.run.started_ns
    after = judge_probe(record.config.healthcheck, before, result, age_ns=age_ns)
    engine.health.put(container_id, after)
    present = engine.containers.get(container_id)
    if after.status is not before.status and present is not None:
        engine.publish(present, f"health_status: {after.status}")  # in one step: who sees the status finds the event
    with suppress(OSError):  # a full disk is no reason to stop looking
        await asyncio.to_thread(engine.health.save, container_id, engine.containers.path(container_id))
