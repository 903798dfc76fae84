"""Starting containers again by their policy: after their end, and when the daemon starts.

Owns scheduling and the start itself. A start that fails for now is tried again as if the container had ended; a command that
cannot be executed ends the trying, and so does a quota: whoever makes room is to say what runs in it.
"""

import time
from dataclasses import replace
from functools import partial

from engine.core.containers import ContainerRecord
from engine.core.lifecycle import Event, State, next_state
from engine.core.restart import wants_start_with_daemon
from engine.errors import CommandNotRunnable, EngineError, QuotaExceeded
from engine.service.engine import Engine
from engine.service.restart_policy import give_up_locked, goes_on
from engine.service.start_container import FAILED_EXIT_CODE, start_locked

_NS_PER_SECOND = 10**9


def schedule_restart(engine: Engine, record: ContainerRecord) -> None:
    """Start a container that has just ended once its delay is over."""
    ran_seconds = (record.run.finished_ns - record.run.started_ns) / _NS_PER_SECOND
    delay = engine.restarts.delay_seconds(record.container_id, ran_seconds=ran_seconds)
    engine.restarts.schedule(record.container_id, delay, partial(_restart, engine, record.container_id))


async def resume_restarts(engine: Engine) -> None:
    """When the daemon starts: go on with those that waited, and start those whose policy says so."""
    engine.restarts.open()
    for record in reversed(list(engine.containers.all())):  # oldest first
        async with engine.containers.lock(record.container_id):
            present = engine.containers.get(record.container_id)
            if present is not None:
                await _resume(engine, present)


async def _resume(engine: Engine, record: ContainerRecord) -> None:
    if record.run.state is State.RESTARTING:
        schedule_restart(engine, record)
    elif _starts_with_daemon(record):
        waiting = replace(
            record, is_stopped_by_hand=False, run=replace(record.run, state=next_state(record.run.state, Event.RESTART))
        )
        await engine.containers.note(waiting)
        engine.restarts.schedule(record.container_id, 0.0, partial(_restart, engine, record.container_id))


def _starts_with_daemon(record: ContainerRecord) -> bool:
    """One that was never started is its creator's to start; one that could not be started is not tried for ever."""
    has_run = record.run.state is State.EXITED and record.run.started_ns > 0
    return has_run and wants_start_with_daemon(record.host.restart, is_stopped_by_hand=record.is_stopped_by_hand)


async def _restart(engine: Engine, container_id: str) -> None:
    async with engine.containers.lock(container_id):
        record = engine.containers.get(container_id)
        if record is None or record.run.state is not State.RESTARTING:
            return
        try:
            await start_locked(engine, record)
        except EngineError as error:
            await _start_failed(engine, container_id, error)
        finally:
            engine.starts.settle(container_id)


async def _start_failed(engine: Engine, container_id: str, error: EngineError) -> None:
    record = engine.containers.current(container_id)
    if isinstance(error, (CommandNotRunnable, QuotaExceeded)) or not goes_on(record, FAILED_EXIT_CODE):
        await give_up_locked(engine, record)
        return
    now_ns = time.time_ns()
    failed = replace(
        record,
        restart_count=record.restart_count + 1,
        run=replace(record.run, started_ns=record.run.started_ns or now_ns, finished_ns=now_ns),
    )
    await engine.containers.note(failed)
    delay = engine.restarts.delay_seconds(container_id, ran_seconds=0.0)
    engine.restarts.schedule(container_id, delay, partial(_restart, engine, container_id))
