"""One shell a lab: finds the exec that its terminals share, or starts it."""

import asyncio
from dataclasses import dataclass
from uuid import UUID
from weakref import WeakValueDictionary

from aiodocker import Docker
from channels.db import database_sync_to_async

from portal.labs.models import Lab
from portal.labs.services import claim_terminal
from portal.streams.engine import create_shell, inspect_exec, start_shell

DEFAULT_SHELL = ["/bin/sh", "-l"]
_START_ATTEMPTS = 20
_START_PAUSE_SECONDS = 0.1

_locks: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()


@dataclass(frozen=True, slots=True)
class Shell:
    """``is_old``: it was running before, so its last output will be replayed."""

    exec_id: str
    is_old: bool


async def open_shell(docker: Docker, lab: Lab) -> Shell:
    """Return the lab's running shell, started now unless it runs already. Raises DockerError, EngineAway."""
    lock = _locks.setdefault(lab.uuid, asyncio.Lock())
    async with lock:
        exec_id = await database_sync_to_async(_read_exec_id)(lab.uuid)
        if exec_id and await _is_running(docker, exec_id):
            return Shell(exec_id, is_old=True)
        created_id = await create_shell(docker, lab.container_id, lab.template.shell or DEFAULT_SHELL)
        if await database_sync_to_async(claim_terminal)(lab_id=lab.uuid, old=exec_id, new=created_id):
            await start_shell(docker, created_id)
            return Shell(created_id, is_old=False)
    return await _wait_for_winner(docker, lab.uuid)


async def _wait_for_winner(docker: Docker, lab_id: UUID) -> Shell:
    """Another web process claimed the terminal between our look and our claim: use its shell as soon as it runs."""
    exec_id = ""
    for _ in range(_START_ATTEMPTS):
        exec_id = await database_sync_to_async(_read_exec_id)(lab_id)
        if exec_id and await _is_running(docker, exec_id):
            break
        await asyncio.sleep(_START_PAUSE_SECONDS)
    return Shell(exec_id, is_old=True)


def _read_exec_id(lab_id: UUID) -> str:
    return Lab.objects.values_list("terminal_exec_id", flat=True).filter(pk=lab_id).first() or ""


async def _is_running(docker: Docker, exec_id: str) -> bool:
    found = await inspect_exec(docker, exec_id)
    return bool(found and found.get("Running"))
