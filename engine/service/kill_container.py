"""Kill: a signal to a container's first process."""

import asyncio
import contextlib
import signal

from engine.core.containers import ContainerRecord
from engine.core.ids import short_id
from engine.core.lifecycle import ALIVE
from engine.core.signals import parse_signal
from engine.core.tenants import Tenant
from engine.errors import Conflict, Fault
from engine.service.engine import Engine
from engine.service.milestones import Milestone
from engine.service.pause_container import unpause_if_paused
from engine.service.restart_policy import is_request_to_end, note_stop_by_hand

KILL_TIMEOUT_SECONDS = 30.0


async def kill_container(engine: Engine, tenant: Tenant, name: str, *, signal_name: str) -> None:
    """Send a signal; SIGKILL also waits for the end. Raises NotFound, Conflict, InvalidParameter."""
    number = parse_signal(signal_name or "SIGKILL")
    record = engine.containers.find(tenant, name)
    if record.run.state not in ALIVE:
        raise Conflict(f"cannot kill container: {name}: container {short_id(record.container_id)} is not running")
    if number == signal.SIGKILL:
        await kill_and_wait(engine, record)
    elif not is_request_to_end(record, number):
        send_signal(engine, record, number)
    elif await note_stop_by_hand(engine, record) is None:
        send_signal(engine, record, number)
        await unpause_if_paused(engine, record.container_id)


def send_signal(engine: Engine, record: ContainerRecord, number: int) -> bool:
    """Send a signal and say so; False when the process has ended already."""
    process = engine.process(record.container_id)
    if process is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        process.kill(number)
        engine.publish(record, "kill", signal=str(number))
        return True
    return False


async def kill_and_wait(engine: Engine, record: ContainerRecord) -> ContainerRecord:
    """Send SIGKILL and wait until the exit is recorded; no restart policy follows. Raises Fault when the process does not end."""
    ended = await note_stop_by_hand(engine, record)
    if ended is not None:
        return ended
    exited = engine.milestones.upcoming(record.container_id, Milestone.EXITED)
    present = engine.containers.get(record.container_id)
    if present is None or present.run.state not in ALIVE:
        return present or record
    send_signal(engine, record, signal.SIGKILL)
    await unpause_if_paused(engine, record.container_id)  # the freezer of cgroup version 1 holds even SIGKILL up
    try:
        return await asyncio.wait_for(asyncio.shield(exited), KILL_TIMEOUT_SECONDS)
    except TimeoutError:
        raise Fault(
            f"container {record.name} (process {record.run.pid}) did not end within {KILL_TIMEOUT_SECONDS:g} s of SIGKILL:"
            " it is probably waiting for a disk or device"
        ) from None
