"""Export: all files of a container's own as one tar, without what is mounted in it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from engine.core.tenants import Tenant
from engine.runtime.files_session import FilesSession
from engine.service.container_files import files_session
from engine.service.engine import Engine


@asynccontextmanager
async def export_container(engine: Engine, tenant: Tenant, name: str) -> AsyncIterator[FilesSession]:
    """Begin an export; the session's data is the tar. Raises NotFound, Conflict, Fault, Unavailable."""
    async with files_session(engine, tenant, name, {"verb": "export"}) as (session, record):
        await session.report()
        engine.publish(record, "export")
        yield session
