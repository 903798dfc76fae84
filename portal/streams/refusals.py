"""What the engine refused to the commands of one tenant, for a page that looks at it: which refusal is news, and who takes most.

The engine counts refusals and tells the figures of the last one (``refusals``, ``last_refusal`` of ``GET /tenants``). A loop that
is refused fifty times a second is told of once in each look.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiodocker import Docker
from aiodocker.exceptions import DockerError
from channels.db import database_sync_to_async

from portal.accounts.models import User
from portal.streams.engine import open_engine
from portal.streams.fragments import Message, render_refusal
from portal.streams.listing import list_objects

MOST_TAKERS = 5
_MOST_MEASURED = 20  # each answer costs the engine some reads of the kernel's files
_MEASURED = frozenset({"memory", "swap", "pids"})
_COUNTED = frozenset({"running", "cpus", "ports", "containers"})
_LAB_LABEL = "atelier.lab"


def may_watch(tenant: str, *, acting: Iterable[str]) -> bool:
    """Whether one of the tenants that a person acts as sees all of ``tenant``: a member of a team does not see the team."""
    return bool(tenant) and any(one in ("", tenant, tenant.partition("/")[0]) for one in acting)


@dataclass(slots=True)
class RefusalBoard:
    """Of one watched tenant the newest refusal that was not told. Pure: documents of ``GET /tenants`` in, figures out."""

    watched: str = ""
    _counts: dict[str, int] = field(default_factory=dict)
    _untold: Mapping[str, Any] | None = None

    def watch(self, tenant: str) -> None:
        """Look at another tenant from now on: what it was refused before is no news."""
        if tenant != self.watched:
            self.watched, self._untold = tenant, None

    def take(self, document: Iterable[Mapping[str, Any]]) -> None:
        for item in document:
            name, count = str(item["name"]), sum((item.get("refusals") or {}).values())
            before = self._counts.get(name)
            self._counts[name] = count
            if name == self.watched and before is not None and count > before:
                self._untold = item.get("last_refusal")

    def news(self) -> Mapping[str, Any] | None:
        """Return the figures of the newest refusal, once."""
        untold, self._untold = self._untold, None
        return untold


async def refusal_message(user: User, language: str, *, tenant: str, figures: Mapping[str, Any]) -> Message | None:
    """Return what a page is to show of a refusal to ``tenant``, which the person has to be allowed to watch; None for nothing.

    Raises EngineAway.
    """
    async with open_engine(tenant) as docker:
        takers = await find_takers(docker, str(figures.get("resource")))
    return await database_sync_to_async(render_refusal)(user, language, tenant=tenant, quota={**figures, "takers": takers})


async def find_takers(docker: Docker, resource: str) -> list[dict[str, Any]]:
    """Return ``{"id", "name", "used"}`` of what takes most of a resource, labs behind all else that takes as much.

    Empty where stopping or removing containers would not help.
    """
    if resource not in _MEASURED | _COUNTED:
        return []
    containers = await list_objects(docker, "containers")
    if resource != "containers":
        containers = [one for one in containers if one.get("State") == "running"]
    containers = sorted(containers, key=_order)[:_MOST_MEASURED]
    amounts = await asyncio.gather(*(_used(docker, one, resource) for one in containers))
    found = sorted(zip(containers, amounts, strict=True), key=lambda pair: -pair[1])
    return [{"id": str(one["Id"]), "name": str(one["Names"][0]).lstrip("/"), "used": used} for one, used in found[:MOST_TAKERS]]


def _order(container: Mapping[str, Any]) -> tuple[bool, bool]:
    """What does not run is missed least, and the lab that one sits in most."""
    return _LAB_LABEL in (container.get("Labels") or {}), container.get("State") == "running"


async def _used(docker: Docker, container: Mapping[str, Any], resource: str) -> int:
    if resource not in _MEASURED:
        return 0
    try:
        async with docker._query(f"containers/{container['Id']}/stats", params={"stream": 0, "one-shot": 1}) as response:
            stats = await response.json()
    except DockerError:
        return 0  # it ended meanwhile
    part, name = ("pids_stats", "current") if resource == "pids" else ("memory_stats", "usage")
    return int((stats.get(part) or {}).get(name) or 0)
