"""Wait: for a container's exit or removal."""

import asyncio

from engine.core.containers import ContainerRecord
from engine.core.lifecycle import ALIVE
from engine.core.tenants import Tenant
from engine.errors import InvalidParameter
from engine.service.engine import Engine
from engine.service.milestones import Milestone

CONDITIONS = ("not-running", "next-exit", "removed")


def wait_container(engine: Engine, tenant: Tenant, name: str, *, condition: str) -> asyncio.Future[ContainerRecord]:
    """Return what will be the record at the exit or removal; it is shared, so shield it. Raises NotFound, InvalidParameter.

    The waiting begins with this call, so an exit right after it is not missed.
    """
    record = engine.containers.find(tenant, name)
    if condition == "removed":
        return engine.milestones.upcoming(record.container_id, Milestone.REMOVED)
    if condition == "next-exit" or (condition in ("", "not-running") and record.run.state in ALIVE):
        return engine.milestones.upcoming(record.container_id, Milestone.EXITED)
    if condition not in ("", *CONDITIONS):
        raise InvalidParameter(f"invalid condition {condition[:40]!r}: use one of {', '.join(CONDITIONS)}")
    ended: asyncio.Future[ContainerRecord] = asyncio.get_running_loop().create_future()
    ended.set_result(record)
    return ended
