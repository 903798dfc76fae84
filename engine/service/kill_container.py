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

KILL_TIMEOUT_SECONDS = 30.0


async def kill_container(engine: Engine, tenant: Tenant, name: str, *, signal_name: str) -> None:
    """Send a signal; SIGKILL also waits for the end. Raises NotFound, Conflict, InvalidParameter."""
    number = parse_signal(signal_name or "SIGKILL")
    record = engine.containers.find(tenant, name)
    if record.run.state not in ALIVE:
        raise Conflict(f"cannot kill container: {name}: container {short_id(record.container_id)} is not running")
    if number == signal.SIGKILL:
        await kill_and_wait(engine, record)
    else:
        send_signal(engine, record, number)


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
    """Send SIGKILL and wait until the exit is recorded. Raises Fault when the kernel does not end the process."""
    exited = engine.milestones.upcoming(record.container_id, Milestone.EXITED)
    present = engine.containers.get(record.container_id)
    if present is None or present.run.state not in ALIVE:
        return present or record
    send_signal(engine, record, signal.SIGKILL)
    try:
        return await asyncio.wait_for(asyncio.shield(exited), KILL_TIMEOUT_SECONDS)
    except TimeoutError:
        raise Fault(
            f"container {record.name} (process {record.run.pid}) did not end within {KILL_TIMEOUT_SECONDS:g} s of SIGKILL:"
            " it is probably waiting for a disk or device"
        ) from None
