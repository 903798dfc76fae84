"""Reads from the engine what a tenant has, and hears of changes: plain documents, nothing rendered."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from aiodocker import Docker

from portal.workloads.kinds import KINDS

_LISTS = {
    "containers": ("containers/json", {"all": 1}, ""),
    "images": ("images/json", {}, ""),
    "volumes": ("volumes", {}, "Volumes"),
    "networks": ("networks", {}, ""),
}
_KIND_OF = {kind.noun: kind for kind in KINDS.values()}
_LONGEST_EVENT = 2**20


async def list_objects(docker: Docker, kind: str) -> list[dict[str, Any]]:
    """Return all objects of ``kind`` that the client's tenant sees, as the engine lists them."""
    path, query, inner = _LISTS[kind]
    async with docker._query(path, params=query) as response:
        document = await response.json()
    return list((document[inner] if inner else document) or ())


async def follow_changes(docker: Docker) -> AsyncIterator[str | None]:
    """Yield the kind of each thing that may look different now; None once, when nothing is missed any more.

    Not through the client's own reader of events, which keeps what nobody has taken yet without a bound.
    """
    filters = json.dumps({"type": sorted(_KIND_OF)})
    rest = b""
    # The client's own context leaves the response open.
    async with docker._query("events", params={"filters": filters}, timeout=aiohttp.ClientTimeout()) as response, response:
        yield None
        async for chunk in response.content.iter_any():
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > _LONGEST_EVENT:
                raise ValueError("an event without end")
            for kind in filter(None, map(_changed_kind, lines)):
                yield kind


def _changed_kind(line: bytes) -> str | None:
    if not line.strip():
        return None
    event = json.loads(line)
    kind = _KIND_OF.get(str(event.get("Type")))
    return kind.name if kind is not None and str(event.get("Action")) in kind.events else None
