"""The cgroups that a running container is in, also those that it joined after its start because its tenant was limited.

On version 1 a container is in the hierarchy of processors only where something limits which it sees. Whether it is there is told
by its directory: nothing else has to be kept, or restored.
"""

import asyncio
import errno
from dataclasses import replace
from pathlib import Path

from engine.core.containers import ContainerRecord
from engine.core.launch import CgroupSpec
from engine.core.limits import Limits, cgroup_path, plan_cgroup
from engine.errors import EngineError
from engine.runtime.control_groups import remove_directories
from engine.runtime.limit_writer import apply_limits
from engine.service.engine import Engine

CPUSET = "cpuset"
_ARE_GOING = (errno.ENOENT, errno.ENODEV)


def standing_cgroup(engine: Engine, record: ContainerRecord) -> CgroupSpec:
    """Return the plan of the cgroups that a running container is in. One look at a directory."""
    return _plan(engine, record, has_joined=_has_joined(engine, record))


def starting_limits(engine: Engine, record: ContainerRecord) -> tuple[Limits, tuple[str, ...]]:
    """Return the limits that a container starts with, and the controllers that it joins beyond those that they need.

    Version 1 refuses more processors or time than those around it have, and its tenant's may shrink at any moment: both are
    written before it runs, together with its tenant's, as much of them as there is.
    """
    limits = record.host.limits
    if engine.host.cgroups.version == 2 or record.tenant.is_administrator:
        return limits, ()
    further = (CPUSET,) if limits.cpuset_cpus or sees_fewer_processors(engine, record) else ()
    return replace(limits, nano_cpus=None, cpu_quota_us=None, cpuset_cpus=""), further


def lacks_limits(engine: Engine, record: ContainerRecord) -> bool:
    """Whether a container that is about to run has limits of its own that ``starting_limits`` leaves for later."""
    return record.host.limits != starting_limits(engine, record)[0]


def sees_fewer_processors(engine: Engine, record: ContainerRecord) -> bool:
    """Whether a container's tenant has a part of the host's processors only."""
    return any(scope in engine.quotas.processors for scope in record.tenant.scopes)


async def join_processors(engine: Engine, record: ContainerRecord) -> None:
    """Have a running container enter the hierarchy of processors, if it is not there. Nothing on version 2. Raises OSError."""
    layout = engine.host.cgroups
    if layout.version == 2 or CPUSET not in layout.mounts or _has_joined(engine, record):
        return
    before, after = _plan(engine, record, has_joined=False), _plan(engine, record, has_joined=True)
    groups: CgroupSpec = {
        "version": 1,
        "directories": [one for one in after["directories"] if one not in before["directories"]],
        "writes": [one for one in after["writes"] if one not in before["writes"]],
        "join": [one for one in after["join"] if one not in before["join"]],
    }
    if not groups["join"]:
        return
    try:
        undo = await asyncio.to_thread(apply_limits, [], groups, members=before["join"][0])
    except OSError as error:
        if error.errno in _ARE_GOING:  # it has just ended
            return
        raise
    try:
        await engine.supervisor.join_groups(record.container_id, groups)
    except EngineError:  # it has just ended: nobody else would remove them
        await asyncio.to_thread(remove_directories, groups["join"])
    undo.pop_all()


def _has_joined(engine: Engine, record: ContainerRecord) -> bool:
    layout = engine.host.cgroups
    if layout.version == 2 or CPUSET not in layout.mounts:
        return False
    return Path(layout.mounts[CPUSET], *_path(engine, record)).is_dir()


def _plan(engine: Engine, record: ContainerRecord, *, has_joined: bool) -> CgroupSpec:
    further = (CPUSET,) if has_joined else ()
    return plan_cgroup(engine.host.cgroups, _path(engine, record), record.host.limits, further=further)


def _path(engine: Engine, record: ContainerRecord) -> list[str]:
    return cgroup_path(engine.instance, record.tenant, record.container_id)
