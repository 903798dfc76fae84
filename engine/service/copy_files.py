"""Copy: a file or folder out of a container as a tar, a tar into one, and what is at a path."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from engine.core.tenants import Tenant
from engine.runtime.files_session import FilesSession
from engine.service.container_files import files_session
from engine.service.engine import Engine


@dataclass(frozen=True, slots=True)
class PathStat:
    """``mode`` as in stat(2); ``link_target``: where a symbolic link leads inside the container, absolute."""

    name: str
    size: int
    mode: int
    mtime_ns: int
    link_target: str


async def stat_path(engine: Engine, tenant: Tenant, name: str, path: str) -> PathStat:
    """Look at a path. Raises NotFound for container and path, InvalidParameter, Conflict, Fault."""
    async with files_session(engine, tenant, name, {"verb": "stat", "path": path}) as (session, _):
        return _path_stat(await session.report())


@asynccontextmanager
async def copy_from(engine: Engine, tenant: Tenant, name: str, path: str) -> AsyncIterator[tuple[PathStat, FilesSession]]:
    """Begin to copy out: what is there, and a session whose data is the tar. Raises as ``stat_path``."""
    async with files_session(engine, tenant, name, {"verb": "get", "path": path}) as (session, record):
        found = _path_stat(await session.report())
        engine.publish(record, "archive-path")
        yield found, session


@asynccontextmanager
async def copy_into(
    engine: Engine, tenant: Tenant, name: str, path: str, *, keeps_kinds: bool, takes_users: bool
) -> AsyncIterator[FilesSession]:
    """Begin to copy a tar into a folder: write it to the session; leaving without an error says so to all.

    ``keeps_kinds``: no folder may replace a file, nor a file a folder. ``takes_users``: all goes to the container's user.
    Raises NotFound, InvalidParameter, Forbidden where the place is read-only, Conflict, Fault.
    """
    owner = engine.containers.find(tenant, name).config.user if takes_users else ""
    task: Any = {"verb": "put", "path": path, "keeps_kinds": keeps_kinds, "owner": owner}
    async with files_session(engine, tenant, name, task, takes_data=True) as (session, record):
        yield session
        await session.finish()
        engine.publish(record, "extract-to-dir")


def _path_stat(report: dict[str, Any]) -> PathStat:
    return PathStat(**report["stat"])
