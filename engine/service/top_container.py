"""Top: the processes of a running container, as ``ps`` shows them.

Which processes are shown is told by the container's cgroup alone; the host's ``ps`` is asked about these and no others, and the
form of ``ps -ef`` is written without it.
"""

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import Sequence

from engine.core.containers import ContainerRecord
from engine.core.ids import short_id
from engine.core.launch import IdMapping
from engine.core.limits import cgroup_path
from engine.core.processes import Clock, ProcessTexts, Table, full_table, parse_ps
from engine.core.ps_arguments import is_default, parse_ps_arguments
from engine.core.tenants import Tenant
from engine.errors import Conflict, Fault, InvalidParameter, reason_of
from engine.linux.processes import pids_of_cgroup, read_process
from engine.service.engine import Engine

_TICKS = os.sysconf("SC_CLK_TCK")
_PATIENCE_SECONDS = 10.0
_MOST_BYTES = 4 * 2**20
_PIDS_AN_ARGUMENT = 10_000  # an argument has at most 128 KiB
_ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/local/bin:/usr/bin:/bin"}


async def top_container(engine: Engine, tenant: Tenant, name: str, arguments: str) -> Table:
    """Show what runs in a container. Raises NotFound, Conflict, InvalidParameter, Fault."""
    record = engine.containers.find(tenant, name)
    parsed = parse_ps_arguments(arguments)
    if engine.process(record.container_id) is None:
        raise Conflict(f"container {short_id(record.container_id)} is not running")
    ids = engine.tenants.id_mappings(record.tenant)
    pids = await asyncio.to_thread(_pids, engine, record)
    if is_default(parsed, arguments):
        table = await asyncio.to_thread(_full_table, engine, record, pids, ids)
    else:
        async with engine.looks.of(record.tenant):
            table = await _asked_of_ps(engine, record, parsed, pids, ids)
    engine.publish(record, "top")
    return table


def _pids(engine: Engine, record: ContainerRecord) -> set[int]:
    """Blocking. The version 2 tree, where there is one, holds all of a container's processes."""
    layout = engine.host.cgroups
    path = cgroup_path(engine.instance, record.tenant, record.container_id)
    try:
        return pids_of_cgroup("/".join([layout.unified or layout.mounts["pids"], *path]))
    except OSError as error:
        if engine.process(record.container_id) is None:
            raise Conflict(f"container {short_id(record.container_id)} is not running") from None
        raise Fault(f"cannot list the processes of container {record.name}: {reason_of(error)}") from error


def _full_table(engine: Engine, record: ContainerRecord, pids: set[int], ids: Sequence[IdMapping]) -> Table:
    """Blocking."""
    processes = []
    for pid in pids:
        texts = read_process(pid, ("stat", "status", "cmdline"))
        if texts is not None:
            stat, status = texts["stat"].decode(errors="replace"), texts["status"].decode(errors="replace")
            processes.append(ProcessTexts(pid, stat, status, texts["cmdline"]))
    still_there = _pids(engine, record)  # or a number could have passed to another's process meanwhile
    now = time.time()
    clock = Clock(ticks=_TICKS, booted=now - time.clock_gettime(time.CLOCK_BOOTTIME), now=now)
    return full_table([process for process in processes if process.pid in still_there], clock=clock, ids=ids)


async def _asked_of_ps(
    engine: Engine, record: ContainerRecord, arguments: list[str], pids: set[int], ids: Sequence[IdMapping]
) -> Table:
    program = shutil.which("ps", path=_ENVIRONMENT["PATH"])
    if program is None:
        raise InvalidParameter("ps is not installed on the host of this container: leave out the arguments for ps")
    numbers = sorted(pids)
    chosen = [
        f"-p{','.join(str(pid) for pid in numbers[at : at + _PIDS_AN_ARGUMENT])}"
        for at in range(0, len(numbers), _PIDS_AN_ARGUMENT)
    ]
    output = await _run([program, *arguments, *chosen])
    statuses = await asyncio.to_thread(_statuses, pids)
    still_there = pids & await asyncio.to_thread(_pids, engine, record)
    return parse_ps(output, pids=still_there, statuses=statuses, ids=ids)


def _statuses(pids: set[int]) -> dict[int, str]:
    """Blocking."""
    found = {pid: read_process(pid, ("status",)) for pid in pids}
    return {pid: texts["status"].decode(errors="replace") for pid, texts in found.items() if texts is not None}


async def _run(command: list[str]) -> str:
    """Run ps. What it prints and how long it takes is in the hands of the processes it looks at, so both are bounded."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_ENVIRONMENT,
    )
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            output, complaint = await asyncio.gather(_bounded(process.stdout), _bounded(process.stderr))
            code = await process.wait()
    except TimeoutError:
        raise Fault(f"ps took longer than {_PATIENCE_SECONDS:g} seconds") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if code and not output:
        raise InvalidParameter(f"ps: {(complaint.strip().splitlines() or ['no output'])[0].removeprefix('error: ')[:200]}")
    return output


async def _bounded(stream: asyncio.StreamReader | None) -> str:
    data = b""
    while stream is not None and (chunk := await stream.read(65_536)):
        data += chunk
        if len(data) > _MOST_BYTES:
            raise InvalidParameter(f"ps printed more than {_MOST_BYTES // 2**20} MiB: choose fewer columns")
    return data.decode(errors="replace")
