"""Limits of teams and members on reading and writing their disk, kept true as containers come and go.

Owns when which control files are written. What a tenant's containers do is limited; what the engine itself does for a tenant, as
unpacking an image, is not.
"""

import asyncio
import logging
import os
from collections.abc import Sequence
from contextlib import suppress

from engine.core.containers import ContainerRecord
from engine.core.launch import FileWrite
from engine.core.limits import cgroup_path
from engine.core.tenant_io import IoRates, Sharer, own_rates, plan_tenant_io
from engine.core.tenants import Tenant
from engine.errors import Fault, InvalidParameter, Unavailable, reason_of
from engine.service.devices import with_numbers
from engine.service.engine import Engine
from engine.tenants.limits import TenantLimits

_log = logging.getLogger(__name__)


def io_rates(limits: TenantLimits) -> IoRates:
    """Return that part of a tenant's limits."""
    return IoRates(limits.io_read_bps, limits.io_write_bps, limits.io_read_iops, limits.io_write_iops)


async def check_io(engine: Engine, limits: TenantLimits) -> None:
    """Raise Unavailable when this host cannot limit input and output, and that is asked for."""
    if not io_rates(limits).is_limited:
        return
    layout = engine.host.cgroups
    if layout.version == 1 and "blkio" not in layout.mounts:
        raise Unavailable("io limits cannot hold here: this host has no blkio cgroup controller")
    await asyncio.to_thread(engine.io.device, engine.data_path)


async def limit_start(engine: Engine, record: ContainerRecord) -> None:
    """Before a container whose cgroup is there runs. Costs nothing where its team has no such limits. Raises Fault."""
    if _is_limited(engine, record.tenant):
        await limit_team(engine, record.tenant.team)


async def limit_rest(engine: Engine, record: ContainerRecord) -> None:
    """After a container's end: where each has a part, the others get more."""
    if engine.host.cgroups.version == 1 and _is_limited(engine, record.tenant):
        try:
            await limit_team(engine, record.tenant.team)
        except (Fault, Unavailable) as error:
            _log.warning("io limits of team %s: %s", record.tenant.team, error.message)


async def limit_team(engine: Engine, team: str) -> None:
    """Write the limits of a team and its members as they are now. Raises Fault, Unavailable."""
    async with engine.io.turn:
        device = await asyncio.to_thread(engine.io.device, engine.data_path)
        records = [record for record in engine.containers.all() if record.tenant.team == team]
        # Also those on their way up: what counts is that there is a process, not that a record says so already.
        sharers = [_sharer(engine, one, device) for one in records if engine.process(one.container_id) is not None]
        tenants = {tenant: io_rates(engine.tenants.limits(tenant)) for tenant in _tenants_of(engine, team, records)}
        root = cgroup_path(engine.instance, Tenant(), "")[0]
        writes = plan_tenant_io(engine.host.cgroups, root, device, tenants, sharers)
        try:
            await asyncio.to_thread(write_present, writes)
        except OSError as error:
            raise Fault(f"cannot limit input and output of team {team}: {reason_of(error)}") from error


def write_present(writes: Sequence[FileWrite]) -> None:
    """Write what is there to be written: cgroups come with containers and go with them. Raises OSError."""
    for write in writes:
        with suppress(FileNotFoundError):
            descriptor = os.open(write["path"], os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(descriptor, f"{write['value']}\n".encode())
            finally:
                os.close(descriptor)


def _is_limited(engine: Engine, tenant: Tenant) -> bool:
    around = [] if tenant.is_administrator else [tenant, Tenant(tenant.team)]
    return any(io_rates(engine.tenants.limits(one)).is_limited for one in around)


def _tenants_of(engine: Engine, team: str, records: Sequence[ContainerRecord]) -> list[Tenant]:
    limited = [tenant for tenant in engine.tenants.limited() if tenant.team == team]
    return sorted({Tenant(team), *limited, *(record.tenant for record in records)})


def _sharer(engine: Engine, record: ContainerRecord, device: str) -> Sharer:
    path = tuple(cgroup_path(engine.instance, record.tenant, record.container_id))
    try:
        own = own_rates(with_numbers(record.host.limits), device)
    except InvalidParameter:  # a device of its own has gone since it was started
        own = IoRates()
    return Sharer(path, record.tenant, own)
