"""Exec: a further process in a running container: create, start, resize. Joining its streams is attach_exec's."""

import asyncio
import logging
import secrets
from contextlib import suppress
from dataclasses import replace

from engine.core.containers import ContainerRecord
from engine.core.detachkeys import parse_detach_keys
from engine.core.execs import ExecConfig, ExecRecord, ExecRun
from engine.core.ids import ID_BYTES, format_id, short_id
from engine.core.launch import ExecSpec
from engine.core.lifecycle import State
from engine.core.tenants import Tenant
from engine.errors import CommandNotRunnable, Conflict, Forbidden, InvalidParameter
from engine.runtime.process import Process
from engine.service.admit_container import admit_exec
from engine.service.container_groups import standing_cgroup
from engine.service.engine import LAUNCH_SECONDS, Engine
from engine.service.launch_spec import exec_spec
from engine.service.links import with_links
from engine.storage.rootfs import ensure_exec_area

log = logging.getLogger(__name__)
NOT_RUNNABLE_EXIT_CODE = 126


def create_exec(engine: Engine, tenant: Tenant, name: str, config: ExecConfig) -> str:
    """Remember what is to be run; return its id. Raises NotFound, Conflict, InvalidParameter, QuotaExceeded.

    A quota is asked here already, since clients show the reason of a refused start to nobody.
    """
    record = engine.containers.find(tenant, name)
    _check_running(record)
    if config.privileged and not tenant.is_administrator:
        raise Forbidden("only administrators may use privileged execs: leave it out")
    if not config.cmd or not config.cmd[0]:
        raise InvalidParameter("no exec command specified: give Cmd")
    parse_detach_keys(config.detach_keys)
    admit_exec(engine, record)
    execution = ExecRecord(format_id(secrets.token_bytes(ID_BYTES)), record.container_id, config)
    engine.execs.add(execution)
    engine.publish(record, f"exec_create: {_command(config)}", execID=execution.exec_id)
    return execution.exec_id


def _command(config: ExecConfig) -> str:
    """The command line as dockerd writes it: a blank stands behind the program even when nothing follows."""
    return f"{config.cmd[0]} {' '.join(config.cmd[1:])}"


async def start_exec(
    engine: Engine, tenant: Tenant, exec_id: str, *, is_detached: bool, rows: int = 0, columns: int = 0
) -> Process:
    """Run an exec. Raises NotFound, Conflict, QuotaExceeded, CommandNotRunnable, Fault."""
    execution, container = check_startable(engine, tenant, exec_id)
    config = replace(execution.config, is_detached=is_detached, rows=rows, columns=columns)
    starting = replace(execution, config=config, run=ExecRun(is_started=True))
    engine.execs.put(starting)  # from here on a second start is refused
    try:
        admit_exec(engine, container)  # nothing waits from here to the gate
        # Told first, as dockerd does: the end of a short one may be told before its start is answered.
        engine.publish(container, f"exec_start: {_command(config)}", execID=exec_id)
        with engine.execs.gate.passing(container.container_id):
            process = await _launch(engine, container, starting)
    except CommandNotRunnable as error:
        engine.execs.finish(exec_id, error.exit_code)
        raise
    except BaseException:
        engine.execs.finish(exec_id, NOT_RUNNABLE_EXIT_CODE)
        raise
    _note_start(engine, starting, process)
    return process


def check_startable(engine: Engine, tenant: Tenant, exec_id: str) -> tuple[ExecRecord, ContainerRecord]:
    """Return exec and container. Raises NotFound, Conflict when it was started before or the container does not run."""
    execution, container = engine.execs.find(tenant, exec_id)
    if execution.run.is_started:
        raise Conflict(f"exec {short_id(exec_id)} has already run: create another one")
    _check_running(container)
    return execution, container


def _check_running(container: ContainerRecord) -> None:
    if container.run.state is State.PAUSED:
        raise Conflict(f"container {short_id(container.container_id)} is paused, unpause the container before exec")
    if container.run.state is not State.RUNNING:
        raise Conflict(f"container {short_id(container.container_id)} is not running")


def _note_start(engine: Engine, starting: ExecRecord, process: Process) -> None:
    if process.exit is None:
        engine.execs.put(replace(starting, run=ExecRun(is_started=True, is_running=True, pid=process.pid)))
    else:  # it may have ended before its start was told
        engine.execs.finish(starting.exec_id, process.exit.status)


async def _launch(engine: Engine, container: ContainerRecord, execution: ExecRecord) -> Process:
    """Start the process, and meanwhile write its record for a next daemon: a disk that refuses keeps nobody waiting."""
    seccomp = await asyncio.to_thread(_prepared, engine, container)
    writing = asyncio.ensure_future(asyncio.to_thread(engine.execs.write, execution))
    try:
        async with engine.launches.taken(container.tenant, seconds=LAUNCH_SECONDS):
            return await engine.supervisor.exec(_spec(engine, container, execution, seccomp))
    finally:
        (refused,) = await asyncio.gather(writing, return_exceptions=True)
        if isinstance(refused, OSError):
            log.error("the record of exec %s cannot be written: %s", short_id(execution.exec_id), refused)


def _prepared(engine: Engine, container: ContainerRecord) -> tuple[str, str]:
    """Return the filters' paths, and have a place for output."""
    with suppress(OSError):  # then there is none of it
        ensure_exec_area(engine.containers.path(container.container_id), engine.areas)
    return engine.seccomp_paths(container)


def _spec(engine: Engine, container: ContainerRecord, execution: ExecRecord, seccomp: tuple[str, str]) -> ExecSpec:
    spec = exec_spec(
        container,
        execution,
        log_path=engine.execs.log_path(execution),
        cgroup_join=standing_cgroup(engine, container)["join"],
        seccomp=seccomp,
    )
    return with_links(engine, container, spec, needs_all=False)


def resize_exec(engine: Engine, tenant: Tenant, exec_id: str, *, rows: int, columns: int) -> None:
    """Set the size of an exec's terminal. Raises NotFound, Conflict."""
    execution, container = engine.execs.find(tenant, exec_id)
    process = engine.process(exec_id)
    if process is None:
        raise Conflict(f"exec {short_id(exec_id)} is not running")
    process.resize(rows=rows, columns=columns)
    engine.publish(container, "exec_resize", execID=execution.exec_id, height=str(rows), width=str(columns))
