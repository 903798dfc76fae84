"""After a start of the daemon: records against the processes that really are there.

Owns the cases. The kernel is right, the records follow; what nobody saw is recorded as unknown.
"""

import logging
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from engine.core.containers import ContainerRecord, Run
from engine.core.execs import ExecRun
from engine.core.lifecycle import ALIVE, State
from engine.errors import EngineError, NotFound
from engine.runtime.process import Process
from engine.service.build_leftovers import remove_build_steps
from engine.service.commit_pause import release_commit_pauses
from engine.service.container_groups import standing_cgroup
from engine.service.container_networks import joins_of, rates_of
from engine.service.engine import Engine
from engine.service.exits import finish_locked, remove_if_wanted
from engine.service.launch_spec import container_log
from engine.service.output_flow import tell_readers
from engine.service.pause_container import observed_state
from engine.service.sweep import sweep_strays

log = logging.getLogger(__name__)


async def reconcile(engine: Engine) -> None:
    """Bring all records in line. One that fails is logged and does not keep the others from it."""
    for record in engine.containers.all():
        try:
            async with engine.containers.lock(record.container_id):
                await _reconcile_container(engine, record)
            await tell_readers(engine, record)  # those of the daemon before this one have gone with it
            if engine.containers.current(record.container_id).run.state not in ALIVE:
                await _remove_left_over(engine, record)
        except (EngineError, OSError) as error:
            log.error("container %s cannot be put right: %s", record.name, error)  # noqa: TRY400 - the reason is the message
    await remove_build_steps(engine)
    await _reconcile_execs(engine)
    await _end_strangers(engine)
    await sweep_strays(engine)
    await release_commit_pauses(engine)
    alive = [record for record in engine.containers.all() if record.run.state in ALIVE]
    await _restore_rates(engine, alive)
    await engine.network.reconcile({record.container_id: {join.network for join in joins_of(record)} for record in alive})
    engine.collect_images()


async def _restore_rates(engine: Engine, alive: Sequence[ContainerRecord]) -> None:
    """Those of its own; whoever starts anew brings them along."""
    for record in alive:
        if rates_of(record).is_limited and engine.process(record.container_id) is not None:
            try:
                await engine.network.set_rates(record.container_id, rates_of(record))
            except EngineError as error:
                log.error("network rates of container %s do not hold: %s", record.name, error.message)  # noqa: TRY400 - as above


async def _reconcile_container(engine: Engine, record: ContainerRecord) -> None:
    process = engine.supervisor.processes.get(record.container_id)
    if record.run.state in ALIVE and record.run.state is not State.RESTARTING:
        await _reconcile_running(engine, record, process or await _adopt(engine, record))
    elif process is not None and process.is_running:
        await engine.containers.save(replace(record, run=_run_of(record, process)))
    elif process is not None and process.exit is None:
        await engine.supervisor.abort(record.container_id)  # created, never started
    elif process is not None and process.started_at_ns is not None:  # it ran, and ended, before its start was recorded
        await _reconcile_running(engine, replace(record, run=_run_of(record, process)), process)
    elif process is not None:
        await engine.supervisor.forget(record.container_id)


async def _reconcile_running(engine: Engine, record: ContainerRecord, process: Process | None) -> None:
    if process is None:
        await finish_locked(engine, record, status=None, oom=False, finished_ns=time.time_ns())
    elif process.exit is not None:
        ended = process.exit
        await finish_locked(engine, record, status=ended.status, oom=ended.oom, finished_ns=ended.finished_at_ns)
        await engine.supervisor.forget(record.container_id)
    elif (state := await observed_state(engine, record)) is not record.run.state:  # the daemon ended in the midst of a pause
        await engine.containers.save(replace(record, run=replace(record.run, state=state)))


async def _adopt(engine: Engine, record: ContainerRecord) -> Process | None:
    """Daemon and supervisor died together: the process may still live, without anyone to look after it."""
    with suppress(NotFound):
        return await engine.supervisor.adopt_orphan(
            record.container_id,
            record.run.pid,
            record.run.identity,
            started_at_ns=record.run.started_ns,
            cgroup=standing_cgroup(engine, record),
            log=container_log(record, engine.containers.path(record.container_id)),
        )
    return None


def _run_of(record: ContainerRecord, process: Process) -> Run:
    """The daemon ended between the start and its record."""
    return Run(
        state=State.RUNNING,
        pid=process.pid,
        identity=process.identity,
        started_ns=process.started_at_ns or time.time_ns(),
        finished_ns=record.run.finished_ns,
    )


async def _remove_left_over(engine: Engine, record: ContainerRecord) -> None:
    """What was to go at its exit and never ran yet is kept: its creator may still start it."""
    if record.run.state is not State.CREATED:
        await remove_if_wanted(engine, record.container_id)


async def _reconcile_execs(engine: Engine) -> None:
    for container in engine.containers.all():
        for execution in engine.execs.of_container(container.container_id):
            process = engine.supervisor.processes.get(execution.exec_id)
            if process is None:
                engine.execs.drop(execution)
            elif process.exit is not None:
                engine.execs.finish(execution.exec_id, process.exit.status)
                await engine.supervisor.forget(execution.exec_id)
            else:
                engine.execs.put(replace(execution, run=ExecRun(is_started=True, is_running=True, pid=process.pid)))


async def _end_strangers(engine: Engine) -> None:
    """Processes without a record: their create, start or removal was cut off."""
    for process in list(engine.supervisor.processes.values()):
        is_known = engine.containers.get(process.id) if process.kind == "container" else engine.execs.get(process.id)
        if is_known is not None:
            continue
        with suppress(EngineError, ProcessLookupError):
            if process.exit is not None:
                await engine.supervisor.forget(process.id)
            elif process.started_at_ns is None:
                await engine.supervisor.abort(process.id)
            else:
                process.kill(signal.SIGKILL)  # its end is handled, and forgotten, as any other
