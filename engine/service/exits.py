"""What follows when a process has ended: the record, the address, the events, and removal where it was asked for.

The supervisor's client calls this for each end that it learns; after a restart reconcile does for those it missed.
"""

import asyncio
import logging
from dataclasses import replace

from engine.core.containers import ContainerRecord
from engine.core.lifecycle import ALIVE, Event, next_state
from engine.errors import EngineError
from engine.runtime.process import ProcessExit
from engine.service.container_mounts import publish_mounts
from engine.service.container_networks import publish_endpoints
from engine.service.engine import Engine
from engine.service.health_monitor import end_health
from engine.service.io_limits import limit_rest
from engine.service.milestones import Milestone
from engine.service.remove_container import remove_locked
from engine.service.restart_later import schedule_restart
from engine.service.restart_policy import goes_on
from engine.service.room import tell_removed
from engine.service.tenant_cgroups import limit_rest_in_kernel

log = logging.getLogger(__name__)
UNKNOWN_EXIT = "nobody saw how it ended: daemon and supervisor were both away"


async def handle_exit(engine: Engine, ended: ProcessExit) -> None:
    """Record the end of a container or an exec."""
    if ended.kind == "exec":
        await _handle_exec_exit(engine, ended)
    else:
        await _handle_container_exit(engine, ended)


async def _handle_exec_exit(engine: Engine, ended: ProcessExit) -> None:
    execution = engine.execs.finish(ended.process_id, ended.status)
    container = engine.containers.get(ended.container_id)
    await engine.supervisor.forget(ended.process_id)
    if execution is not None and container is not None:
        engine.publish(container, "exec_die", execID=ended.process_id, exitCode=exit_text(ended.status))


async def _handle_container_exit(engine: Engine, ended: ProcessExit) -> None:
    # A start that is still being recorded holds the lock, so even the shortest run is recorded in order.
    async with engine.containers.lock(ended.container_id):
        record = engine.containers.get(ended.container_id)
        if record is not None and record.run.state in ALIVE:
            await finish_locked(engine, record, status=ended.status, oom=ended.oom, finished_ns=ended.finished_at_ns)
        await engine.supervisor.forget(ended.process_id)  # last: until it is recorded, the supervisor keeps it for a next daemon
    await remove_if_wanted(engine, ended.container_id)


async def remove_if_wanted(engine: Engine, container_id: str) -> None:
    """Remove an ended container that was created with ``--rm``, once its attached clients have read the rest."""
    record = engine.containers.get(container_id)
    if record is None or not record.host.auto_remove or engine.restarts.is_held(container_id):
        return
    await engine.readers.drain(container_id)
    async with engine.containers.lock(container_id):
        record = engine.containers.get(container_id)
        if record is None or record.run.state in ALIVE:
            return
        await remove_locked(engine, record, with_volumes=True)
    await tell_removed(engine, record)


async def finish_locked(engine: Engine, record: ContainerRecord, *, status: int | None, oom: bool, finished_ns: int) -> None:
    """Record the end of a container whose lock is held; its restart policy may have it start again later."""
    is_restarting = goes_on(record, status)
    run = replace(
        record.run,
        state=next_state(record.run.state, Event.RESTART if is_restarting else Event.EXIT),
        pid=0,
        identity="",
        finished_ns=finished_ns,
        exit_code=status,
        oom_killed=oom or record.container_id in engine.sockets.killed,  # the latter was told of when it was killed
        error="" if status is not None else UNKNOWN_EXIT,
    )
    engine.sockets.killed.discard(record.container_id)
    await end_health(engine, record)
    finished = replace(record, run=run, restart_count=record.restart_count + is_restarting)
    endpoints = engine.network.endpoints_of(record.container_id)
    await asyncio.gather(_detach(engine, record), engine.containers.note(finished))
    await limit_rest(engine, finished)
    await limit_rest_in_kernel(engine, finished)
    if oom:
        engine.publish(finished, "oom")
    engine.publish(finished, "die", exitCode=exit_text(status), execDuration=run_seconds(finished))
    publish_endpoints(engine, finished, endpoints, "disconnect")
    publish_mounts(engine, finished, "unmount")
    engine.milestones.reach(Milestone.EXITED, finished)
    if is_restarting:
        schedule_restart(engine, finished)


async def _detach(engine: Engine, record: ContainerRecord) -> None:
    try:
        await engine.network.detach(record.container_id)
    except EngineError as error:
        log.warning("%s", error.message)  # its lease is given back by the next reconcile


def run_seconds(record: ContainerRecord) -> str:
    """Return how long an ended container ran, in whole seconds, for an event's attribute."""
    return str(max(0, record.run.finished_ns - record.run.started_ns) // 10**9)


def exit_text(status: int | None) -> str:
    """Return an exit code for an event's attribute."""
    return str(shown_exit_code(status))


def shown_exit_code(status: int | None) -> int:
    """Return the code to show: 255 stands for unknown, since Docker's clients expect a number."""
    return 255 if status is None else status
