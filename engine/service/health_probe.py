"""One probe of a container's health: an exec whose beginning of output is kept, and which is ended when it takes too long.

Owns that exec from its creation until nothing of it is left.
"""

import asyncio
import signal
import time
from contextlib import suppress

from engine.core.containers import ContainerRecord
from engine.core.durations import format_duration
from engine.core.execs import ExecConfig
from engine.core.health import (
    DEFAULT_TIMEOUT_NS,
    FAILED_PROBE,
    LONGEST_OUTPUT,
    Healthcheck,
    ProbeResult,
    probe_command,
    timeout_seconds,
)
from engine.core.tenants import ADMINISTRATOR
from engine.errors import EngineError, reason_of
from engine.runtime.process import Process
from engine.service.engine import Engine
from engine.service.exec_container import create_exec, start_exec

KEPT_SECONDS = 2.0  # long enough for the event of its end
_DEATH_SECONDS = 2.0


async def run_probe(engine: Engine, record: ContainerRecord) -> ProbeResult:
    """Run the container's check once. Never raises for what the container does; cancelled, it kills the probe."""
    check = record.config.healthcheck or Healthcheck()
    started_ns = time.time_ns()
    exec_id = ""
    try:
        async with asyncio.timeout(timeout_seconds(check)):
            exec_id = create_exec(engine, ADMINISTRATOR, record.container_id, _config(record))
            code, output = await _finish(engine, exec_id)
    except TimeoutError:
        code, output = FAILED_PROBE, f"Health check exceeded timeout ({format_duration(check.timeout_ns or DEFAULT_TIMEOUT_NS)})"
        await _end_overdue(engine, exec_id)
    except EngineError as error:
        code, output = FAILED_PROBE, error.message
    except OSError as error:
        code, output = FAILED_PROBE, f"the engine cannot probe: {reason_of(error)}"
    finally:
        _clean_up(engine, exec_id)
    return ProbeResult(started_ns, time.time_ns(), code, output)


def end_probes(engine: Engine, container_id: str) -> None:
    """End probes that nobody waits for any more."""
    for execution in engine.execs.of_container(container_id):
        if execution.config.is_probe:
            _kill(engine.process(execution.exec_id))


def _config(record: ContainerRecord) -> ExecConfig:
    command = probe_command(record.config.healthcheck, record.config.shell)
    return ExecConfig(cmd=command, attach_stdout=True, attach_stderr=True, is_probe=True)


async def _finish(engine: Engine, exec_id: str) -> tuple[int, str]:
    process = await start_exec(engine, ADMINISTRATOR, exec_id, is_detached=False)
    output = await _beginning(process)
    await engine.supervisor.flow(exec_id, None)  # the rest is nobody's: it is dropped, and holds the probe up no more
    ended = await process.wait()
    return FAILED_PROBE if ended.status is None else ended.status, output


async def _beginning(process: Process) -> str:
    """Wait for the first bytes of output or for the end; what is more than enough is not read."""
    data = b""
    follower = process.follow()
    try:
        async for frames in follower.batches():
            data += b"".join(frame.data for frame in frames)[: LONGEST_OUTPUT + 1]
            if len(data) > LONGEST_OUTPUT:
                break
    finally:
        follower.close()
    text = data[:LONGEST_OUTPUT].decode(errors="replace")
    return f"{text}..." if len(data) > LONGEST_OUTPUT else text


async def _end_overdue(engine: Engine, exec_id: str) -> None:
    process = engine.process(exec_id)
    if process is not None:
        _kill(process)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.ended.wait(), _DEATH_SECONDS)


def _clean_up(engine: Engine, exec_id: str) -> None:
    """Execs are kept for minutes for whoever asks how they ended; of probes the log of health tells that."""
    _kill(engine.process(exec_id))
    execution = engine.execs.get(exec_id)
    if execution is not None:
        asyncio.get_running_loop().call_later(KEPT_SECONDS, engine.execs.drop, execution)


def _kill(process: Process | None) -> None:
    """What a probe has left running goes with it, unless it has left its session."""
    if process is not None:
        with suppress(ProcessLookupError):
            process.kill_group(signal.SIGKILL)
