"""Room: whoever is near its limit of disk space waits until what it has removed counts no more.

Disks take apart what was removed in the background, and count it until then: a third of a second on btrfs. Who has removed
something to make room would be refused it for so long. Who is far from its limit, or has none, does not wait and pays nothing.

Owns what near is, and the wait. Must not remove anything. Nobody waits here who holds the lock of a container.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from engine.core.containers import ContainerRecord
from engine.core.tenants import Tenant
from engine.errors import EngineError
from engine.service.engine import Engine
from engine.service.milestones import Milestone

log = logging.getLogger(__name__)
_NEAR_BYTES = 512 << 20  # more is hardly written, even to memory, before the space is back unasked
_NEAR_SHARE = 4  # nor asked for in one piece while this part of the limit is left
_MOST_SECONDS = 5.0  # then something is held open, or too large: its space comes when it comes
_PAUSE_SECONDS = 0.004


async def wait_for_room(engine: Engine, tenant: Tenant) -> None:
    """Return once nothing counts any more that was removed of a tenant near its limit, or of its team; after a while anyway."""
    limits = _limits(engine, tenant)
    if not limits or not (near := await asyncio.to_thread(_near, engine, limits)):
        return
    try:
        async with asyncio.timeout(_MOST_SECONDS):
            if engine.collecting:
                await asyncio.wait(engine.collecting)
            await _wait(engine, near, engine.trash.hasten())
    except TimeoutError:
        log.info("what %s has removed still counts: somebody holds it open, or the disk is busy", tenant.name)
    except OSError as error:
        log.warning("cannot see whether what %s has removed still counts: %s", tenant.name, error)


async def _wait(engine: Engine, near: list[Tenant], thrown: frozenset[str]) -> None:
    while True:
        if await asyncio.to_thread(_is_back, engine, near, thrown):
            return
        await asyncio.sleep(_PAUSE_SECONDS)


@asynccontextmanager
async def with_room(engine: Engine, tenant: Tenant) -> AsyncIterator[None]:
    """Whatever writes and may fail: not refused for what is just being removed, and when it fails nothing of it counts after."""
    await wait_for_room(engine, tenant)
    try:
        yield
    except EngineError:
        await wait_for_room(engine, tenant)
        raise


async def tell_removed(engine: Engine, *records: ContainerRecord) -> None:
    """Tell who waits for the removal of containers, once their tenants have the room."""
    try:
        for tenant in {record.tenant for record in records}:
            await wait_for_room(engine, tenant)
    finally:
        for record in records:
            engine.milestones.reach(Milestone.REMOVED, record)


def _limits(engine: Engine, tenant: Tenant) -> dict[Tenant, int]:
    if tenant.is_administrator or not engine.disk.has_nested_limits:
        return {}
    scopes = {scope: engine.tenants.limits(scope).disk for scope in (tenant, Tenant(tenant.team))}
    return {scope: limit for scope, limit in scopes.items() if limit is not None}


def _near(engine: Engine, limits: dict[Tenant, int]) -> list[Tenant]:
    """Return whose limits are near. Blocking."""
    return [
        scope
        for scope, limit in limits.items()
        if limit - (engine.disk.tenant_bytes(scope) or 0) < max(_NEAR_BYTES, limit // _NEAR_SHARE)
    ]


def _is_back(engine: Engine, near: list[Tenant], thrown: frozenset[str]) -> bool:
    """What lies in the trash first: only then does the disk know of it. Blocking."""
    return not thrown & engine.trash.hasten() and engine.disk.is_given_back(near)
